import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectControl } from '../../dist/src/mounts/control-socket.js';
import { withTempMount } from '../../dist/src/mounts/mount-all.js';
import { mountSnapshot, unmountSnapshot } from '../../dist/src/mounts/mount-snapshot.js';
import { MountTable } from '../../dist/src/mounts/table.js';
import { Store } from '../../dist/src/store.js';
import { describeWith } from '../requires.js';

/** Every entry with what a user sees of it; file numbers and folder sizes are the filesystem's own affair. */
function treeOf(folder: string): string {
  const words = [
    '-type',
    'd',
    '-printf',
    '%P %y %m %U %G %T@\\n',
    '-o',
    '-printf',
    '%P %y %m %U %G %l %T@ %n %s\\n',
  ];
  const find = spawnSync('find', [folder, '-mindepth', '1', ...words], { encoding: 'utf8' });
  const sums = spawnSync('sh', ['-c', 'find . -type f -print0 | sort -z | xargs -0r sha256sum'], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (find.status !== 0 || sums.status !== 0) throw new Error(`${find.stderr}${sums.stderr}`);
  return `${find.stdout.split('\n').sort().join('\n')}\n${sums.stdout}`;
}

describeWith(['root', 'fuse', 'overlay'], 'mounted snapshots', () => {
  let root: string;
  let store: Store;
  let merged: string;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mica-mounted-'));
    merged = join(root, 'merged');
    mkdirSync(merged);
    store = await Store.open(join(root, 'root'), {
      state: join(root, 'state'),
      driver: 'fuse',
      durable: false,
    });
  });
  afterEach(async () => {
    for (const row of new MountTable(store.state).list()) await unmountSnapshot(row.target, store.state);
    await store.close();
    rmSync(root, { recursive: true, force: true });
  });

  /** A committed snapshot whose folder was filled by `fill`. */
  async function base(name: string, fill: (fs: string) => void): Promise<void> {
    await store.snapshots.prepare(`${name}-key`, undefined);
    const { upper } = await store.snapshots.stack(`${name}-key`);
    if (upper === undefined) throw new Error('no upper');
    fill(upper.path);
    await store.snapshots.commit(name, `${name}-key`);
  }

  function fillTree(fs: string): void {
    mkdirSync(join(fs, 'd/e'), { recursive: true });
    writeFileSync(join(fs, 'd/e/deep'), 'deep');
    writeFileSync(join(fs, 'file'), 'lower');
    writeFileSync(join(fs, 'gone'), 'lower');
    symlinkSync('file', join(fs, 'link'));
  }

  it('show the same tree through FUSE, then the kernel, then FUSE again', async () => {
    await base('base', fillTree);
    await store.snapshots.prepare('key', 'base');
    await mountSnapshot(store, 'key', merged);
    appendFileSync(join(merged, 'file'), ' and upper');
    rmSync(join(merged, 'gone'));
    rmSync(join(merged, 'd'), { recursive: true });
    mkdirSync(join(merged, 'd'));
    writeFileSync(join(merged, 'd/new'), 'new');
    const first = treeOf(merged);
    expect(first).toContain('d/new f');
    await unmountSnapshot(merged, store.state);
    await mountSnapshot(store, 'key', merged, { driver: 'overlay' });
    expect(treeOf(merged)).toBe(first);
    rmSync(join(merged, 'link'));
    writeFileSync(join(merged, 'by-kernel'), 'kernel');
    const second = treeOf(merged);
    await unmountSnapshot(merged, store.state);
    await mountSnapshot(store, 'key', merged, { driver: 'fuse' });
    expect(treeOf(merged)).toBe(second);
  });

  it('may be renamed about and linked under FUSE, and the kernel shows it after settling', async () => {
    await base('base', (fs) => {
      fillTree(fs);
      spawnSync('ln', [join(fs, 'file'), join(fs, 'd/other-name')]);
    });
    await store.snapshots.prepare('key', 'base');
    await mountSnapshot(store, 'key', merged);
    renameSync(join(merged, 'd'), join(merged, 'moved'));
    appendFileSync(join(merged, 'file'), ' and upper');
    const first = treeOf(merged);
    expect(readFileSync(join(merged, 'moved/other-name'), 'utf8')).toBe('lower and upper');
    await unmountSnapshot(merged, store.state);
    await mountSnapshot(store, 'key', merged, { driver: 'overlay' });
    expect(treeOf(merged)).toBe(first);
  });

  it('take what is written into a large file, and all of it for the kernel or a commit', async () => {
    const content = Buffer.alloc(6 << 20, 'l');
    await base('base', (fs) => writeFileSync(join(fs, 'big'), content));
    content.write('new', 5_000_000);
    for (const [key, ends] of [
      ['kernel', () => mountSnapshot(store, 'kernel', merged, { driver: 'overlay' })],
      ['commit', () => store.snapshots.commit('next', 'commit')],
    ] as const) {
      await store.snapshots.prepare(key, 'base');
      await mountSnapshot(store, key, merged);
      const big = openSync(join(merged, 'big'), 'r+');
      writeSync(big, 'new', 5_000_000);
      closeSync(big);
      const { upper } = await store.snapshots.stack(key);
      const inUpper = join(upper?.path ?? '', 'big');
      expect(statSync(inUpper).blocks).toBeLessThan(32);
      if (key === 'kernel') await unmountSnapshot(merged, store.state);
      await ends();
      expect(readFileSync(inUpper).equals(content)).toBe(true);
      expect(readFileSync(join(merged, 'big')).equals(content)).toBe(true);
      await unmountSnapshot(merged, store.state);
    }
  });

  it('are plain after the unmount when that was asked for, and else as they are', async () => {
    await base('base', (fs) => {
      fillTree(fs);
      spawnSync('ln', [join(fs, 'file'), join(fs, 'd/other-name')]);
    });
    for (const settle of [false, true]) {
      const key = `key-${settle}`;
      await store.snapshots.prepare(key, 'base');
      await mountSnapshot(store, key, merged, { settle });
      appendFileSync(join(merged, 'file'), ' and upper');
      await unmountSnapshot(merged, store.state);
      const { upper } = await store.snapshots.stack(key);
      expect(existsSync(join(upper?.work ?? '', 'work/incompat/mica'))).toBe(!settle);
      expect(existsSync(join(upper?.path ?? '', 'd/other-name'))).toBe(settle);
    }
  });

  it('are views that nobody can write to, under both drivers', async () => {
    await base('base', fillTree);
    await store.snapshots.view('view', 'base');
    for (const driver of ['fuse', 'overlay'] as const) {
      await mountSnapshot(store, 'view', merged, { driver });
      expect(readFileSync(join(merged, 'file'), 'utf8')).toBe('lower');
      expect(() => writeFileSync(join(merged, 'new'), '')).toThrow('EROFS');
      await unmountSnapshot(merged, store.state);
    }
  });

  it('are a FUSE mount with one layer, too', async () => {
    await store.snapshots.prepare('key', undefined);
    const row = await mountSnapshot(store, 'key', merged);
    writeFileSync(join(merged, 'file'), 'text');
    expect(row).toMatchObject({ driver: 'fuse', transport: 'device', readOnly: false });
    const server = await connectControl(row.socket ?? '');
    expect(await server.ask({ op: 'usage' })).toMatchObject({ inodes: 2 });
    expect(await server.ask({ op: 'status' })).toMatchObject({ target: merged, pid: row.process.pid });
    server.close();
    expect(spawnSync('stat', ['-f', '-c', '%T', merged], { encoding: 'utf8' }).stdout.trim()).toMatch(/fuse/);
  });

  it('are noted in the table while they last', async () => {
    await store.snapshots.prepare('key', undefined);
    await mountSnapshot(store, 'key', merged);
    const table = new MountTable(store.state);
    expect(table.list()).toMatchObject([{ target: merged, snapshot: { key: 'key' }, state: 'live' }]);
    expect(table.containing(join(merged, 'a/b'))).toMatchObject({ rest: 'a/b', mount: { target: merged } });
    await unmountSnapshot(merged, store.state);
    expect(table.list()).toEqual([]);
    expect(readdirSync(table.folder)).toEqual([]);
  });

  it('end when they are unmounted from outside', async () => {
    await store.snapshots.prepare('key', undefined);
    const row = await mountSnapshot(store, 'key', merged);
    expect(spawnSync('umount', [merged]).status).toBe(0);
    const table = new MountTable(store.state);
    await table.serverGone(row);
    expect(readdirSync(table.folder)).toEqual([]);
    await mountSnapshot(store, 'key', merged);
  });

  it('end when their server is asked to by a signal', async () => {
    await store.snapshots.prepare('key', undefined);
    const row = await mountSnapshot(store, 'key', merged);
    process.kill(row.process.pid, 'SIGTERM');
    await new MountTable(store.state).serverGone(row);
    expect(spawnSync('mountpoint', ['-q', merged]).status).not.toBe(0);
  });

  it('are dead when their server was killed, and cleaned up in one line, with the work still there', async () => {
    await store.snapshots.prepare('key', undefined);
    const row = await mountSnapshot(store, 'key', merged);
    writeFileSync(join(merged, 'work'), 'kept');
    process.kill(row.process.pid, 'SIGKILL');
    const table = new MountTable(store.state);
    await expect.poll(() => table.list()).toMatchObject([{ state: 'dead' }]);
    expect(table.sweep()).toEqual([
      expect.stringContaining(`${merged}, whose server (pid ${row.process.pid})`),
    ]);
    expect(table.list()).toEqual([]);
    await mountSnapshot(store, 'key', merged);
    expect(readFileSync(join(merged, 'work'), 'utf8')).toBe('kept');
  });

  it('are unmounted by a path with symlinks, dead or alive', async () => {
    await store.snapshots.prepare('key', undefined);
    symlinkSync(root, join(root, 'way'));
    const row = await mountSnapshot(store, 'key', join(root, 'way/merged'));
    expect(row.target).toBe(merged);
    process.kill(row.process.pid, 'SIGKILL');
    await expect.poll(() => new MountTable(store.state).list()).toMatchObject([{ state: 'dead' }]);
    expect((await unmountSnapshot(join(root, 'way/merged'), store.state)).target).toBe(merged);
    expect(new MountTable(store.state).list()).toEqual([]);
  });

  it('become read only when they are committed, until they are unmounted', async () => {
    await base('base', (fs) => {
      fillTree(fs);
      spawnSync('ln', [join(fs, 'file'), join(fs, 'd/other-name')]);
    });
    await store.snapshots.prepare('key', 'base');
    await mountSnapshot(store, 'key', merged);
    appendFileSync(join(merged, 'file'), ' and upper');
    await store.snapshots.commit('next', 'key');
    expect(readFileSync(join(merged, 'file'), 'utf8')).toBe('lower and upper');
    expect(() => writeFileSync(join(merged, 'later'), '')).toThrow('EROFS');
    const [top] = (await store.snapshots.stack('next')).lowers;
    // Both names of the link are in the layer: it was settled before it was frozen.
    expect(readdirSync(join(top?.path ?? '', 'd'))).toContain('other-name');
    expect(existsSync(join(top?.path ?? '', '../work'))).toBe(false);
    await unmountSnapshot(merged, store.state);
    await store.snapshots.prepare('on-top', 'next');
    await mountSnapshot(store, 'on-top', merged);
    expect(readFileSync(join(merged, 'd/other-name'), 'utf8')).toBe('lower and upper');
  });

  it('cannot be removed, nor committed under the kernel, with the way out in the hint', async () => {
    await base('base', fillTree);
    await store.snapshots.prepare('key', 'base');
    const out = { kind: 'failed-precondition', hint: `mica umount ${merged}` };
    await mountSnapshot(store, 'key', merged);
    await expect(store.snapshots.remove('key')).rejects.toMatchObject(out);
    await unmountSnapshot(merged, store.state);
    await mountSnapshot(store, 'key', merged, { driver: 'overlay' });
    await expect(store.snapshots.remove('key')).rejects.toMatchObject(out);
    await expect(store.snapshots.commit('next', 'key')).rejects.toMatchObject(out);
    await unmountSnapshot(merged, store.state);
    await store.snapshots.view('view', 'base');
    await mountSnapshot(store, 'view', merged);
    await expect(store.snapshots.remove('view')).rejects.toMatchObject(out);
    await unmountSnapshot(merged, store.state);
    await store.snapshots.remove('view');
    await store.snapshots.commit('next', 'key');
  });

  it('are settled before somebody else is told how to mount them', async () => {
    await base('base', (fs) => {
      fillTree(fs);
      spawnSync('ln', [join(fs, 'file'), join(fs, 'd/other-name')]);
    });
    await store.snapshots.prepare('key', 'base');
    await mountSnapshot(store, 'key', merged);
    appendFileSync(join(merged, 'file'), ' and upper');
    const first = treeOf(merged);
    await unmountSnapshot(merged, store.state);
    const kernel = await Store.open(store.folders.root, {
      state: store.state,
      driver: 'overlay',
      durable: false,
    });
    try {
      await withTempMount(await kernel.snapshots.mounts('key'), async (folder) => {
        expect(treeOf(folder)).toBe(first);
      });
    } finally {
      await kernel.close();
    }
  });

  it('are shown by the mount program where the mounts are those of FUSE', async () => {
    await base('base', fillTree);
    await store.snapshots.prepare('key', 'base');
    const mounts = await store.snapshots.mounts('key');
    expect(mounts).toMatchObject([{ type: expect.stringMatching(/^fuse3\.\/.*\/bin\/mica-overlayfs$/) }]);
    await mountSnapshot(store, 'key', merged);
    rmSync(join(merged, 'gone'));
    writeFileSync(join(merged, '.wh.name'), 'an ordinary name');
    const first = treeOf(merged);
    await unmountSnapshot(merged, store.state);
    // The helper has a table of its own: its state folder is that of the user.
    process.env['MICA_STATE'] = store.state;
    try {
      await withTempMount(mounts, async (folder) => {
        expect(treeOf(folder)).toBe(first);
        await expect(mountSnapshot(store, 'key', merged)).rejects.toMatchObject({
          kind: 'failed-precondition',
        });
      });
    } finally {
      delete process.env['MICA_STATE'];
    }
    await mountSnapshot(store, 'key', merged);
    expect(treeOf(merged)).toBe(first);
  });

  it('are refused a second time, naming who has them and where', async () => {
    await store.snapshots.prepare('key', undefined);
    const row = await mountSnapshot(store, 'key', merged);
    const other = join(root, 'other');
    mkdirSync(other);
    for (const driver of ['fuse', 'overlay'] as const) {
      await expect(mountSnapshot(store, 'key', other, { driver })).rejects.toMatchObject({
        kind: 'failed-precondition',
        message: expect.stringContaining(`in use by pid ${row.process.pid}, mounted at ${merged}`),
        hint: `mica umount ${merged}`,
      });
    }
    await unmountSnapshot(merged, store.state);
    await base('base', fillTree);
    await store.snapshots.prepare('second', 'base');
    await mountSnapshot(store, 'second', merged, { driver: 'overlay' });
    const out = { kind: 'failed-precondition', hint: `mica umount ${merged}` };
    await expect(mountSnapshot(store, 'second', other)).rejects.toMatchObject(out);
    await unmountSnapshot(merged, store.state);
    // A mount that others made of what they were told.
    await store.snapshots.prepare('third', 'base');
    const kernel = await Store.open(store.folders.root, {
      state: store.state,
      driver: 'overlay',
      durable: false,
    });
    try {
      await withTempMount(await kernel.snapshots.mounts('third'), async (place) => {
        await expect(mountSnapshot(store, 'third', other)).rejects.toThrow(`mounted at ${place}`);
      });
    } finally {
      await kernel.close();
    }
    await mountSnapshot(store, 'third', other);
  });

  it('are refused where there is no folder, a file, a mount or a layer', async () => {
    await store.snapshots.prepare('key', undefined);
    await store.snapshots.prepare('other', undefined);
    const refused = async (target: string, kind: string) =>
      expect(mountSnapshot(store, 'key', target)).rejects.toMatchObject({ kind });
    writeFileSync(join(root, 'file'), '');
    await refused(join(root, 'missing'), 'not-found');
    await refused(join(root, 'file'), 'invalid-argument');
    await refused(root, 'invalid-argument');
    await refused(store.folders.snapshots, 'invalid-argument');
    await mountSnapshot(store, 'other', merged);
    await refused(merged, 'failed-precondition');
    expect(new MountTable(store.state).list()).toHaveLength(1);
  });

  it('tell in one line what went wrong, and leave nothing behind', async () => {
    await store.snapshots.prepare('key', undefined);
    const { upper } = await store.snapshots.stack('key');
    rmSync(upper?.work ?? '', { recursive: true });
    await expect(mountSnapshot(store, 'key', merged)).rejects.toThrow(/cannot mount at .*no such file/);
    expect(readdirSync(join(store.state, 'mounts'))).toEqual([]);
    expect(spawnSync('mountpoint', ['-q', merged]).status).not.toBe(0);
  });

  it('are bound, whole, under the native driver', async () => {
    const native = await Store.open(join(root, 'native'), {
      state: store.state,
      driver: 'native',
      durable: false,
    });
    try {
      await native.snapshots.prepare('key', undefined);
      await mountSnapshot(native, 'key', merged);
      writeFileSync(join(merged, 'file'), 'text');
      await unmountSnapshot(merged, store.state);
      await native.snapshots.commit('base', 'key');
      await native.snapshots.prepare('next', 'base');
      await mountSnapshot(native, 'next', merged);
      rmSync(join(merged, 'file'));
      await unmountSnapshot(merged, store.state);
      await native.snapshots.commit('without', 'next');
      await native.snapshots.prepare('child', 'without');
      await expect(mountSnapshot(native, 'child', merged, { driver: 'fuse' })).rejects.toMatchObject({
        kind: 'failed-precondition',
      });
      await mountSnapshot(native, 'child', merged);
      expect(existsSync(join(merged, 'file'))).toBe(false);
      await native.snapshots.view('view', 'base');
      await unmountSnapshot(merged, store.state);
      await mountSnapshot(native, 'view', merged);
      expect(() => rmSync(join(merged, 'file'))).toThrow('EROFS');
      expect(lstatSync(join(merged, 'file')).size).toBe(4);
    } finally {
      await unmountSnapshot(merged, store.state);
      await native.close();
    }
  });
});
