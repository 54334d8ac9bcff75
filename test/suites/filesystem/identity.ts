// One file is one inode, however it is reached and whatever happens to it.

import { describe, expect, test } from 'vitest';
import { ESTALE } from '../../../fs/errno.js';
import { errnoOf } from '../paths.js';
import { OLD, type TestedFilesystem } from './tested.js';

export function identity(at: TestedFilesystem): void {
  describe('identity', () => {
    test('a file number is the same after copy-up, rename and remount', () => {
      const specials = at.options.keepsNumbersOfSpecials ? ['symlink', 'fifo'] : [];
      const before = ['file', 'folder', 'folder/a', ...specials].map((path) => at.paths.stat(path).ino);
      for (const path of ['file', 'folder/a', 'fifo', 'symlink']) at.paths.setattr(path, { mtime: OLD });
      at.paths.rename('file', 'file2');
      at.paths.rename('folder', 'folder2');
      const current = () =>
        ['file2', 'folder2', 'folder2/a', ...specials].map((path) => at.paths.stat(path).ino);
      expect(current()).toEqual(before);
      at.remount();
      expect(current()).toEqual(before);
    });

    test('a listing shows the numbers and types that stat shows', () => {
      at.paths.write('new', 'n');
      at.paths.writeAt('file', 0, 'x');
      at.paths.rename('folder', 'moved');
      at.paths.mkdir('folder');
      for (const folder of ['', 'moved']) {
        for (const { name, ino, type } of at.paths.list(folder)) {
          const attr = at.paths.stat(folder === '' ? name : `${folder}/${name}`);
          expect([name, ino, type]).toEqual([name, attr.ino, attr.mode >>> 12]);
        }
      }
    });

    test('every file of a tree has its own number', () => {
      at.paths.write('new', 'n');
      const inos = at.paths
        .list('')
        .filter(({ name }) => name !== 'other')
        .map(({ ino }) => ino);
      expect(new Set(inos).size).toBe(inos.length);
    });

    test('a node lives as long as its lookups are not given back', () => {
      const node = at.paths.node('file');
      at.paths.node('file');
      at.fs.forget(node, 1);
      expect(at.getattr(node).size).toBe(5);
      at.fs.forget(node, 1);
      expect(errnoOf(() => at.getattr(node))).toBe(ESTALE);
    });
  });
}
