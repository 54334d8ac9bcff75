import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compare } from '../../../src/diff/compare.js';
import { applyTo } from '../../../src/images/apply-layer.js';
import { commitImage } from '../../../src/images/commit-image.js';
import { exportImage } from '../../../src/images/export.js';
import type { UnpackStore } from '../../../src/images/images.js';
import { importImage } from '../../../src/images/import.js';
import { withSnapshot } from '../../../src/images/open-snapshot.js';
import { topSnapshot } from '../../../src/images/stored.js';
import {
  buildImage,
  file,
  type LayerEntry,
  layerTar,
  layoutFiles,
  tempFolder,
  writeFolder,
} from '../../fixtures/oci.js';
import { folderStore, stateOf } from '../../fixtures/store.js';

const BASE = layerTar([
  file('etc/'),
  file('etc/one', 'one'),
  file('etc/two', 'two'),
  file('old/'),
  file('old/x', 'x'),
]);
const image = buildImage([BASE]);

let folder: string;
let store: UnpackStore & { close(): Promise<void> };
let stores: (typeof store)[];
beforeEach(async () => {
  folder = tempFolder();
  store = folderStore(join(folder, 'root'));
  stores = [store];
  await importImage(store, writeFolder(layoutFiles([{ name: 'foo', image }]), join(folder, 'layout')));
});
afterEach(async () => {
  for (const each of stores) await each.close();
  rmSync(folder, { recursive: true });
});

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** A committed snapshot `name` with these changes on `parent`. */
async function committed(name: string, parent: string | undefined, changes: LayerEntry[]): Promise<void> {
  await store.snapshots.prepare(`key-${name}`, parent);
  await applyTo(await store.snapshots.stack(`key-${name}`), 'diff', once(layerTar(changes)), 'test');
  await store.snapshots.commit(name, `key-${name}`);
}

const changes = [
  file('etc/'),
  file('etc/.wh.two'),
  file('etc/three', '3'),
  file('etc/link', '', { type: 'link', linkname: 'etc/three' }),
  file('old/'),
  file('old/.wh..wh..opq'),
  file('old/y', 'y'),
];
const top = image.chainIds[0];

