// The contract of fs/filesystem.ts, to be run on every implementation over the same starting tree:
//
//   file        "lower", 0640, owner 7:8, times of long ago with nanoseconds, user.note=kept
//   linked      "twice", the same file as `other`
//   folder/     02751, owner 7:8, old times, with `a`, `b` and `deep/x`
//   symlink     -> file
//   fifo
//   sparse      1 MiB with 4 KiB of data at the beginning and 4 KiB at 512 KiB
//
// What it checks are the rules of POSIX and Linux as a kernel relies on them; how layers and marks look
// afterwards is tested with the union.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  EBADF,
  EEXIST,
  EINVAL,
  EISDIR,
  ENAMETOOLONG,
  ENODATA,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  ESTALE,
} from '../../fs/errno.js';
import {
  Attr,
  Entry,
  FALLOC_COLLAPSE_RANGE,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  type Filesystem,
  O_APPEND,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  ROOT_NODE,
  SEEK_DATA,
  SEEK_HOLE,
  SYSTEM_CALLER,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../fs/filesystem.js';
import type { WriteLayer } from '../../fs/layer/layer.js';
import { makeDev, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../../fs/mode.js';
import { bytes, errnoOf, Paths, text } from './paths.js';

export interface FilesystemUnderTest {
  readonly fs: Filesystem;
  /** The same filesystem, ended and begun again. */
  remount(): Filesystem;
  dispose(): void;
}

export interface FilesystemSuiteOptions {
  /** False where a symlink or fifo cannot carry the mark of its origin: no `user.` attribute fits on one. */
  readonly keepsNumbersOfSpecials: boolean;
}

export const OLD = { sec: -86_400, nsec: 123_456_789 };
export const RECENT = { sec: 1_600_000_000, nsec: 987_654_321 };

/** Writes the starting tree into an empty layer. */
export function fillWithStartingTree(layer: WriteLayer): void {
  const file = (dir: string, name: string, content: string, mode = 0o644): void => {
    const made = layer.makeFile(dir, name, { mode: S_IFREG | mode, uid: 0, gid: 0 });
    made.write(0, bytes(content));
    made.close();
  };
  file('', 'file', 'lower');
  const node = layer.hold('', 'file');
  node.chown(7, 8);
  node.chmod(0o640);
  node.setxattr('user.note', bytes('kept'), 0);
  node.utimes(OLD, RECENT);
  node.release();
  file('', 'linked', 'twice');
  const linked = layer.hold('', 'linked');
  layer.link(linked, '', 'other', false);
  linked.release();
  layer.make('', 'folder', { mode: S_IFDIR | 0o2751, uid: 7, gid: 8 });
  file('folder', 'a', 'a');
  file('folder', 'b', 'b');
  layer.make('folder', 'deep', { mode: S_IFDIR | 0o755, uid: 0, gid: 0 });
  file('folder/deep', 'x', 'x');
  const folder = layer.hold('folder', '.');
  folder.utimes(OLD, RECENT);
  folder.release();
  layer.make('', 'symlink', { mode: S_IFLNK | 0o777, uid: 0, gid: 0, target: 'file' });
  layer.make('', 'fifo', { mode: S_IFIFO | 0o600, uid: 0, gid: 0 });
  const sparse = layer.makeFile('', 'sparse', { mode: S_IFREG | 0o644, uid: 0, gid: 0 });
  sparse.write(0, new Uint8Array(4096).fill(1));
  sparse.write(524_288, new Uint8Array(4096).fill(2));
  sparse.truncate(1_048_576);
  sparse.close();
}

const KEPT = { mode: S_IFREG | 0o640, uid: 7, gid: 8 };
const TIMES = {
  atimeSec: OLD.sec,
  atimeNsec: OLD.nsec,
  mtimeSec: RECENT.sec,
  mtimeNsec: RECENT.nsec,
};

/** Registers the tests under `title`. */
export function describeFilesystem(
  title: string,
  make: () => FilesystemUnderTest,
  options: FilesystemSuiteOptions = { keepsNumbersOfSpecials: true },
): void {
  describe(title, () => {
    let under: FilesystemUnderTest;
    let fs: Filesystem;
    let paths: Paths;

    beforeEach(() => {
      under = make();
      fs = under.fs;
      paths = new Paths(fs);
    });

    afterEach(() => under.dispose());

    function remount(): void {
      fs = under.remount();
      paths = new Paths(fs);
    }

    function getattr(node: number): Attr {
      const attr = new Attr();
      fs.getattr(node, attr);
      return attr;
    }

    describe('open and unlinked files', () => {
      test('a file that was removed while open still reads, with no names left', () => {
        const node = paths.node('file');
        const handle = fs.open(node, O_RDONLY);
        paths.unlink('file');
        expect(paths.readHandle(handle)).toBe('lower');
        expect(getattr(node).nlink).toBe(0);
        fs.release(handle);
        fs.forget(node, 1);
        expect(errnoOf(() => getattr(node))).toBe(ESTALE);
      });

      test('a new file that was removed while open takes every change', () => {
        const entry = new Entry();
        const handle = fs.create(ROOT_NODE, 'new', 0o644, O_RDWR, SYSTEM_CALLER, entry);
        const { node } = entry;
        fs.unlink(ROOT_NODE, 'new');
        fs.write(handle, 0, bytes('still here'), false);
        const attr = new Attr();
        fs.setattr(node, { size: 5 }, SYSTEM_CALLER, attr, handle);
        fs.setattr(node, { mode: 0o600, uid: 3, gid: 4, mtime: OLD }, SYSTEM_CALLER, attr);
        expect(attr).toMatchObject({
          nlink: 0,
          size: 5,
          mode: S_IFREG | 0o600,
          uid: 3,
          gid: 4,
          mtimeSec: OLD.sec,
        });
        fs.setxattr(node, 'user.x', bytes('y'), 0, false);
        expect(text(fs.getxattr(node, 'user.x')!)).toBe('y');
        expect(paths.readHandle(handle)).toBe('still');
        expect(paths.exists('new')).toBe(false);
      });

      test('a write to a removed file does not bring its name back', () => {
        const node = paths.node('file');
        const handle = fs.open(node, O_RDWR);
        paths.unlink('file');
        fs.write(handle, 0, bytes('LOW'), false);
        expect(paths.readHandle(handle)).toBe('LOWer');
        expect(paths.exists('file')).toBe(false);
      });

      test('a removed file that is open for reading can still be changed by its node', () => {
        const node = paths.node('file');
        const handle = fs.open(node, O_RDONLY);
        paths.unlink('file');
        const attr = new Attr();
        fs.setattr(node, { mode: 0o600 }, SYSTEM_CALLER, attr);
        expect(attr).toMatchObject({ mode: S_IFREG | 0o600, nlink: 0 });
        expect(paths.readHandle(handle)).toBe('lower');
        expect(paths.exists('file')).toBe(false);
      });

      test('a name that is made again is another file', () => {
        const node = paths.node('file');
        const handle = fs.open(node, O_RDONLY);
        paths.unlink('file');
        paths.write('file', 'again');
        expect(paths.node('file')).not.toBe(node);
        expect(paths.stat('file').ino).not.toBe(getattr(node).ino);
        expect(paths.readHandle(handle)).toBe('lower');
        expect(paths.read('file')).toBe('again');
      });

      test('a file that was replaced by rename keeps its data for who has it open', () => {
        const handle = paths.open('file');
        paths.write('n', 'new');
        paths.rename('n', 'file');
        expect(paths.readHandle(handle)).toBe('lower');
        expect(paths.read('file')).toBe('new');
      });

      test('a handle opened before a write by another reads what was written', () => {
        const handle = paths.open('file');
        paths.writeAt('file', 0, 'UPPER and more');
        expect(paths.readHandle(handle)).toBe('UPPER and more');
      });

      test('nothing can be made in a removed folder, and its listing is empty', () => {
        const node = paths.node('folder/deep');
        paths.unlink('folder/deep/x');
        const handle = fs.opendir(node);
        paths.rmdir('folder/deep');
        const entry = new Entry();
        expect(errnoOf(() => fs.mkdir(node, 'n', 0o755, SYSTEM_CALLER, entry))).toBe(ENOENT);
        expect(errnoOf(() => fs.create(node, 'n', 0o644, O_RDWR, SYSTEM_CALLER, entry))).toBe(ENOENT);
        expect(fs.lookup(node, 'x', entry)).toBe(false);
        const names: string[] = [];
        fs.readdir(handle, 0, (name) => names.push(name) > 0);
        expect(names).toEqual(['.', '..']);
        expect(getattr(node).nlink).toBe(0);
        fs.releasedir(handle);
      });

      test('a folder stays usable by its node after it was moved', () => {
        const node = paths.node('folder');
        paths.rename('folder', 'moved');
        const entry = new Entry();
        fs.mkdir(node, 'n', 0o755, SYSTEM_CALLER, entry);
        expect(paths.ls('moved')).toEqual(['a', 'b', 'deep', 'n']);
      });

      test('a file without a name is made, written and linked', () => {
        const entry = new Entry();
        const handle = fs.tmpfile(ROOT_NODE, 0o600, O_RDWR, SYSTEM_CALLER, entry);
        fs.write(handle, 0, bytes('unnamed'), false);
        expect(getattr(entry.node).nlink).toBe(0);
        const { ino } = entry.attr;
        fs.link(entry.node, ROOT_NODE, 'named', entry);
        expect(entry.attr).toMatchObject({ ino, nlink: 1, size: 7, mode: S_IFREG | 0o600 });
        fs.release(handle);
        remount();
        expect(paths.read('named')).toBe('unnamed');
      });
    });

    describe('identity', () => {
      test('a file number is the same after copy-up, rename and remount', () => {
        const specials = options.keepsNumbersOfSpecials ? ['symlink', 'fifo'] : [];
        const before = ['file', 'folder', 'folder/a', ...specials].map((path) => paths.stat(path).ino);
        for (const path of ['file', 'folder/a', 'fifo', 'symlink']) paths.setattr(path, { mtime: OLD });
        paths.rename('file', 'file2');
        paths.rename('folder', 'folder2');
        const current = () =>
          ['file2', 'folder2', 'folder2/a', ...specials].map((path) => paths.stat(path).ino);
        expect(current()).toEqual(before);
        remount();
        expect(current()).toEqual(before);
      });

      test('a listing shows the numbers and types that stat shows', () => {
        paths.write('new', 'n');
        paths.writeAt('file', 0, 'x');
        paths.rename('folder', 'moved');
        paths.mkdir('folder');
        for (const folder of ['', 'moved']) {
          for (const { name, ino, type } of paths.list(folder)) {
            const attr = paths.stat(folder === '' ? name : `${folder}/${name}`);
            expect([name, ino, type]).toEqual([name, attr.ino, attr.mode >>> 12]);
          }
        }
      });

      test('every file of a tree has its own number', () => {
        paths.write('new', 'n');
        const inos = paths
          .list('')
          .filter(({ name }) => name !== 'other')
          .map(({ ino }) => ino);
        expect(new Set(inos).size).toBe(inos.length);
      });

      test('a node lives as long as its lookups are not given back', () => {
        const node = paths.node('file');
        paths.node('file');
        fs.forget(node, 1);
        expect(getattr(node).size).toBe(5);
        fs.forget(node, 1);
        expect(errnoOf(() => getattr(node))).toBe(ESTALE);
      });
    });

    describe('data', () => {
      test('O_TRUNC empties a file and keeps what else it is', () => {
        fs.release(paths.open('file', O_WRONLY | O_TRUNC));
        expect(paths.stat('file')).toMatchObject({ ...KEPT, size: 0 });
        expect(paths.getxattr('file', 'user.note')).toBe('kept');
      });

      test('truncate cuts and extends with zeros', () => {
        expect(paths.setattr('file', { size: 3 }).size).toBe(3);
        expect(paths.read('file')).toBe('low');
        expect(paths.setattr('file', { size: 5 }).size).toBe(5);
        expect(paths.read('file')).toBe('low\0\0');
        expect(errnoOf(() => paths.setattr('folder', { size: 0 }))).toBe(EISDIR);
        expect(errnoOf(() => paths.setattr('fifo', { size: 0 }))).toBe(EINVAL);
      });

      test('two handles with O_APPEND never overwrite each other', () => {
        const one = paths.open('file', O_WRONLY | O_APPEND);
        const other = paths.open('file', O_WRONLY | O_APPEND);
        fs.write(one, 0, bytes('1'), false);
        fs.write(other, 0, bytes('2'), false);
        fs.write(one, 0, bytes('3'), false);
        expect(paths.read('file')).toBe('lower123');
      });

      test('the size is seen through another name at once', () => {
        paths.writeAt('linked', 5, '!!');
        expect(paths.stat('other').size).toBe(7);
        expect(paths.read('other')).toBe('twice!!');
      });

      test('a handle for reading takes no write, and one for a folder no read', () => {
        const handle = paths.open('file');
        expect(errnoOf(() => fs.write(handle, 0, bytes('x'), false))).toBe(EBADF);
        expect(errnoOf(() => paths.open('folder'))).toBe(EISDIR);
        expect(errnoOf(() => fs.read(12_345, 0, new Uint8Array(1)))).toBe(EBADF);
      });

      test('a read beyond the end is empty', () => {
        expect(fs.read(paths.open('file'), 100, new Uint8Array(10))).toBe(0);
      });

      test('holes are found, and kept when the file is written', () => {
        const handle = paths.open('sparse', O_RDWR);
        const check = (): void => {
          expect(fs.lseek(handle, 0, SEEK_HOLE)).toBe(4096);
          expect(fs.lseek(handle, 4096, SEEK_DATA)).toBe(524_288);
          expect(fs.lseek(handle, 524_288, SEEK_HOLE)).toBe(528_384);
          expect(errnoOf(() => fs.lseek(handle, 528_384, SEEK_DATA))).toBe(ENXIO);
          expect(errnoOf(() => fs.lseek(handle, 1_048_576, SEEK_HOLE))).toBe(ENXIO);
          expect(errnoOf(() => fs.lseek(handle, 0, 0))).toBe(EINVAL);
        };
        check();
        fs.write(handle, 0, bytes('x'), false);
        check();
        expect(paths.stat('sparse').blocks).toBeLessThanOrEqual(32);
      });

      test('fallocate makes, keeps the size, punches and zeroes; other modes are refused', () => {
        const handle = paths.create('n');
        fs.write(handle, 0, new Uint8Array(12_288).fill(7), false);
        fs.fallocate(handle, 0, 0, 16_384);
        expect(paths.stat('n').size).toBe(16_384);
        fs.fallocate(handle, FALLOC_KEEP_SIZE, 16_384, 4096);
        expect(paths.stat('n').size).toBe(16_384);
        fs.fallocate(handle, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 4096, 4096);
        const into = new Uint8Array(12_288);
        fs.read(handle, 0, into);
        expect([into[4095], into[4096], into[8191], into[8192]]).toEqual([7, 0, 0, 7]);
        fs.fallocate(handle, FALLOC_ZERO_RANGE, 8192, 4096);
        fs.read(handle, 0, into);
        expect(into[8192]).toBe(0);
        expect(errnoOf(() => fs.fallocate(handle, FALLOC_COLLAPSE_RANGE, 0, 4096))).toBe(EOPNOTSUPP);
        expect(errnoOf(() => fs.fallocate(handle, 0, 0, 0))).toBe(EINVAL);
      });

      test('copyFileRange copies between files and refuses overlapping ranges of one', () => {
        const from = paths.open('file', O_RDWR);
        const to = paths.create('n');
        expect(fs.copyFileRange(from, 1, to, 2, 100)).toBe(4);
        expect(paths.read('n')).toBe('\0\0ower');
        expect(errnoOf(() => fs.copyFileRange(from, 0, from, 2, 4))).toBe(EINVAL);
        expect(fs.copyFileRange(from, 0, from, 5, 5)).toBe(5);
        expect(paths.read('file')).toBe('lowerlower');
      });

      test('fsync and flush succeed on handles of every kind', () => {
        const reader = paths.open('file');
        fs.fsync(reader, false);
        const writer = paths.open('file', O_RDWR);
        fs.write(writer, 0, bytes('x'), false);
        fs.flush(writer);
        fs.fsync(writer, true);
        fs.fsync(reader, false);
        const folder = fs.opendir(ROOT_NODE);
        fs.fsyncdir(folder, false);
        fs.sync();
        expect(paths.read('file')).toBe('xower');
      });

      test('create with O_EXCL has one winner, without it opens what is there', () => {
        expect(errnoOf(() => paths.create('file', 0o600, O_RDWR | O_EXCL))).toBe(EEXIST);
        const handle = paths.create('file', 0o600, O_RDWR);
        expect(paths.readHandle(handle)).toBe('lower');
        expect(paths.stat('file')).toMatchObject(KEPT);
      });
    });

    describe('metadata', () => {
      test('a file that is written keeps mode, owner, attributes and the time of its last access', () => {
        paths.setxattr('file', 'user.new', 'n');
        expect(paths.stat('file')).toMatchObject({ ...KEPT, ...TIMES, size: 5 });
        expect(paths.with('file', (node) => [...fs.listxattr(node)].sort())).toEqual([
          'user.new',
          'user.note',
        ]);
      });

      test('a folder keeps everything when something below it is changed', () => {
        const { ctimeSec, ctimeNsec, ...before } = paths.stat('folder');
        paths.writeAt('folder/deep/x', 0, 'y');
        paths.chmod('folder/a', 0o600);
        expect(paths.stat('folder')).toMatchObject({
          ...TIMES,
          mode: before.mode,
          uid: 7,
          gid: 8,
          ino: before.ino,
        });
        expect(paths.stat('folder').mode).toBe(S_IFDIR | 0o2751);
      });

      test('chmod changes the ctime and not the mtime', () => {
        const before = paths.stat('file');
        paths.chmod('file', 0o600);
        const after = paths.stat('file');
        expect(after).toMatchObject(TIMES);
        expect([after.ctimeSec, after.ctimeNsec]).not.toEqual([before.ctimeSec, before.ctimeNsec]);
      });

      test.each([
        ['create', (p: Paths) => p.write('folder/n', '')],
        ['mkdir', (p: Paths) => p.mkdir('folder/n')],
        ['unlink', (p: Paths) => p.unlink('folder/a')],
        ['rename out', (p: Paths) => p.rename('folder/a', 'a')],
        ['rename in', (p: Paths) => p.rename('file', 'folder/file')],
        ['link', (p: Paths) => p.link('file', 'folder/file')],
      ])('%s changes the mtime of the folder', (_title, act) => {
        act(paths);
        expect(paths.stat('folder').mtimeSec).not.toBe(RECENT.sec);
      });

      test('times are set to the nanosecond, before 1970 too, on symlinks too, and each alone', () => {
        paths.setattr('symlink', { mtime: OLD });
        expect(paths.stat('symlink')).toMatchObject({ mtimeSec: OLD.sec, mtimeNsec: OLD.nsec });
        paths.setattr('file', { atime: { sec: 5, nsec: 6 } });
        expect(paths.stat('file')).toMatchObject({ ...TIMES, atimeSec: 5, atimeNsec: 6 });
        paths.setattr('file', { mtime: 'now' });
        expect(paths.stat('file').mtimeSec).toBeGreaterThan(RECENT.sec);
        expect(paths.stat('file').atimeSec).toBe(5);
      });

      test('a file that is there when it is to be created loses its set-id bits to whoever truncates it', () => {
        paths.chmod('file', 0o6755);
        const entry = new Entry();
        const caller = { ...SYSTEM_CALLER, uid: 1000, gid: 1000 };
        fs.release(fs.create(ROOT_NODE, 'file', S_IFREG | 0o644, O_RDWR, caller, entry));
        expect(paths.stat('file')).toMatchObject({ mode: S_IFREG | 0o6755, size: 5 });
        fs.release(fs.create(ROOT_NODE, 'file', S_IFREG | 0o644, O_RDWR | O_TRUNC, caller, entry));
        expect(paths.stat('file')).toMatchObject({ mode: S_IFREG | 0o755, size: 0, uid: 7 });
        fs.forget(entry.node, 2);
      });

      test('an empty change changes nothing', () => {
        expect(paths.setattr('file', {})).toMatchObject({ ...KEPT, ...TIMES });
      });

      test('set-id bits and capabilities go with a write that asks for it, and stay gone', () => {
        paths.chmod('file', 0o6770);
        paths.setxattr('file', 'user.plain', 'p');
        const handle = paths.open('file', O_RDWR);
        fs.write(handle, 0, bytes('x'), false);
        expect(paths.stat('file').mode & 0o7777).toBe(0o6770);
        fs.write(handle, 0, bytes('x'), true);
        expect(paths.stat('file').mode & 0o7777).toBe(0o770);
        fs.release(handle);
        remount();
        expect(paths.stat('file').mode & 0o7777).toBe(0o770);
      });

      test('set-id bits stay where a mapping changes the file', () => {
        paths.chmod('file', 0o6770);
        const handle = paths.open('file', O_RDWR);
        expect(fs.writeMapped(handle, 0, bytes('page'))).toBe(4);
        fs.release(handle);
        expect(paths.stat('file').mode & 0o7777).toBe(0o6770);
        expect(paths.read('file').startsWith('page')).toBe(true);
      });

      test('set-group-id without group execute is no privilege', () => {
        paths.chmod('file', 0o6640);
        paths.setattr('file', { size: 1, killPrivileges: true });
        expect(paths.stat('file').mode & 0o7777).toBe(0o2640);
      });

      test('set-group-id goes where a caller of another group truncates', () => {
        paths.chmod('file', 0o2666);
        const { gid } = paths.stat('file');
        paths.caller = { uid: 7, gid, pid: 1, umask: 0 };
        paths.setattr('file', { size: 1, killPrivileges: true });
        expect(paths.stat('file').mode & 0o7777).toBe(0o2666);
        paths.caller = { uid: 7, gid: gid + 1, pid: 1, umask: 0 };
        paths.setattr('file', { size: 1, killPrivileges: true });
        expect(paths.stat('file').mode & 0o7777).toBe(0o666);
      });

      test('chown keeps set-id bits unless it is asked to clear them', () => {
        paths.chmod('file', 0o6755);
        expect(paths.setattr('file', { uid: 1, gid: 2 })).toMatchObject({
          uid: 1,
          gid: 2,
          mode: S_IFREG | 0o6755,
        });
        expect(paths.setattr('file', { uid: 3, killPrivileges: true })).toMatchObject({
          uid: 3,
          gid: 2,
          mode: S_IFREG | 0o755,
        });
      });

      test('a set-group-id folder gives its group to what is made in it, and the bit to folders', () => {
        paths.caller = { uid: 1, gid: 1, pid: 1, umask: 0 };
        expect(paths.mkdir('folder/n')).toMatchObject({ uid: 1, gid: 8, mode: S_IFDIR | 0o2755 });
        paths.write('folder/f', '');
        expect(paths.stat('folder/f')).toMatchObject({ uid: 1, gid: 8, mode: S_IFREG | 0o644 });
        expect(paths.mkdir('m')).toMatchObject({ uid: 1, gid: 1, mode: S_IFDIR | 0o755 });
      });

      test('the umask applies to every kind but symlinks', () => {
        paths.caller = { uid: 0, gid: 0, pid: 1, umask: 0o027 };
        expect(paths.mkdir('d', 0o777).mode).toBe(S_IFDIR | 0o750);
        expect(paths.mknod('p', S_IFIFO | 0o666).mode).toBe(S_IFIFO | 0o640);
        fs.release(paths.create('f', 0o666));
        expect(paths.stat('f').mode).toBe(S_IFREG | 0o640);
        expect(paths.symlink('x', 'l').mode).toBe(S_IFLNK | 0o777);
      });

      test('xattrs: create, replace, absence, empty values, removal', () => {
        expect(errnoOf(() => paths.setxattr('file', 'user.note', 'x', XATTR_CREATE))).toBe(EEXIST);
        expect(errnoOf(() => paths.setxattr('file', 'user.none', 'x', XATTR_REPLACE))).toBe(ENODATA);
        expect(paths.getxattr('file', 'user.none')).toBeUndefined();
        paths.setxattr('file', 'user.empty', '');
        expect(paths.getxattr('file', 'user.empty')).toBe('');
        paths.with('file', (node) => fs.removexattr(node, 'user.note'));
        expect(paths.getxattr('file', 'user.note')).toBeUndefined();
        expect(errnoOf(() => paths.with('file', (node) => fs.removexattr(node, 'user.note')))).toBe(ENODATA);
        remount();
        expect(paths.getxattr('file', 'user.note')).toBeUndefined();
        expect(paths.getxattr('file', 'user.empty')).toBe('');
      });
    });

    describe('kinds and names', () => {
      test('fifos, sockets and devices are made and changed without being opened', () => {
        paths.chmod('fifo', 0o644);
        expect(paths.stat('fifo').mode).toBe(S_IFIFO | 0o644);
        expect(paths.mknod('s', S_IFSOCK | 0o600).mode).toBe(S_IFSOCK | 0o600);
        const rdev = makeDev(259, 65_536);
        expect(paths.mknod('b', S_IFBLK | 0o600, rdev)).toMatchObject({ mode: S_IFBLK | 0o600, rdev });
        paths.setattr('b', { uid: 5 });
        expect(paths.stat('b')).toMatchObject({ rdev, uid: 5 });
      });

      test('nobody makes a whiteout by hand', () => {
        expect(errnoOf(() => paths.mknod('w', S_IFCHR | 0o600, 0))).toBe(EPERM);
        expect(paths.ls('')).toContain('file');
      });

      test('mknod makes regular files, and no folders or symlinks', () => {
        expect(paths.mknod('f', S_IFREG | 0o600)).toMatchObject({ mode: S_IFREG | 0o600, size: 0 });
        expect(errnoOf(() => paths.mknod('d', S_IFDIR | 0o700))).toBe(EINVAL);
      });

      test('a symlink keeps every byte of a long target', () => {
        const target = 'x/\xff'.repeat(1365);
        paths.symlink(target, 'l');
        expect(paths.readlink('l')).toBe(target);
        expect(paths.stat('l').size).toBe(target.length);
        expect(paths.readlink('symlink')).toBe('file');
        expect(errnoOf(() => paths.readlink('file'))).toBe(EINVAL);
      });

      test('names are bytes, 255 of them, and never . or ..', () => {
        for (const name of ['\xff\xfe', 'a\nb', ' ', '.wh.f', '.wh..wh..opq', 'n'.repeat(255)]) {
          paths.write(name, 'x');
          expect(paths.ls('')).toContain(name);
          paths.unlink(name);
        }
        expect(errnoOf(() => paths.write('n'.repeat(256), ''))).toBe(ENAMETOOLONG);
        expect(errnoOf(() => paths.rename('file', 'n'.repeat(256)))).toBe(ENAMETOOLONG);
        const entry = new Entry();
        for (const name of ['', '.', '..', 'a/b', 'a\0b']) {
          expect(errnoOf(() => fs.mkdir(ROOT_NODE, name, 0o755, SYSTEM_CALLER, entry))).toBe(EINVAL);
        }
      });

      test('what exists is not made again, what is missing is not removed', () => {
        expect(errnoOf(() => paths.mkdir('file'))).toBe(EEXIST);
        expect(errnoOf(() => paths.symlink('x', 'folder'))).toBe(EEXIST);
        expect(errnoOf(() => paths.link('file', 'folder'))).toBe(EEXIST);
        expect(errnoOf(() => paths.unlink('none'))).toBe(ENOENT);
        expect(errnoOf(() => paths.rmdir('none'))).toBe(ENOENT);
        expect(errnoOf(() => paths.unlink('folder'))).toBe(EISDIR);
        expect(errnoOf(() => paths.rmdir('file'))).toBe(ENOTDIR);
        expect(errnoOf(() => paths.rmdir('folder'))).toBe(ENOTEMPTY);
        expect(errnoOf(() => paths.with('file', (node) => fs.lookup(node, 'x', new Entry())))).toBe(ENOTDIR);
        expect(errnoOf(() => paths.with('file', (node) => fs.opendir(node)))).toBe(ENOTDIR);
      });

      test('a deep tree is made and removed', () => {
        let path = 'deep';
        paths.mkdir(path);
        for (let i = 0; i < 100; i++) {
          path += '/d';
          paths.mkdir(path);
        }
        paths.write(`${path}/f`, 'bottom');
        paths.rename('deep', 'folder/moved');
        expect(paths.read(`folder/moved${path.slice(4)}/f`)).toBe('bottom');
      });
    });

    describe('listing', () => {
      function readAll(handle: number, step: number, act?: (name: string) => void): string[] {
        const names: string[] = [];
        let cookie = 0;
        for (let more = true; more; ) {
          let taken = 0;
          const from = cookie;
          fs.readdir(handle, from, (name, _ino, _type, next) => {
            if (taken === step) return false;
            taken++;
            cookie = next;
            names.push(name);
            return true;
          });
          for (const name of names.slice(names.length - taken)) act?.(name);
          more = taken > 0;
        }
        return names.filter((name) => name !== '.' && name !== '..').sort();
      }

      test('one entry at a time gives each name once', () => {
        const handle = fs.opendir(ROOT_NODE);
        expect(readAll(handle, 1)).toEqual(paths.ls(''));
        expect(readAll(handle, 1)).toEqual(paths.ls(''));
        fs.releasedir(handle);
      });

      test('removing every entry while reading skips and repeats none', () => {
        for (let i = 0; i < 50; i++) paths.write(`folder/deep/${i}`, '');
        const expected = paths.ls('folder/deep');
        const handle = paths.with('folder/deep', (node) => fs.opendir(node));
        const names = readAll(handle, 3, (name) => {
          if (name !== '.' && name !== '..') paths.unlink(`folder/deep/${name}`);
        });
        expect(names).toEqual(expected);
        expect(readAll(handle, 100)).toEqual([]);
        fs.releasedir(handle);
        paths.rmdir('folder/deep');
      });

      test('reading from the beginning again sees what was made meanwhile', () => {
        const handle = fs.opendir(ROOT_NODE);
        expect(readAll(handle, 100)).not.toContain('new');
        paths.write('new', '');
        expect(readAll(handle, 100)).toContain('new');
        fs.releasedir(handle);
      });

      test('readdirPlus counts what was taken and no more', () => {
        const handle = paths.with('folder', (node) => fs.opendir(node));
        const entry = new Entry();
        const nodes: number[] = [];
        let refused = 0;
        fs.readdirPlus(handle, 0, entry, (name, ino, type) => {
          if (name === '.' || name === '..') {
            expect(entry.node).toBe(0);
            return true;
          }
          if (nodes.length === 2) {
            refused = entry.node;
            return false;
          }
          expect([entry.attr.ino, entry.attr.mode >>> 12]).toEqual([ino, type]);
          nodes.push(entry.node);
          return true;
        });
        expect(nodes).toHaveLength(2);
        for (const node of nodes) expect(getattr(node).ino).toBeGreaterThan(0);
        expect(errnoOf(() => getattr(refused))).toBe(ESTALE);
        for (const node of nodes) fs.forget(node, 1);
        for (const node of nodes) expect(errnoOf(() => getattr(node))).toBe(ESTALE);
        fs.releasedir(handle);
      });

      test('the parent of a folder is its own', () => {
        const handle = paths.with('folder/deep', (node) => fs.opendir(node));
        const dots = new Map<string, number>();
        fs.readdir(handle, 0, (name, ino) => dots.set(name, ino) !== undefined);
        expect(dots.get('.')).toBe(paths.stat('folder/deep').ino);
        expect(dots.get('..')).toBe(paths.stat('folder').ino);
        fs.releasedir(handle);
      });

      test('the link count of folders is 2 and their subfolders', () => {
        const links = (path: string) => paths.stat(path).nlink;
        const top = links('');
        expect(top).toBe(2 + paths.list('').filter(({ type }) => type === 4).length);
        const folder = links('folder');
        paths.mkdir('new');
        paths.mkdir('new/sub');
        paths.write('new/file', 'x');
        expect(['', 'folder', 'new', 'new/sub'].map(links)).toEqual([top + 1, folder, 3, 2]);
        paths.rename('new/sub', 'folder/sub');
        expect(['', 'folder', 'new'].map(links)).toEqual([top + 1, folder + 1, 2]);
        paths.rename('folder/sub', 'new/file', RENAME_EXCHANGE);
        expect(['folder', 'new'].map(links)).toEqual([folder, 3]);
        const node = paths.node('new/file');
        paths.rmdir('new/file');
        expect([getattr(node).nlink, links('new')]).toEqual([0, 2]);
        fs.forget(node, 1);
      });
    });
  });
}
