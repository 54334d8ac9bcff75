// Garbage collection over a whole store on disk, and beside work that goes on at the same time: a collection at every
// step of each kind of work, and the work at every step of a collection.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CollectedStore, collectGarbage, collecting, previewGarbage } from '../../src/collect.js';
import { LocalContent } from '../../src/content/local-content.js';
import { digestOf } from '../../src/digest.js';
import { WorkLease } from '../../src/images/at-work.js';
import { commitImage } from '../../src/images/commit-image.js';
import { createImage } from '../../src/images/create.js';
import type { UnpackStore } from '../../src/images/images.js';
import { importImage } from '../../src/images/import.js';
import { withSnapshot } from '../../src/images/open-snapshot.js';
import { blobsOf, openImage } from '../../src/images/stored.js';
import { rootLabels } from '../../src/labels.js';
import { blobRows } from '../../src/metadata/blobs.js';
import { Metadata } from '../../src/metadata/db.js';
import { imageRows } from '../../src/metadata/images.js';
import { leaseRows } from '../../src/metadata/leases.js';
import { ensureStoreFolders } from '../../src/root-folder.js';
import { FolderSnapshotter } from '../../src/snapshots/snapshotter.js';
import { buildImage, file, layerTar, layoutFiles, tempFolder, writeFolder } from '../fixtures/oci.js';

const ROOT = 'containerd.io/gc.root';
const image = buildImage([
  layerTar([file('etc/'), file('etc/one', 'one')]),
  layerTar([file('etc/'), file('etc/two', 'two')]),
]);
const [base, top] = image.chainIds as readonly [string, string];

interface TestStore extends UnpackStore, CollectedStore {
  readonly content: LocalContent;
  close(): Promise<void>;
}

/** The parts of a store over one folder; `step` runs around every change of the metadata. */
function openStore(root: string, namespace = 'default', step?: () => Promise<void>): TestStore {
  const folders = ensureStoreFolders(root);
  const real = Metadata.open(folders.metadata, { durable: false });
  const metadata = step === undefined ? real : stepped(real, step);
  const state = join(root, 'state');
  return {
    metadata: real,
    folders,
    state,
    content: new LocalContent(folders.content, blobRows(metadata, namespace), namespace),
    images: imageRows(metadata, namespace),
    leases: leaseRows(metadata, namespace),
    snapshots: new FolderSnapshotter(metadata, {
      folder: folders.snapshots,
      chains: folders.chains,
      state,
      namespace,
      driver: 'fuse',
      helper: '/nowhere/mica-overlayfs',
    }),
    close: () => real.close(),
  };
}

function stepped(real: Metadata, step: () => Promise<void>): Metadata {
  return new Proxy(real, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === 'write') {
        return async (fn: Parameters<Metadata['write']>[0]) => {
          await step();
          const result = await target.write(fn);
          await step();
          return result;
        };
      }
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

let folder: string;
let layout: string;
const stores: TestStore[] = [];

beforeEach(() => {
  folder = tempFolder();
  layout = writeFolder(layoutFiles([{ name: 'foo', image }]), join(folder, 'layout'));
  mkdirSync(join(folder, 'tree'));
  writeFileSync(join(folder, 'tree', 'file'), 'of a folder');
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(folder, { recursive: true });
});

let roots = 0;

function open(
  root = join(folder, `root-${roots++}`),
  namespace?: string,
  step?: () => Promise<void>,
): TestStore {
  const store = openStore(root, namespace, step);
  stores.push(store);
  return store;
}

async function close(store: TestStore): Promise<void> {
  stores.splice(stores.indexOf(store), 1);
  await store.close();
}

async function names(store: UnpackStore): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const { name } of store.snapshots.walk()) all.push(name);
  return all;
}

async function digests(store: UnpackStore): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const { digest } of store.content.walk()) all.push(digest);
  return all;
}