describe('an image of a snapshot', () => {
  it('has the layers of the image below and one of its own, and says so in its history', async () => {
    await committed('mine', top, changes);
    const { image: made } = await commitImage(store, {
      snapshot: 'mine',
      ref: 'bar',
      message: 'more',
      author: 'me',
      env: ['A=b', 'PATH=/sbin'],
      entrypoint: ['/e'],
      workdir: '/w',
      user: 'nobody',
      labels: { k: 'v' },
    });
    expect(made.layers.map((layer) => layer.diffId).slice(0, 1)).toEqual(image.diffIds);
    expect(made.layers).toHaveLength(2);
    expect(made.config.json).toMatchObject({
      author: 'me',
      config: {
        Env: ['PATH=/sbin', 'A=b'],
        Entrypoint: ['/e'],
        WorkingDir: '/w',
        User: 'nobody',
        Labels: { k: 'v' },
      },
      history: [{ created_by: 'step 0' }, { created_by: 'mica commit', comment: 'more', author: 'me' }],
    });
    expect(made.config.json.config?.Cmd).toBeUndefined();
    expect((await store.content.info(made.layers[1]!.descriptor.digest)).labels).toEqual({
      'containerd.io/uncompressed': made.layers[1]!.diffId,
    });
  });

  it('is shown by the snapshot without being unpacked, and by an import of its export', async () => {
    await committed('mine', top, changes);
    const { row, image: made } = await commitImage(store, { snapshot: 'mine', ref: 'bar' });
    await exportImage(store, row, join(folder, 'bar.tar'));
    const other = folderStore(join(folder, 'other'));
    stores.push(other);
    const phases = new Set<string>();
    await importImage(store, join(folder, 'bar.tar'), {
      name: 'again',
      onProgress: (p) => phases.add(p.phase),
    });
    expect(phases).toEqual(new Set(['skip', 'image']));
    await importImage(other, join(folder, 'bar.tar'));
    const differences = await withSnapshot(store.snapshots, 'mine', 'test', (mine) =>
      withSnapshot(store.snapshots, topSnapshot(made)!, 'test', (named) =>
        withSnapshot(other.snapshots, topSnapshot(made)!, 'test', (imported) => [
          ...compare(mine, named),
          ...compare(mine, imported),
        ]),
      ),
    );
    // A layer does not say when the root of its tree was changed.
    expect(differences.filter(({ path, aspect }) => path !== '' || aspect !== 'mtime')).toEqual([]);
  });

  it('has a layer for each snapshot above the image', async () => {
    await committed('one', top, [file('a', '1')]);
    await committed('two', 'one', [file('b', '2')]);
    const { image: made } = await commitImage(store, { snapshot: 'two', ref: 'bar' });
    expect(made.layers).toHaveLength(3);
    expect(made.config.json.history).toHaveLength(3);
  });

  it('can be made twice of one snapshot, each with a config of its own', async () => {
    await committed('one', top, [file('a', '1')]);
    const { image: first } = await commitImage(store, { snapshot: 'one', ref: 'bar', user: 'me' });
    const { image: second } = await commitImage(store, { snapshot: 'one', ref: 'baz', cmd: ['/x'] });
    expect(second.layers).toEqual(first.layers);
    expect(second.config.json.config).toEqual({ Env: ['PATH=/bin'], Cmd: ['/x'] });
  });

  it('stands on an image that was committed here', async () => {
    await committed('one', top, [file('a', '1')]);
    const { image: first } = await commitImage(store, { snapshot: 'one', ref: 'bar', user: 'me' });
    await committed('two', topSnapshot(first), [file('b', '2')]);
    const { image: second } = await commitImage(store, { snapshot: 'two', ref: 'baz' });
    expect(second.layers.slice(0, 2)).toEqual(first.layers);
    expect(second.config.json.config?.User).toBe('me');
  });

  it('stands on another image of the same layers where one is removed meanwhile', async () => {
    const twin = buildImage([BASE], { config: { author: 'somebody' } });
    await importImage(store, writeFolder(layoutFiles([{ name: 'a', image: twin }]), join(folder, 'twin')));
    await committed('mine', image.chainIds[0], changes);
    let removed = false;
    const snapshots = new Proxy(store.snapshots, {
      get(target, key) {
        const value = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        return async (...words: unknown[]) => {
          if (key === 'stat' && !removed) {
            removed = true;
            await store.images.remove('a');
            for (const { digest } of [twin.descriptor, twin.config]) await store.content.delete(digest);
          }
          return value.apply(target, words);
        };
      },
    });
    const meanwhile = { content: store.content, images: store.images, leases: store.leases, snapshots };
    const made = await commitImage({ ...store, ...meanwhile }, { snapshot: 'mine', ref: 'new' });
    expect(removed).toBe(true);
    expect(made.image.layers).toHaveLength(2);
    expect(made.image.config.json).not.toHaveProperty('author');
  });

  it('may stand on nothing', async () => {
    await committed('base', undefined, [file('a', '1')]);
    const { image: made } = await commitImage(store, { snapshot: 'base', ref: 'bar' });
    expect(made.layers).toHaveLength(1);
    expect(made.config.json).toMatchObject({ os: 'linux', architecture: expect.any(String) });
  });
});

describe('an image that cannot be made changes nothing', () => {
  it('of an active snapshot', async () => {
    await store.snapshots.prepare('active', top);
    const before = await stateOf(store);
    await expect(commitImage(store, { snapshot: 'active', ref: 'bar' })).rejects.toMatchObject({
      kind: 'failed-precondition',
      hint: 'mica commit active NAME --image REF',
    });
    expect(await stateOf(store)).toEqual(before);
  });

  it('of a snapshot that is not there', async () => {
    await expect(commitImage(store, { snapshot: 'none', ref: 'bar' })).rejects.toMatchObject({
      kind: 'not-found',
    });
  });

  it('of a snapshot with a name that no layer can say', async () => {
    await store.snapshots.prepare('key', top);
    const { upper } = await store.snapshots.stack('key');
    writeFileSync(join(upper!.path, '.wh.name'), '');
    await store.snapshots.commit('mine', 'key');
    const before = await stateOf(store);
    await expect(commitImage(store, { snapshot: 'mine', ref: 'bar' })).rejects.toMatchObject({
      kind: 'failed-precondition',
      why: expect.stringContaining('.wh.name'),
    });
    expect(await stateOf(store)).toEqual(before);
  });

  it('with a variable that is none', async () => {
    await committed('mine', top, changes);
    const before = await stateOf(store);
    await expect(commitImage(store, { snapshot: 'mine', ref: 'bar', env: ['A'] })).rejects.toMatchObject({
      kind: 'invalid-argument',
    });
    expect(await stateOf(store)).toEqual(before);
  });
});
