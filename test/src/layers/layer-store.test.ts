// Docker's view of a store: layers by chain ID, what refers to them, and what their release takes along.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bytes } from '../../../src/diff/compression.js';
import { chainId, type Digest, digestOf } from '../../../src/digest.js';
import { commitImage } from '../../../src/images/commit-image.js';
import { importImage } from '../../../src/images/import.js';
import { withSnapshot } from '../../../src/images/open-snapshot.js';
import { GC_ROOT } from '../../../src/labels.js';
import { dropBlobs, droppedBlob, restoreBlobs, restoreImage } from '../../../src/layers/dropped-blobs.js';
import {
  layerNamed,
  registerLayer,
  releaseLayer,
  removeUnreferred,
  layerTar as tarBack,
} from '../../../src/layers/layer-store.js';
import { commitRw, createRwLayer, listRw, releaseRw } from '../../../src/layers/read-write.js';
import { survey } from '../../../src/layers/survey.js';
import { mark } from '../../../src/metadata/gc.js';
import { readNote } from '../../../src/snapshots/facts.js';
import { Store } from '../../../src/store.js';
import { buildImage, file, layerTar, layoutFiles, tempFolder, writeFolder } from '../../fixtures/oci.js';
import { Paths } from '../../suites/paths.js';

const BASE = layerTar([file('etc/'), file('etc/hosts', 'image'), file('a', 'one')]);
const SECOND = layerTar([file('b/'), file('b/c', 'two'.repeat(1000))]);
const THIRD = layerTar([file('.wh.a'), file('d', 'three')]);
const [base, second, third] = [BASE, SECOND, THIRD].map((tar) => digestOf(tar)) as [Digest, Digest, Digest];
const CHAIN2 = chainId(base, second);
const CHAIN3 = chainId(CHAIN2, third);

let folder: string;
let store: Store;
beforeEach(async () => {
  folder = tempFolder();
  store = await Store.open(join(folder, 'root'), { state: join(folder, 'state'), durable: false });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

async function* bytesOf(tar: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < tar.length; at += 700) yield tar.subarray(at, at + 700);
}

const register = (tar: Uint8Array, parent?: Digest) =>
  registerLayer(store, () => bytesOf(tar), parent === undefined ? {} : { parent });

async function ids(): Promise<string[]> {
  return [...(await survey(store)).layers.keys()];
}

async function collected(bytes: Bytes): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts);
}

async function importThree(
  name: string,
  layers = [BASE, SECOND, THIRD],
  compression: 'none' | 'gzip' = 'gzip',
): Promise<void> {
  const image = buildImage(layers, { compression });
  await importImage(store, writeFolder(layoutFiles([{ name, image }]), join(folder, name)));
}

const references = async (chain: Digest) => (await layerNamed(store, chain)).references;

describe('registering', () => {
  it('makes a layer under its chain ID, held once, on its parent', async () => {
    const one = await register(BASE);
    expect(one).toMatchObject({ chainId: base, diffId: base, hasTar: true, references: [{ kind: 'hold' }] });
    expect(one.parent).toBeUndefined();
    const two = await register(SECOND, base);
    expect(two).toMatchObject({ chainId: CHAIN2, diffId: second, parent: base });
    expect(two.cacheId).toBe((await store.snapshots.stat(CHAIN2)).id);
    expect(readNote(join(store.folders.snapshots, two.cacheId))?.row.labels).toEqual(
      (await store.snapshots.stat(CHAIN2)).labels,
    );
    expect(two.size).toBe((await store.snapshots.usage(CHAIN2)).size);
    expect(await references(base)).toEqual([
      { kind: 'layer', name: CHAIN2 },
      { kind: 'hold', name: '' },
    ]);
    const tree = await withSnapshot(store.snapshots, CHAIN2, '', (fs) => new Paths(fs).tree());
    expect(tree).toContain('a file 644 0:0 "one"');
  });

  it('holds one that is there once more, whatever it is compressed with', async () => {
    await register(BASE);
    const again = await registerLayer(store, () => bytesOf(gzipSync(BASE)));
    expect(again.references).toHaveLength(2);
    expect(readdirSync(store.folders.snapshots)).toHaveLength(1);
  });

  it('refuses another tar than it was told, and a parent that is not there', async () => {
    await expect(registerLayer(store, () => bytesOf(BASE), { diffId: second })).rejects.toMatchObject({
      kind: 'corrupt',
    });
    await expect(register(SECOND, base)).rejects.toMatchObject({ kind: 'not-found' });
    await expect(register(BASE.subarray(0, 700))).rejects.toMatchObject({ kind: 'corrupt' });
    expect(await ids()).toEqual([]);
    expect(readdirSync(store.folders.snapshots)).toEqual([]);
  });

  it('keeps the descriptor of a foreign layer', async () => {
    const descriptor = { mediaType: 'm', digest: second, size: 5, urls: ['https://example.org/layer'] };
    await registerLayer(store, () => bytesOf(BASE), { descriptor });
    expect((await layerNamed(store, base)).descriptor).toEqual(descriptor);
  });

  it('is seen by garbage collection, and its release too', async () => {
    const dead = () =>
      store.metadata
        .read((tx) => mark(tx, { nowMs: 0, useOf: () => undefined }))
        .deadSnapshots.map(({ row }) => row.name);
    await register(BASE);
    await register(SECOND, base);
    expect(dead()).toEqual([]);
    await releaseLayer(store, base);
    expect(dead()).toEqual([]);
    expect((await store.snapshots.stat(base)).labels[GC_ROOT]).toBeUndefined();
  });
});

