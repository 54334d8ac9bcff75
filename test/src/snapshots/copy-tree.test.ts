// The copy of a tree for a driver that has no layers, where the disk does not take all of it.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Attr, FsError, sys } from '../../../fs/index.js';
import { copyTree } from '../../../src/snapshots/copy-tree.js';
import { removeTree } from '../../../src/snapshots/folders.js';
import { describeWith } from '../../requires.js';

describeWith(['root'], 'the copy of a tree', () => {
  it('fails where the last bytes of a file find no room', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mica-copy-tree-'));
    const small = join(folder, 'small');
    const tree = join(folder, 'tree');
    mkdirSync(small);
    mkdirSync(tree);
    writeFileSync(join(tree, 'large'), 'x'.repeat(100_000));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
    try {
      const [from, to] = [openSync(tree, 'r'), openSync(small, 'r')];
      try {
        expect(() => copyTree(from, to)).toThrow(FsError);
      } finally {
        closeSync(from);
        closeSync(to);
      }
    } finally {
      execFileSync('umount', [small]);
      rmSync(folder, { recursive: true });
    }
  });

  it('goes deeper than a path is long, with names of one file far from each other', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mica-copy-tree-'));
    for (const name of ['tree', 'copy']) mkdirSync(join(folder, name));
    const [from, to] = [openSync(join(folder, 'tree'), 'r'), openSync(join(folder, 'copy'), 'r')];
    try {
      writeFileSync(join(folder, 'tree/shallow'), 'one');
      inDeepest(from, true, (fd) => {
        sys.linkAt(from, 'shallow', fd, 'one');
        sys.closeFd(sys.openAt(fd, 'first', sys.O_RDWR | sys.O_CREAT, 0o640));
        sys.linkAt(fd, 'first', fd, 'second');
        sys.makeFolderAt(fd, 'z', 0o750);
        sys.utimesFd(fd, { sec: 1, nsec: 2 }, { sec: 3, nsec: 4 });
      });
      copyTree(from, to);
      inDeepest(to, false, (fd) => {
        expect(statOf(fd, 'one').ino).toBe(statOf(to, 'shallow').ino);
        expect(statOf(fd, 'second').ino).toBe(statOf(fd, 'first').ino);
        expect(statOf(fd, 'first').mode & 0o777).toBe(0o640);
        expect(statOf(fd, 'z').mode & 0o777).toBe(0o750);
        expect([statOf(fd, '.').mtimeSec, statOf(fd, '.').mtimeNsec]).toEqual([3, 4]);
      });
    } finally {
      closeSync(from);
      closeSync(to);
      removeTree(folder);
    }
  });
});

const LONG = 'd'.repeat(200);
/** Folders in each other, whose paths together are three times as long as a system call takes. */
const DEPTH = Math.ceil((3 * sys.PATH_MAX) / LONG.length);

/** Below the folder `top`, which are made if `make`. */
function inDeepest(top: number, make: boolean, use: (fd: number) => void): void {
  let fd = sys.openAt(top, '.', sys.O_RDONLY | sys.O_DIRECTORY);
  try {
    for (let i = 0; i < DEPTH; i++) {
      if (make) sys.makeFolderAt(fd, LONG, 0o755);
      const next = sys.openAt(fd, LONG, sys.O_RDONLY | sys.O_DIRECTORY);
      sys.closeFd(fd);
      fd = next;
    }
    use(fd);
  } finally {
    sys.closeFd(fd);
  }
}

function statOf(dir: number, name: string): Attr {
  const attr = new Attr();
  expect(sys.statAt(dir, name, attr)).toBe(true);
  return attr;
}
