import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Filesystem } from '../../../fs/index.js';
import { compare } from '../../../src/diff/compare.js';
import { walkTree } from '../../../src/diff/tree-walk.js';
import { digestOf } from '../../../src/digest.js';
import { WorkLease } from '../../../src/images/at-work.js';
import type { UnpackStore } from '../../../src/images/images.js';
import { importImage } from '../../../src/images/import.js';
import { withSnapshot, withUnion } from '../../../src/images/open-snapshot.js';
import { openImage } from '../../../src/images/stored.js';
import { UnpackRun, unpackImage } from '../../../src/images/unpack.js';
import {
  type BuiltImage,
  blobOf,
  blobPath,
  buildImage,
  file,
  layerTar,
  layoutFiles,
  tempFolder,
  writeFolder,
} from '../../fixtures/oci.js';
import { folderStore, stateOf } from '../../fixtures/store.js';

const base = layerTar([
  file('etc/'),
  file('etc/one', 'one'),
  file('etc/two', 'two'),
  file('old/'),
  file('old/x', 'x'),
]);
const top = layerTar([
  file('etc/'),
  file('etc/.wh.two'),
  file('etc/three', '3'),
  file('old/'),
  file('old/.wh..wh..opq'),
  file('old/y', 'y'),
]);
const image = buildImage([base, top]);

let folder: string;
let store: UnpackStore & { close(): Promise<void> };
beforeEach(() => {
  folder = tempFolder();
  store = folderStore(join(folder, 'root'));
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

function layout(built: BuiltImage, name = 'foo'): string {
  return writeFolder(layoutFiles([{ name, image: built }]), join(folder, `layout-${name}`));
}

const paths = (tree: Filesystem) => [...walkTree(tree)].map((entry) => entry.path);
const shown = (name: string) => withSnapshot(store.snapshots, name, 'test', paths);

async function snapshotNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, kind } of store.snapshots.walk()) names.push(`${kind} ${name}`);
  return names;
}