describe('releasing', () => {
  it('takes the layer with the last hold, then the parents that nobody else has', async () => {
    await register(BASE);
    await register(SECOND, base);
    await register(THIRD, CHAIN2);
    await register(THIRD, CHAIN2);
    await releaseLayer(store, CHAIN2);
    expect(await releaseLayer(store, CHAIN3)).toEqual([]);
    expect(await releaseLayer(store, CHAIN3)).toEqual([CHAIN3, CHAIN2]);
    expect(await ids()).toEqual([base]);
    expect(await releaseLayer(store, base)).toEqual([base]);
    expect(readdirSync(store.folders.snapshots)).toEqual([]);
  });

  it('leaves what an image has, and says who that is', async () => {
    await importThree('img');
    expect(await references(CHAIN3)).toEqual([{ kind: 'image', name: 'img' }]);
    await expect(releaseLayer(store, CHAIN3)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('image img'),
    });
    await register(THIRD, CHAIN2);
    expect(await releaseLayer(store, CHAIN3)).toEqual([]);
    await store.images.remove('img');
    expect(await releaseLayer(store, CHAIN3)).toEqual([CHAIN3, CHAIN2, base]);
  });

  it('leaves what a lease, a container, a label or a snapshot has', async () => {
    await register(BASE);
    await store.leases.hold({ id: 'lease', labels: {} }, [{ type: 'snapshots/mica', id: base }]);
    expect(await releaseLayer(store, base)).toEqual([]);
    expect(await references(base)).toEqual([{ kind: 'lease', name: 'lease' }]);
    await store.leases.remove('lease');
    await store.snapshots.prepare('key', base);
    expect(await removeUnreferred(store, base)).toEqual([]);
    await store.snapshots.remove('key');
    await store.snapshots.update(base, { [GC_ROOT]: 'by hand' }, [`labels.${GC_ROOT}`]);
    expect(await removeUnreferred(store, base)).toEqual([]);
    await expect(releaseLayer(store, base)).rejects.toMatchObject({ hint: expect.stringContaining(GC_ROOT) });
    await store.snapshots.update(base, {}, [`labels.${GC_ROOT}`]);
    expect(await removeUnreferred(store, base)).toEqual([base]);
  });
});

describe('a layer that cannot be read', () => {
  it('is told with its damage, and the others are as they were', async () => {
    await register(BASE);
    await register(SECOND, base);
    const { cacheId } = await register(layerTar([file('x', 'x')]));
    rmSync(join(store.folders.snapshots, cacheId), { recursive: true });
    const layers = [...(await survey(store)).layers.values()];
    expect(layers.filter(({ damage }) => damage !== undefined)).toEqual([
      expect.objectContaining({ cacheId, damage: expect.stringContaining('is gone') }),
    ]);
    expect(await register(THIRD, CHAIN2)).toMatchObject({ chainId: CHAIN3 });
    const bad = layers.find(({ damage }) => damage !== undefined)!;
    await expect(register(THIRD, bad.chainId)).rejects.toMatchObject({ kind: 'failed-precondition' });
    expect(await releaseLayer(store, bad.chainId)).toEqual([bad.chainId]);
  });

  it('an image that is damaged hides no layer', async () => {
    await importThree('img');
    await store.content.delete(store.images.get('img')!.target.digest);
    expect(await ids()).toEqual([base, CHAIN2, CHAIN3].sort());
  });

  it('whose snapshot was taken away is told as long as somebody holds it', async () => {
    await register(BASE);
    await store.snapshots.remove(base);
    expect((await layerNamed(store, base)).damage).toBe('its snapshot is gone');
    expect(await releaseLayer(store, base)).toEqual([base]);
    expect(await ids()).toEqual([]);
  });
});

