import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/digest.js';
import { createImage } from '../../../src/images/create.js';
import type { UnpackStore } from '../../../src/images/images.js';
import { imageInfo, openImage } from '../../../src/images/stored.js';
import { unpackTo } from '../../../src/images/unpack-to.js';
import { file, layerTar, tempFolder } from '../../fixtures/oci.js';
import { folderStore, stateOf } from '../../fixtures/store.js';
import { listTree, treeDifferences } from '../../tree.js';

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

function tree(): string {
  const root = join(folder, 'tree');
  mkdirSync(join(root, 'dir/sub'), { recursive: true });
  writeFileSync(join(root, 'dir/file'), 'content', { mode: 0o640 });
  linkSync(join(root, 'dir/file'), join(root, 'dir/sub/same'));
  symlinkSync('/dir/file', join(root, 'link'));
  writeFileSync(Buffer.concat([Buffer.from(`${root}/odd-`), Buffer.from([0xff, 0x0a])]), 'odd');
  return root;
}

describe('an image of a folder', () => {
  it('unpacks to the same tree', async () => {
    const source = tree();
    const { row, image } = await createImage(store, 'bar', source);
    expect((await imageInfo(store, row)).layers).toHaveLength(1);
    const { warning, entries } = await unpackTo(store, image, join(folder, 'out'), 'cannot unpack');
    expect(warning).toBeUndefined();
    expect(entries).toBe(7);
    expect(
      treeDifferences(
        listTree(join(folder, 'out'), { folderTimes: true }),
        listTree(source, { folderTimes: true }),
      ),
    ).toEqual([]);
  });

  it('has the same layer each time', async () => {
    const path = tree();
    const first = await createImage(store, 'one', path);
    const second = await createImage(store, 'two', path);
    expect(second.image.layers).toEqual(first.image.layers);
  });
});

describe('an image of a tar', () => {
  const tar = layerTar([file('etc/'), file('etc/one', 'one')]);
  it.each([
    ['plain', tar, 'application/vnd.oci.image.layer.v1.tar'],
    ['gzip', gzipSync(tar), 'application/vnd.oci.image.layer.v1.tar+gzip'],
  ])('%s: keeps the bytes as its layer', async (_name, bytes, mediaType) => {
    writeFileSync(join(folder, 'root.tar'), bytes);
    const { image } = await createImage(store, 'bar', join(folder, 'root.tar'), {
      platform: { os: 'linux', architecture: 'arm64' },
    });
    expect(image.layers[0]?.descriptor).toEqual({ mediaType, digest: digestOf(bytes), size: bytes.length });
    expect(image.layers[0]?.diffId).toBe(digestOf(tar));
    expect(image.platform.architecture).toBe('arm64');
  });
});

describe('what cannot become an image changes nothing', () => {
  it.each([
    ['a missing file', 'not-found', undefined],
    ['a cut tar', 'corrupt', layerTar([file('a', 'x'.repeat(3000))]).subarray(0, 1500)],
    ['a text', 'corrupt', Buffer.from('hello '.repeat(300))],
  ])('%s: %s', async (_name, kind, bytes) => {
    if (bytes !== undefined) writeFileSync(join(folder, 'root.tar'), bytes);
    const before = await stateOf(store);
    await expect(createImage(store, 'bar', join(folder, 'root.tar'))).rejects.toMatchObject({ kind });
    expect(await stateOf(store)).toEqual(before);
  });
});

describe('unpacking to a folder', () => {
  it('takes an empty folder and refuses one that holds something', async () => {
    const { row } = await createImage(store, 'bar', tree());
    const image = await openImage(store, row, 'test');
    mkdirSync(join(folder, 'out'));
    await unpackTo(store, image, join(folder, 'out'), 'cannot unpack');
    await expect(unpackTo(store, image, join(folder, 'out'), 'cannot unpack')).rejects.toMatchObject({
      kind: 'already-exists',
    });
    expect(listTree(join(folder, 'out')).size).toBe(6);
  });
});
