import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/digest.js';
import { gather } from '../../../src/images/member-bytes.js';
import { type ImageSource, openImageSource } from '../../../src/images/source.js';
import {
  blobOf,
  buildImage,
  dockerFiles,
  type Files,
  file,
  layerTar,
  layoutFiles,
  tarOf,
  tempFolder,
  writeFolder,
} from '../../fixtures/oci.js';

const layers = [layerTar([file('a', 'one')]), layerTar([file('b/'), file('b/c', 'two')])];
const image = buildImage(layers);
const plain = buildImage(layers, { compression: 'none' });

let folder: string;
const opened: ImageSource[] = [];
beforeEach(() => {
  folder = tempFolder();
});
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
  rmSync(folder, { recursive: true });
});

async function open(path: string, stdin?: AsyncIterable<Uint8Array>): Promise<ImageSource> {
  const source = await openImageSource(path, 'cannot import x', stdin === undefined ? {} : { stdin });
  opened.push(source);
  return source;
}

function archive(files: Files, wrap: (tar: Uint8Array) => Uint8Array = (tar) => tar): string {
  const path = join(folder, 'archive.tar');
  writeFileSync(path, wrap(tarOf(files)));
  return path;
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('an OCI layout', () => {
  const files = layoutFiles([{ name: 'ex.io/foo:t', image }]);
  const reads = async (source: ImageSource) => {
    expect(source.entries).toEqual([
      { name: 'ex.io/foo:t', descriptor: { ...image.descriptor, annotations: expect.anything() } },
    ]);
    for (const [digest, bytes] of image.blobs) {
      const blob = await source.blob(digest);
      expect(blob?.size).toBe(bytes.length);
      const read = await gather(blob?.stream(0) ?? inPieces(bytes, 1), 1e6, 'test');
      expect(digestOf(read)).toBe(digest);
      const tail = await gather(blob?.stream(5) ?? inPieces(bytes, 1), 1e6, 'test');
      expect(Buffer.from(tail).equals(bytes.subarray(5))).toBe(true);
    }
    expect(await source.blob(`sha256:${'0'.repeat(64)}`)).toBeUndefined();
  };

  it('is read from a folder', async () => reads(await open(writeFolder(files, folder))));
  it('is read from a tar', async () => reads(await open(archive(files))));
  it('is read from a tar whose headers lie anywhere', async () => {
    // Headers are read 64 KiB at a time.
    for (const blocks of [125, 126, 127, 128, 1000]) {
      await reads(await open(archive(new Map([['filler', Buffer.alloc(blocks * 512)], ...files]))));
    }
  });
  it('is read from a compressed tar', async () => reads(await open(archive(files, gzipSync))));
  it('is read from the standard input in small pieces', async () =>
    reads(await open('-', inPieces(tarOf(files), 777))));
});

describe('a docker-archive', () => {
  it('gives an image with its layers as they are and whole names', async () => {
    const source = await open(archive(dockerFiles(plain, ['foo:1', 'ex.io/me/foo'])));
    expect(source.entries.map((entry) => entry.name)).toEqual([
      'docker.io/library/foo:1',
      'ex.io/me/foo:latest',
    ]);
    const digest = source.entries[0]?.descriptor.digest ?? '';
    const blob = await source.blob(digest);
    const manifest = JSON.parse(Buffer.from(await gather(blob!.stream(0), 1e6, 'test')).toString());
    expect(manifest.layers).toEqual(plain.layers);
    expect(manifest.config).toEqual(plain.config);
  });

  it('gives the same manifest digest each time', async () => {
    const first = await open(archive(dockerFiles(plain, ['foo'])));
    const second = await open('-', inPieces(tarOf(dockerFiles(plain, ['foo'])), 100_000));
    expect(first.entries).toEqual(second.entries);
  });

  it('may hold gzip layers under names that say tar', async () => {
    const source = await open(archive(dockerFiles(image, ['foo'])));
    const digest = image.layers[0]?.digest ?? '';
    const blob = await source.blob(digest);
    expect(digestOf(await gather(blob!.stream(0), 1e6, 'test'))).toBe(digest);
  });

  it('may name its layers by links, in any order', async () => {
    const files = dockerFiles(plain, null);
    const layer = plain.layers[0]!;
    const path = `${layer.digest.slice(7)}.tar`;
    files.set(
      'manifest.json',
      Buffer.from(Buffer.from(files.get('manifest.json')!).toString().replace(path, 'v1/layer.tar')),
    );
    const tar = Buffer.concat([
      layerTar([file('v1/layer.tar', '', { type: 'symlink', linkname: `../${path}` })]).subarray(0, 512),
      tarOf(files),
    ]);
    writeFileSync(join(folder, 'links.tar'), tar);
    const source = await open(join(folder, 'links.tar'));
    expect(source.entries).toHaveLength(1);
    expect((await source.blob(layer.digest))?.size).toBe(layer.size);
    expect(blobOf(plain, layer.digest)).toHaveLength(layer.size);
  });

  it('is corrupt if its config is not what its name says', async () => {
    const files = dockerFiles(plain, ['foo']);
    const name = `${plain.config.digest.slice(7)}.json`;
    files.set(name, Buffer.concat([files.get(name)!, Buffer.from(' ')]));
    await expect(open(archive(files))).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

describe('what is no image archive', () => {
  it('is not found if it is not there', async () => {
    await expect(open(join(folder, 'none'))).rejects.toMatchObject({
      kind: 'not-found',
      what: 'cannot import x',
    });
  });

  it('is an invalid argument if it is an ordinary tar or folder', async () => {
    symlinkSync('/etc/passwd', join(folder, 'index'));
    await expect(open(folder)).rejects.toMatchObject({ kind: 'invalid-argument' });
    await expect(open(archive(new Map([['hello', Buffer.from('x')]])))).rejects.toMatchObject({
      kind: 'invalid-argument',
      hint: expect.stringContaining('image create'),
    });
  });

  it.each([
    ['in the middle of a member', 1700],
    ['in the middle of a header', 700],
    ['in a member that is passed over', -1500],
  ])('is corrupt if the tar is cut %s', async (_where, length) => {
    const files = layoutFiles([{ name: 'x', image }]).set('last', Buffer.alloc(300_000));
    const path = archive(files, (tar) => tar.subarray(0, length));
    await expect(open(path)).rejects.toMatchObject({ kind: 'corrupt', what: 'cannot import x' });
  });

  it('is corrupt if the gzip around it is cut', async () => {
    const path = archive(layoutFiles([{ name: 'x', image }]), (tar) => gzipSync(tar).subarray(0, 900));
    await expect(open(path)).rejects.toMatchObject({ kind: 'corrupt', what: 'cannot import x' });
  });

  it('is corrupt if it is no tar at all', async () => {
    writeFileSync(join(folder, 'text'), 'hello '.repeat(500));
    await expect(open(join(folder, 'text'))).rejects.toMatchObject({ kind: 'corrupt' });
  });
});
