// What is open keeps all that it is when its names go.

import { describe, expect, test } from 'vitest';
import { ENOENT, ESTALE } from '../../../fs/errno.js';
import { Attr, Entry, O_RDONLY, O_RDWR, ROOT_NODE, SYSTEM_CALLER } from '../../../fs/filesystem.js';
import { S_IFREG } from '../../../fs/mode.js';
import { bytes, errnoOf, text } from '../paths.js';
import { OLD, type TestedFilesystem } from './tested.js';

export function openAndUnlinked(at: TestedFilesystem): void {
  describe('open and unlinked files', () => {
    test('a file that was removed while open still reads, with no names left', () => {
      const node = at.paths.node('file');
      const handle = at.fs.open(node, O_RDONLY);
      at.paths.unlink('file');
      expect(at.paths.readHandle(handle)).toBe('lower');
      expect(at.getattr(node).nlink).toBe(0);
      at.fs.release(handle);
      at.fs.forget(node, 1);
      expect(errnoOf(() => at.getattr(node))).toBe(ESTALE);
    });

    test('a new file that was removed while open takes every change', () => {
      const entry = new Entry();
      const handle = at.fs.create(ROOT_NODE, 'new', 0o644, O_RDWR, SYSTEM_CALLER, entry);
      const { node } = entry;
      at.fs.unlink(ROOT_NODE, 'new');
      at.fs.write(handle, 0, bytes('still here'), false);
      const attr = new Attr();
      at.fs.setattr(node, { size: 5 }, SYSTEM_CALLER, attr, handle);
      at.fs.setattr(node, { mode: 0o600, uid: 3, gid: 4, mtime: OLD }, SYSTEM_CALLER, attr);
      expect(attr).toMatchObject({
        nlink: 0,
        size: 5,
        mode: S_IFREG | 0o600,
        uid: 3,
        gid: 4,
        mtimeSec: OLD.sec,
      });
      at.fs.setxattr(node, 'user.x', bytes('y'), 0, false);
      expect(text(at.fs.getxattr(node, 'user.x')!)).toBe('y');
      expect(at.paths.readHandle(handle)).toBe('still');
      expect(at.paths.exists('new')).toBe(false);
    });

    test('a write to a removed file does not bring its name back', () => {
      const node = at.paths.node('file');
      const handle = at.fs.open(node, O_RDWR);
      at.paths.unlink('file');
      at.fs.write(handle, 0, bytes('LOW'), false);
      expect(at.paths.readHandle(handle)).toBe('LOWer');
      expect(at.paths.exists('file')).toBe(false);
    });

    test('a removed file that is open for reading can still be changed by its node', () => {
      const node = at.paths.node('file');
      const handle = at.fs.open(node, O_RDONLY);
      at.paths.unlink('file');
      const attr = new Attr();
      at.fs.setattr(node, { mode: 0o600 }, SYSTEM_CALLER, attr);
      expect(attr).toMatchObject({ mode: S_IFREG | 0o600, nlink: 0 });
      expect(at.paths.readHandle(handle)).toBe('lower');
      expect(at.paths.exists('file')).toBe(false);
    });

    test('a name that is made again is another file', () => {
      const node = at.paths.node('file');
      const handle = at.fs.open(node, O_RDONLY);
      at.paths.unlink('file');
      at.paths.write('file', 'again');
      expect(at.paths.node('file')).not.toBe(node);
      expect(at.paths.stat('file').ino).not.toBe(at.getattr(node).ino);
      expect(at.paths.readHandle(handle)).toBe('lower');
      expect(at.paths.read('file')).toBe('again');
    });

    test('a file that was replaced by rename keeps its data for who has it open', () => {
      const handle = at.paths.open('file');
      at.paths.write('n', 'new');
      at.paths.rename('n', 'file');
      expect(at.paths.readHandle(handle)).toBe('lower');
      expect(at.paths.read('file')).toBe('new');
    });

    test('a handle opened before a write by another reads what was written', () => {
      const handle = at.paths.open('file');
      at.paths.writeAt('file', 0, 'UPPER and more');
      expect(at.paths.readHandle(handle)).toBe('UPPER and more');
    });

    test('nothing can be made in a removed folder, and its listing is empty', () => {
      const node = at.paths.node('folder/deep');
      at.paths.unlink('folder/deep/x');
      const handle = at.fs.opendir(node);
      at.paths.rmdir('folder/deep');
      const entry = new Entry();
      expect(errnoOf(() => at.fs.mkdir(node, 'n', 0o755, SYSTEM_CALLER, entry))).toBe(ENOENT);
      expect(errnoOf(() => at.fs.create(node, 'n', 0o644, O_RDWR, SYSTEM_CALLER, entry))).toBe(ENOENT);
      expect(at.fs.lookup(node, 'x', entry)).toBe(false);
      const names: string[] = [];
      at.fs.readdir(handle, 0, (name) => names.push(name) > 0);
      expect(names).toEqual(['.', '..']);
      expect(at.getattr(node).nlink).toBe(0);
      at.fs.releasedir(handle);
    });

    test('a folder stays usable by its node after it was moved', () => {
      const node = at.paths.node('folder');
      at.paths.rename('folder', 'moved');
      const entry = new Entry();
      at.fs.mkdir(node, 'n', 0o755, SYSTEM_CALLER, entry);
      expect(at.paths.ls('moved')).toEqual(['a', 'b', 'deep', 'n']);
    });

    test('a file without a name is made, written and linked', () => {
      const entry = new Entry();
      const handle = at.fs.tmpfile(ROOT_NODE, 0o600, O_RDWR, SYSTEM_CALLER, entry);
      at.fs.write(handle, 0, bytes('unnamed'), false);
      expect(at.getattr(entry.node).nlink).toBe(0);
      const { ino } = entry.attr;
      at.fs.link(entry.node, ROOT_NODE, 'named', entry);
      expect(entry.attr).toMatchObject({ ino, nlink: 1, size: 7, mode: S_IFREG | 0o600 });
      at.fs.release(handle);
      at.remount();
      expect(at.paths.read('named')).toBe('unnamed');
    });
  });
}
