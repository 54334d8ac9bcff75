// Listings while entries come and go.

import { describe, expect, test } from 'vitest';
import { ESTALE } from '../../../fs/errno.js';
import { Entry, RENAME_EXCHANGE, ROOT_NODE } from '../../../fs/filesystem.js';
import { errnoOf } from '../paths.js';
import type { TestedFilesystem } from './tested.js';

export function listing(at: TestedFilesystem): void {
  describe('listing', () => {
    function readAll(handle: number, step: number, act?: (name: string) => void): string[] {
      const names: string[] = [];
      let cookie = 0;
      for (let more = true; more; ) {
        let taken = 0;
        const from = cookie;
        at.fs.readdir(handle, from, (name, _ino, _type, next) => {
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
      const handle = at.fs.opendir(ROOT_NODE);
      expect(readAll(handle, 1)).toEqual(at.paths.ls(''));
      expect(readAll(handle, 1)).toEqual(at.paths.ls(''));
      at.fs.releasedir(handle);
    });

    test('removing every entry while reading skips and repeats none', () => {
      for (let i = 0; i < 50; i++) at.paths.write(`folder/deep/${i}`, '');
      const expected = at.paths.ls('folder/deep');
      const handle = at.paths.with('folder/deep', (node) => at.fs.opendir(node));
      const names = readAll(handle, 3, (name) => {
        if (name !== '.' && name !== '..') at.paths.unlink(`folder/deep/${name}`);
      });
      expect(names).toEqual(expected);
      expect(readAll(handle, 100)).toEqual([]);
      at.fs.releasedir(handle);
      at.paths.rmdir('folder/deep');
    });

    test('reading from the beginning again sees what was made meanwhile', () => {
      const handle = at.fs.opendir(ROOT_NODE);
      expect(readAll(handle, 100)).not.toContain('new');
      at.paths.write('new', '');
      expect(readAll(handle, 100)).toContain('new');
      at.fs.releasedir(handle);
    });

    test('readdirPlus counts what was taken and no more', () => {
      const handle = at.paths.with('folder', (node) => at.fs.opendir(node));
      const entry = new Entry();
      const nodes: number[] = [];
      let refused = 0;
      at.fs.readdirPlus(handle, 0, entry, (name, ino, type) => {
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
      for (const node of nodes) expect(at.getattr(node).ino).toBeGreaterThan(0);
      expect(errnoOf(() => at.getattr(refused))).toBe(ESTALE);
      for (const node of nodes) at.fs.forget(node, 1);
      for (const node of nodes) expect(errnoOf(() => at.getattr(node))).toBe(ESTALE);
      at.fs.releasedir(handle);
    });

    test('the parent of a folder is its own', () => {
      const handle = at.paths.with('folder/deep', (node) => at.fs.opendir(node));
      const dots = new Map<string, number>();
      at.fs.readdir(handle, 0, (name, ino) => dots.set(name, ino) !== undefined);
      expect(dots.get('.')).toBe(at.paths.stat('folder/deep').ino);
      expect(dots.get('..')).toBe(at.paths.stat('folder').ino);
      at.fs.releasedir(handle);
    });

    test('the link count of folders is 2 and their subfolders', () => {
      const links = (path: string) => at.paths.stat(path).nlink;
      const top = links('');
      expect(top).toBe(2 + at.paths.list('').filter(({ type }) => type === 4).length);
      const folder = links('folder');
      at.paths.mkdir('new');
      at.paths.mkdir('new/sub');
      at.paths.write('new/file', 'x');
      expect(['', 'folder', 'new', 'new/sub'].map(links)).toEqual([top + 1, folder, 3, 2]);
      at.paths.rename('new/sub', 'folder/sub');
      expect(['', 'folder', 'new'].map(links)).toEqual([top + 1, folder + 1, 2]);
      at.paths.rename('folder/sub', 'new/file', RENAME_EXCHANGE);
      expect(['folder', 'new'].map(links)).toEqual([folder, 3]);
      const node = at.paths.node('new/file');
      at.paths.rmdir('new/file');
      expect([at.getattr(node).nlink, links('new')]).toEqual([0, 2]);
      at.fs.forget(node, 1);
    });
  });
}
