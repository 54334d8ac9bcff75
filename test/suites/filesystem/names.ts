// Every kind of object, and the names that it can have.

import { describe, expect, test } from 'vitest';
import {
  EEXIST,
  EINVAL,
  EISDIR,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
} from '../../../fs/errno.js';
import { Entry, ROOT_NODE, SYSTEM_CALLER } from '../../../fs/filesystem.js';
import { makeDev, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG, S_IFSOCK } from '../../../fs/mode.js';
import { errnoOf } from '../paths.js';
import type { TestedFilesystem } from './tested.js';

export function kindsAndNames(at: TestedFilesystem): void {
  describe('kinds and names', () => {
    test('fifos, sockets and devices are made and changed without being opened', () => {
      at.paths.chmod('fifo', 0o644);
      expect(at.paths.stat('fifo').mode).toBe(S_IFIFO | 0o644);
      expect(at.paths.mknod('s', S_IFSOCK | 0o600).mode).toBe(S_IFSOCK | 0o600);
      const rdev = makeDev(259, 65_536);
      expect(at.paths.mknod('b', S_IFBLK | 0o600, rdev)).toMatchObject({ mode: S_IFBLK | 0o600, rdev });
      at.paths.setattr('b', { uid: 5 });
      expect(at.paths.stat('b')).toMatchObject({ rdev, uid: 5 });
    });

    test('nobody makes a whiteout by hand', () => {
      expect(errnoOf(() => at.paths.mknod('w', S_IFCHR | 0o600, 0))).toBe(EPERM);
      expect(at.paths.ls('')).toContain('file');
    });

    test('mknod makes regular files, and no folders or symlinks', () => {
      expect(at.paths.mknod('f', S_IFREG | 0o600)).toMatchObject({ mode: S_IFREG | 0o600, size: 0 });
      expect(errnoOf(() => at.paths.mknod('d', S_IFDIR | 0o700))).toBe(EINVAL);
    });

    test('a symlink keeps every byte of a long target', () => {
      const target = 'x/\xff'.repeat(1365);
      at.paths.symlink(target, 'l');
      expect(at.paths.readlink('l')).toBe(target);
      expect(at.paths.stat('l').size).toBe(target.length);
      expect(at.paths.readlink('symlink')).toBe('file');
      expect(errnoOf(() => at.paths.readlink('file'))).toBe(EINVAL);
    });

    test('names are bytes, 255 of them, and never . or ..', () => {
      for (const name of ['\xff\xfe', 'a\nb', ' ', '.wh.f', '.wh..wh..opq', 'n'.repeat(255)]) {
        at.paths.write(name, 'x');
        expect(at.paths.ls('')).toContain(name);
        at.paths.unlink(name);
      }
      expect(errnoOf(() => at.paths.write('n'.repeat(256), ''))).toBe(ENAMETOOLONG);
      expect(errnoOf(() => at.paths.rename('file', 'n'.repeat(256)))).toBe(ENAMETOOLONG);
      const entry = new Entry();
      for (const name of ['', '.', '..', 'a/b', 'a\0b']) {
        expect(errnoOf(() => at.fs.mkdir(ROOT_NODE, name, 0o755, SYSTEM_CALLER, entry))).toBe(EINVAL);
      }
    });

    test('what exists is not made again, what is missing is not removed', () => {
      expect(errnoOf(() => at.paths.mkdir('file'))).toBe(EEXIST);
      expect(errnoOf(() => at.paths.symlink('x', 'folder'))).toBe(EEXIST);
      expect(errnoOf(() => at.paths.link('file', 'folder'))).toBe(EEXIST);
      expect(errnoOf(() => at.paths.unlink('none'))).toBe(ENOENT);
      expect(errnoOf(() => at.paths.rmdir('none'))).toBe(ENOENT);
      expect(errnoOf(() => at.paths.unlink('folder'))).toBe(EISDIR);
      expect(errnoOf(() => at.paths.rmdir('file'))).toBe(ENOTDIR);
      expect(errnoOf(() => at.paths.rmdir('folder'))).toBe(ENOTEMPTY);
      expect(errnoOf(() => at.paths.with('file', (node) => at.fs.lookup(node, 'x', new Entry())))).toBe(
        ENOTDIR,
      );
      expect(errnoOf(() => at.paths.with('file', (node) => at.fs.opendir(node)))).toBe(ENOTDIR);
    });

    test('a deep tree is made and removed', () => {
      let path = 'deep';
      at.paths.mkdir(path);
      for (let i = 0; i < 100; i++) {
        path += '/d';
        at.paths.mkdir(path);
      }
      at.paths.write(`${path}/f`, 'bottom');
      at.paths.rename('deep', 'folder/moved');
      expect(at.paths.read(`folder/moved${path.slice(4)}/f`)).toBe('bottom');
    });
  });
}
