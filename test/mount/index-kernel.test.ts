// Views under the driver overlay: the kernel walks the flattened index of the chain, and reads the data of the layers.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mountSnapshot, unmountSnapshot } from '../../dist/src/mounts/mount-snapshot.js';
import { MountTable } from '../../dist/src/mounts/table.js';
import { Store } from '../../dist/src/store.js';
import { describeWith } from '../requires.js';

/** All that shows but file numbers, and the sizes and link counts of folders. */
function treeOf(folder: string): string {
  const find = spawnSync(
    'find',
    ['.', '-type', 'd', '-printf', '%P %M %U %G %T@\\n', '-o', '-printf', '%P %M %U %G %l %T@ %n %s\\n'],
    { cwd: folder, encoding: 'utf8' },
  );
  const rest = 'find . -type f -print0 | sort -z | xargs -0r sha256sum; getfattr -Rhd -m- . 2>/dev/null';
  const sums = spawnSync('sh', ['-c', rest], { cwd: folder, encoding: 'utf8' });
  if (find.status !== 0 || sums.status !== 0) throw new Error(`${find.stderr}${sums.stderr}`);
  return `${find.stdout.split('\n').sort().join('\n')}\n${sums.stdout}`;
}

/** The options of the overlay that is mounted at a folder. */
function lowersOf(target: string): string[] {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((row) => row.split(' ')[4] === target);
  return (line ?? '').split(',').filter((word) => word.startsWith('lowerdir+='));
}

describeWith(['root', 'fuse', 'overlay', 'erofs-files'], 'views of the kernel from one index', () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'mica-index-kernel-'));
    for (const name of ['kernel', 'fuse']) mkdirSync(join(base, name));
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  async function withStore(root: string, act: (store: Store) => Promise<void>): Promise<void> {
    const store = await Store.open(root, { state: join(base, 'state'), driver: 'fuse', durable: false });
    try {
      await commit(store, 'bottom', undefined, (fs) => {
        mkdirSync(join(fs, 'd/e'), { recursive: true });
        writeFileSync(join(fs, 'd/e/deep'), 'deep');
        writeFileSync(join(fs, 'd/hidden'), 'hidden');
        writeFileSync(join(fs, 'd/zero'), '');
        writeFileSync(join(fs, 'd/name with : , \\ and \n'), 'odd');
        execFileSync('sh', ['-c', 'ln d/e/deep d/linked; ln -s ../nowhere d/s; mknod d/null c 1 3'], {
          cwd: fs,
        });
      });
      await commit(store, 'top', 'bottom', (fs) => {
        mkdirSync(join(fs, 'd'));
        execFileSync('mknod', [join(fs, 'd/hidden'), 'c', '0', '0']);
        writeFileSync(join(fs, 'd/new'), 'x'.repeat(100_000));
        execFileSync('setfattr', ['-n', 'user.of', '-v', 'ours', join(fs, 'd/new')]);
      });
      await store.snapshots.view('seen', 'top');
      await act(store);
    } finally {
      for (const row of new MountTable(store.state).list()) await unmountSnapshot(row.target, store.state);
      await store.close();
    }
  }

  async function commit(store: Store, name: string, parent: string | undefined, fill: (fs: string) => void) {
    await store.snapshots.prepare(`${name}-key`, parent);
    const { upper } = await store.snapshots.stack(`${name}-key`);
    fill(upper!.path);
    await store.snapshots.commit(name, `${name}-key`);
  }

  it('show what the union shows', async () => {
    await withStore(join(base, 'root'), async (store) => {
      await mountSnapshot(store, 'seen', join(base, 'kernel'), { driver: 'overlay' });
      expect(lowersOf(join(base, 'kernel'))).toHaveLength(1);
      await store.snapshots.view('again', 'top');
      await mountSnapshot(store, 'again', join(base, 'fuse'));
      expect(treeOf(join(base, 'kernel'))).toBe(treeOf(join(base, 'fuse')));
      expect(lstatSync(join(base, 'kernel/d/linked')).ino).toBe(lstatSync(join(base, 'kernel/d/e/deep')).ino);
      expect(() => writeFileSync(join(base, 'kernel/d/new'), '')).toThrow('EROFS');
    });
  });

  it('look into every layer where the kernel mounts no file of that filesystem', async () => {
    const memory = join(base, 'memory');
    mkdirSync(memory);
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', memory]);
    try {
      await withStore(join(memory, 'root'), async (store) => {
        await mountSnapshot(store, 'seen', join(base, 'kernel'), { driver: 'overlay' });
        expect(lowersOf(join(base, 'kernel'))).toHaveLength(2);
        expect(readFileSync(join(base, 'kernel/d/e/deep'), 'utf8')).toBe('deep');
      });
    } finally {
      execFileSync('umount', [memory]);
    }
  });

  it('look into every layer where a layer is not what the index says', async () => {
    await withStore(join(base, 'root'), async (store) => {
      const { lowers } = await store.snapshots.stack('seen');
      appendFileSync(join(lowers[1]!.path, 'd/e/deep'), 'er');
      await mountSnapshot(store, 'seen', join(base, 'kernel'), { driver: 'overlay' });
      expect(lowersOf(join(base, 'kernel'))).toHaveLength(2);
      expect(readFileSync(join(base, 'kernel/d/e/deep'), 'utf8')).toBe('deeper');
    });
  });
});
