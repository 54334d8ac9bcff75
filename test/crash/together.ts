// Processes that import, commit, remove and collect on one store at a time. Each keeps to names of its own, shares
// layers, blobs and snapshots with all others, and says at the end what it must still have.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { fsck } from '../../src/check/fsck.js';
import { collectGarbage } from '../../src/collect.js';
import { blobsOf, openImage } from '../../src/images/stored.js';
import { Store } from '../../src/store.js';
import { outputOf, startModule } from '../child.js';
import { buildImage, file, layerTar, layoutFiles, tempFolder, writeFolder } from '../fixtures/oci.js';

export interface TogetherOptions {
  readonly processes: number;
  readonly seconds: number;
  readonly seed: number;
}

interface Belongings {
  readonly images: readonly string[];
  readonly snapshots: readonly string[];
  readonly blobs: readonly string[];
  readonly done: Readonly<Record<string, number>>;
}

const LAYOUTS = 4;

const WORKER = `
  import { join } from 'node:path';
  import { collectGarbage } from './src/collect.js';
  import { digestOf } from './src/digest.js';
  import { commitImage } from './src/images/commit-image.js';
  import { importImage } from './src/images/import.js';
  import { removeImage } from './src/images/names.js';
  import { openImage, topSnapshot } from './src/images/stored.js';
  import { rootLabels } from './src/labels.js';
  import { Store } from './src/store.js';
  const [, , folder, me, seconds, seed] = process.argv;
  const store = await Store.open(join(folder, 'root'), { state: join(folder, 'state'), driver: 'fuse' });
  let state = Number(seed) * 7919 + Number(me) + 1;
  const random = (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const pick = (set) => [...set][random(set.size)];
  const images = new Set(), snapshots = new Set(), blobs = new Set(), done = {};
  let count = 0;
  const actions = {
    async import() {
      const k = random(${LAYOUTS});
      const name = 'image-' + me + '-' + k;
      await importImage(store, join(folder, 'layout-' + k), { name, unpack: random(4) > 0 });
      images.add(name);
    },
    async grow() {
      if (images.size === 0) return;
      const image = pick(images);
      const top = topSnapshot(await openImage(store, store.images.get(image), 'cannot grow'));
      if (!(await exists(top))) return;
      const name = 'mine-' + me + '-' + count++;
      await store.snapshots.prepare(name + '-key', top, { labels: rootLabels() });
      snapshots.add(name + '-key');
      await store.snapshots.commit(name, name + '-key', { labels: rootLabels() });
      snapshots.delete(name + '-key');
      snapshots.add(name);
      if (random(3) > 0) return;
      await commitImage(store, { snapshot: name, ref: 'grown-' + me });
      images.add('grown-' + me);
    },
    async put() {
      const text = 'blob ' + random(5);
      await store.content.put('put-' + me, Buffer.from(text), rootLabels());
      blobs.add(digestOf(text));
    },
    async rmi() {
      if (images.size === 0) return;
      const image = pick(images);
      images.delete(image);
      await removeImage(store, image);
      await collectGarbage(store);
    },
    async rm() {
      if (snapshots.size === 0) return;
      const name = pick(snapshots);
      const children = [];
      for await (const info of store.snapshots.walk()) if (info.parent === name) children.push(info.name);
      if (children.length > 0) return;
      await store.snapshots.remove(name);
      snapshots.delete(name);
    },
    async gc() {
      await collectGarbage(store);
    },
  };
  const exists = (name) => store.snapshots.stat(name).then(() => true, () => false);
  const end = performance.now() + Number(seconds) * 1000;
  while (performance.now() < end) {
    const [name, act] = Object.entries(actions)[random(6)];
    try {
      await act();
    } catch (error) {
      throw new Error(me + ' ' + name + ': ' + error.stack, { cause: error });
    }
    done[name] = (done[name] ?? 0) + 1;
  }
  await store.close();
  console.log(JSON.stringify({ images: [...images], snapshots: [...snapshots], blobs: [...blobs], done }));
`;

/** Lets them work, and holds the store to what they say and to fsck. */
export async function workOnStore({ processes, seconds, seed }: TogetherOptions): Promise<void> {
  const folder = tempFolder();
  try {
    for (let k = 0; k < LAYOUTS; k++) {
      // Base layers are shared by two images each.
      const base = layerTar([file('etc/'), file('etc/base', `${k >> 1}`.repeat(50_000))]);
      const top = layerTar([file('etc/'), file('etc/top', `${k}`.repeat(20_000))]);
      writeFolder(
        layoutFiles([{ name: 'any', image: buildImage([base, top]) }]),
        join(folder, `layout-${k}`),
      );
    }
    const children = Array.from({ length: processes }, (_, n) =>
      startModule(WORKER, [folder, String(n), String(seconds), String(seed)]),
    );
    const outputs = await Promise.all(children.map(outputOf));
    expect(await Promise.all(children.map((child) => child.exit))).toEqual(children.map(() => 0));
    const all = outputs.map((lines) => JSON.parse(lines.at(-1) ?? '') as Belongings);
    await expectAllThere(folder, all);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function expectAllThere(folder: string, all: readonly Belongings[]): Promise<void> {
  const options = { state: join(folder, 'state'), driver: 'fuse' } as const;
  const { problems } = await fsck(join(folder, 'root'), options, { verifyContent: true });
  expect(problems.filter(({ level }) => level === 'error')).toEqual([]);
  const store = await Store.open(join(folder, 'root'), options);
  try {
    const images = store.images.list().map(({ name }) => name);
    expect(images.sort()).toEqual(all.flatMap((one) => one.images).sort());
    for (const row of store.images.list()) {
      for (const digest of blobsOf(await openImage(store, row, 'cannot check')))
        await store.content.verify(digest);
    }
    for (const name of all.flatMap((one) => one.snapshots)) await store.snapshots.stat(name);
    for (const digest of all.flatMap((one) => one.blobs)) await store.content.verify(digest);
    expect(store.leases.list()).toEqual([]);
    for (const { name } of store.images.list()) await store.images.remove(name);
    for (const digest of new Set(all.flatMap((one) => one.blobs))) await store.content.delete(digest);
    const mine = new Set(all.flatMap((one) => one.snapshots));
    for (const name of mine) await store.snapshots.update(name, {}, ['labels']);
    await collectGarbage(store);
    const left: string[] = [];
    for await (const { name } of store.snapshots.walk()) left.push(name);
    for await (const { digest } of store.content.walk()) left.push(digest);
    expect(left).toEqual([]);
  } finally {
    await store.close();
  }
}
