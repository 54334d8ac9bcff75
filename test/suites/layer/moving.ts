// Stages, renames and removals.

import { describe, expect, it } from 'vitest';
import { EEXIST, ENOENT, ENOTEMPTY, FsError } from '../../../fs/errno.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../fs/mode.js';
import { toBytes } from '../../../fs/name.js';
import { errno, type TestedLayer } from './tested.js';

export function moving(at: TestedLayer): void {
  describe('stages', () => {
    it('shows nothing before publish, and all of it after', () => {
      const staged = at.layer.stage(at.file(0o640));
      const open = staged.openWrite();
      open.write(0, toBytes('staged'));
      open.close();
      staged.setxattr('user.a', toBytes('1'), 0);
      staged.utimes({ sec: 1, nsec: 0 }, { sec: 2, nsec: 0 });
      expect(at.names('')).toEqual([]);
      staged.publish('', 'f', false);
      expect(at.textAt('', 'f')).toBe('staged');
      expect(at.look('', 'f')?.attr).toMatchObject({ mode: S_IFREG | 0o640, mtimeSec: 2, nlink: 1 });
      expect(at.hold('', 'f').listxattr()).toEqual(['user.a']);
    });

    it('leaves nothing after discard', () => {
      for (const what of [at.file(), at.folder(), { mode: S_IFLNK | 0o777, ...at.owner, target: 't' }]) {
        at.layer.stage(what).discard();
      }
      expect(at.names('')).toEqual([]);
    });

    it('refuses a taken name unless it may replace', () => {
      at.put('', 'f', 'old');
      at.layer.whiteout('', 'w');
      for (const name of ['f', 'w']) {
        const staged = at.layer.stage(at.file());
        expect(() => staged.publish('', name, false)).toThrow(errno(EEXIST));
        staged.publish('', name, true);
        expect(at.textAt('', name)).toBe('');
      }
    });

    it('replaces a whiteout, a file, an empty folder and a folder of whiteouts', () => {
      at.layer.whiteout('', 'w');
      at.put('', 'f', 'old');
      at.layer.make('', 'empty', at.folder());
      at.layer.make('', 'whited', at.folder());
      at.layer.whiteout('whited', 'x');
      for (const name of ['w', 'empty', 'whited']) {
        const staged = at.layer.stage(at.folder(0o700));
        staged.setOpaque(true);
        staged.publish('', name, true);
        expect(at.look('', name)).toMatchObject({ opaque: true, whiteout: false });
        expect(at.look('', name)?.attr.mode).toBe(S_IFDIR | 0o700);
        expect(at.names(name)).toEqual([]);
      }
      const link = at.layer.stage({ mode: S_IFLNK | 0o777, ...at.owner, target: 'to' });
      link.publish('', 'f', true);
      expect(at.hold('', 'f').readlink()).toBe('to');
    });

    it('refuses to replace a folder with content', () => {
      at.layer.make('', 'd', at.folder());
      at.put('d', 'f', 'kept');
      const staged = at.layer.stage(at.folder());
      expect(() => staged.publish('', 'd', true)).toThrow(errno(ENOTEMPTY));
      staged.discard();
      expect(at.textAt('d', 'f')).toBe('kept');
    });

    it('what was held of a replaced object stays as it was', () => {
      at.put('', 'f', 'old');
      const node = at.hold('', 'f');
      const staged = at.layer.stage(at.file());
      staged.publish('', 'f', true);
      expect(at.text(node)).toBe('old');
      expect(at.stat(node).attr.nlink).toBe(0);
    });
  });

  describe('rename', () => {
    it('moves a file over nothing, a file and a whiteout', () => {
      at.layer.make('', 'd', at.folder());
      at.put('d', 'old', 'old');
      at.layer.whiteout('d', 'w');
      for (const name of ['free', 'old', 'w']) {
        at.put('', 'f', name);
        at.layer.rename('', 'f', 'd', name, false);
        expect(at.textAt('d', name)).toBe(name);
        expect(at.look('', 'f')).toBeUndefined();
      }
    });

    it('leaves a whiteout where one is asked for', () => {
      at.layer.whiteout('', 'w');
      at.layer.make('', 'd', at.folder());
      at.put('', 'f', 'f');
      at.layer.rename('', 'f', '', 'g', true);
      at.layer.rename('', 'd', '', 'w', true);
      expect(at.names('')).toEqual(['-d', '-f', 'g', 'w']);
      expect((at.look('', 'w')?.attr.mode ?? 0) & S_IFMT).toBe(S_IFDIR);
    });

    it('moves a folder over a whiteout, an empty folder and a folder of whiteouts', () => {
      at.layer.whiteout('', 'w');
      at.layer.make('', 'empty', at.folder());
      at.layer.make('', 'whited', at.folder());
      at.layer.whiteout('whited', 'x');
      for (const [name, leave] of [
        ['w', false],
        ['empty', true],
        ['whited', true],
      ] as const) {
        at.layer.make('', `d-${name}`, at.folder());
        at.put(`d-${name}`, 'f', name);
        at.layer.rename('', `d-${name}`, '', name, leave);
        expect(at.textAt(name, 'f')).toBe(name);
        expect(at.look('', `d-${name}`)?.whiteout).toBe(leave ? true : undefined);
        expect(at.names(name)).toEqual(['f']);
      }
    });

    it('refuses a folder with content as target', () => {
      at.layer.make('', 'a', at.folder());
      at.layer.make('', 'b', at.folder());
      at.put('b', 'f', 'kept');
      expect(() => at.layer.rename('', 'a', '', 'b', false)).toThrow(errno(ENOTEMPTY));
      expect(at.textAt('b', 'f')).toBe('kept');
      expect(at.look('', 'a')).toBeDefined();
    });

    it('paths beneath a moved folder lead to it and no longer to the old place', () => {
      at.layer.make('', 'a', at.folder());
      at.layer.make('a', 'b', at.folder());
      at.put('a/b', 'f', 'data');
      expect(at.look('a/b', 'f')).toBeDefined();
      at.layer.rename('', 'a', '', 'moved', false);
      expect(at.look('a/b', 'f')).toBeUndefined();
      expect(at.textAt('moved/b', 'f')).toBe('data');
      at.layer.make('', 'a', at.folder());
      at.layer.make('a', 'b', at.folder());
      expect(at.names('a/b')).toEqual([]);
    });

    it('exchanges a file and a folder, and paths beneath follow', () => {
      at.layer.make('', 'd', at.folder());
      at.layer.make('d', 'sub', at.folder());
      at.put('d/sub', 'f', 'deep');
      at.put('', 'f', 'flat');
      expect(at.look('d/sub', 'f')).toBeDefined();
      at.layer.exchange('', 'd', '', 'f');
      expect(at.textAt('', 'd')).toBe('flat');
      expect(at.textAt('f/sub', 'f')).toBe('deep');
      expect(at.look('d/sub', 'f')).toBeUndefined();
      expect(() => at.layer.exchange('', 'd', '', 'none')).toThrow(errno(ENOENT));
    });
  });

  describe('removal', () => {
    it('removes a folder with its whiteouts, and refuses one with content', () => {
      at.layer.make('', 'd', at.folder());
      at.layer.whiteout('d', 'x');
      at.layer.make('d', 'sub', at.folder());
      expect(() => at.layer.rmdir('', 'd')).toThrow(errno(ENOTEMPTY));
      at.layer.rmdir('d', 'sub');
      const node = at.hold('', 'd');
      at.layer.rmdir('', 'd');
      expect(at.look('', 'd')).toBeUndefined();
      expect(at.look('d', 'x')).toBeUndefined();
      expect(at.stat(node).attr.mode).toBe(S_IFDIR | 0o755);
      at.layer.make('', 'd', at.folder());
      expect(at.names('d')).toEqual([]);
    });

    it('does not take a folder for a file or a file for a folder', () => {
      at.layer.make('', 'd', at.folder());
      at.put('', 'f', '');
      expect(() => at.layer.unlink('', 'd')).toThrow(FsError);
      expect(() => at.layer.rmdir('', 'f')).toThrow(FsError);
      expect(at.names('')).toEqual(['d', 'f']);
    });
  });
}