/** Every image is whole, every row has its folder or bytes, and nothing else lies there. */
async function expectSound(store: TestStore): Promise<void> {
  for (const row of store.images.list()) {
    const opened = await openImage(store, row, 'cannot check');
    for (const digest of blobsOf(opened)) await store.content.verify(digest);
  }
  const ids: string[] = [];
  for await (const { name, id } of store.snapshots.walk()) {
    ids.push(id);
    await withSnapshot(store.snapshots, name, 'cannot check', () => undefined);
  }
  for (const digest of await digests(store)) await store.content.verify(digest);
  await collectGarbage(store);
  expect(readdirSync(store.folders.snapshots).sort()).toEqual(ids.sort());
  const files = existsSync(join(store.folders.content, 'blobs/sha256'))
    ? readdirSync(join(store.folders.content, 'blobs/sha256'))
    : [];
  expect(files.map((name) => `sha256:${name}`).sort()).toEqual([...(await digests(store))].sort());
  expect(store.leases).toBeDefined();
}

describe('a collection', () => {
  it('leaves an image with its snapshots alone, and takes all of it when its name is gone', async () => {
    const store = open();
    await importImage(store, layout);
    expect(await collectGarbage(store)).toEqual([]);
    expect(await names(store)).toEqual([base, top].sort());
    await store.images.remove('foo');
    const gone = await collectGarbage(store);
    expect(gone.map(({ kind }) => kind).sort()).toEqual([
      'blob',
      'blob',
      'blob',
      'blob',
      'snapshot',
      'snapshot',
    ]);
    expect(await names(store)).toEqual([]);
    expect(await digests(store)).toEqual([]);
    expect(readdirSync(join(store.folders.content, 'blobs/sha256'))).toEqual([]);
    expect(readdirSync(store.folders.snapshots)).toEqual([]);
  });

  it('leaves what was made by name, and what that stands on, until it is removed by name', async () => {
    const store = open();
    await importImage(store, layout);
    await store.snapshots.prepare('key', top, { labels: rootLabels() });
    await store.content.put('ref', Buffer.from('by hand'), rootLabels());
    await store.images.remove('foo');
    const gone = await collectGarbage(store);
    expect(gone.map(({ kind }) => kind)).toEqual(['blob', 'blob', 'blob', 'blob']);
    expect(await names(store)).toEqual(['key', base, top].sort());
    await store.snapshots.remove('key');
    await collectGarbage(store);
    expect(await names(store)).toEqual([]);
    expect(await digests(store)).toEqual([digestOf('by hand')]);
  });

  it('takes bytes only when no namespace names them', async () => {
    const root = join(folder, 'both');
    const store = open(root);
    const other = open(root, 'other');
    for (const one of [store, other]) await importImage(one, layout, { unpack: false });
    await store.images.remove('foo');
    const gone = await collectGarbage(store);
    expect(gone.map(({ namespace, size }) => [namespace, size])).toEqual(Array(4).fill(['default', 0]));
    for (const digest of await digests(other)) await other.content.verify(digest);
    await other.images.remove('foo');
    const rest = await collectGarbage(store);
    expect(rest.every(({ namespace, size }) => namespace === 'other' && size > 0)).toBe(true);
    expect(readdirSync(join(store.folders.content, 'blobs/sha256'))).toEqual([]);
  });

  it('takes files and folders that no row names, and says so of bytes', async () => {
    const store = open();
    const blob = await store.content.put('ref', Buffer.from('bytes'), rootLabels());
    await store.content.delete(blob.digest);
    await store.snapshots.prepare('key', undefined, { labels: rootLabels() });
    mkdirSync(join(store.folders.snapshots, '77', 'fs'), { recursive: true });
    expect(await collectGarbage(store)).toEqual([
      { kind: 'file', namespace: '', name: blob.digest, size: 5 },
    ]);
    expect(readdirSync(store.folders.snapshots)).toEqual(['1']);
  });

  it('takes an ingest that nobody went on with for a day, unless a writer or a lease has it', async () => {
    const store = open();
    const old = new Date(Date.now() - 25 * 3_600_000);
    for (const ref of ['stale', 'fresh', 'leased']) {
      const writer = await store.content.writer({ ref });
      await writer.write(Buffer.from('half'));
      await writer.close();
    }
    const written = await store.content.writer({ ref: 'written' });
    await written.write(Buffer.from('half'));
    await store.leases.hold({ id: 'l', labels: {} }, [{ type: 'ingests', id: 'leased' }]);
    for (const name of readdirSync(join(store.folders.content, 'ingest'))) {
      const path = join(store.folders.content, 'ingest', name);
      if (readFileSync(join(path, 'ref'), 'utf8') === 'default/fresh') continue;
      writeFileSync(join(path, 'startedat'), '2020-01-01T00:00:00.000000000Z');
      utimesSync(join(path, 'data'), old, old);
    }
    const seen = await previewGarbage(store);
    expect(seen.goes).toEqual([{ kind: 'ingest', namespace: 'default', name: 'stale', size: 4 }]);
    expect(await collectGarbage(store)).toEqual(seen.goes);
    expect((await store.content.statuses()).map(({ ref }) => ref)).toEqual(['fresh', 'leased', 'written']);
    await written.close();
  });

  it('that is only asked about changes nothing, and tells of everything', async () => {
    const store = open();
    await importImage(store, layout);
    await store.snapshots.prepare('idle', top);
    await store.snapshots.prepare('key', top, { labels: rootLabels() });
    const { goes, stays } = await previewGarbage(store);
    expect(goes).toEqual([
      { kind: 'snapshot', namespace: 'default', name: 'idle', size: expect.any(Number) },
    ]);
    expect(goes[0]!.size).toBeGreaterThan(0);
    const why = new Map(stays.map(({ name, path }) => [name, path.map(({ kind }) => kind)]));
    expect(why.get(base)).toEqual(['image', 'blob', 'blob', 'snapshot', 'snapshot']);
    expect(why.get('key')).toEqual(['label', 'snapshot']);
    expect(why.size).toBe(2 + 1 + 4);
    expect(await names(store)).toContain('idle');
    await collectGarbage(store);
    expect(await names(store)).not.toContain('idle');
  });

  it('leaves an active snapshot that a process holds', async () => {
    const store = open();
    await store.snapshots.prepare('key', undefined);
    const { upper } = await store.snapshots.stack('key');
    const { openUpperDir } = await import('../../fs/index.js');
    const held = openUpperDir(upper!.path, upper!.work, { marks: upper!.marks });
    expect(await collectGarbage(store)).toEqual([]);
    held.close();
    expect(await collectGarbage(store)).toHaveLength(1);
  });
});

