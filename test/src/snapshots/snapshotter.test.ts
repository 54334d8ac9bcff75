import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareStack, readIndexHead, sys } from '../../../fs/index.js';
import { Metadata } from '../../../src/metadata/db.js';
import { MemSnapshotter } from '../../../src/snapshots/mem-snapshotter.js';
import type { Driver } from '../../../src/snapshots/snapshot.js';
import { FolderSnapshotter, type SnapshotterOptions } from '../../../src/snapshots/snapshotter.js';
import { describeWith } from '../../requires.js';
import { snapshotterSuite } from '../../suites/snapshotter.js';
import { storeSnapshotterSuite } from '../../suites/store-snapshotter.js';

const DRIVERS: readonly Driver[] = ['fuse', 'overlay', 'native'];

interface Store {
  readonly root: string;
  readonly metadata: Metadata;
  open(driver: Driver, more?: Partial<SnapshotterOptions>): FolderSnapshotter;
  close(): Promise<void>;
}

function makeStore(): Store {
  const root = mkdtempSync(join(tmpdir(), 'mica-snapshots-'));
  const metadata = Metadata.open(join(root, 'metadata'), { durable: false });
  return {
    root,
    metadata,
    open: (driver, more = {}) =>
      new FolderSnapshotter(metadata, {
        folder: join(root, 'snapshots'),
        state: join(root, 'state'),
        namespace: 'default',
        driver,
        helper: '/usr/bin/mica-overlayfs',
        ...more,
      }),
    close: async () => {
      await metadata.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function setXattr(path: string, name: string, value: string): void {
  const fd = openSync(path, 'r');
  sys.setXattr(fd, name, Buffer.from(value), 0);
  closeSync(fd);
}

function getXattr(path: string, name: string): string {
  const fd = openSync(path, 'r');
  const value = sys.getXattr(fd, name);
  closeSync(fd);
  return Buffer.from(value ?? []).toString();
}

for (const driver of DRIVERS) {
  const inMemory = async () => {
    const snapshotter = new MemSnapshotter(driver);
    return { snapshotter, close: () => snapshotter.close() };
  };
  snapshotterSuite(`in memory (${driver})`, driver, inMemory);
  storeSnapshotterSuite(`in memory (${driver})`, driver, inMemory);
}

describeWith(['root'], 'with binds', () => {
  for (const driver of DRIVERS) {
    const onFolders = async () => {
      const store = makeStore();
      return { snapshotter: store.open(driver), close: () => store.close() };
    };
    snapshotterSuite(`on folders (${driver})`, driver, onFolders);
    storeSnapshotterSuite(`on folders (${driver})`, driver, onFolders);
  }
});

describe('snapshots on folders', () => {
  let store: Store;
  beforeEach(() => {
    store = makeStore();
  });
  afterEach(() => store.close());
  const snapshots = () => readdirSync(join(store.root, 'snapshots')).sort();
  const folder = (id: string, ...more: string[]) => join(store.root, 'snapshots', id, ...more);

  it('lie in <id>/fs and <id>/work, with modes that no umask changes', async () => {
    const umask = process.umask(0o077);
    try {
      const sn = store.open('overlay');
      await sn.prepare('key', undefined);
      const { id } = await sn.stat('key');
      expect(statSync(folder(id, 'fs')).mode & 0o7777).toBe(0o755);
      expect(statSync(folder(id, 'work')).mode & 0o7777).toBe(0o711);
      await sn.view('view', undefined);
      expect(existsSync(folder((await sn.stat('view')).id, 'work'))).toBe(false);
    } finally {
      process.umask(umask);
    }
  });

  it('keep their files in place at commit, without the work folder', async () => {
    const sn = store.open('overlay');
    await sn.prepare('key', undefined);
    const { id } = await sn.stat('key');
    writeFileSync(folder(id, 'fs', 'file'), 'text');
    const { ino } = statSync(folder(id, 'fs', 'file'));
    await sn.commit('base', 'key');
    expect(statSync(folder(id, 'fs', 'file')).ino).toBe(ino);
    const index = process.platform === 'linux' ? ['index'] : [];
    expect(readdirSync(folder(id))).toEqual(['facts.json', 'fs', ...index]);
  });

  it.runIf(process.platform === 'linux')(
    'have an index that names them, their parent and no later state',
    async () => {
      const sn = store.open('overlay');
      await sn.prepare('one', undefined);
      await sn.commit('base', 'one');
      await sn.prepare('two', 'base');
      const { id } = await sn.stat('two');
      // What a commit that failed may leave.
      writeFileSync(folder(id, 'index'), 'stale');
      await sn.commit('top', 'two');
      const { trailer } = readIndexHead(folder(id, 'index'));
      const parent = (await sn.stat('base')).id;
      expect(JSON.parse(trailer)).toMatchObject({
        id,
        parent,
        name: 'top',
        form: 'diff',
        dialect: 'overlay',
      });
      const { lowers } = await sn.stack('top');
      expect(lowers.map(({ facts }) => facts?.name)).toEqual(['top', 'base']);
    },
  );

  it.runIf(process.platform === 'linux')('take the flattened index of their chain along', async () => {
    const chains = join(store.root, 'chains');
    const sn = store.open('overlay', { chains });
    for (const name of ['base', 'top']) {
      await sn.prepare('key', name === 'top' ? 'base' : undefined);
      await sn.commit(name, 'key');
      prepareStack({ ...(await sn.stack(name)), chains });
    }
    expect(readdirSync(chains)).toHaveLength(2);
    await sn.cleanup();
    expect(readdirSync(chains)).toHaveLength(2);
    await sn.remove('top');
    await sn.cleanup();
    expect(readdirSync(chains)).toHaveLength(1);
  });

  it('begin with the owner, mode and times of their parent’s root', async () => {
    const sn = store.open('overlay');
    await sn.prepare('key', undefined);
    const base = folder((await sn.stat('key')).id, 'fs');
    chmodSync(base, 0o1777);
    utimesSync(base, 1000, 2000);
    await sn.commit('base', 'key');
    await sn.prepare('next', 'base');
    const next = statSync(folder((await sn.stat('next')).id, 'fs'));
    expect(next.mode & 0o7777).toBe(0o1777);
    expect(next.mtimeMs).toBe(2_000_000);
  });

  it('leave nothing behind when they are refused or removed', async () => {
    const sn = store.open('overlay');
    await sn.prepare('key', undefined);
    const before = snapshots();
    await expect(sn.prepare('key', undefined)).rejects.toMatchObject({ kind: 'already-exists' });
    await expect(sn.prepare('k'.repeat(5000), undefined)).rejects.toMatchObject({ kind: 'invalid-argument' });
    expect(snapshots()).toEqual(before);
    await sn.remove('key');
    expect(snapshots()).toEqual([]);
  });

  it('are only renamed away by an asynchronous remove, and deleted by cleanup', async () => {
    const sn = store.open('overlay', { asyncRemove: true });
    await sn.prepare('key', undefined);
    const { id } = await sn.stat('key');
    await sn.remove('key');
    expect(snapshots()).toEqual([expect.stringMatching(new RegExp(`^rm-${id}-`))]);
    expect(await sn.cleanup()).toBe(1);
    expect(snapshots()).toEqual([]);
  });

  it('cleanup deletes folders that no row of any namespace names, and nothing that is being made', async () => {
    const sn = store.open('overlay');
    const other = store.open('overlay', { namespace: 'other' });
    await sn.prepare('key', undefined);
    await other.prepare('key', undefined);
    const kept = snapshots();
    for (const name of ['999/fs', 'new-abc/fs', 'rm-7-x/fs', 'new-held/fs']) {
      mkdirSync(folder(name), { recursive: true });
    }
    const maker = openSync(folder('new-held'), 'r');
    expect(sys.tryLock(maker)).toBe(true);
    expect(await sn.cleanup()).toBe(3);
    expect(snapshots()).toEqual([...kept, 'new-held'].sort());
    closeSync(maker);
    expect(await sn.cleanup()).toBe(1);
    expect(snapshots()).toEqual(kept);
  });

  it('replace a folder of their number that a killed process left', async () => {
    const sn = store.open('overlay');
    await sn.prepare('first', undefined);
    const next = String(Number((await sn.stat('first')).id) + 1);
    mkdirSync(folder(next, 'fs', 'rubbish'), { recursive: true });
    await sn.prepare('second', undefined);
    expect((await sn.stat('second')).id).toBe(next);
    expect(readdirSync(folder(next, 'fs'))).toEqual([]);
  });

  it('measure blocks as du does, and a file with two names once', async () => {
    const sn = store.open('overlay');
    await sn.prepare('key', undefined);
    const fs = folder((await sn.stat('key')).id, 'fs');
    mkdirSync(join(fs, 'd'));
    writeFileSync(join(fs, 'd/a'), Buffer.alloc(100_000, 1));
    linkSync(join(fs, 'd/a'), join(fs, 'd/b'));
    truncateSync(join(fs, 'd/a'), 50_000_000);
    symlinkSync('/', join(fs, 'link'));
    const du = Number(execFileSync('du', ['-s', '-B1', fs], { encoding: 'utf8' }).split('\t')[0]);
    expect(await sn.usage('key')).toEqual({ size: du, inodes: 4 });
    await sn.commit('base', 'key');
    writeFileSync(join(fs, 'later'), Buffer.alloc(100_000, 1));
    expect(await sn.usage('base')).toEqual({ size: du, inodes: 4 });
  });

  it('show the upper folder as a label when asked to', async () => {
    const sn = store.open('overlay', { upperdirLabel: true });
    await sn.prepare('key', undefined, { labels: { a: 'b' } });
    const { id } = await sn.stat('key');
    expect((await sn.stat('key')).labels).toEqual({
      a: 'b',
      'containerd.io/snapshot/overlay.upperdir': folder(id, 'fs'),
    });
  });

  it('keep names apart by namespace', async () => {
    await store.open('overlay').prepare('key', undefined);
    const other = store.open('overlay', { namespace: 'other' });
    await expect(other.stat('key')).rejects.toMatchObject({ kind: 'not-found' });
    await other.prepare('key', undefined);
  });

  it('refuse a chain of the other form, with the way out in the hint', async () => {
    const native = store.open('native');
    await native.prepare('key', undefined);
    await native.commit('tree', 'key');
    for (const driver of ['fuse', 'overlay'] as const) {
      await expect(store.open(driver).prepare('child', 'tree')).rejects.toMatchObject({
        kind: 'failed-precondition',
        hint: expect.stringContaining('mica export'),
      });
    }
    await store.open('fuse').prepare('key', undefined);
    await store.open('fuse').commit('layer', 'key');
    await expect(native.view('look', 'layer')).rejects.toMatchObject({ kind: 'failed-precondition' });
    await store.open('overlay').prepare('child', 'layer');
    await expect(native.mounts('child')).rejects.toMatchObject({
      kind: 'failed-precondition',
      hint: expect.stringContaining('--driver fuse'),
    });
  });

  describe('of whole trees', () => {
    it('hold what their parent held, with holes, hard links, symlinks, modes and times', async () => {
      const sn = store.open('native');
      await sn.prepare('key', undefined);
      const base = folder((await sn.stat('key')).id, 'fs');
      mkdirSync(join(base, 'd/e'), { recursive: true });
      const hole = openSync(join(base, 'hole'), 'w');
      writeSync(hole, 'end', 20_000_000);
      closeSync(hole);
      writeFileSync(join(base, 'd/e/a'), 'text', { mode: 0o640 });
      linkSync(join(base, 'd/e/a'), join(base, 'b'));
      symlinkSync('d/e/a', join(base, 'link'));
      execFileSync('mkfifo', ['-m', '604', join(base, 'fifo')]);
      setXattr(join(base, 'd/e/a'), 'user.note', 'kept');
      utimesSync(join(base, 'd/e/a'), 1, 2);
      utimesSync(join(base, 'd/e'), 3, 4);
      await sn.commit('base', 'key');
      await sn.prepare('next', 'base');
      const next = folder((await sn.stat('next')).id, 'fs');
      expect(readFileSync(join(next, 'link'), 'utf8')).toBe('text');
      const a = lstatSync(join(next, 'd/e/a'));
      expect([a.mode & 0o7777, a.mtimeMs, a.nlink]).toEqual([0o640, 2000, 2]);
      expect(lstatSync(join(next, 'b')).ino).toBe(a.ino);
      expect(lstatSync(join(next, 'd/e')).mtimeMs).toBe(4000);
      const holes = lstatSync(join(next, 'hole'));
      expect(holes.size).toBe(20_000_003);
      expect(holes.blocks * 512).toBeLessThan(1_000_000);
      expect(lstatSync(join(next, 'fifo')).mode & 0o7777).toBe(0o604);
      expect(getXattr(join(next, 'b'), 'user.note')).toBe('kept');
    });

    it('never bring a deleted file of the parent back', async () => {
      const sn = store.open('native');
      await sn.prepare('key', undefined);
      writeFileSync(folder((await sn.stat('key')).id, 'fs', 'file'), 'text');
      await sn.commit('base', 'key');
      await sn.prepare('next', 'base');
      rmSync(folder((await sn.stat('next')).id, 'fs', 'file'));
      await sn.commit('without', 'next');
      await expect(store.open('fuse').prepare('child', 'without')).rejects.toMatchObject({
        kind: 'failed-precondition',
      });
      const stack = await store.open('fuse').stack('without');
      expect(stack.lowers.map((layer) => readdirSync(layer.path))).toEqual([[]]);
    });

    it('copy nothing for a view, which shows its parent', async () => {
      const sn = store.open('native');
      await sn.prepare('key', undefined);
      const base = folder((await sn.stat('key')).id, 'fs');
      writeFileSync(join(base, 'file'), 'text');
      await sn.commit('base', 'key');
      expect(await sn.view('view', 'base')).toEqual([
        { type: 'bind', source: base, options: ['ro', 'rbind'] },
      ]);
      expect(readdirSync(folder((await sn.stat('view')).id, 'fs'))).toEqual([]);
      expect((await sn.stack('view')).lowers.map((layer) => layer.path)).toEqual([base]);
    });
  });
});
