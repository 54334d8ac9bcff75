// Reading what other programs left: the spellings of marks that kernel overlayfs, containers/storage, fuse-overlayfs
// and layer tars use. Made here with plain system calls, not with our own writer.

import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EIO } from '../../../fs/errno.js';
import { Attr } from '../../../fs/filesystem.js';
import { openLowerDir } from '../../../fs/layer/dir-layer.js';
import { type Dialect, LayerEntry, type MarkPrefix, type ReadLayer } from '../../../fs/layer/layer.js';
import { kindOf, S_IFCHR } from '../../../fs/mode.js';
import { fromText, toBytes } from '../../../fs/name.js';
import * as sys from '../../../fs/sys/index.js';
import { errnoOf } from '../../suites/paths.js';

const root = process.getuid?.() === 0;
let folder: string;
let layer: ReadLayer | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mica-lower-'));
});

afterEach(() => {
  layer?.close();
  layer = undefined;
  // Not rmSync: it cannot reach beyond PATH_MAX.
  execFileSync('rm', ['-rf', folder]);
});

function open(dialect: Dialect = 'overlay', ...marks: MarkPrefix[]): ReadLayer {
  layer = openLowerDir(fromText(folder), marks.length === 0 ? { dialect } : { dialect, marks });
  return layer;
}

function xattr(path: string, name: string, value: string): void {
  const fd = sys.openAt(sys.AT_FDCWD, fromText(join(folder, path)), sys.O_PATH | sys.O_NOFOLLOW);
  sys.setXattr(fd, name, toBytes(value), 0);
  sys.closeFd(fd);
}

function whiteout(path: string): void {
  sys.makeNodeAt(sys.AT_FDCWD, fromText(join(folder, path)), S_IFCHR | 0o644, 0);
}

function look(dir: string, name: string): LayerEntry | undefined {
  const entry = new LayerEntry(new Attr());
  return layer?.lookup(dir, name, entry) === true ? entry : undefined;
}

function names(dir: string): string[] {
  const seen: string[] = [];
  layer?.list(dir, (name, _type, _ino, isWhiteout) => seen.push(isWhiteout ? `-${name}` : name));
  return seen.sort();
}

describe('overlay marks', () => {
  it('reads an empty file with the mark of a whiteout as one, and a file with data as itself', () => {
    writeFileSync(join(folder, 'empty'), '');
    writeFileSync(join(folder, 'full'), 'x');
    for (const path of ['empty', 'full']) xattr(path, 'user.overlay.whiteout', 'y');
    xattr('.', 'user.overlay.opaque', 'x');
    open('overlay', 'user');
    expect(look('', 'empty')?.whiteout).toBe(true);
    expect(look('', 'full')?.whiteout).toBe(false);
    expect(names('')).toEqual(['-empty', 'full']);
  });

  it('reads a device 0:0 of any mode as a whiteout, and no other device', () => {
    whiteout('gone');
    if (root) sys.makeNodeAt(sys.AT_FDCWD, fromText(join(folder, 'null')), S_IFCHR | 0o666, 0x103);
    open();
    expect(look('', 'gone')?.whiteout).toBe(true);
    expect(names('')).toEqual(root ? ['-gone', 'null'] : ['-gone']);
  });

  it('hides xattr whiteouts in a folder that is opaque "x", which is not opaque', () => {
    mkdirSync(join(folder, 'd'));
    writeFileSync(join(folder, 'd/a'), '');
    writeFileSync(join(folder, 'd/b'), '');
    xattr('d', 'user.overlay.opaque', 'x');
    xattr('d/a', 'user.overlay.whiteout', '');
    open('overlay', 'user');
    expect(look('', 'd')?.opaque).toBe(false);
    expect(names('d')).toEqual(['-a', 'b']);
    expect(look('d', 'a')?.whiteout).toBe(true);
    expect(look('d', 'b')?.whiteout).toBe(false);
  });

  it.runIf(root)('follows the prefix: marks of the other prefix are ordinary attributes', () => {
    mkdirSync(join(folder, 'd'));
    xattr('d', 'trusted.overlay.opaque', 'y');
    xattr('d', 'trusted.overlay.redirect', '/old/\xff');
    xattr('d', 'trusted.overlay.overlay.opaque', 'y');
    xattr('d', 'user.overlay.opaque', 'y');
    open('overlay', 'trusted');
    expect(look('', 'd')).toMatchObject({ opaque: true, redirect: '/old/\xff' });
    const node = layer?.hold('', 'd');
    expect([...(node?.listxattr() ?? [])].sort()).toEqual(['trusted.overlay.opaque', 'user.overlay.opaque']);
    node?.release();
    layer?.close();
    open('overlay', 'user');
    expect(look('', 'd')).toMatchObject({ opaque: true, redirect: undefined });
  });

  it('takes a file for one without data by a mark that is empty or has room for a digest, and no other', () => {
    const values = { old: '', digest: '\0\x04\0\0', short: 'x', cut: '\0\x04\0' };
    for (const [name, value] of Object.entries(values)) {
      writeFileSync(join(folder, name), '');
      truncateSync(join(folder, name), 10);
      xattr(name, 'user.overlay.metacopy', value);
    }
    open('overlay', 'user');
    for (const name of ['old', 'digest']) expect(look('', name)?.metacopy).toBe(true);
    for (const name of ['short', 'cut']) expect([name, errnoOf(() => look('', name))]).toEqual([name, EIO]);
    expect(names('')).toEqual(['cut', 'digest', 'old', 'short']);
  });

  it('takes .wh. files for ordinary ones', () => {
    writeFileSync(join(folder, '.wh.a'), '');
    open();
    expect(names('')).toEqual(['.wh.a']);
  });
});

