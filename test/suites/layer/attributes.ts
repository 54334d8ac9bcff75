// Attributes, extended attributes and marks of objects.

import { describe, expect, it } from 'vitest';
import { EEXIST, ENODATA, ENOENT, ENOTEMPTY } from '../../../fs/errno.js';
import { XATTR_CREATE, XATTR_REPLACE } from '../../../fs/filesystem.js';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../../fs/mode.js';
import { fromBytes, toBytes } from '../../../fs/name.js';
import { errno, type TestedLayer } from './tested.js';

export function attributes(at: TestedLayer): void {
  describe('attributes of a held object', () => {
    it('changes owner, mode and times, and leaves what is not named', () => {
      at.put('', 'f', 'x');
      const node = at.hold('', 'f');
      node.chown(at.options.uid, at.options.gid);
      node.chmod(S_IFREG | 0o600);
      node.utimes({ sec: -1, nsec: 5 }, { sec: 7, nsec: 999_999_999 });
      node.utimes(undefined, { sec: 8, nsec: 0 });
      expect(at.stat(node).attr).toMatchObject({
        ...at.owner,
        mode: S_IFREG | 0o600,
        atimeSec: -1,
        atimeNsec: 5,
        mtimeSec: 8,
        mtimeNsec: 0,
      });
      node.utimes('now', undefined);
      expect(at.stat(node).attr.atimeSec).toBeGreaterThan(1_000_000_000);
      expect(at.stat(node).attr.mtimeSec).toBe(8);
    });

    it('sets times of a symlink itself, and chmod on one does nothing', () => {
      at.layer.make('', 'l', { mode: S_IFLNK | 0o777, ...at.owner, target: 'nowhere' });
      const node = at.hold('', 'l');
      node.utimes({ sec: 1, nsec: 0 }, { sec: 2, nsec: 0 });
      node.chmod(S_IFLNK);
      expect(at.stat(node).attr).toMatchObject({ mode: S_IFLNK | 0o777, atimeSec: 1, mtimeSec: 2 });
    });

    it('follows the object when its name moves, and outlives its last name', () => {
      at.put('', 'f', 'kept');
      const node = at.hold('', 'f');
      at.layer.rename('', 'f', '', 'g', false);
      node.chmod(S_IFREG | 0o640);
      expect(at.look('', 'g')?.attr.mode).toBe(S_IFREG | 0o640);
      at.layer.unlink('', 'g');
      expect(at.stat(node).attr.nlink).toBe(0);
      expect(at.text(node)).toBe('kept');
      const open = node.openWrite();
      open.write(0, toBytes('K'));
      open.close();
      expect(at.text(node)).toBe('Kept');
    });

    it('holds a folder by its own dot', () => {
      at.layer.make('', 'd', at.folder());
      const node = at.hold('d', '.');
      node.chmod(S_IFDIR | 0o700);
      expect(at.look('', 'd')?.attr.mode).toBe(S_IFDIR | 0o700);
      expect(() => at.layer.hold('', 'none')).toThrow(errno(ENOENT));
    });
  });

  describe('extended attributes', () => {
    it('stores bytes and obeys create and replace', () => {
      at.put('', 'f', '');
      const node = at.hold('', 'f');
      const value = Uint8Array.of(0, 255, 0);
      expect(node.getxattr('user.a')).toBeUndefined();
      expect(() => node.setxattr('user.a', value, XATTR_REPLACE)).toThrow(errno(ENODATA));
      node.setxattr('user.a', value, XATTR_CREATE);
      expect(() => node.setxattr('user.a', value, XATTR_CREATE)).toThrow(errno(EEXIST));
      node.setxattr('user.empty', new Uint8Array(0), 0);
      expect(node.getxattr('user.a')).toEqual(value);
      expect(node.getxattr('user.empty')).toEqual(new Uint8Array(0));
      expect([...node.listxattr()].sort()).toEqual(['user.a', 'user.empty']);
      node.removexattr('user.a');
      expect(() => node.removexattr('user.a')).toThrow(errno(ENODATA));
      expect(node.listxattr()).toEqual(['user.empty']);
    });

    it('never shows a mark, and never makes one of what a user sets', () => {
      at.layer.make('', 'd', at.folder());
      const node = at.hold('', 'd');
      const source = at.hold('', '.');
      node.setOpaque(true);
      node.setRedirect('/r');
      node.setOrigin(5, source);
      node.setImpure();
      expect(node.listxattr()).toEqual([]);
      for (const prefix of at.options.trusted ? ['user', 'trusted'] : ['user']) {
        const name = `${prefix}.overlay.opaque`;
        expect(node.getxattr(name)).toBeUndefined();
        node.setxattr(name, toBytes('mine'), XATTR_CREATE);
        expect(fromBytes(node.getxattr(name) ?? new Uint8Array(0))).toBe('mine');
        expect(node.listxattr()).toEqual([name]);
        node.setOpaque(false);
        expect(at.stat(node).opaque).toBe(false);
        node.removexattr(name);
        expect(at.stat(node).redirect).toBe('/r');
      }
    });
  });

  describe('marks', () => {
    it('shows opaque, redirect and origin, on the node and by name', () => {
      at.layer.make('', 'd', at.folder());
      at.put('', 'f', '');
      const node = at.hold('', 'd');
      expect(at.look('', 'd')).toMatchObject({ opaque: false, redirect: undefined, origin: 0 });
      node.setOpaque(true);
      node.setRedirect('sibling');
      node.setOrigin(2 ** 40 + 1, at.hold('', 'f'));
      expect(at.stat(node)).toMatchObject({ opaque: true, redirect: 'sibling', origin: 2 ** 40 + 1 });
      expect(at.look('', 'd')).toEqual(at.stat(node));
      expect(at.look('d', '.')).toEqual(at.stat(node));
      node.setOpaque(false);
      node.setRedirect(undefined);
      node.setRedirect(undefined);
      expect(at.look('', 'd')).toMatchObject({ opaque: false, redirect: undefined });
    });

    it('puts a whiteout over nothing, a file, a whiteout and a folder of whiteouts', () => {
      at.put('', 'f', '');
      at.layer.make('', 'd', at.folder());
      at.layer.whiteout('d', 'x');
      at.layer.whiteout('', 'w');
      for (const name of ['none', 'f', 'd', 'w']) {
        at.layer.whiteout('', name);
        expect(at.look('', name)?.whiteout).toBe(true);
      }
      expect(at.names('')).toEqual(['-d', '-f', '-none', '-w']);
      expect(at.look('d', 'x')).toBeUndefined();
    });

    it('refuses a whiteout over a folder with content', () => {
      at.layer.make('', 'd', at.folder());
      at.put('d', 'f', 'kept');
      expect(() => at.layer.whiteout('', 'd')).toThrow(errno(ENOTEMPTY));
      expect(at.textAt('d', 'f')).toBe('kept');
    });

    it('removes a whiteout by unlink', () => {
      at.layer.whiteout('', 'w');
      at.layer.unlink('', 'w');
      expect(at.look('', 'w')).toBeUndefined();
      expect(() => at.layer.unlink('', 'w')).toThrow(errno(ENOENT));
    });
  });
}
