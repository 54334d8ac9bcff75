// Links, the index of copied-up files, files without data, and what outlives the opening of a layer.

import { describe, expect, it } from 'vitest';
import { EEXIST } from '../../../fs/errno.js';
import { S_IFLNK, S_IFREG } from '../../../fs/mode.js';
import { errno, type TestedLayer } from './tested.js';

export function sharing(at: TestedLayer): void {
  describe('links and the index', () => {
    it('gives an object a further name, over a free one or in place of another', () => {
      at.put('', 'f', 'data');
      at.put('', 'old', 'old');
      at.layer.whiteout('', 'w');
      const node = at.hold('', 'f');
      at.layer.link(node, '', 'g', false);
      expect(() => at.layer.link(node, '', 'old', false)).toThrow(errno(EEXIST));
      at.layer.link(node, '', 'old', true);
      at.layer.link(node, '', 'w', true);
      at.layer.link(node, '', 'g', true);
      expect(at.stat(node).attr.nlink).toBe(4);
      for (const name of ['g', 'old', 'w']) expect(at.look('', name)?.attr.ino).toBe(at.stat(node).attr.ino);
      expect(at.names('')).toEqual(['f', 'g', 'old', 'w']);
    });

    it('links a symlink itself', () => {
      at.layer.make('', 'l', { mode: S_IFLNK | 0o777, ...at.owner, target: 'nowhere' });
      at.layer.link(at.hold('', 'l'), '', 'm', false);
      expect(at.hold('', 'm').readlink()).toBe('nowhere');
    });

    it('gives a staged file a name while its holder keeps it', () => {
      const staged = at.layer.stage(at.file());
      at.layer.link(staged, '', 'linked', false);
      expect(at.stat(staged).attr.nlink).toBeGreaterThanOrEqual(1);
      staged.discard();
      expect(at.look('', 'linked')?.attr.nlink).toBe(1);
    });

    it('finds a copied-up object by its key, and the key by the object', () => {
      at.put('', 'lower', '');
      at.put('', 'other', '');
      const key = at.layer.indexKey(at.hold('', 'lower'));
      expect(at.layer.indexKey(at.hold('', 'lower'))).toBe(key);
      expect(at.layer.indexKey(at.hold('', 'other'))).not.toBe(key);
      expect(at.layer.indexed(key)).toBeUndefined();
      const staged = at.layer.stage(at.file());
      staged.publishIndexed(key, 0, '', 'up', false);
      at.layer.setIndexNames(key, 2);
      const found = at.layer.indexed(key);
      if (found !== undefined) at.held.push(found);
      expect(found && at.stat(found).attr.ino).toBe(at.look('', 'up')?.attr.ino);
      expect(at.look('', 'up')?.attr.nlink).toBe(2);
      expect(at.layer.indexNames(key)).toBe(2);
      at.layer.setIndexNames(key, 0);
      expect(at.layer.indexNames(key)).toBe(0);
      expect(at.layer.indexedKey(at.hold('', 'up'))).toBe(key);
      expect(at.layer.indexedKey(at.hold('', 'other'))).toBeUndefined();
      at.layer.unindex(key);
      at.layer.unindex(key);
      expect(at.layer.indexed(key)).toBeUndefined();
      expect(at.layer.indexedKey(at.hold('', 'up'))).toBeUndefined();
      expect(at.look('', 'up')?.attr.nlink).toBe(1);
    });
  });

  it('remembers names that were lost below, and the last one from when something is in its place', () => {
    at.put('', 'lower', '');
    const key = at.layer.indexKey(at.hold('', 'lower'));
    expect(at.layer.lostNames(key)).toBe(0);
    at.layer.setLostNames(key, 1, 'd/name');
    expect(at.layer.lostNames(key)).toBe(0);
    at.layer.make('', 'd', at.folder());
    expect(at.layer.lostNames(key)).toBe(0);
    at.layer.whiteout('d', 'name');
    expect(at.layer.lostNames(key)).toBe(1);
    at.layer.setLostNames(key, 3);
    at.layer.setLostNames(key, 4, 'top');
    at.layer = at.under.reopen?.() ?? at.layer;
    expect(at.layer.lostNames(key)).toBe(3);
    at.put('', 'top', '');
    expect(at.layer.lostNames(key)).toBe(4);
    at.layer.rmdir('', 'd');
    at.layer.setLostNames(key, 4);
    at.layer = at.under.reopen?.() ?? at.layer;
    expect(at.layer.lostNames(key)).toBe(4);
  });

  it('keeps how many names an indexed object has that can carry no xattr', () => {
    at.put('', 'lower', '');
    const key = at.layer.indexKey(at.hold('', 'lower'));
    const symlink = { mode: S_IFLNK | 0o777, ...at.owner, target: 'there' };
    at.layer.stage(symlink).publishIndexed(key, 3, '', 'up', false).release();
    at.layer = at.under.reopen?.() ?? at.layer;
    expect(at.layer.indexNames(key)).toBe(3);
    at.layer.pinIndexNames(key);
    at.layer.unlink('', 'up');
    at.layer.linkIndexed(key, '', 'second');
    at.layer = at.under.reopen?.() ?? at.layer;
    expect(at.layer.indexNames(key)).toBe(2);
    at.layer.unindex(key);
    expect(at.look('', 'second')?.attr.nlink).toBe(1);
  });

  it('tells the origin of a hard link by each name, whatever its folders say', () => {
    at.put('', 'other', '');
    at.put('', 'f', 'data');
    at.layer.make('', 'd', at.folder());
    at.hold('', 'f').setOrigin(5, at.hold('', 'other'));
    at.layer.link(at.hold('', 'f'), 'd', 'g', false);
    at.hold('', 'd').setImpure();
    expect(at.look('', 'f')?.origin).toBe(5);
    expect(at.look('d', 'g')?.origin).toBe(5);
  });

  describe('a file without data', () => {
    it('has its size, takes no space, and says where its data is', () => {
      at.put('', 'other', 'other');
      const staged = at.layer.stage(at.file(0o600));
      const open = staged.openWrite();
      open.truncate(3_000_000);
      open.close();
      staged.setMetacopy(true);
      staged.setRedirect('/there');
      staged.setOrigin(5, at.hold('', 'other'));
      staged.publish('', 'f', false);
      at.hold('', 'other').setRedirect('ignored');
      for (const from of [at.layer, at.under.asLower()]) {
        expect(at.look('', 'f', from)).toMatchObject({ metacopy: true, redirect: '/there' });
        expect(at.look('', 'f', from)?.attr).toMatchObject({ size: 3_000_000, mode: S_IFREG | 0o600 });
        expect(at.look('', 'f', from)?.attr.blocks).toBeLessThanOrEqual(8);
        expect(at.look('', 'other', from)).toMatchObject({ metacopy: false, redirect: undefined });
        const node = from.hold('', 'f');
        at.held.push(node);
        expect(node.listxattr()).toEqual([]);
        expect(at.stat(node).metacopy).toBe(true);
      }
    });

    it('is told from a small file, also with marks that take as much space as its data would', () => {
      at.layer.make('', 'd', at.folder());
      at.hold('', 'd').setImpure();
      for (const name of ['big', 'bare']) {
        at.put('d', name, 'x');
        const node = at.hold('d', name);
        node.setMetacopy(true);
        if (name === 'big') node.setRedirect(`/${'long/'.repeat(100)}name`);
      }
      for (const from of [at.layer, at.under.asLower()]) {
        for (const name of ['big', 'bare']) expect(at.look('d', name, from)?.metacopy).toBe(true);
      }
    });

    it('is an ordinary one once the mark is gone', () => {
      at.put('', 'f', 'data');
      at.hold('', '.').setImpure();
      const node = at.hold('', 'f');
      node.setMetacopy(true);
      node.setRedirect('name');
      node.setMetacopy(false);
      expect(at.look('', 'f')).toMatchObject({ metacopy: false, redirect: undefined });
      node.setRedirect(undefined);
      node.setMetacopy(true);
      expect(at.look('', 'f')).toMatchObject({ metacopy: true, redirect: undefined });
    });
  });

  describe('a file that has some of its data', () => {
    it('says which sidecar knows more, and how far the data below shows', () => {
      at.put('', 'f', 'data');
      const { key, file } = at.layer.makeRanges();
      file.write(5, Uint8Array.of(1, 2));
      file.close();
      expect(key).toMatch(/^[0-9a-f]{16}$/);
      const node = at.hold('', 'f');
      node.setMetacopy(true);
      node.setRanges({ key, lowerEnd: 123_456_789_012 });
      at.hold('', '.').setImpure();
      expect(at.look('', 'f')?.ranges).toEqual({ key, lowerEnd: 123_456_789_012 });
      expect(at.stat(node).ranges).toEqual({ key, lowerEnd: 123_456_789_012 });
      expect(node.listxattr()).toEqual([]);
      node.setRanges(undefined);
      expect(at.look('', 'f')?.ranges).toBeUndefined();
    });

    it('finds a sidecar until it is dropped, or the guard goes', () => {
      expect(at.layer.hasRanges).toBe(false);
      expect(at.layer.openRanges('0123456789abcdef')).toBeUndefined();
      at.layer.dropRanges('0123456789abcdef');
      at.layer.setGuard(true);
      const [one, two] = [at.layer.makeRanges(), at.layer.makeRanges()];
      expect(one.key).not.toBe(two.key);
      for (const { file } of [one, two]) file.close();
      const found = at.layer.openRanges(one.key);
      found?.write(0, Uint8Array.of(7));
      found?.close();
      at.layer.dropRanges(one.key);
      at.layer = at.under.reopen?.() ?? at.layer;
      expect(at.layer.openRanges(one.key)).toBeUndefined();
      const kept = at.layer.openRanges(two.key);
      expect(kept).toBeDefined();
      kept?.close();
      expect(at.layer.hasRanges).toBe(true);
      at.layer.setGuard(false);
      expect(at.layer.openRanges(two.key)).toBeUndefined();
      expect(at.layer.hasRanges).toBe(false);
    });
  });

  it('says whether its index has entries', () => {
    at.put('', 'lower', '');
    expect(at.layer.hasIndexed).toBe(false);
    const key = at.layer.indexKey(at.hold('', 'lower'));
    at.layer.stage(at.file()).publishIndexed(key, 0, '', 'up', false).release();
    expect(at.layer.hasIndexed).toBe(true);
    at.layer.unindex(key);
    expect(at.layer.hasIndexed).toBe(false);
  });

  it('says when it is guarded', () => {
    expect(at.layer.guarded).toBe(false);
    at.layer.setGuard(true);
    at.layer.setGuard(true);
    expect(at.layer.guarded).toBe(true);
    at.layer.setGuard(false);
    expect(at.layer.guarded).toBe(false);
    at.layer.sync();
  });

  if (at.options.persistent !== true) return;
  it('keeps everything when it is opened again', () => {
    at.layer.make('', 'd', at.folder());
    at.put('d', 'f', 'data');
    at.layer.whiteout('d', 'w');
    at.put('', 'lower', '');
    const key = at.layer.indexKey(at.hold('', 'lower'));
    at.layer.stage(at.file()).publishIndexed(key, 0, '', 'up', false);
    at.layer.setIndexNames(key, 3);
    at.layer.setGuard(true);
    at.hold('', 'd').setOrigin(99, at.hold('', 'lower'));
    at.layer.stage(at.folder());
    at.layer = at.under.reopen?.() ?? at.layer;
    expect(at.names('d')).toEqual(['-w', 'f']);
    expect(at.look('', 'd')?.origin).toBe(99);
    expect(at.layer.guarded).toBe(true);
    expect(at.layer.indexNames(key)).toBe(3);
    expect(at.layer.indexedKey(at.hold('', 'up'))).toBe(key);
  });

  it('keeps an index entry as long as names are left, also when all of them lie below', () => {
    at.put('', 'lower', '');
    const key = at.layer.indexKey(at.hold('', 'lower'));
    at.layer.stage(at.file()).publishIndexed(key, 0, '', 'up', false);
    at.layer.setIndexNames(key, 1);
    at.layer.unlink('', 'up');
    at.layer = at.under.reopen?.() ?? at.layer;
    const kept = at.layer.indexed(key);
    expect(kept).toBeDefined();
    kept?.release();
    at.layer.setIndexNames(key, 0);
    if (at.under.reopen === undefined) return;
    at.layer = at.under.reopen();
    expect(at.layer.indexed(key)).toBeUndefined();
  });
}