describe('the dialect wh', () => {
  it('reads .wh. files and their kinds, and devices', () => {
    mkdirSync(join(folder, 'd/sub'), { recursive: true });
    for (const name of ['.wh.a', 'kept', '.wh.kept', 'd/.wh..wh..opq', 'd/.wh..wh.plnk', 'd/sub/.wh.x']) {
      writeFileSync(join(folder, name), '');
    }
    whiteout('dev');
    whiteout('d/.wh..opq');
    open('wh', 'user');
    expect(names('')).toEqual(['-a', '-dev', 'd', 'kept']);
    expect(look('', 'a')?.whiteout).toBe(true);
    expect(look('', 'kept')?.whiteout).toBe(false);
    expect(look('', '.wh.a')).toBeUndefined();
    expect(look('', 'd')?.opaque).toBe(true);
    expect(look('d', '.')?.opaque).toBe(true);
    expect(look('d', 'sub')?.opaque).toBe(false);
    expect(names('d')).toEqual(['sub']);
  });

  it('a folder beside its own whiteout hides what lies below', () => {
    mkdirSync(join(folder, 'd'));
    writeFileSync(join(folder, '.wh.d'), '');
    open('wh', 'user');
    expect(look('', 'd')).toMatchObject({ opaque: true, whiteout: false });
    expect(names('')).toEqual(['d']);
  });

  it("reads fuse-overlayfs's opaque mark of an ordinary user", () => {
    mkdirSync(join(folder, 'd'));
    xattr('d', 'user.fuseoverlayfs.opaque', 'y');
    open('wh', 'user');
    expect(look('', 'd')?.opaque).toBe(true);
  });
});

describe('override_stat', () => {
  it('shows owner, mode and type as stored, where the root of the layer carries it', () => {
    xattr('.', 'user.containers.override_stat', '0:0:0755:dir');
    const kinds = {
      f: '10:20:4755:file',
      l: '1:2:0777:symlink',
      p: '1:2:0600:pipe',
      c: '0:6:0660:char-300-70000',
      old: '12:34:100640',
    };
    for (const [name, value] of Object.entries(kinds)) {
      writeFileSync(join(folder, name), name === 'l' ? 'target' : '');
      xattr(name, 'user.containers.override_stat', value);
    }
    open('overlay', 'user');
    expect(look('', 'f')?.attr).toMatchObject({ uid: 10, gid: 20, mode: 0o104755 });
    expect(look('', 'old')?.attr).toMatchObject({ uid: 12, gid: 34, mode: 0o100640 });
    expect(kindOf(look('', 'p')?.attr.mode ?? 0)).toBe('fifo');
    expect(look('', 'c')?.attr.mode).toBe(0o20660);
    expect(look('', 'l')?.attr.size).toBe(6);
    const link = layer?.hold('', 'l');
    expect(link?.readlink()).toBe('target');
    expect(link?.listxattr()).toEqual([]);
    link?.release();
    const types = new Map<string, number>();
    layer?.list('', (name, type) => types.set(name, type));
    expect([types.get('l'), types.get('p'), types.get('c'), types.get('f')]).toEqual([10, 1, 2, 8]);
  });

  it('is no more than a hidden attribute elsewhere', () => {
    writeFileSync(join(folder, 'f'), '');
    xattr('f', 'user.containers.override_stat', '10:20:4755:file');
    open('overlay', 'user');
    expect(look('', 'f')?.attr.uid).toBe(process.getuid?.());
  });
});

