// Modes, owners, times and extended attributes.

import { describe, expect, test } from 'vitest';
import { EEXIST, ENODATA } from '../../../fs/errno.js';
import {
  Entry,
  O_RDWR,
  O_TRUNC,
  ROOT_NODE,
  SYSTEM_CALLER,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../../fs/filesystem.js';
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from '../../../fs/mode.js';
import { bytes, errnoOf, type Paths } from '../paths.js';
import { KEPT, OLD, RECENT, type TestedFilesystem, TIMES } from './tested.js';

export function metadata(at: TestedFilesystem): void {
  describe('metadata', () => {
    test('a file that is written keeps mode, owner, attributes and the time of its last access', () => {
      at.paths.setxattr('file', 'user.new', 'n');
      expect(at.paths.stat('file')).toMatchObject({ ...KEPT, ...TIMES, size: 5 });
      expect(at.paths.with('file', (node) => [...at.fs.listxattr(node)].sort())).toEqual([
        'user.new',
        'user.note',
      ]);
    });

    test('a folder keeps everything when something below it is changed', () => {
      const { ctimeSec, ctimeNsec, ...before } = at.paths.stat('folder');
      at.paths.writeAt('folder/deep/x', 0, 'y');
      at.paths.chmod('folder/a', 0o600);
      expect(at.paths.stat('folder')).toMatchObject({
        ...TIMES,
        mode: before.mode,
        uid: 7,
        gid: 8,
        ino: before.ino,
      });
      expect(at.paths.stat('folder').mode).toBe(S_IFDIR | 0o2751);
    });

    test('chmod changes the ctime and not the mtime', () => {
      const before = at.paths.stat('file');
      at.paths.chmod('file', 0o600);
      const after = at.paths.stat('file');
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
      act(at.paths);
      expect(at.paths.stat('folder').mtimeSec).not.toBe(RECENT.sec);
    });

    test('times are set to the nanosecond, before 1970 too, on symlinks too, and each alone', () => {
      at.paths.setattr('symlink', { mtime: OLD });
      expect(at.paths.stat('symlink')).toMatchObject({ mtimeSec: OLD.sec, mtimeNsec: OLD.nsec });
      at.paths.setattr('file', { atime: { sec: 5, nsec: 6 } });
      expect(at.paths.stat('file')).toMatchObject({ ...TIMES, atimeSec: 5, atimeNsec: 6 });
      at.paths.setattr('file', { mtime: 'now' });
      expect(at.paths.stat('file').mtimeSec).toBeGreaterThan(RECENT.sec);
      expect(at.paths.stat('file').atimeSec).toBe(5);
    });

    test('a file that is there when it is to be created loses its set-id bits to whoever truncates it', () => {
      at.paths.chmod('file', 0o6755);
      const entry = new Entry();
      const caller = { ...SYSTEM_CALLER, uid: 1000, gid: 1000 };
      at.fs.release(at.fs.create(ROOT_NODE, 'file', S_IFREG | 0o644, O_RDWR, caller, entry));
      expect(at.paths.stat('file')).toMatchObject({ mode: S_IFREG | 0o6755, size: 5 });
      at.fs.release(at.fs.create(ROOT_NODE, 'file', S_IFREG | 0o644, O_RDWR | O_TRUNC, caller, entry));
      expect(at.paths.stat('file')).toMatchObject({ mode: S_IFREG | 0o755, size: 0, uid: 7 });
      at.fs.forget(entry.node, 2);
    });

    test('an empty change changes nothing', () => {
      expect(at.paths.setattr('file', {})).toMatchObject({ ...KEPT, ...TIMES });
    });

    test('set-id bits and capabilities go with a write that asks for it, and stay gone', () => {
      at.paths.chmod('file', 0o6770);
      at.paths.setxattr('file', 'user.plain', 'p');
      const handle = at.paths.open('file', O_RDWR);
      at.fs.write(handle, 0, bytes('x'), false);
      expect(at.paths.stat('file').mode & 0o7777).toBe(0o6770);
      at.fs.write(handle, 0, bytes('x'), true);
      expect(at.paths.stat('file').mode & 0o7777).toBe(0o770);
      at.fs.release(handle);
      at.remount();
      expect(at.paths.stat('file').mode & 0o7777).toBe(0o770);
    });

    test('set-id bits stay where a mapping changes the file', () => {
      at.paths.chmod('file', 0o6770);
      const handle = at.paths.open('file', O_RDWR);
      expect(at.fs.writeMapped(handle, 0, bytes('page'))).toBe(4);
      at.fs.release(handle);
      expect(at.paths.stat('file').mode & 0o7777).toBe(0o6770);
      expect(at.paths.read('file').startsWith('page')).toBe(true);
    });

    test('set-group-id without group execute is no privilege', () => {
      at.paths.chmod('file', 0o6640);
      at.paths.setattr('file', { size: 1, killPrivileges: true });
      expect(at.paths.stat('file').mode & 0o7777).toBe(0o2640);
    });

    test('set-group-id goes where a caller of another group truncates', () => {
      at.paths.chmod('file', 0o2666);
      const { gid } = at.paths.stat('file');
      at.paths.caller = { uid: 7, gid, pid: 1, umask: 0 };
      at.paths.setattr('file', { size: 1, killPrivileges: true });
      expect(at.paths.stat('file').mode & 0o7777).toBe(0o2666);
      at.paths.caller = { uid: 7, gid: gid + 1, pid: 1, umask: 0 };
      at.paths.setattr('file', { size: 1, killPrivileges: true });
      expect(at.paths.stat('file').mode & 0o7777).toBe(0o666);
    });

    test('chown keeps set-id bits unless it is asked to clear them', () => {
      at.paths.chmod('file', 0o6755);
      expect(at.paths.setattr('file', { uid: 1, gid: 2 })).toMatchObject({
        uid: 1,
        gid: 2,
        mode: S_IFREG | 0o6755,
      });
      expect(at.paths.setattr('file', { uid: 3, killPrivileges: true })).toMatchObject({
        uid: 3,
        gid: 2,
        mode: S_IFREG | 0o755,
      });
    });

    test('a set-group-id folder gives its group to what is made in it, and the bit to folders', () => {
      at.paths.caller = { uid: 1, gid: 1, pid: 1, umask: 0 };
      expect(at.paths.mkdir('folder/n')).toMatchObject({ uid: 1, gid: 8, mode: S_IFDIR | 0o2755 });
      at.paths.write('folder/f', '');
      expect(at.paths.stat('folder/f')).toMatchObject({ uid: 1, gid: 8, mode: S_IFREG | 0o644 });
      expect(at.paths.mkdir('m')).toMatchObject({ uid: 1, gid: 1, mode: S_IFDIR | 0o755 });
    });

    test('the umask applies to every kind but symlinks', () => {
      at.paths.caller = { uid: 0, gid: 0, pid: 1, umask: 0o027 };
      expect(at.paths.mkdir('d', 0o777).mode).toBe(S_IFDIR | 0o750);
      expect(at.paths.mknod('p', S_IFIFO | 0o666).mode).toBe(S_IFIFO | 0o640);
      at.fs.release(at.paths.create('f', 0o666));
      expect(at.paths.stat('f').mode).toBe(S_IFREG | 0o640);
      expect(at.paths.symlink('x', 'l').mode).toBe(S_IFLNK | 0o777);
    });

    test('xattrs: create, replace, absence, empty values, removal', () => {
      expect(errnoOf(() => at.paths.setxattr('file', 'user.note', 'x', XATTR_CREATE))).toBe(EEXIST);
      expect(errnoOf(() => at.paths.setxattr('file', 'user.none', 'x', XATTR_REPLACE))).toBe(ENODATA);
      expect(at.paths.getxattr('file', 'user.none')).toBeUndefined();
      at.paths.setxattr('file', 'user.empty', '');
      expect(at.paths.getxattr('file', 'user.empty')).toBe('');
      at.paths.with('file', (node) => at.fs.removexattr(node, 'user.note'));
      expect(at.paths.getxattr('file', 'user.note')).toBeUndefined();
      expect(errnoOf(() => at.paths.with('file', (node) => at.fs.removexattr(node, 'user.note')))).toBe(
        ENODATA,
      );
      at.remount();
      expect(at.paths.getxattr('file', 'user.note')).toBeUndefined();
      expect(at.paths.getxattr('file', 'user.empty')).toBe('');
    });
  });
}
