import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/digest.js';
import { WorkLease } from '../../../src/images/at-work.js';
import { importImage } from '../../../src/images/import.js';
import { Ingest } from '../../../src/images/ingest.js';
import { neededBlobs } from '../../../src/images/stored.js';
import {
  blobOf,
  blobPath,
  buildImage,
  buildIndex,
  dockerFiles,
  type Files,
  file,
  json,
  layerTar,
  layoutFiles,
  tarOf,
  tempFolder,
  writeFolder,
} from '../../fixtures/oci.js';
import { type MemStore, memStore, stateOf } from '../../fixtures/store.js';

const layers = [layerTar([file('a', 'one')]), layerTar([file('b/'), file('b/c', 'two')])];
const image = buildImage(layers);

let folder: string;
let store: MemStore;
beforeEach(() => {
  folder = tempFolder();
  store = memStore();
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const blobsOnly = { unpack: false } as const;

function layout(files: Files): string {
  return writeFolder(files, join(folder, 'layout'));
}

describe('import into the content store', () => {
  it('stores every blob under its digest and names the image', async () => {
    const [imported] = await importImage(store, layout(layoutFiles([{ name: 'foo', image }])), blobsOnly);
    expect(imported?.row).toMatchObject({ name: 'foo', target: image.descriptor });
    expect(store.images.get('foo')).toEqual(imported?.row);
    for (const [digest, bytes] of image.blobs) {
      expect(Buffer.from(await store.content.read(digest)).equals(bytes)).toBe(true);
    }
  });

  it('labels manifest and index with what they refer to', async () => {
    const index = buildIndex({ amd64: image, arm64: buildImage([layers[0]!], { architecture: 'arm64' }) });
    const files = layoutFiles([{ name: 'foo', image: index, target: index.index }]);
    await importImage(store, layout(files), {
      ...blobsOnly,
      platform: { os: 'linux', architecture: 'amd64' },
    });
    expect((await store.content.info(image.descriptor.digest)).labels).toEqual({
      'containerd.io/gc.ref.content.config': image.config.digest,
      'containerd.io/gc.ref.content.l.0': image.layers[0]?.digest,
      'containerd.io/gc.ref.content.l.1': image.layers[1]?.digest,
    });
    expect((await store.content.info(index.index.digest)).labels).toMatchObject({
      'containerd.io/gc.ref.content.m.0': image.descriptor.digest,
    });
  });

  it('takes the name given before those of the source', async () => {
    await importImage(store, layout(layoutFiles([{ name: 'foo', image }])), { ...blobsOnly, name: 'mine' });
    expect(store.images.list().map((row) => row.name)).toEqual(['mine']);
  });

  it('takes the whole name of containerd before a bare tag', async () => {
    const files = layoutFiles([{ name: '', image }]);
    const annotations = {
      'org.opencontainers.image.ref.name': 't',
      'io.containerd.image.name': 'ex.io/foo:t',
    };
    files.set('index.json', json({ schemaVersion: 2, manifests: [{ ...image.descriptor, annotations }] }));
    await importImage(store, layout(files), blobsOnly);
    expect(store.images.list().map((row) => row.name)).toEqual(['ex.io/foo:t']);
  });

  it('gives an image of a docker-archive each of its names', async () => {
    const plain = buildImage(layers, { compression: 'none' });
    const path = join(folder, 'saved.tar');
    writeFileSync(path, tarOf(dockerFiles(plain, ['foo:1', 'foo:2'])));
    await importImage(store, path, blobsOnly);
    expect(store.images.list().map((row) => row.name)).toEqual([
      'docker.io/library/foo:1',
      'docker.io/library/foo:2',
    ]);
  });

  it('imports all images of a source', async () => {
    const other = buildImage([layers[0]!]);
    const files = layoutFiles([
      { name: 'one', image },
      { name: 'two', image: other },
      { name: '', image: other },
    ]);
    await importImage(store, layout(files), blobsOnly);
    expect(store.images.list().map((row) => row.target.digest)).toEqual([
      image.descriptor.digest,
      other.descriptor.digest,
    ]);
  });

  it('keeps the creation time of a name that is imported again', async () => {
    const path = layout(layoutFiles([{ name: 'foo', image }]));
    const [first] = await importImage(store, path, blobsOnly);
    const [second] = await importImage(store, path, blobsOnly);
    expect(second?.row.created).toBe(first?.row.created);
  });
});

it('names a stack of layers as containerd does', async () => {
  // Two layers that containerd 1.6 unpacked: their diff IDs, and the name of its upper snapshot.
  const diff_ids = [
    'sha256:d358fc0ae9dee728faef93bba61b6f2606661150fe9102c166f2305a5fc44de4',
    'sha256:c6b1b358746e947383bf29a61b36e32156eb671d219ce9ad1c9dcd315d97d2dc',
  ];
  const built = buildImage(layers, { config: { rootfs: { type: 'layers', diff_ids } } });
  const path = layout(layoutFiles([{ name: 'foo', image: built }]));
  const [imported] = await importImage(store, path, blobsOnly);
  expect(imported?.image.layers.map((layer) => layer.chainId)).toEqual([
    diff_ids[0],
    'sha256:a023daf364bce5e709b538293fe3566d7b1be61c2a250f3aac228916ba9b1570',
  ]);
});

describe('the platform', () => {
  const arm = buildImage([layers[0]!], { architecture: 'arm64' });
  const s390 = buildImage([layers[1]!], { architecture: 's390x' });

  it('chooses the manifest, and only its blobs are taken', async () => {
    const index = buildIndex({ arm64: arm, s390x: s390 });
    const path = layout(layoutFiles([{ name: 'foo', image: index, target: index.index }]));
    await importImage(store, path, { ...blobsOnly, platform: { os: 'linux', architecture: 's390x' } });
    expect(await store.content.has(s390.layers[0]!.digest)).toBe(true);
    expect(await store.content.has(arm.layers[0]!.digest)).toBe(false);
    expect(store.images.get('foo')?.target).toEqual(index.index);
  });

  it('may be the only one there is, whatever this machine is', async () => {
    await importImage(store, layout(layoutFiles([{ name: 'foo', image: s390 }])), blobsOnly);
    expect(store.images.get('foo')?.target).toEqual(s390.descriptor);
  });

  it('is found in a nested index, past attestations', async () => {
    const inner = buildIndex({ arm64: arm, s390x: s390 });
    const attestation = { ...image.descriptor, platform: { os: 'unknown', architecture: 'unknown' } };
    const bytes = json({ schemaVersion: 2, manifests: [inner.index, attestation] });
    const outer = { mediaType: inner.index.mediaType, digest: digestOf(bytes), size: bytes.length };
    inner.blobs.set(outer.digest, bytes);
    const path = layout(layoutFiles([{ name: 'foo', image: inner, target: outer }]));
    await importImage(store, path, { ...blobsOnly, platform: { os: 'linux', architecture: 'arm64' } });
    expect(await store.content.has(arm.config.digest)).toBe(true);
    expect(await store.content.has(inner.index.digest)).toBe(true);
  });

  it('is refused with those that there are', async () => {
    const index = buildIndex({ arm64: arm, s390x: s390 });
    const path = layout(layoutFiles([{ name: 'foo', image: index, target: index.index }]));
    const platform = { os: 'linux', architecture: 'riscv64' };
    await expect(importImage(store, path, { ...blobsOnly, platform })).rejects.toMatchObject({
      kind: 'not-found',
      why: 'no image for linux/riscv64, only for linux/arm64, linux/s390x',
    });
  });
});

describe('an import that fails leaves the store as it was', () => {
  const good = () => layoutFiles([{ name: 'foo', image }]);
  const bad: [string, string, () => Files][] = [
    [
      'a layer that is not what its digest says',
      'corrupt',
      () => {
        const bytes = Buffer.from(blobOf(image, image.layers[1]!.digest));
        bytes[40]! ^= 1;
        return good().set(blobPath(image.layers[1]!.digest), bytes);
      },
    ],
    [
      'a layer of another length',
      'corrupt',
      () => good().set(blobPath(image.layers[1]!.digest), blobOf(image, image.layers[1]!.digest).subarray(1)),
    ],
    ['a missing layer', 'corrupt', () => without(good(), image.layers[1]!.digest)],
    ['a missing config', 'corrupt', () => without(good(), image.config.digest)],
    ['a missing manifest', 'corrupt', () => without(good(), image.descriptor.digest)],
    [
      'a config with other bytes',
      'corrupt',
      () => good().set(blobPath(image.config.digest), Buffer.alloc(image.config.size, 0x20)),
    ],
    [
      'a config that says something else than its digest',
      'corrupt',
      () => {
        const text = Buffer.from(blobOf(image, image.config.digest)).toString();
        return good().set(blobPath(image.config.digest), Buffer.from(text.replace('amd64', 'amd65')));
      },
    ],
    [
      'a manifest that says something else than its digest',
      'corrupt',
      () => {
        const text = Buffer.from(blobOf(image, image.descriptor.digest)).toString();
        const other = text.replace(image.layers[1]!.digest, image.layers[0]!.digest);
        return good().set(blobPath(image.descriptor.digest), Buffer.from(other));
      },
    ],
    [
      'fewer diff IDs than layers',
      'corrupt',
      () => {
        const rootfs = { type: 'layers', diff_ids: image.diffIds.slice(1) };
        return layoutFiles([{ name: 'foo', image: buildImage(layers, { config: { rootfs } }) }]);
      },
    ],
    [
      'a layer of an unknown media type',
      'unsupported',
      () =>
        layoutFiles([{ name: 'foo', image: buildImage(layers, { layerType: 'application/x-squashfs' }) }]),
    ],
    [
      'a config that is no image',
      'unsupported',
      () => {
        const manifest = {
          config: { ...image.config, mediaType: 'application/vnd.cncf.helm.config.v1+json' },
        };
        return layoutFiles([{ name: 'foo', image: buildImage(layers, { manifest }) }]);
      },
    ],
    [
      'a target of an unknown media type',
      'unsupported',
      () => layoutFiles([{ name: 'foo', image, target: { ...image.descriptor, mediaType: 'text/plain' } }]),
    ],
    [
      'a manifest that says it is an index',
      'corrupt',
      () => {
        const manifest = { mediaType: 'application/vnd.oci.image.index.v1+json' };
        return layoutFiles([{ name: 'foo', image: buildImage(layers, { manifest }) }]);
      },
    ],
    ['no name', 'invalid-argument', () => layoutFiles([{ name: '', image }])],
    ['a name that cannot be typed', 'invalid-argument', () => layoutFiles([{ name: 'a b', image }])],
    ['no image', 'invalid-argument', () => layoutFiles([])],
  ];

  it.each(bad)('%s: %s', async (_name, kind, files) => {
    const path = layout(files());
    const before = await stateOf(store);
    const error = await importImage(store, path, blobsOnly).catch((e: unknown) => e);
    expect(error).toMatchObject({ kind, what: expect.stringContaining('cannot ') });
    expect((error as Error).message).not.toContain('\n');
    expect(await stateOf(store)).toEqual(before);
  });

  it('several images cannot have one name', async () => {
    const other = buildImage([layers[0]!]);
    const path = layout(
      layoutFiles([
        { name: 'one', image },
        { name: 'two', image: other },
      ]),
    );
    await expect(importImage(store, path, { ...blobsOnly, name: 'x' })).rejects.toMatchObject({
      kind: 'invalid-argument',
      why: expect.stringContaining('one, two'),
    });
  });

  it('blobs that were there before stay', async () => {
    const base = buildImage([layers[0]!]);
    await importImage(
      store,
      writeFolder(layoutFiles([{ name: 'base', image: base }]), join(folder, 'base')),
      blobsOnly,
    );
    const before = await stateOf(store);
    await expect(
      importImage(store, layout(without(good(), image.layers[1]!.digest)), blobsOnly),
    ).rejects.toThrow();
    expect(await stateOf(store)).toEqual(before);
  });
});

describe('an import beside others', () => {
  it('that fails leaves blobs that an image has come to need', async () => {
    const failing = new Ingest(store.content, 'cannot import');
    for (const [digest, bytes] of image.blobs) {
      await failing.put({ mediaType: '', digest, size: bytes.length }, bytes);
    }
    const other = buildImage([layers[0]!]);
    await failing.put(other.config, blobOf(other, other.config.digest));
    await importImage(store, layout(layoutFiles([{ name: 'foo', image }])), blobsOnly);
    await failing.undo(await neededBlobs(store), new WorkLease(store.leases));
    for (const digest of image.blobs.keys()) expect(await store.content.has(digest)).toBe(true);
    expect(await store.content.has(other.config.digest)).toBe(false);
  });

  it('does not name an image of which a blob was taken away', async () => {
    const path = layout(layoutFiles([{ name: 'foo', image }]));
    const content = store.content;
    await importImage(store, path, { ...blobsOnly, name: 'before' });
    await store.images.remove('before');
    const taking = importImage(store, path, {
      ...blobsOnly,
      onProgress: ({ phase, id }) => {
        if (phase === 'skip' && id === image.layers[1]!.digest) void content.delete(image.layers[0]!.digest);
      },
    });
    await expect(taking).rejects.toMatchObject({ kind: 'failed', hint: 'try again' });
    expect(store.images.list()).toEqual([]);
  });
});

describe('an import that is cut short', () => {
  it('leaves no ingest beside a finished blob, whichever it is, once it is run again', async () => {
    const path = layout(layoutFiles([{ name: 'foo', image }]));
    await importImage(store, path, blobsOnly);
    for (const digest of image.blobs.keys()) {
      await (await store.content.writer({ ref: `import-${digest}` })).close();
    }
    expect(await store.content.statuses()).toHaveLength(image.blobs.size);
    await importImage(store, path, blobsOnly);
    expect(await store.content.statuses()).toEqual([]);
  });

  it('is canceled by a signal, and goes on where the bytes ended', async () => {
    const big = buildImage([layerTar([file('big', Buffer.alloc(3_000_000, 'x'))])], { compression: 'none' });
    const path = layout(layoutFiles([{ name: 'big', image: big }]));
    const stop = new AbortController();
    const first = importImage(store, path, {
      ...blobsOnly,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(first).rejects.toMatchObject({ kind: 'canceled' });
    expect(store.images.list()).toEqual([]);
    const [ingest] = await store.content.statuses();
    expect(ingest?.offset).toBeGreaterThan(0);

    const done: number[] = [];
    await importImage(store, path, {
      ...blobsOnly,
      onProgress: (p) => p.phase === 'blob' && done.push(p.done),
    });
    expect(done[0]).toBeGreaterThan(ingest?.offset ?? 0);
    expect(await store.content.statuses()).toEqual([]);
    expect(await store.content.has(big.layers[0]!.digest)).toBe(true);
  });

  it('starts again where what was left is not the beginning of the blob', async () => {
    const layer = image.layers[0]!;
    const writer = await store.content.writer({ ref: `import-${layer.digest}` });
    await writer.write(Buffer.from('something else'));
    await writer.close();
    await importImage(store, layout(layoutFiles([{ name: 'foo', image }])), blobsOnly);
    expect(await store.content.has(layer.digest)).toBe(true);
    expect(await store.content.statuses()).toEqual([]);
  });
});

function without(files: Files, digest: string): Files {
  files.delete(blobPath(digest));
  return files;
}