describe('places', () => {
  it('follows no symlink inside, neither on the way nor at the end', () => {
    mkdirSync(join(folder, 'd'));
    writeFileSync(join(folder, 'd/f'), '');
    symlinkSync('d', join(folder, 'l'));
    symlinkSync('/', join(folder, 'up'));
    open();
    expect(look('l', 'f')).toBeUndefined();
    expect(look('up', 'etc')).toBeUndefined();
    expect(kindOf(look('', 'l')?.attr.mode ?? 0)).toBe('symlink');
    expect(() => layer?.list('l', () => undefined)).toThrow();
  });

  it('sees at once where others put another folder, a symlink or nothing in the place of one', () => {
    mkdirSync(join(folder, 'd/e'), { recursive: true });
    writeFileSync(join(folder, 'd/e/passwd'), 'mine');
    layer = openLowerDir(fromText(folder), { changes: true });
    const size = () => look('d/e', 'passwd')?.attr.size;
    expect([size(), names('d/e')]).toEqual([4, ['passwd']]);
    renameSync(join(folder, 'd'), join(folder, 'was'));
    expect(size()).toBeUndefined();
    expect(look('was/e', 'passwd')?.attr.size).toBe(4);
    // Whoever may change a lower must not lead the server out of it, at no place of a path.
    symlinkSync('/', join(folder, 'd'));
    expect(look('d', 'etc')).toBeUndefined();
    expect(() => names('d')).toThrow();
    unlinkSync(join(folder, 'd'));
    mkdirSync(join(folder, 'd'));
    symlinkSync('/etc', join(folder, 'd/e'));
    expect(size()).toBeUndefined();
    expect(() => layer?.open('d/e', 'passwd')).toThrow();
    unlinkSync(join(folder, 'd/e'));
    mkdirSync(join(folder, 'd/e'));
    symlinkSync('/etc/passwd', join(folder, 'd/e/passwd'));
    expect(kindOf(look('d/e', 'passwd')?.attr.mode ?? 0)).toBe('symlink');
    expect(() => layer?.open('d/e', 'passwd')).toThrow();
  });

  it('sees at once that others left a file without data, whatever its folder said before', () => {
    writeFileSync(join(folder, 'f'), 'data');
    layer = openLowerDir(fromText(folder), { marks: ['user'], changes: true });
    expect(look('', 'f')?.metacopy).toBe(false);
    // It has blocks enough for its size: overlayfs marks its folder.
    xattr('.', 'user.overlay.impure', 'y');
    xattr('f', 'user.overlay.metacopy', '');
    expect(look('', 'f')?.metacopy).toBe(true);
  });

  it('says the same of a folder however it is asked, on a filesystem of which it is not known whether it counts', () => {
    layer = openLowerDir(fromText('/proc'));
    const node = layer.hold('', 'tty');
    const attr = new Attr();
    node.attributes(attr);
    const entry = new LayerEntry(new Attr());
    node.stat(entry);
    node.release();
    expect([attr.nlink, entry.attr.nlink, look('', 'tty')?.attr.nlink]).toEqual([1, 1, 1]);
  });

  it('refuses a name that is a way: it could leave the layer', () => {
    mkdirSync(join(folder, 'd'));
    open();
    for (const name of ['..', 'd/x', '']) expect(() => look('d', name)).toThrow();
    expect(() => look('..', 'etc')).toThrow();
  });

  it('reaches names deeper than PATH_MAX', () => {
    const part = 'p'.repeat(200);
    let fd = sys.openAt(sys.AT_FDCWD, fromText(folder), sys.O_RDONLY | sys.O_DIRECTORY);
    for (let i = 0; i < 45; i++) {
      sys.makeFolderAt(fd, part, 0o755);
      const next = sys.openAt(fd, part, sys.O_PATH | sys.O_DIRECTORY);
      sys.closeFd(fd);
      fd = next;
    }
    sys.makeNodeAt(fd, 'deep', 0o100644, 0);
    sys.closeFd(fd);
    open();
    const dir = Array<string>(45).fill(part).join('/');
    expect(look(dir, 'deep')?.attr.mode).toBe(0o100644);
    expect(names(dir)).toEqual(['deep']);
  });

  it('keeps few descriptors however many folders of however many layers it is asked for', () => {
    for (let i = 0; i < 700; i++) mkdirSync(join(folder, `d${i}`));
    writeFileSync(join(folder, 'd0/f'), '');
    const count = (): number => {
      let fds = 0;
      const fd = sys.openAt(sys.AT_FDCWD, '/proc/self/fd', sys.O_RDONLY);
      sys.listFolder(fd, () => {
        fds++;
        return undefined;
      });
      sys.closeFd(fd);
      return fds;
    };
    const before = count();
    const layers = [open(), open(), open(), open()];
    try {
      for (const each of layers) {
        layer = each;
        for (let i = 0; i < 700; i++) look(`d${i}`, 'x');
      }
      expect(count() - before).toBeLessThanOrEqual(2048 + layers.length);
      for (const each of layers) {
        layer = each;
        expect(look('d0', 'f')).toBeDefined();
        expect(look('d699', 'f')).toBeUndefined();
      }
    } finally {
      for (const each of layers) each.close();
      layer = undefined;
    }
    expect(count()).toBe(before);
  });
});
