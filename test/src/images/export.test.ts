import { execFileSync } from 'node:child_process';
import {
  createReadStream,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decompress } from '../../../src/diff/compression.js';
import { digestOf } from '../../../src/digest.js';
import { exportImage, exportImageTo } from '../../../src/images/export.js';
import { importImage } from '../../../src/images/import.js';
import { stored } from '../../../src/images/ingest.js';
import { LAYER_TYPES } from '../../../src/images/media-types.js';
import { gather } from '../../../src/images/member-bytes.js';
import { requireImage } from '../../../src/images/names.js';
import { openImage } from '../../../src/images/stored.js';
import {
  type BuiltImage,
  buildImage,
  buildIndex,
  dockerFiles,
  file,
  layerTar,
  layoutFiles,
  tarOf,
  tempFolder,
  writeFolder,
} from '../../fixtures/oci.js';
import { type MemStore, memStore, stateOf } from '../../fixtures/store.js';
import { describeWith, missing } from '../../requires.js';

const layers = [
  layerTar([file('etc/'), file('etc/one', 'one'), file('etc/two', 'two')]),
  layerTar([file('etc/'), file('etc/.wh.two'), file('etc/three', '3')]),
];
const image = buildImage(layers);
const blobsOnly = { unpack: false } as const;

let folder: string;
let store: MemStore;
beforeEach(() => {
  folder = tempFolder();
  store = memStore();
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const row = (name: string) => requireImage(store, name, 'cannot export');

async function imported(name: string, built: BuiltImage = image): Promise<void> {
  const path = writeFolder(layoutFiles([{ name, image: built }]), join(folder, `layout-${Math.random()}`));
  await importImage(store, path, blobsOnly);
}

describe('export', () => {
  it.each(['oci', 'docker'] as const)(
    '%s: comes back with the same name, blobs and digests',
    async (format) => {
      await imported('ex.io/foo:t');
      await exportImage(store, row('ex.io/foo:t'), join(folder, 'out.tar'), { format });
      const other = memStore();
      await importImage(other, join(folder, 'out.tar'), blobsOnly);
      const strip = async (of: MemStore) =>
        JSON.parse(JSON.stringify(await stateOf(of)).replace(/"(created|updated)":"[^"]*"/g, '"at":0'));
      expect(await strip(other)).toEqual(await strip(store));
    },
  );

  it('gives the same bytes each time, to a file or a stream', async () => {
    await imported('foo');
    await exportImage(store, row('foo'), join(folder, 'a.tar'));
    await exportImage(store, row('foo'), join(folder, 'b.tar'));
    const stream = new PassThrough({ highWaterMark: 1 << 20 });
    await exportImageTo(store, row('foo'), stream);
    const bytes = readFileSync(join(folder, 'a.tar'));
    expect(readFileSync(join(folder, 'b.tar')).equals(bytes)).toBe(true);
    expect((stream.read() as Buffer).equals(bytes)).toBe(true);
  });

  it.each(['none', 'gzip', 'zstd'] as const)(
    'with layers compressed with %s is the same image under another digest, and nothing more is stored',
    async (compression) => {
      if (compression === 'zstd' && missing(['program:zstd']) !== undefined) return;
      await imported('ex.io/foo:t');
      const before = await stateOf(store);
      const out = join(folder, 'out.tar');
      const options = { compression, format: 'docker' } as const;
      const digest = await exportImage(store, row('ex.io/foo:t'), out, options);
      expect(await stateOf(store)).toEqual(before);
      const other = memStore();
      await importImage(other, out, blobsOnly);
      const [was, is] = [row('ex.io/foo:t'), requireImage(other, 'ex.io/foo:t', 'test')];
      expect(is.target.digest).toBe(digest);
      expect(is.target.digest === was.target.digest).toBe(compression === 'gzip');
      const [old, now] = [await openImage(store, was, 'test'), await openImage(other, is, 'test')];
      expect(now.config.bytes).toEqual(old.config.bytes);
      expect(now.layers.map(({ descriptor }) => descriptor.mediaType)).toEqual(
        layers.map(() => LAYER_TYPES[compression]),
      );
      for (const [at, { descriptor }] of now.layers.entries()) {
        const bytes = await gather(decompress(stored(other.content, descriptor.digest)), 1e6, 'test');
        expect(Buffer.from(bytes).equals(layers[at]!)).toBe(true);
      }
      expect(await exportImage(other, is, out, options)).toBe(digest);
    },
  );

  it('does not compress a layer again that is not what its diff ID says', async () => {
    const wrong = buildImage(layers, {
      config: { rootfs: { type: 'layers', diff_ids: [digestOf('x'), digestOf('y')] } },
    });
    await imported('foo', wrong);
    const done = exportImage(store, row('foo'), join(folder, 'out.tar'), { compression: 'none' });
    await expect(done).rejects.toMatchObject({ kind: 'corrupt' });
    expect(readdirSync(folder).filter((name) => name.startsWith('out'))).toEqual([]);
  });

  it('writes a layout into an empty folder', async () => {
    await imported('foo');
    const out = join(folder, 'out');
    mkdirSync(out);
    await exportImage(store, row('foo'), out);
    expect(readdirSync(out).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
    await expect(exportImage(store, row('foo'), out)).rejects.toMatchObject({ kind: 'already-exists' });
  });

  it('keeps a whole index, and takes the manifest where only one platform is here', async () => {
    const arm = buildImage([layers[0]!], { architecture: 'arm64' });
    const index = buildIndex({ amd64: image, arm64: arm });
    const path = writeFolder(
      layoutFiles([{ name: 'foo', image: index, target: index.index }]),
      join(folder, 'l'),
    );
    await importImage(store, path, { ...blobsOnly, platform: { os: 'linux', architecture: 'arm64' } });
    const target = async () => {
      await exportImage(store, row('foo'), join(folder, 'out.tar'));
      execFileSync('tar', ['-xf', join(folder, 'out.tar'), '-C', folder, 'index.json']);
      return JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')).manifests[0].digest;
    };
    expect(await target()).toBe(arm.descriptor.digest);
    await importImage(store, path, { ...blobsOnly, platform: { os: 'linux', architecture: 'amd64' } });
    expect(await target()).toBe(index.index.digest);
  });

  it('is corrupt and leaves nothing behind if a layer is missing', async () => {
    await imported('foo');
    await store.content.delete(image.layers[1]!.digest);
    const before = readdirSync(folder);
    await expect(exportImage(store, row('foo'), join(folder, 'out.tar'))).rejects.toMatchObject({
      kind: 'corrupt',
    });
    expect(readdirSync(folder)).toEqual(before);
  });

  it('writes to a pipe instead of replacing it', async () => {
    await imported('foo');
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reading = gather(createReadStream(pipe), 1e6, 'test');
    await exportImage(store, row('foo'), pipe);
    await exportImage(store, row('foo'), join(folder, 'out.tar'));
    expect(Buffer.from(await reading).equals(readFileSync(join(folder, 'out.tar')))).toBe(true);
    expect(lstatSync(pipe).isFIFO()).toBe(true);
  });

  it('leaves an old file alone when it is called off', async () => {
    await imported('foo');
    writeFileSync(join(folder, 'out.tar'), 'old');
    const signal = AbortSignal.abort();
    await expect(exportImage(store, row('foo'), join(folder, 'out.tar'), { signal })).rejects.toMatchObject({
      kind: 'canceled',
    });
    expect(readFileSync(join(folder, 'out.tar'), 'utf8')).toBe('old');
  });
});

describeWith(['program:skopeo', 'program:umoci'], 'other tools and our archives', () => {
  it('skopeo copies an exported OCI archive, and umoci unpacks the copy', async () => {
    await imported('ex.io/foo:t');
    await exportImage(store, row('ex.io/foo:t'), join(folder, 'out.tar'));
    execFileSync('skopeo', [
      'copy',
      '-q',
      '--insecure-policy',
      `oci-archive:${folder}/out.tar`,
      `oci:${folder}/copy:t`,
    ]);
    execFileSync('umoci', ['unpack', '--rootless', '--image', `${folder}/copy:t`, join(folder, 'bundle')], {
      stdio: 'ignore',
    });
    expect(readdirSync(join(folder, 'bundle/rootfs/etc')).sort()).toEqual(['one', 'three']);
  });

  it('umoci unpacks an exported layout folder', async () => {
    await imported('t');
    await exportImage(store, row('t'), `${folder}/out/`);
    execFileSync('umoci', ['unpack', '--rootless', '--image', `${folder}/out:t`, join(folder, 'bundle')], {
      stdio: 'ignore',
    });
    expect(readdirSync(join(folder, 'bundle/rootfs/etc')).sort()).toEqual(['one', 'three']);
  });

  it('skopeo reads an exported docker-archive', async () => {
    await imported('ex.io/foo:t');
    await exportImage(store, row('ex.io/foo:t'), join(folder, 'out.tar'), { format: 'docker' });
    const seen = JSON.parse(
      execFileSync('skopeo', ['inspect', `docker-archive:${folder}/out.tar`], { encoding: 'utf8' }),
    );
    expect(seen.RepoTags ?? [seen.Name]).toBeDefined();
    expect(seen.Layers).toHaveLength(2);
    execFileSync('skopeo', [
      'copy',
      '-q',
      '--insecure-policy',
      `docker-archive:${folder}/out.tar`,
      `oci:${folder}/copy:t`,
    ]);
    execFileSync('umoci', ['unpack', '--rootless', '--image', `${folder}/copy:t`, join(folder, 'bundle')], {
      stdio: 'ignore',
    });
    expect(readdirSync(join(folder, 'bundle/rootfs/etc')).sort()).toEqual(['one', 'three']);
  });

  it('an archive that skopeo writes as docker save does is imported', async () => {
    writeFolder(layoutFiles([{ name: 't', image }]), join(folder, 'layout'));
    execFileSync('skopeo', [
      'copy',
      '-q',
      '--insecure-policy',
      `oci:${folder}/layout:t`,
      `docker-archive:${folder}/saved.tar:ex.io/foo:t`,
    ]);
    await importImage(store, join(folder, 'saved.tar'), blobsOnly);
    const target = row('ex.io/foo:t').target;
    const manifest = JSON.parse(Buffer.from(await store.content.read(target.digest)).toString());
    expect(manifest.layers.map((layer: { digest: string }) => layer.digest)).toEqual(image.diffIds);
  });

  it('is not fooled by the order of docker save', async () => {
    const plain = buildImage(layers, { compression: 'none' });
    writeFileSync(join(folder, 'saved.tar'), tarOf(new Map([...dockerFiles(plain, ['foo:1'])].reverse())));
    await importImage(store, join(folder, 'saved.tar'), blobsOnly);
    expect(row('foo:1').name).toBe('docker.io/library/foo:1');
  });
});
