import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EEXIST, ENOENT, isErrno } from '../../../fs/errno.js';
import { Attr, SEEK_DATA, SEEK_HOLE } from '../../../fs/filesystem.js';
import { makeDev, S_IFCHR } from '../../../fs/mode.js';
import { fromText } from '../../../fs/name.js';
import * as sys from '../../../fs/sys/index.js';

let folder: string;
let root: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mica-sys-'));
  root = sys.openAt(sys.AT_FDCWD, fromText(folder), sys.O_RDONLY | sys.O_DIRECTORY);
});

afterEach(() => {
  sys.closeFd(root);
  rmSync(folder, { recursive: true, force: true });
});

/** The errno of a call that must fail. */
function errnoOf(call: () => unknown): number {
  try {
    call();
  } catch (error) {
    if (isErrno(error, (error as { errno: number }).errno)) return error.errno;
    throw error;
  }
  return 0;
}

function makeFile(name: string, text = ''): number {
  const fd = sys.openAt(root, name, sys.O_RDWR | sys.O_CREAT | sys.O_EXCL, 0o644);
  sys.writeAt(fd, 0, new TextEncoder().encode(text));
  return fd;
}

describe('opening beneath a folder', () => {
  it('finds a nested folder and nothing outside', () => {
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    const fd = sys.openBeneath(root, 'a/b', sys.O_PATH | sys.O_DIRECTORY);
    expect(fd).toBeGreaterThan(0);
    sys.closeFd(fd as number);
    expect(sys.openBeneath(root, 'a/c', sys.O_PATH)).toBeUndefined();
    expect(errnoOf(() => sys.openBeneath(root, '../', sys.O_PATH))).toBeGreaterThan(0);
  });

  it('takes a symlink on the way for no folder', () => {
    mkdirSync(join(folder, 'a'));
    symlinkSync('a', join(folder, 'link'));
    expect(sys.openBeneath(root, 'link', sys.O_PATH | sys.O_DIRECTORY)).toBeUndefined();
  });

  it('refuses a path with a NUL and one longer than PATH_MAX', () => {
    expect(errnoOf(() => sys.openAt(root, 'a\0b', 0))).toBe(22);
    expect(errnoOf(() => sys.openAt(root, 'x'.repeat(4096), 0))).toBe(36);
  });
});

describe('attributes', () => {
  it('fills every field, also times before 1970', () => {
    const fd = makeFile('f', 'hello');
    sys.utimesFd(fd, { sec: -5, nsec: 7 }, { sec: 4294967299, nsec: 999_999_999 });
    const attr = new Attr();
    expect(sys.statAt(root, 'f', attr)).toBe(true);
    expect([attr.size, attr.nlink, attr.mode.toString(8)]).toEqual([5, 1, '100644']);
    expect([attr.atimeSec, attr.atimeNsec]).toEqual([-5, 7]);
    expect([attr.mtimeSec, attr.mtimeNsec]).toEqual([4294967299, 999_999_999]);
    const again = new Attr();
    sys.statFd(fd, again);
    expect(again).toEqual(attr);
    sys.closeFd(fd);
  });

  it('answers absence with false, also for a name in what is no folder', () => {
    const fd = makeFile('f');
    expect(sys.statAt(root, 'none', new Attr())).toBe(false);
    expect(sys.statAt(fd, 'x', new Attr())).toBe(false);
    sys.closeFd(fd);
  });

  it('changes one time and leaves the other', () => {
    const fd = makeFile('f');
    sys.utimesFd(fd, { sec: 1, nsec: 2 }, { sec: 3, nsec: 4 });
    sys.utimesFd(fd, undefined, { sec: 5, nsec: 6 });
    const attr = new Attr();
    sys.statFd(fd, attr);
    expect([attr.atimeSec, attr.atimeNsec, attr.mtimeSec, attr.mtimeNsec]).toEqual([1, 2, 5, 6]);
    sys.closeFd(fd);
  });

  it('makes character device 0:0 and reads its number back', () => {
    sys.makeNodeAt(root, 'white', S_IFCHR, 0);
    const attr = new Attr();
    sys.statAt(root, 'white', attr);
    expect([attr.mode, attr.rdev]).toEqual([S_IFCHR, 0]);
    if (process.getuid?.() === 0) {
      sys.makeNodeAt(root, 'big', S_IFCHR | 0o600, makeDev(300, 70000));
      sys.statAt(root, 'big', attr);
      expect(attr.rdev).toBe(makeDev(300, 70000));
    }
  });
});