describe('unpacking', () => {
  it('makes a committed snapshot of each layer, named by its chain ID', async () => {
    await importImage(store, layout(image));
    const [lower, upper] = image.chainIds;
    expect(await snapshotNames()).toEqual([lower, upper].sort().map((name) => `committed ${name}`));
    expect(await store.snapshots.stat(upper!)).toMatchObject({
      parent: lower,
      labels: { 'containerd.io/snapshot.ref': upper },
    });
    expect(await shown(lower!)).toEqual(['', 'etc', 'etc/one', 'etc/two', 'old', 'old/x']);
    expect(await shown(upper!)).toEqual(['', 'etc', 'etc/one', 'etc/three', 'old', 'old/y']);
  });

  it('labels the config with the snapshot and the layers with their diff IDs', async () => {
    await importImage(store, layout(image));
    expect((await store.content.info(image.config.digest)).labels).toEqual({
      'containerd.io/gc.ref.snapshot.mica': image.chainIds[1],
    });
    expect((await store.content.info(image.layers[1]!.digest)).labels).toEqual({
      'containerd.io/uncompressed': image.diffIds[1],
    });
  });

  it('shares the layers that two images have in common', async () => {
    const other = buildImage([base, layerTar([file('z')])]);
    await importImage(store, layout(image));
    const seen: string[] = [];
    await importImage(store, layout(other, 'bar'), {
      onProgress: ({ phase, id }) => phase === 'unpack' && seen.push(id),
    });
    expect(new Set(seen)).toEqual(new Set([other.layers[1]!.digest]));
    expect(await snapshotNames()).toHaveLength(3);
  });

  it.each([
    ['marks first', top],
    [
      'marks last',
      layerTar([
        file('etc/'),
        file('etc/three', '3'),
        file('etc/.wh.two'),
        file('etc/.wh.three'),
        file('old/y', 'y'),
        file('old/.wh..wh..opq'),
      ]),
    ],
    [
      'links to what is deleted',
      layerTar([
        file('new/'),
        file('new/link', '', { type: 'link', linkname: 'old/x' }),
        file('.wh.old'),
        file('.wh.new'),
      ]),
    ],
    ['a folder replaced by a file', layerTar([file('.wh.old'), file('old', 'now a file')])],
    [
      'a folder with an entry and a mark of its own',
      layerTar([file('old/', '', { mode: 0o700 }), file('.wh.old')]),
    ],
  ])('shows the same tree where each snapshot holds a whole one: %s', async (_name, upper) => {
    const built = buildImage([base, upper]);
    const native = folderStore(join(folder, 'native'), 'native');
    try {
      await importImage(store, layout(built));
      await importImage(native, layout(built));
      const name = built.chainIds[1]!;
      const differences = await withSnapshot(native.snapshots, name, 'test', (whole) =>
        withSnapshot(store.snapshots, name, 'test', (layered) => {
          expect(paths(layered)).toContain('etc/one');
          return [...compare(whole, layered)];
        }),
      );
      expect(differences.filter(({ path, aspect }) => path !== '' || aspect !== 'mtime')).toEqual([]);
    } finally {
      await native.close();
    }
  });

  it('reads each layer once, and those that follow while one is applied', async () => {
    await importImage(store, layout(image), { unpack: false });
    const selected = await openImage(store, store.images.get('foo')!, 'test');
    const asked: string[] = [];
    let second: (() => void) | undefined;
    const secondAsked = new Promise<void>((resolve) => {
      second = resolve;
    });
    const run = new UnpackRun(store, new WorkLease(store.leases));
    await run.image(selected, 'test', {
      async *read({ descriptor: { digest } }) {
        asked.push(digest);
        const bytes = await store.content.read(digest);
        yield bytes.subarray(0, 100);
        // The first layer has no end before the second one was begun.
        if (digest === image.layers[0]!.digest) await secondAsked;
        else second?.();
        yield bytes.subarray(100);
      },
      skip: () => Promise.reject(new Error('nothing is unpacked yet')),
    });
    expect(asked).toEqual(image.layers.map(({ digest }) => digest));
    expect(await shown(image.chainIds[1]!)).toContain('etc/three');
  });

  it('can be done later for an image whose blobs are there', async () => {
    await importImage(store, layout(image), { unpack: false });
    expect(await snapshotNames()).toEqual([]);
    const selected = await openImage(store, store.images.get('foo')!, 'test');
    expect(await unpackImage(store, selected, 'test')).toBe(image.chainIds[1]);
    expect(await shown(image.chainIds[1]!)).toContain('etc/three');
  });

  it('takes the snapshot that another process has committed meanwhile', async () => {
    const path = layout(image);
    await Promise.all([importImage(store, path), importImage(store, path, { name: 'bar' })]);
    expect(await snapshotNames()).toHaveLength(2);
    expect(store.images.list().map((row) => row.name)).toEqual(['bar', 'foo']);
  });
});

describe('what a killed process left', () => {
  const dead = spawnSync('true').pid;
  const left = (pid: number | undefined) =>
    store.snapshots.prepare('extract-1-x left', undefined, { labels: { 'micafs/pid': String(pid) } });

  it('is removed by the next unpacking', async () => {
    await left(dead);
    await importImage(store, layout(buildImage([base])));
    expect(await snapshotNames()).toHaveLength(1);
  });

  it('stays if the process lives, or if somebody holds it', async () => {
    await left(process.ppid);
    await importImage(store, layout(buildImage([base])));
    expect(await snapshotNames()).toHaveLength(2);
    await store.snapshots.remove('extract-1-x left');
    await left(dead);
    await withUnion(await store.snapshots.stack('extract-1-x left'), 'test', () =>
      importImage(store, layout(image)),
    );
    expect(await snapshotNames()).toContain('active extract-1-x left');
  });
});

