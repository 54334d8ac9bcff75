// The contract of fs/layer/layer.ts, to be run on every implementation. What is written through WriteLayer is
// read back through it and through `asLower`, the same content opened as a layer that is only read.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EEXIST, ENODATA, ENOENT, ENOTEMPTY, FsError } from '../../fs/errno.js';
import { Attr, SEEK_DATA, SEEK_HOLE, XATTR_CREATE, XATTR_REPLACE } from '../../fs/filesystem.js';
import {
  LayerEntry,
  type LayerNode,
  type NewNode,
  type ReadLayer,
  type WritableFile,
  type WriteLayer,
} from '../../fs/layer/layer.js';
import { makeDev, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../fs/mode.js';
import { type ByteString, fromBytes, toBytes } from '../../fs/name.js';

/** One empty layer to write, in which root may do everything. */
export interface LayerUnderTest {
  readonly layer: WriteLayer;
  /** The same content as a layer to read; the writable one is closed or left alone. */
  asLower(): ReadLayer;
  /** Closes and opens the layer again; undefined where it does not outlive its opening. */
  reopen?(): WriteLayer;
  dispose(): void;
}

export interface LayerSuiteOptions {
  /** Owner of what the suite makes: only root can make objects of others. */
  readonly uid: number;
  readonly gid: number;
  /** Names of `trusted.` can be set. */
  readonly trusted: boolean;
  /** `asLower` shows the time of the last access; otherwise that of the last change of the data. */
  readonly keepsAtime?: boolean;
  /** The layer outlives its opening: there is a `reopen`. */
  readonly persistent?: boolean;
}

const ODD_NAMES: readonly ByteString[] = [
  '\xff\xfe not UTF-8',
  'new\nline',
  'n'.repeat(255),
  ' ',
  '...',
  '-rf',
  '\x01\x7f',
  'e\xcc\x81',
  '.wh.plain',
];

/** Registers the tests under `title`. */
export function describeLayer(title: string, make: () => LayerUnderTest, options: LayerSuiteOptions): void {
  describe(title, () => {
    let test: LayerUnderTest;
    let layer: WriteLayer;
    const held: LayerNode[] = [];

    beforeEach(() => {
      test = make();
      layer = test.layer;
    });

    afterEach(() => {
      for (const node of held.splice(0)) node.release();
      test.dispose();
    });

    const owner = { uid: options.uid, gid: options.gid };
    const file = (mode = 0o644): NewNode => ({ mode: S_IFREG | mode, ...owner });
    const folder = (mode = 0o755): NewNode => ({ mode: S_IFDIR | mode, ...owner });

    function look(dir: ByteString, name: ByteString, from: ReadLayer = layer): LayerEntry | undefined {
      const entry = new LayerEntry(new Attr());
      return from.lookup(dir, name, entry) ? entry : undefined;
    }

    function names(dir: ByteString, from: ReadLayer = layer): string[] {
      const seen: string[] = [];
      from.list(dir, (name, _type, _ino, whiteout) => seen.push(whiteout ? `-${name}` : name));
      return seen.sort();
    }

    function hold(dir: ByteString, name: ByteString) {
      const node = layer.hold(dir, name);
      held.push(node);
      return node;
    }

    function put(dir: ByteString, name: ByteString, text: string): void {
      const open = layer.makeFile(dir, name, file());
      open.write(0, toBytes(text));
      open.close();
    }

    function text(node: LayerNode): string {
      const open = node.open();
      const into = new Uint8Array(4096);
      const count = open.read(0, into);
      open.close();
      return fromBytes(into, 0, count);
    }

    function textAt(dir: ByteString, name: ByteString): string {
      return text(hold(dir, name));
    }

    function stat(node: LayerNode): LayerEntry {
      const entry = new LayerEntry(new Attr());
      node.stat(entry);
      return entry;
    }

    describe('lookup and list', () => {
      it('a new layer is an empty folder', () => {
        expect(names('')).toEqual([]);
        expect((look('', '.')?.attr.mode ?? 0) & S_IFMT).toBe(S_IFDIR);
        expect(look('', 'none')).toBeUndefined();
      });

      it('answers false for a name in what is missing or no folder', () => {
        put('', 'f', '');
        expect(look('f', 'x')).toBeUndefined();
        expect(look('none/deeper', 'x')).toBeUndefined();
      });

      it('refuses to list what is no folder', () => {
        put('', 'f', '');
        expect(() => names('none')).toThrow(FsError);
        expect(() => names('f')).toThrow(FsError);
      });

      it('keeps every byte of a name and finds each again', () => {
        layer.make('', 'd', folder());
        for (const name of ODD_NAMES) put('d', name, name.slice(0, 10));
        expect(names('d')).toEqual([...ODD_NAMES].sort());
        for (const name of ODD_NAMES) expect(textAt('d', name)).toBe(name.slice(0, 10));
        expect(names('d', test.asLower())).toEqual([...ODD_NAMES].sort());
      });

      it('lists types and the file numbers that lookup shows', () => {
        layer.make('', 'd', folder());
        put('', 'f', '');
        layer.make('', 'l', { mode: S_IFLNK | 0o777, ...owner, target: 'x' });
        layer.make('', 'p', { mode: S_IFIFO | 0o600, ...owner });
        layer.list('', (name, type, ino, whiteout) => {
          const entry = look('', name);
          expect([type, ino, whiteout]).toEqual([(entry?.attr.mode ?? 0) >>> 12, entry?.attr.ino, false]);
        });
        expect(names('')).toEqual(['d', 'f', 'l', 'p']);
      });

      it('lets the visitor look up and list', () => {
        layer.make('', 'd', folder());
        put('d', 'inner', '');
        put('', 'f', '');
        const seen: string[] = [];
        layer.list('', (name) => {
          expect(look('', name)).toBeDefined();
          if (name === 'd') layer.list('d', (inner) => seen.push(inner));
          seen.push(name);
        });
        expect(seen.sort()).toEqual(['d', 'f', 'inner']);
      });

      it('reads the same through a layer that is only read', () => {
        layer.make('', 'd', folder(0o711));
        put('d', 'f', 'data');
        layer.whiteout('d', 'gone');
        const node = hold('', 'd');
        node.setOpaque(true);
        node.setRedirect('/else\xff/where');
        const before = look('', 'd');
        const lower = test.asLower();
        if (before !== undefined && options.keepsAtime === false) {
          before.attr.atimeSec = before.attr.mtimeSec;
          before.attr.atimeNsec = before.attr.mtimeNsec;
        }
        expect(look('', 'd', lower)).toEqual(before);
        expect(names('d', lower)).toEqual(['-gone', 'f']);
        const again = lower.hold('d', 'f');
        expect(text(again)).toBe('data');
        again.release();
        expect(lower.statfs().namelen).toBe(255);
      });
    });

    describe('making objects', () => {
      it('makes each kind with its mode, owner and content', () => {
        layer.make('', 'd', folder(0o2750));
        layer.make('', 'f', file(0o4755));
        layer.make('', 'l', { mode: S_IFLNK | 0o777, ...owner, target: '\xff/../target' });
        layer.make('', 'p', { mode: S_IFIFO | 0o622, ...owner });
        layer.make('', 's', { mode: S_IFSOCK | 0o777, ...owner });
        layer.make('', 'c', { mode: S_IFCHR | 0o666, ...owner, rdev: makeDev(300, 70000) });
        const modes = ['d', 'f', 'p', 's', 'c'].map((name) => look('', name)?.attr.mode.toString(8));
        expect(modes).toEqual(['42750', '104755', '10622', '140777', '20666']);
        for (const name of names('')) expect(look('', name)?.attr).toMatchObject(owner);
        expect(look('', 'c')?.attr.rdev).toBe(makeDev(300, 70000));
        expect(look('', 'c')?.whiteout).toBe(false);
        expect(hold('', 'l').readlink()).toBe('\xff/../target');
        expect(look('', 'l')?.attr.size).toBe('\xff/../target'.length);
      });

      it('does not take a mask or a set-group-id parent into account', () => {
        layer.make('', 'd', folder(0o2777));
        layer.make('d', 'open', folder(0o777));
        layer.make('d', 'f', file(0o666));
        expect(look('d', 'open')?.attr).toMatchObject({ mode: S_IFDIR | 0o777, ...owner });
        expect(look('d', 'f')?.attr).toMatchObject({ mode: S_IFREG | 0o666, ...owner });
      });

      it('refuses a name that is taken, also by a whiteout', () => {
        put('', 'f', 'old');
        layer.whiteout('', 'w');
        for (const name of ['f', 'w']) {
          expect(() => layer.make('', name, folder())).toThrow(errno(EEXIST));
          expect(() => layer.makeFile('', name, file())).toThrow(errno(EEXIST));
        }
        expect(textAt('', 'f')).toBe('old');
        expect(look('', 'w')?.whiteout).toBe(true);
      });

      it('refuses a folder that is not there', () => {
        expect(() => layer.make('none', 'f', file())).toThrow(errno(ENOENT));
      });
    });

    describe('data', () => {
      let open: WritableFile;

      beforeEach(() => {
        open = layer.makeFile('', 'f', file());
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
        expect(attr).toMatchObject({ ...owner, size: 3, mode: S_IFREG | 0o644 });
      });

      it('keeps holes and finds them', () => {
        open.write(1 << 20, toBytes('x'));
        open.truncate(4 << 20);
        expect(open.seek(0, SEEK_DATA)).toBe(1 << 20);
        expect(open.seek(0, SEEK_HOLE)).toBe(0);
        expect(open.seek(2 << 20, SEEK_DATA)).toBeUndefined();
        expect(look('', 'f')?.attr.blocks).toBeLessThan(64);
      });

      it('copies a range of another file, short at its end', () => {
        const source = layer.makeFile('', 'source', file());
        source.write(0, toBytes('0123456789'));
        expect(open.copyFrom(source, 4, 2, 100)).toBe(6);
        const into = new Uint8Array(16);
        expect(fromBytes(into, 0, open.read(0, into))).toBe('\0\x00456789');
        source.close();
      });

      it('clones a whole file or says that it cannot', () => {
        const source = layer.makeFile('', 'source', file());
        source.write(0, toBytes('shared'));
        const into = new Uint8Array(16);
        const expected = open.cloneFrom(source) ? 'shared' : '';
        expect(fromBytes(into, 0, open.read(0, into))).toBe(expected);
        source.close();
      });

      it('is one file however it is opened', () => {
        const node = hold('', 'f');
        const second = node.openWrite();
        open.write(0, toBytes('first'));
        second.write(5, toBytes('second'));
        expect(text(node)).toBe('firstsecond');
        second.sync(true);
        second.close();
      });
    });

    describe('attributes of a held object', () => {
      it('changes owner, mode and times, and leaves what is not named', () => {
        put('', 'f', 'x');
        const node = hold('', 'f');
        node.chown(options.uid, options.gid);
        node.chmod(0o600);
        node.utimes({ sec: -1, nsec: 5 }, { sec: 7, nsec: 999_999_999 });
        node.utimes(undefined, { sec: 8, nsec: 0 });
        expect(stat(node).attr).toMatchObject({
          ...owner,
          mode: S_IFREG | 0o600,
          atimeSec: -1,
          atimeNsec: 5,
          mtimeSec: 8,
          mtimeNsec: 0,
        });
        node.utimes('now', undefined);
        expect(stat(node).attr.atimeSec).toBeGreaterThan(1_000_000_000);
        expect(stat(node).attr.mtimeSec).toBe(8);
      });

      it('sets times of a symlink itself, and chmod on one does nothing', () => {
        layer.make('', 'l', { mode: S_IFLNK | 0o777, ...owner, target: 'nowhere' });
        const node = hold('', 'l');
        node.utimes({ sec: 1, nsec: 0 }, { sec: 2, nsec: 0 });
        node.chmod(0);
        expect(stat(node).attr).toMatchObject({ mode: S_IFLNK | 0o777, atimeSec: 1, mtimeSec: 2 });
      });

      it('follows the object when its name moves, and outlives its last name', () => {
        put('', 'f', 'kept');
        const node = hold('', 'f');
        layer.rename('', 'f', '', 'g', false);
        node.chmod(0o640);
        expect(look('', 'g')?.attr.mode).toBe(S_IFREG | 0o640);
        layer.unlink('', 'g');
        expect(stat(node).attr.nlink).toBe(0);
        expect(text(node)).toBe('kept');
        const open = node.openWrite();
        open.write(0, toBytes('K'));
        open.close();
        expect(text(node)).toBe('Kept');
      });

      it('holds a folder by its own dot', () => {
        layer.make('', 'd', folder());
        const node = hold('d', '.');
        node.chmod(0o700);
        expect(look('', 'd')?.attr.mode).toBe(S_IFDIR | 0o700);
        expect(() => layer.hold('', 'none')).toThrow(errno(ENOENT));
      });
    });

    describe('extended attributes', () => {
      it('stores bytes and obeys create and replace', () => {
        put('', 'f', '');
        const node = hold('', 'f');
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
        layer.make('', 'd', folder());
        const node = hold('', 'd');
        const source = hold('', '.');
        node.setOpaque(true);
        node.setRedirect('/r');
        node.setOrigin(5, source);
        node.setImpure();
        expect(node.listxattr()).toEqual([]);
        for (const prefix of options.trusted ? ['user', 'trusted'] : ['user']) {
          const name = `${prefix}.overlay.opaque`;
          expect(node.getxattr(name)).toBeUndefined();
          node.setxattr(name, toBytes('mine'), XATTR_CREATE);
          expect(fromBytes(node.getxattr(name) ?? new Uint8Array(0))).toBe('mine');
          expect(node.listxattr()).toEqual([name]);
          node.setOpaque(false);
          expect(stat(node).opaque).toBe(false);
          node.removexattr(name);
          expect(stat(node).redirect).toBe('/r');
        }
      });
    });

    describe('marks', () => {
      it('shows opaque, redirect and origin, on the node and by name', () => {
        layer.make('', 'd', folder());
        put('', 'f', '');
        const node = hold('', 'd');
        expect(look('', 'd')).toMatchObject({ opaque: false, redirect: undefined, origin: 0 });
        node.setOpaque(true);
        node.setRedirect('sibling');
        node.setOrigin(2 ** 40 + 1, hold('', 'f'));
        expect(stat(node)).toMatchObject({ opaque: true, redirect: 'sibling', origin: 2 ** 40 + 1 });
        expect(look('', 'd')).toEqual(stat(node));
        expect(look('d', '.')).toEqual(stat(node));
        node.setOpaque(false);
        node.setRedirect(undefined);
        node.setRedirect(undefined);
        expect(look('', 'd')).toMatchObject({ opaque: false, redirect: undefined });
      });

      it('puts a whiteout over nothing, a file, a whiteout and a folder of whiteouts', () => {
        put('', 'f', '');
        layer.make('', 'd', folder());
        layer.whiteout('d', 'x');
        layer.whiteout('', 'w');
        for (const name of ['none', 'f', 'd', 'w']) {
          layer.whiteout('', name);
          expect(look('', name)?.whiteout).toBe(true);
        }
        expect(names('')).toEqual(['-d', '-f', '-none', '-w']);
        expect(look('d', 'x')).toBeUndefined();
      });

      it('refuses a whiteout over a folder with content', () => {
        layer.make('', 'd', folder());
        put('d', 'f', 'kept');
        expect(() => layer.whiteout('', 'd')).toThrow(errno(ENOTEMPTY));
        expect(textAt('d', 'f')).toBe('kept');
      });

      it('removes a whiteout by unlink', () => {
        layer.whiteout('', 'w');
        layer.unlink('', 'w');
        expect(look('', 'w')).toBeUndefined();
        expect(() => layer.unlink('', 'w')).toThrow(errno(ENOENT));
      });
    });

    describe('stages', () => {
      it('shows nothing before publish, and all of it after', () => {
        const staged = layer.stage(file(0o640));
        const open = staged.openWrite();
        open.write(0, toBytes('staged'));
        open.close();
        staged.setxattr('user.a', toBytes('1'), 0);
        staged.utimes({ sec: 1, nsec: 0 }, { sec: 2, nsec: 0 });
        expect(names('')).toEqual([]);
        staged.publish('', 'f', false);
        expect(textAt('', 'f')).toBe('staged');
        expect(look('', 'f')?.attr).toMatchObject({ mode: S_IFREG | 0o640, mtimeSec: 2, nlink: 1 });
        expect(hold('', 'f').listxattr()).toEqual(['user.a']);
      });

      it('leaves nothing after discard', () => {
        for (const what of [file(), folder(), { mode: S_IFLNK | 0o777, ...owner, target: 't' }]) {
          layer.stage(what).discard();
        }
        expect(names('')).toEqual([]);
      });

      it('refuses a taken name unless it may replace', () => {
        put('', 'f', 'old');
        layer.whiteout('', 'w');
        for (const name of ['f', 'w']) {
          const staged = layer.stage(file());
          expect(() => staged.publish('', name, false)).toThrow(errno(EEXIST));
          staged.publish('', name, true);
          expect(textAt('', name)).toBe('');
        }
      });

      it('replaces a whiteout, a file, an empty folder and a folder of whiteouts', () => {
        layer.whiteout('', 'w');
        put('', 'f', 'old');
        layer.make('', 'empty', folder());
        layer.make('', 'whited', folder());
        layer.whiteout('whited', 'x');
        for (const name of ['w', 'empty', 'whited']) {
          const staged = layer.stage(folder(0o700));
          staged.setOpaque(true);
          staged.publish('', name, true);
          expect(look('', name)).toMatchObject({ opaque: true, whiteout: false });
          expect(look('', name)?.attr.mode).toBe(S_IFDIR | 0o700);
          expect(names(name)).toEqual([]);
        }
        const link = layer.stage({ mode: S_IFLNK | 0o777, ...owner, target: 'to' });
        link.publish('', 'f', true);
        expect(hold('', 'f').readlink()).toBe('to');
      });

      it('refuses to replace a folder with content', () => {
        layer.make('', 'd', folder());
        put('d', 'f', 'kept');
        const staged = layer.stage(folder());
        expect(() => staged.publish('', 'd', true)).toThrow(errno(ENOTEMPTY));
        staged.discard();
        expect(textAt('d', 'f')).toBe('kept');
      });

      it('what was held of a replaced object stays as it was', () => {
        put('', 'f', 'old');
        const node = hold('', 'f');
        const staged = layer.stage(file());
        staged.publish('', 'f', true);
        expect(text(node)).toBe('old');
        expect(stat(node).attr.nlink).toBe(0);
      });
    });

    describe('rename', () => {
      it('moves a file over nothing, a file and a whiteout', () => {
        layer.make('', 'd', folder());
        put('d', 'old', 'old');
        layer.whiteout('d', 'w');
        for (const name of ['free', 'old', 'w']) {
          put('', 'f', name);
          layer.rename('', 'f', 'd', name, false);
          expect(textAt('d', name)).toBe(name);
          expect(look('', 'f')).toBeUndefined();
        }
      });

      it('leaves a whiteout where one is asked for', () => {
        layer.whiteout('', 'w');
        layer.make('', 'd', folder());
        put('', 'f', 'f');
        layer.rename('', 'f', '', 'g', true);
        layer.rename('', 'd', '', 'w', true);
        expect(names('')).toEqual(['-d', '-f', 'g', 'w']);
        expect((look('', 'w')?.attr.mode ?? 0) & S_IFMT).toBe(S_IFDIR);
      });

      it('moves a folder over a whiteout, an empty folder and a folder of whiteouts', () => {
        layer.whiteout('', 'w');
        layer.make('', 'empty', folder());
        layer.make('', 'whited', folder());
        layer.whiteout('whited', 'x');
        for (const [name, leave] of [
          ['w', false],
          ['empty', true],
          ['whited', true],
        ] as const) {
          layer.make('', `d-${name}`, folder());
          put(`d-${name}`, 'f', name);
          layer.rename('', `d-${name}`, '', name, leave);
          expect(textAt(name, 'f')).toBe(name);
          expect(look('', `d-${name}`)?.whiteout).toBe(leave ? true : undefined);
          expect(names(name)).toEqual(['f']);
        }
      });

      it('refuses a folder with content as target', () => {
        layer.make('', 'a', folder());
        layer.make('', 'b', folder());
        put('b', 'f', 'kept');
        expect(() => layer.rename('', 'a', '', 'b', false)).toThrow(errno(ENOTEMPTY));
        expect(textAt('b', 'f')).toBe('kept');
        expect(look('', 'a')).toBeDefined();
      });

      it('paths beneath a moved folder lead to it and no longer to the old place', () => {
        layer.make('', 'a', folder());
        layer.make('a', 'b', folder());
        put('a/b', 'f', 'data');
        expect(look('a/b', 'f')).toBeDefined();
        layer.rename('', 'a', '', 'moved', false);
        expect(look('a/b', 'f')).toBeUndefined();
        expect(textAt('moved/b', 'f')).toBe('data');
        layer.make('', 'a', folder());
        layer.make('a', 'b', folder());
        expect(names('a/b')).toEqual([]);
      });

      it('exchanges a file and a folder, and paths beneath follow', () => {
        layer.make('', 'd', folder());
        layer.make('d', 'sub', folder());
        put('d/sub', 'f', 'deep');
        put('', 'f', 'flat');
        expect(look('d/sub', 'f')).toBeDefined();
        layer.exchange('', 'd', '', 'f');
        expect(textAt('', 'd')).toBe('flat');
        expect(textAt('f/sub', 'f')).toBe('deep');
        expect(look('d/sub', 'f')).toBeUndefined();
        expect(() => layer.exchange('', 'd', '', 'none')).toThrow(errno(ENOENT));
      });
    });

    describe('removal', () => {
      it('removes a folder with its whiteouts, and refuses one with content', () => {
        layer.make('', 'd', folder());
        layer.whiteout('d', 'x');
        layer.make('d', 'sub', folder());
        expect(() => layer.rmdir('', 'd')).toThrow(errno(ENOTEMPTY));
        layer.rmdir('d', 'sub');
        const node = hold('', 'd');
        layer.rmdir('', 'd');
        expect(look('', 'd')).toBeUndefined();
        expect(look('d', 'x')).toBeUndefined();
        expect(stat(node).attr.mode).toBe(S_IFDIR | 0o755);
        layer.make('', 'd', folder());
        expect(names('d')).toEqual([]);
      });

      it('does not take a folder for a file or a file for a folder', () => {
        layer.make('', 'd', folder());
        put('', 'f', '');
        expect(() => layer.unlink('', 'd')).toThrow(FsError);
        expect(() => layer.rmdir('', 'f')).toThrow(FsError);
        expect(names('')).toEqual(['d', 'f']);
      });
    });

    describe('links and the index', () => {
      it('gives an object a further name, over a free one or in place of another', () => {
        put('', 'f', 'data');
        put('', 'old', 'old');
        layer.whiteout('', 'w');
        const node = hold('', 'f');
        layer.link(node, '', 'g', false);
        expect(() => layer.link(node, '', 'old', false)).toThrow(errno(EEXIST));
        layer.link(node, '', 'old', true);
        layer.link(node, '', 'w', true);
        layer.link(node, '', 'g', true);
        expect(stat(node).attr.nlink).toBe(4);
        for (const name of ['g', 'old', 'w']) expect(look('', name)?.attr.ino).toBe(stat(node).attr.ino);
        expect(names('')).toEqual(['f', 'g', 'old', 'w']);
      });

      it('links a symlink itself', () => {
        layer.make('', 'l', { mode: S_IFLNK | 0o777, ...owner, target: 'nowhere' });
        layer.link(hold('', 'l'), '', 'm', false);
        expect(hold('', 'm').readlink()).toBe('nowhere');
      });

      it('gives a staged file a name while its holder keeps it', () => {
        const staged = layer.stage(file());
        layer.link(staged, '', 'linked', false);
        expect(stat(staged).attr.nlink).toBeGreaterThanOrEqual(1);
        staged.discard();
        expect(look('', 'linked')?.attr.nlink).toBe(1);
      });

      it('finds a copied-up object by its key, and the key by the object', () => {
        put('', 'lower', '');
        put('', 'other', '');
        const key = layer.indexKey(hold('', 'lower'));
        expect(layer.indexKey(hold('', 'lower'))).toBe(key);
        expect(layer.indexKey(hold('', 'other'))).not.toBe(key);
        expect(layer.indexed(key)).toBeUndefined();
        const staged = layer.stage(file());
        staged.publishIndexed(key, 0, '', 'up', false);
        layer.setIndexNames(key, 2);
        const found = layer.indexed(key);
        if (found !== undefined) held.push(found);
        expect(found && stat(found).attr.ino).toBe(look('', 'up')?.attr.ino);
        expect(look('', 'up')?.attr.nlink).toBe(2);
        expect(layer.indexNames(key)).toBe(2);
        layer.setIndexNames(key, 0);
        expect(layer.indexNames(key)).toBe(0);
        expect(layer.indexedKey(hold('', 'up'))).toBe(key);
        expect(layer.indexedKey(hold('', 'other'))).toBeUndefined();
        layer.unindex(key);
        layer.unindex(key);
        expect(layer.indexed(key)).toBeUndefined();
        expect(layer.indexedKey(hold('', 'up'))).toBeUndefined();
        expect(look('', 'up')?.attr.nlink).toBe(1);
      });
    });

    it('remembers names that were lost below, and the last one from when something is in its place', () => {
      put('', 'lower', '');
      const key = layer.indexKey(hold('', 'lower'));
      expect(layer.lostNames(key)).toBe(0);
      layer.setLostNames(key, 1, 'd/name');
      expect(layer.lostNames(key)).toBe(0);
      layer.make('', 'd', folder());
      expect(layer.lostNames(key)).toBe(0);
      layer.whiteout('d', 'name');
      expect(layer.lostNames(key)).toBe(1);
      layer.setLostNames(key, 3);
      layer.setLostNames(key, 4, 'top');
      layer = test.reopen?.() ?? layer;
      expect(layer.lostNames(key)).toBe(3);
      put('', 'top', '');
      expect(layer.lostNames(key)).toBe(4);
      layer.rmdir('', 'd');
      layer.setLostNames(key, 4);
      layer = test.reopen?.() ?? layer;
      expect(layer.lostNames(key)).toBe(4);
    });

    it('keeps how many names an indexed object has that can carry no xattr', () => {
      put('', 'lower', '');
      const key = layer.indexKey(hold('', 'lower'));
      const symlink = { mode: S_IFLNK | 0o777, ...owner, target: 'there' };
      layer.stage(symlink).publishIndexed(key, 3, '', 'up', false).release();
      layer = test.reopen?.() ?? layer;
      expect(layer.indexNames(key)).toBe(3);
      layer.pinIndexNames(key);
      layer.unlink('', 'up');
      layer.linkIndexed(key, '', 'second');
      layer = test.reopen?.() ?? layer;
      expect(layer.indexNames(key)).toBe(2);
      layer.unindex(key);
      expect(look('', 'second')?.attr.nlink).toBe(1);
    });

    describe('a file without data', () => {
      it('has its size, takes no space, and says where its data is', () => {
        put('', 'other', 'other');
        const staged = layer.stage(file(0o600));
        const open = staged.openWrite();
        open.truncate(3_000_000);
        open.close();
        staged.setMetacopy(true);
        staged.setRedirect('/there');
        staged.setOrigin(5, hold('', 'other'));
        staged.publish('', 'f', false);
        hold('', 'other').setRedirect('ignored');
        for (const from of [layer, test.asLower()]) {
          expect(look('', 'f', from)).toMatchObject({ metacopy: true, redirect: '/there' });
          expect(look('', 'f', from)?.attr).toMatchObject({ size: 3_000_000, mode: S_IFREG | 0o600 });
          expect(look('', 'f', from)?.attr.blocks).toBeLessThanOrEqual(8);
          expect(look('', 'other', from)).toMatchObject({ metacopy: false, redirect: undefined });
          const node = from.hold('', 'f');
          held.push(node);
          expect(node.listxattr()).toEqual([]);
          expect(stat(node).metacopy).toBe(true);
        }
      });

      it('is told from a small file, also with marks that take as much space as its data would', () => {
        layer.make('', 'd', folder());
        hold('', 'd').setImpure();
        for (const name of ['big', 'bare']) {
          put('d', name, 'x');
          const node = hold('d', name);
          node.setMetacopy(true);
          if (name === 'big') node.setRedirect(`/${'long/'.repeat(100)}name`);
        }
        for (const from of [layer, test.asLower()]) {
          for (const name of ['big', 'bare']) expect(look('d', name, from)?.metacopy).toBe(true);
        }
      });

      it('is an ordinary one once the mark is gone', () => {
        put('', 'f', 'data');
        const node = hold('', 'f');
        node.setMetacopy(true);
        node.setRedirect('name');
        node.setMetacopy(false);
        expect(look('', 'f')).toMatchObject({ metacopy: false, redirect: undefined });
        node.setRedirect(undefined);
        node.setMetacopy(true);
        expect(look('', 'f')).toMatchObject({ metacopy: true, redirect: undefined });
      });
    });

    it('says whether its index has entries', () => {
      put('', 'lower', '');
      expect(layer.hasIndexed).toBe(false);
      const key = layer.indexKey(hold('', 'lower'));
      layer.stage(file()).publishIndexed(key, 0, '', 'up', false).release();
      expect(layer.hasIndexed).toBe(true);
      layer.unindex(key);
      expect(layer.hasIndexed).toBe(false);
    });

    it('says when it is guarded', () => {
      expect(layer.guarded).toBe(false);
      layer.setGuard(true);
      layer.setGuard(true);
      expect(layer.guarded).toBe(true);
      layer.setGuard(false);
      expect(layer.guarded).toBe(false);
      layer.sync();
    });

    if (options.persistent !== true) return;
    it('keeps everything when it is opened again', () => {
      layer.make('', 'd', folder());
      put('d', 'f', 'data');
      layer.whiteout('d', 'w');
      put('', 'lower', '');
      const key = layer.indexKey(hold('', 'lower'));
      layer.stage(file()).publishIndexed(key, 0, '', 'up', false);
      layer.setIndexNames(key, 3);
      layer.setGuard(true);
      hold('', 'd').setOrigin(99, hold('', 'lower'));
      layer.stage(folder());
      layer = test.reopen?.() ?? layer;
      expect(names('d')).toEqual(['-w', 'f']);
      expect(look('', 'd')?.origin).toBe(99);
      expect(layer.guarded).toBe(true);
      expect(layer.indexNames(key)).toBe(3);
      expect(layer.indexedKey(hold('', 'up'))).toBe(key);
    });

    it('keeps an index entry as long as names are left, also when all of them lie below', () => {
      put('', 'lower', '');
      const key = layer.indexKey(hold('', 'lower'));
      layer.stage(file()).publishIndexed(key, 0, '', 'up', false);
      layer.setIndexNames(key, 1);
      layer.unlink('', 'up');
      layer = test.reopen?.() ?? layer;
      const kept = layer.indexed(key);
      expect(kept).toBeDefined();
      kept?.release();
      layer.setIndexNames(key, 0);
      if (test.reopen === undefined) return;
      layer = test.reopen();
      expect(layer.indexed(key)).toBeUndefined();
    });
  });
}

/** What `toThrow` compares: an FsError of this errno. */
function errno(value: number): object {
  return expect.objectContaining({ errno: value });
}