it('a collection that is cut short anywhere leaves a store that the next one finishes', async () => {
  for (let at = 0, ended = false; !ended; at++) {
    const store = open();
    await garbage(store);
    await store.snapshots.prepare('key', base, { labels: rootLabels() });
    const steps = collecting(store);
    for (let i = 0; i <= at && !ended; i++) ended = (await steps.next()).done === true;
    await collectGarbage(store);
    await expectSound(store);
    expect(await names(store)).toEqual(['key', base]);
    expect(await digests(store)).toEqual([]);
    await close(store);
  }
});

interface Work {
  readonly name: string;
  /** What is there before: no garbage that the work will want, or some. */
  prepared(store: TestStore): Promise<void>;
  run(store: TestStore): Promise<void>;
  /** What must be there when both have ended. */
  check(store: TestStore): Promise<void>;
}

async function imported(store: TestStore): Promise<void> {
  await importImage(store, layout);
}

/** All parts of the image, and nothing that keeps them. */
async function garbage(store: TestStore): Promise<void> {
  await imported(store);
  await store.images.remove('foo');
}

async function showsImage(store: TestStore): Promise<void> {
  expect(store.images.list().map(({ name }) => name)).toContain('foo');
  expect(await names(store)).toEqual(expect.arrayContaining([base, top]));
}