describe('data', () => {
  it('reads short only at the end', () => {
    const fd = makeFile('f', 'abcdef');
    const into = new Uint8Array(4);
    expect(sys.readAt(fd, 0, into)).toBe(4);
    expect(sys.readAt(fd, 4, into)).toBe(2);
    expect(sys.readAt(fd, 6, into)).toBe(0);
    sys.closeFd(fd);
  });

  it('finds data and holes, also beyond 4 GiB', () => {
    const fd = makeFile('sparse');
    const far = 6 * 1024 ** 3;
    sys.writeAt(fd, far, Uint8Array.of(1));
    expect(sys.seekFd(fd, 0, SEEK_DATA)).toBe(far);
    expect(sys.seekFd(fd, 0, SEEK_HOLE)).toBe(0);
    expect(sys.seekFd(fd, far + 1, SEEK_DATA)).toBeUndefined();
    const copy = makeFile('copy');
    expect(sys.copyRange(fd, far, copy, far + 10, 100)).toBe(1);
    const attr = new Attr();
    sys.statFd(copy, attr);
    expect(attr.size).toBe(far + 11);
    sys.closeFd(fd);
    sys.closeFd(copy);
  });

  it('a second holder of a lock waits', () => {
    const one = sys.reopen(root, sys.O_RDONLY);
    const two = sys.reopen(root, sys.O_RDONLY);
    expect(sys.tryLock(one)).toBe(true);
    expect(sys.tryLock(two)).toBe(false);
    sys.closeFd(one);
    expect(sys.tryLock(two)).toBe(true);
    sys.closeFd(two);
  });
});

describe('folders', () => {
  it('lists names as bytes, each once', () => {
    const odd = ['\xff\xfe', 'new\nline', 'y'.repeat(255), ' ', '...', '.x', '..x'];
    for (const name of odd) sys.makeFolderAt(root, name, 0o755);
    for (let i = 0; i < 3000; i++) sys.makeNodeAt(root, `n${i}`, 0o100600, 0);
    const seen: string[] = [];
    sys.listFolder(root, (name) => {
      seen.push(name);
      return undefined;
    });
    expect(seen).toHaveLength(3000 + odd.length);
    expect(new Set(seen).size).toBe(seen.length);
    for (const name of odd) expect(seen).toContain(name);
  });

  it('lets the visitor list another folder and stop', () => {
    writeFileSync(join(folder, 'a'), '');
    writeFileSync(join(folder, 'b'), '');
    const again = sys.reopen(root, sys.O_RDONLY);
    let inner = 0;
    let outer = 0;
    sys.listFolder(root, () => {
      sys.listFolder(again, () => {
        inner++;
        return undefined;
      });
      outer++;
      return true;
    });
    expect([inner, outer]).toEqual([2, 1]);
    sys.closeFd(again);
  });

  it('names a file that had no name, once', () => {
    const fd = sys.openAt(root, '.', sys.O_TMPFILE | sys.O_RDWR, 0o600);
    sys.linkFd(fd, root, 'named');
    expect(errnoOf(() => sys.linkFd(fd, root, 'named'))).toBe(EEXIST);
    expect(sys.unlinkAtIfAny(root, 'named')).toBe(true);
    expect(sys.unlinkAtIfAny(root, 'named')).toBe(false);
    expect(errnoOf(() => sys.unlinkAt(root, 'named'))).toBe(ENOENT);
    sys.closeFd(fd);
  });

  it('reads a symlink of 4095 bytes that are not UTF-8', () => {
    const target = '\xe9'.repeat(4095);
    sys.makeSymlinkAt(root, 'l', target);
    const fd = sys.openAt(root, 'l', sys.O_PATH | sys.O_NOFOLLOW);
    expect(sys.readlinkFd(fd)).toBe(target);
    expect(sys.readlinkAt(root, 'l')).toBe(target);
    sys.closeFd(fd);
  });
});

describe('extended attributes', () => {
  it('sets, reads, lists and removes bytes on an O_PATH descriptor', () => {
    sys.closeFd(makeFile('f'));
    const fd = sys.openAt(root, 'f', sys.O_PATH | sys.O_NOFOLLOW);
    expect(sys.listXattrs(fd)).toEqual([]);
    sys.setXattr(fd, 'user.a', Uint8Array.of(0, 255, 10), 1);
    sys.setXattr(fd, 'user.b', new Uint8Array(0), 0);
    expect(errnoOf(() => sys.setXattr(fd, 'user.a', new Uint8Array(0), 1))).toBe(EEXIST);
    expect(sys.getXattr(fd, 'user.a')).toEqual(Uint8Array.of(0, 255, 10));
    expect(sys.getXattrAt(root, 'f', 'user.b')).toEqual(new Uint8Array(0));
    expect([...sys.listXattrsAt(root, 'f')].sort()).toEqual(['user.a', 'user.b']);
    sys.removeXattr(fd, 'user.a');
    expect(sys.getXattr(fd, 'user.a')).toBeUndefined();
    expect(errnoOf(() => sys.removeXattr(fd, 'user.a'))).toBe(61);
    sys.closeFd(fd);
  });

  it.runIf(process.getuid?.() === 0)('reaches a symlink itself', () => {
    sys.makeSymlinkAt(root, 'dangling', 'nowhere');
    const fd = sys.openAt(root, 'dangling', sys.O_PATH | sys.O_NOFOLLOW);
    sys.setXattr(fd, 'trusted.t', Uint8Array.of(1), 0);
    expect(sys.getXattr(fd, 'trusted.t')).toEqual(Uint8Array.of(1));
    sys.chownFd(fd, 12, 34);
    sys.utimesFd(fd, { sec: 1, nsec: 0 }, { sec: 2, nsec: 0 });
    const attr = new Attr();
    sys.statAt(root, 'dangling', attr);
    expect([attr.uid, attr.gid, attr.atimeSec, attr.mtimeSec]).toEqual([12, 34, 1, 2]);
    sys.closeFd(fd);
  });
});
