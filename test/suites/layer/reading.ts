// Finding, listing and making objects, and their data.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EEXIST, ENOENT, FsError } from '../../../fs/errno.js';
import { Attr, SEEK_DATA, SEEK_HOLE } from '../../../fs/filesystem.js';
import type { WritableFile } from '../../../fs/layer/layer.js';
import { makeDev, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../../fs/mode.js';
import { fromBytes, toBytes } from '../../../fs/name.js';
import { errno, ODD_NAMES, type TestedLayer } from './tested.js';

export function reading(at: TestedLayer): void {
  describe('lookup and list', () => {
    it('a new layer is an empty folder', () => {
      expect(at.names('')).toEqual([]);
      expect((at.look('', '.')?.attr.mode ?? 0) & S_IFMT).toBe(S_IFDIR);
      expect(at.look('', 'none')).toBeUndefined();
    });

    it('answers false for a name in what is missing or no folder', () => {
      at.put('', 'f', '');
      expect(at.look('f', 'x')).toBeUndefined();
      expect(at.look('none/deeper', 'x')).toBeUndefined();
    });

    it('refuses to list what is no folder', () => {
      at.put('', 'f', '');
      expect(() => at.names('none')).toThrow(FsError);
      expect(() => at.names('f')).toThrow(FsError);
    });

    it('keeps every byte of a name and finds each again', () => {
      at.layer.make('', 'd', at.folder());
      for (const name of ODD_NAMES) at.put('d', name, name.slice(0, 10));
      expect(at.names('d')).toEqual([...ODD_NAMES].sort());
      for (const name of ODD_NAMES) expect(at.textAt('d', name)).toBe(name.slice(0, 10));
      expect(at.names('d', at.under.asLower())).toEqual([...ODD_NAMES].sort());
    });

    it('lists types and the file numbers that lookup shows', () => {
      at.layer.make('', 'd', at.folder());
      at.put('', 'f', '');
      at.layer.make('', 'l', { mode: S_IFLNK | 0o777, ...at.owner, target: 'x' });
      at.layer.make('', 'p', { mode: S_IFIFO | 0o600, ...at.owner });
      at.layer.list('', (name, type, ino, whiteout) => {
        const entry = at.look('', name);
        expect([type, ino, whiteout]).toEqual([(entry?.attr.mode ?? 0) >>> 12, entry?.attr.ino, false]);
      });
      expect(at.names('')).toEqual(['d', 'f', 'l', 'p']);
    });

    it('lets the visitor look up and list', () => {
      at.layer.make('', 'd', at.folder());
      at.put('d', 'inner', '');
      at.put('', 'f', '');
      const seen: string[] = [];
      at.layer.list('', (name) => {
        expect(at.look('', name)).toBeDefined();
        if (name === 'd') at.layer.list('d', (inner) => seen.push(inner));
        seen.push(name);
      });
      expect(seen.sort()).toEqual(['d', 'f', 'inner']);
    });

    it('tells link targets and xattrs by name as by object', () => {
      at.put('', 'f', 'data');
      at.layer.make('', 'd', at.folder());
      at.layer.make('d', 'l', { mode: S_IFLNK | 0o777, ...at.owner, target: '../\xff' });
      const node = at.hold('', 'f');
      node.setxattr('user.one', toBytes('1'), 0);
      at.hold('', 'd').setOpaque(true);
      for (const layer of [at.layer, at.under.asLower()]) {
        if (layer.readlink !== undefined) expect(layer.readlink('d', 'l')).toBe('../\xff');
        if (layer.listxattr === undefined) continue;
        expect(layer.listxattr('', 'f')).toEqual(['user.one']);
        expect(layer.listxattr('', 'd')).toEqual([]);
        expect(layer.listxattr('d', 'l')).toEqual([]);
      }
    });

    it('reads the same through a layer that is only read', () => {
      at.layer.make('', 'd', at.folder(0o711));
      at.put('d', 'f', 'data');
      at.layer.whiteout('d', 'gone');
      const node = at.hold('', 'd');
      node.setOpaque(true);
      node.setRedirect('/else\xff/where');
      const before = at.look('', 'd');
      const lower = at.under.asLower();
      if (before !== undefined && at.options.keepsAtime === false) {
        before.attr.atimeSec = before.attr.mtimeSec;
        before.attr.atimeNsec = before.attr.mtimeNsec;
      }
      expect(at.look('', 'd', lower)).toEqual(before);
      expect(at.names('d', lower)).toEqual(['-gone', 'f']);
      const again = lower.hold('d', 'f');
      expect(at.text(again)).toBe('data');
      again.release();
      expect(lower.statfs().namelen).toBe(255);
    });
  });

  describe('making objects', () => {
    it('makes each kind with its mode, owner and content', () => {
      at.layer.make('', 'd', at.folder(0o2750));
      at.layer.make('', 'f', at.file(0o4755));
      at.layer.make('', 'l', { mode: S_IFLNK | 0o777, ...at.owner, target: '\xff/../target' });
      at.layer.make('', 'p', { mode: S_IFIFO | 0o622, ...at.owner });
      at.layer.make('', 's', { mode: S_IFSOCK | 0o777, ...at.owner });
      at.layer.make('', 'c', { mode: S_IFCHR | 0o666, ...at.owner, rdev: makeDev(300, 70000) });
      const modes = ['d', 'f', 'p', 's', 'c'].map((name) => at.look('', name)?.attr.mode.toString(8));
      expect(modes).toEqual(['42750', '104755', '10622', '140777', '20666']);
      for (const name of at.names('')) expect(at.look('', name)?.attr).toMatchObject(at.owner);
      expect(at.look('', 'c')?.attr.rdev).toBe(makeDev(300, 70000));
      expect(at.look('', 'c')?.whiteout).toBe(false);
      expect(at.hold('', 'l').readlink()).toBe('\xff/../target');
      expect(at.look('', 'l')?.attr.size).toBe('\xff/../target'.length);
    });

    it('does not take a mask or a set-group-id parent into account', () => {
      at.layer.make('', 'd', at.folder(0o2777));
      at.layer.make('d', 'open', at.folder(0o777));
      at.layer.make('d', 'f', at.file(0o666));
      expect(at.look('d', 'open')?.attr).toMatchObject({ mode: S_IFDIR | 0o777, ...at.owner });
      expect(at.look('d', 'f')?.attr).toMatchObject({ mode: S_IFREG | 0o666, ...at.owner });
    });

    it('refuses a name that is taken, also by a whiteout', () => {
      at.put('', 'f', 'old');
      at.layer.whiteout('', 'w');
      for (const name of ['f', 'w']) {
        expect(() => at.layer.make('', name, at.folder())).toThrow(errno(EEXIST));
        expect(() => at.layer.makeFile('', name, at.file())).toThrow(errno(EEXIST));
      }
      expect(at.textAt('', 'f')).toBe('old');
      expect(at.look('', 'w')?.whiteout).toBe(true);
    });

    it('refuses a folder that is not there', () => {
      expect(() => at.layer.make('none', 'f', at.file())).toThrow(errno(ENOENT));
    });
  });

  describe('data', () => {
    let open: WritableFile;

    beforeEach(() => {
      open = at.layer.makeFile('', 'f', at.file());
    });

    afterEach(() => {
      open.close();
    });

    it('reads back what was written, short only at the end', () => {
      open.write(2, toBytes('abc'));
      const into = new Uint8Array(4);
      expect(open.read(0, into)).toBe(4);
      expect(fromBytes(into)).toBe('\0\0ab');
      expect(open.read(4, into)).toBe(1);
      expect(open.read(5, into)).toBe(0);
      open.truncate(3);
      expect(open.read(0, into)).toBe(3);
      const attr = new Attr();
      open.stat(attr);
      expect(attr).toMatchObject({ ...at.owner, size: 3, mode: S_IFREG | 0o644 });
    });

    it('keeps holes and finds them', () => {
      open.write(1 << 20, toBytes('x'));
      open.truncate(4 << 20);
      expect(open.seek(0, SEEK_DATA)).toBe(1 << 20);
      expect(open.seek(0, SEEK_HOLE)).toBe(0);
      expect(open.seek(2 << 20, SEEK_DATA)).toBeUndefined();
      expect(at.look('', 'f')?.attr.blocks).toBeLessThan(64);
    });

    it('copies a range of another file, short at its end', () => {
      const source = at.layer.makeFile('', 'source', at.file());
      source.write(0, toBytes('0123456789'));
      expect(open.copyFrom(source, 4, 2, 100)).toBe(6);
      const into = new Uint8Array(16);
      expect(fromBytes(into, 0, open.read(0, into))).toBe('\0\x00456789');
      source.close();
    });

    it('clones a whole file or says that it cannot', () => {
      const source = at.layer.makeFile('', 'source', at.file());
      source.write(0, toBytes('shared'));
      const into = new Uint8Array(16);
      const expected = open.cloneFrom(source) ? 'shared' : '';
      expect(fromBytes(into, 0, open.read(0, into))).toBe(expected);
      source.close();
    });

    it('is opened by its name, also in a layer that is only read', () => {
      open.write(0, toBytes('data'));
      for (const layer of [at.layer, at.under.asLower()]) {
        const file = layer.open('', 'f');
        const into = new Uint8Array(16);
        expect(fromBytes(into, 0, file.read(0, into))).toBe('data');
        file.close();
        expect(() => layer.open('', 'none')).toThrow(errno(ENOENT));
      }
    });

    it('is one file however it is opened', () => {
      const node = at.hold('', 'f');
      const second = node.openWrite();
      open.write(0, toBytes('first'));
      second.write(5, toBytes('second'));
      expect(at.text(node)).toBe('firstsecond');
      second.sync(true);
      second.close();
    });
  });
}