const WORK: readonly Work[] = [
  { name: 'an import', prepared: async () => undefined, run: imported, check: showsImage },
  { name: 'an import of what is garbage', prepared: garbage, run: imported, check: showsImage },
  {
    name: 'an import without unpacking, of what is garbage',
    prepared: garbage,
    run: async (store) => void (await importImage(store, layout, { unpack: false })),
    check: async (store) => expect(store.images.list()).toHaveLength(1),
  },
  {
    name: 'an image of a folder',
    prepared: async () => undefined,
    run: async (store) => void (await createImage(store, 'made', join(folder, 'tree'))),
    check: async (store) => expect(await names(store)).toHaveLength(1),
  },
  {
    name: 'a new key that is written and committed',
    prepared: imported,
    run: async (store) => {
      await store.snapshots.prepare('key', top, { labels: rootLabels() });
      await store.images.remove('foo');
      await store.snapshots.commit('mine', 'key', { labels: rootLabels() });
    },
    check: async (store) => expect(await names(store)).toEqual(['mine', base, top].sort()),
  },
  {
    name: 'an image of a committed snapshot',
    prepared: async (store) => {
      await imported(store);
      await store.snapshots.prepare('key', top);
      await store.snapshots.commit('mine', 'key', { labels: rootLabels() });
    },
    run: async (store) => void (await commitImage(store, { snapshot: 'mine', ref: 'new' })),
    check: async (store) => expect(store.images.list().map(({ name }) => name)).toEqual(['foo', 'new']),
  },
  {
    name: 'a blob that is put by name, beside a file that nobody names',
    prepared: async (store) => {
      const { digest } = await store.content.put('before', Buffer.from('bytes'));
      await store.content.delete(digest);
    },
    run: async (store) => void (await store.content.put('ref', Buffer.from('bytes'), rootLabels())),
    check: async (store) => expect(await digests(store)).toEqual([digestOf('bytes')]),
  },
];

describe.each(WORK)('beside $name', ({ name, prepared, run, check }) => {
  it('a collection at any step, and at all of them, loses nothing', async () => {
    // At each alone where the work finds something; the others make all of it.
    const most = name.includes('garbage') ? Number.POSITIVE_INFINITY : -1;
    for (let at = -1, last = 0; at <= Math.min(last, most); at++) {
      const root = join(folder, `at-${at}`);
      const first = open(root);
      await prepared(first);
      await close(first);
      let step = 0;
      let busy = false;
      const store: TestStore = open(root, undefined, async () => {
        if (busy || (at >= 0 && step++ !== at)) return;
        busy = true;
        await collectGarbage(store);
        busy = false;
      });
      await run(store);
      if (at >= 0) last = step - 1;
      else last = 0;
      await check(store);
      await expectSound(store);
      await check(store);
      await close(store);
    }
  });

  it('whatever step a collection has come to, loses nothing', async () => {
    for (let at = 0, ended = false; !ended; at++) {
      const store = open(join(folder, `step-${at}`));
      await prepared(store);
      const steps = collecting(store);
      for (let i = 0; i <= at && !ended; i++) ended = (await steps.next()).done === true;
      await run(store);
      for (let done = ended; done !== true; ) done = (await steps.next()).done === true;
      await check(store);
      await expectSound(store);
      await check(store);
      await close(store);
    }
  });
});

it('a writer that shares the bytes of another namespace has them, whatever is collected there', async () => {
  const root = join(folder, 'shared');
  const giver = open(root, 'giver');
  const taker = open(root, 'taker');
  const { digest } = await giver.content.put('ref', Buffer.from('shared bytes'));
  const writer = await taker.content.writer({ ref: 'mine', expected: digest });
  expect(writer.offset).toBe(12);
  expect(await collectGarbage(giver)).toHaveLength(1);
  expect(existsSync(join(giver.folders.content, 'blobs/sha256', digest.slice(7)))).toBe(false);
  await writer.commit({ labels: { [ROOT]: 'x' } });
  await taker.content.verify(digest);
  await expectSound(taker);
});

it('an import that fails takes nothing away that another one counts on', async () => {
  const store = open();
  const broken = writeFolder(layoutFiles([{ name: 'bar', image }]), join(folder, 'broken'));
  const other = new WorkLease(store.leases);
  await other.hold({ blobs: [...image.layers.map(({ digest }) => digest)], snapshots: [base] });
  // The last layer is damaged: the first one is stored and unpacked by then.
  const { digest } = image.layers[1]!;
  const path = join(broken, 'blobs/sha256', digest.slice(7));
  const bytes = readFileSync(path);
  writeFileSync(path, Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1)! ^ 1)]));
  await expect(importImage(store, broken)).rejects.toMatchObject({ kind: 'corrupt' });
  expect(await names(store)).toEqual([base]);
  expect(await digests(store)).toEqual([image.layers[0]!.digest]);
  await importImage(store, layout);
  await other.end();
  await expectSound(store);
  await showsImage(store);
});