describe('a layer that is stored while it is unpacked', () => {
  it('may be in the image twice', async () => {
    const twice = buildImage([base, top, base, base]);
    await importImage(store, layout(twice));
    expect(await snapshotNames()).toHaveLength(4);
    expect(await shown(twice.chainIds[3]!)).toContain('etc/two');
    expect(digestOf(await store.content.read(image.layers[0]!.digest))).toBe(image.layers[0]!.digest);
    expect(await store.content.statuses()).toEqual([]);
  });

  it('keeps what follows the compressed data', async () => {
    const bytes = Buffer.concat([blobOf(image, image.layers[0]!.digest), Buffer.alloc(3_000_000)]);
    const layer = { ...image.layers[0]!, digest: digestOf(bytes), size: bytes.length };
    const odd = buildImage([base], { manifest: { layers: [layer] } });
    odd.blobs.set(layer.digest, bytes);
    await importImage(store, layout(odd));
    expect(digestOf(await store.content.read(layer.digest))).toBe(layer.digest);
    expect(await shown(odd.chainIds[0]!)).toContain('etc/one');
  });

  it('is told by its digest if it is damaged', async () => {
    const files = layoutFiles([{ name: 'foo', image }]);
    const { digest } = image.layers[1]!;
    const bytes = Buffer.from(blobOf(image, digest));
    bytes[bytes.length - 8]! ^= 1;
    files.set(blobPath(digest), bytes);
    const before = await stateOf(store);
    await expect(importImage(store, writeFolder(files, join(folder, 'damaged')))).rejects.toMatchObject({
      kind: 'corrupt',
      why: `layer ${digest} has the digest ${digestOf(bytes)}`,
    });
    expect(await stateOf(store)).toEqual(before);
  });

  it('goes on where an earlier import ended', async () => {
    const { digest } = image.layers[0]!;
    for (const left of [blobOf(image, digest).subarray(0, 50), Buffer.from('something else')]) {
      const other = folderStore(join(folder, `resumed-${left.length}`));
      const writer = await other.content.writer({ ref: `import-${digest}` });
      await writer.write(left);
      await writer.close();
      await importImage(other, layout(image, `resumed-${left.length}`));
      expect(digestOf(await other.content.read(digest))).toBe(digest);
      expect(await other.content.statuses()).toEqual([]);
      await other.close();
    }
  });
});

describe('an unpacking that fails leaves the store as it was', () => {
  const wrong = { rootfs: { type: 'layers', diff_ids: [image.diffIds[0], image.diffIds[0]] } };
  const cases: [string, string, () => BuiltImage][] = [
    ['a diff ID that is not that of the layer', 'corrupt', () => buildImage([base, top], { config: wrong })],
    ['a layer that is no tar', 'corrupt', () => buildImage([base, Buffer.alloc(2000, 'x')])],
    ['a layer that is cut short', 'corrupt', () => buildImage([base, top.subarray(0, 1300)])],
    ['a bare whiteout', 'corrupt', () => buildImage([base, layerTar([file('.wh.')])])],
  ];
  it.each(cases)('%s: %s', async (_name, kind, build) => {
    const before = await stateOf(store);
    const error = await importImage(store, layout(build())).catch((e: unknown) => e);
    expect(error).toMatchObject({ kind, what: expect.stringContaining('cannot import') });
    expect(await stateOf(store)).toEqual(before);
    expect(readdirSync(join(folder, 'root/snapshots')).filter((name) => /^\d+$/.test(name))).toEqual([]);
  });

  it('canceled: the snapshots of other images stay', async () => {
    await importImage(store, layout(buildImage([base]), 'base'));
    const before = await stateOf(store);
    const stop = new AbortController();
    const running = importImage(store, layout(image), {
      signal: stop.signal,
      onProgress: ({ phase }) => phase === 'unpack' && stop.abort(),
    });
    await expect(running).rejects.toMatchObject({ kind: 'canceled' });
    expect(await stateOf(store)).toEqual(before);
  });
});