describe('the layers of an image', () => {
  it('are layers, with the diff IDs that the image has for them', async () => {
    await importThree('img');
    const layers = (await survey(store)).layers;
    expect([...layers.values()].map(({ chainId: id, diffId, parent }) => [id, diffId, parent])).toEqual(
      [
        [base, base, undefined],
        [CHAIN2, second, base],
        [CHAIN3, third, CHAIN2],
      ].sort(),
    );
    expect(await layerNamed(store, CHAIN3.slice(7, 19))).toMatchObject({ chainId: CHAIN3 });
    await expect(layerNamed(store, 'sha2')).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('get the framing of their tar when that is registered', async () => {
    await importThree('img');
    expect((await layerNamed(store, CHAIN2)).hasTar).toBe(false);
    expect((await register(SECOND, base)).hasTar).toBe(true);
    expect(
      (await collected(tarBack(store, await layerNamed(store, CHAIN2)))).equals(Buffer.from(SECOND)),
    ).toBe(true);
  });

  it('are sound where an image was made of two commits in a row', async () => {
    await importThree('img');
    let below: string = CHAIN3;
    for (const name of ['first', 'second']) {
      await store.snapshots.prepare(`${name}-key`, below);
      await withSnapshot(store.snapshots, `${name}-key`, 'test', (tree) => new Paths(tree).write(name, name));
      await store.snapshots.commit(name, `${name}-key`);
      below = name;
    }
    const { image } = await commitImage(store, { snapshot: 'second', ref: 'made:1' });
    expect(image.layers).toHaveLength(5);
    expect(await layerNamed(store, image.layers[4]?.chainId ?? '')).not.toHaveProperty('damage');
    expect((await layerNamed(store, CHAIN3)).chainId).toBe(CHAIN3);
  });

  it('keep the descriptors of those that are foreign', async () => {
    const layerType = 'application/vnd.docker.image.rootfs.foreign.diff.tar';
    const descriptor = {
      mediaType: layerType,
      digest: base,
      size: BASE.length,
      urls: ['https://example.org/base'],
    };
    const image = buildImage([BASE], { compression: 'none', layerType, manifest: { layers: [descriptor] } });
    await importImage(store, writeFolder(layoutFiles([{ name: 'img', image }]), join(folder, 'foreign')));
    expect((await layerNamed(store, base)).descriptor).toEqual(descriptor);
  });
});

describe('the tar of a layer', () => {
  it('comes back to the byte', async () => {
    await register(BASE);
    const odd = Buffer.concat([SECOND, Buffer.from('garbage'.repeat(300))]);
    const layer = await register(odd, base);
    expect((await collected(tarBack(store, layer))).equals(odd)).toBe(true);
  });

  it('with a file twice, and a mark with content, comes back where it can be read twice', async () => {
    const tar = layerTar([
      file('a', 'first'),
      file('l', '', { type: 'link', linkname: 'a' }),
      file('a', 'second'),
      file('.wh.gone', 'content'),
    ]);
    const layer = await register(tar);
    expect(layer.hasTar).toBe(true);
    expect((await collected(tarBack(store, layer))).equals(Buffer.from(tar))).toBe(true);
  });

  it('with a file twice that comes once has no way back, and says so', async () => {
    const tar = layerTar([file('a', 'first'), file('a', 'second')]);
    const once = bytesOf(tar);
    const layer = await registerLayer(store, () => once);
    expect(layer.hasTar).toBe(false);
    await expect(collected(tarBack(store, layer))).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('that was changed behind the store’s back is named', async () => {
    const layer = await register(SECOND);
    writeFileSync(join(store.folders.snapshots, layer.cacheId, 'fs/b/c'), 'other');
    await expect(collected(tarBack(store, layer))).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringContaining('b/c'),
    });
  });
});

describe('blobs that are dropped', () => {
  const blobsOf = async (diffId: Digest) => {
    const found: Digest[] = [];
    for await (const { digest, labels } of store.content.walk()) {
      if (labels['containerd.io/uncompressed'] === diffId) found.push(digest);
    }
    return found;
  };

  it.each(['none', 'gzip'] as const)('come back under their digest (compression %s)', async (compression) => {
    await importThree('img', [BASE, SECOND, THIRD], compression);
    const { cacheId } = await layerNamed(store, CHAIN2);
    // What a process that was killed here before has left.
    const part = join(store.folders.snapshots, cacheId, `tar-split.json.gz.${spawnSync('true').pid}.part`);
    writeFileSync(part, 'half');
    const [blob] = await blobsOf(second);
    const bytes = await store.content.read(blob!);
    expect(await dropBlobs(store, await layerNamed(store, CHAIN2), false)).toEqual([
      { digest: blob, size: bytes.length, whole: true },
    ]);
    expect(existsSync(part)).toBe(false);
    expect(await store.content.has(blob!)).toBe(false);
    expect(existsSync(join(store.folders.content, 'blobs/sha256', blob!.slice(7)))).toBe(false);
    const layer = await layerNamed(store, CHAIN2);
    expect((await collected(tarBack(store, layer))).equals(Buffer.from(SECOND))).toBe(true);
    const found = await droppedBlob(store, blob!);
    expect((await collected(found!.stream())).equals(Buffer.from(bytes))).toBe(true);
    expect((await collected(found!.stream(5, 7))).equals(Buffer.from(bytes.subarray(5, 12)))).toBe(true);
    await restoreImage(store, store.images.get('img')!);
    expect(Buffer.from(await store.content.read(blob!)).equals(Buffer.from(bytes))).toBe(true);
    expect(await restoreBlobs(store, layer)).toEqual([]);
    expect(await blobsOf(second)).toEqual([blob]);
  });

  it('stay where they would not come back, unless the tar is enough', async () => {
    // Two members are one stream, which nobody here writes.
    const odd = Buffer.concat([gzipSync(SECOND.subarray(0, 1000)), gzipSync(SECOND.subarray(1000))]);
    await store.content.put('ref', odd, { 'containerd.io/uncompressed': second });
    await register(SECOND);
    const layer = await layerNamed(store, second);
    await expect(dropBlobs(store, layer, false)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining(digestOf(odd)),
    });
    expect(await store.content.has(digestOf(odd))).toBe(true);
    expect(await dropBlobs(store, layer, true)).toMatchObject([{ digest: digestOf(odd), whole: false }]);
    expect(await store.content.has(digestOf(odd))).toBe(false);
    expect(await droppedBlob(store, digestOf(odd))).toBeUndefined();
    expect((await collected((await droppedBlob(store, second))!.stream())).equals(Buffer.from(SECOND))).toBe(
      true,
    );
    await expect(dropBlobs(store, layer, true)).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('read-write layers', () => {
  const tree = (name: string) => withSnapshot(store.snapshots, name, '', (fs) => new Paths(fs).tree());

  it('have an init layer below, which is in no commit', async () => {
    await register(BASE);
    const { mountId, initId, parent } = await createRwLayer(store, 'web', base);
    expect(parent).toBe(base);
    expect((await store.snapshots.stat(mountId)).parent).toBe(initId);
    expect((await store.snapshots.stat(initId)).parent).toBe(base);
    const shown = await tree(mountId);
    for (const path of ['.dockerenv', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf', 'dev/console']) {
      expect(shown).toContain(`${path} file 755 0:0 ""`);
    }
    expect(shown).toContain('etc/mtab symlink 777 0:0 /proc/mounts');
    await withSnapshot(store.snapshots, mountId, '', (fs) => new Paths(fs).write('new', 'mine'));
    const layer = await commitRw(store, 'web');
    expect(layer).toMatchObject({ parent: base, hasTar: true });
    expect(await tree(layer.chainId)).toEqual([
      'a file 644 0:0 "one"',
      'etc folder 755 0:0',
      'etc/hosts file 644 0:0 "image"',
      'new file 644 0:0 "mine"',
    ]);
  });

  it('refer to their layer, and their release takes along what nobody else has', async () => {
    await register(BASE);
    await createRwLayer(store, 'web', base);
    expect(await references(base)).toEqual([
      { kind: 'read-write', name: 'web' },
      { kind: 'hold', name: '' },
    ]);
    await expect(createRwLayer(store, 'web', base)).rejects.toMatchObject({ kind: 'already-exists' });
    await releaseLayer(store, base);
    expect(listRw(store)).toMatchObject([{ name: 'web', mounts: 0 }]);
    expect(await releaseRw(store, 'web')).toEqual([base]);
    expect(readdirSync(store.folders.snapshots)).toEqual([]);
    await expect(releaseRw(store, 'web')).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('stand on nothing, too, and are told with their damage', async () => {
    const { mountId } = await createRwLayer(store, 'bare', undefined);
    await store.snapshots.remove(mountId);
    expect(listRw(store)).toMatchObject([{ name: 'bare', damage: expect.stringContaining(mountId) }]);
    expect(await releaseRw(store, 'bare')).toEqual([]);
    expect(existsSync(join(store.folders.snapshots, '1'))).toBe(false);
  });
});
