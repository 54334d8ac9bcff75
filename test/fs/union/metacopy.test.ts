// Files whose attributes are in the upper and whose data still lies below.

import { expect, test } from 'vitest';
import { EIO, ENOSPC, FsError } from '../../../fs/errno.js';
import {
  Attr,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  SEEK_DATA,
  SEEK_HOLE,
  SYSTEM_CALLER,
} from '../../../fs/filesystem.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { Union } from '../../../fs/union/union.js';
import { bytes, errnoOf, Paths, text } from '../../suites/paths.js';
import { fillLayer, inUpper, type Rig, rig } from './stacks.js';

/** What the layer itself holds at a path is attributes alone. */
function isBare(r: Rig, path: string): boolean {
  const entry = inUpper(r.upper, path);
  return entry?.metacopy === true && entry.attr.blocks === 0;
}

function copied(r: Rig): number {
  return r.events.reduce((sum, event) => sum + (event.bytesCopied ?? 0), 0);
}

/** The same after unmount and mount, and after settling, also as a lower; which has no index of hard links before. */
function expectLasting(r: Rig, content: Readonly<Record<string, string>>): void {
  const check = ({ paths }: Rig) => {
    for (const [path, wanted] of Object.entries(content))
      expect([path, paths.read(path)]).toEqual([path, wanted]);
  };
  check(r);
  check(r.remount());
  if (!r.upper.hasIndexed) check(r.committed());
  const settled = r.remount();
  settled.union.settle();
  check(settled);
  for (const path of Object.keys(content)) {
    expect([path, inUpper(r.upper, path)?.metacopy ?? false]).toEqual([path, false]);
    expect([path, inUpper(r.upper, path)?.redirect]).toEqual([path, undefined]);
  }
  expect(r.upper.guarded).toBe(false);
  check(settled.remount());
  check(settled.committed());
}

const CHANGES: Readonly<Record<string, (paths: Paths) => void>> = {
  chmod: (paths) => paths.chmod('d/f', 0o600),
  chown: (paths) => paths.setattr('d/f', { uid: 7, gid: 8 }),
  utimes: (paths) => paths.setattr('d/f', { mtime: { sec: 5, nsec: 6 } }),
  setxattr: (paths) => paths.setxattr('d/f', 'user.x', 'value'),
  removexattr: (paths) => paths.with('d/f', (node) => paths.fs.removexattr(node, 'user.there')),
};

for (const [title, change] of Object.entries(CHANGES)) {
  test(`${title} of a lower file copies none of its data`, () => {
    const first = rig([{ d: {}, 'd/f': 'content' }]);
    const node = first.lowers[0]!.hold('d', 'f');
    node.setxattr('user.there', bytes('yes'), 0);
    node.release();
    const r = first.remount();
    const before = r.paths.stat('d/f');
    change(r.paths);
    expect(isBare(r, 'd/f')).toBe(true);
    expect(r.upper.guarded).toBe(true);
    expect(r.events.at(-1)).toMatchObject({ kind: 'copy-up', path: 'd/f', bytesCopied: 0, bytesSaved: 7 });
    const { ino, size, blocks } = r.paths.stat('d/f');
    expect({ ino, size, blocks }).toEqual({ ino: before.ino, size: before.size, blocks: before.blocks });
    expect(r.remount().paths.stat('d/f')).toMatchObject({ ino, size, blocks });
    expectLasting(r, { 'd/f': 'content' });
  });
}

test('an empty file is copied as it is, without a guard', () => {
  const r = rig([{ f: '' }]);
  r.paths.chmod('f', 0o600);
  expect(inUpper(r.upper, 'f')?.metacopy).toBe(false);
  expect(r.upper.guarded).toBe(false);
});

test('opening for writing fetches the data, keeps the times, and open handles follow', () => {
  const r = rig([{ f: 'content' }]);
  const old = r.paths.open('f');
  r.paths.setattr('f', { mode: 0o600, mtime: { sec: 5, nsec: 6 } });
  expect(r.paths.readHandle(old)).toBe('content');
  const handle = r.paths.open('f', O_WRONLY);
  expect(inUpper(r.upper, 'f')).toMatchObject({ metacopy: false, attr: { mtimeSec: 5, mtimeNsec: 6 } });
  expect(r.events.at(-1)).toMatchObject({ kind: 'copy-up', path: 'f', bytesCopied: 7 });
  r.paths.fs.write(handle, 0, bytes('C'), false);
  expect(r.paths.readHandle(old)).toBe('Content');
  r.paths.fs.release(handle);
  r.paths.fs.release(old);
  expectLasting(r, { f: 'Content' });
});

test('O_TRUNC and a truncation to nothing fetch no data, a shorter size fetches what stays', () => {
  const r = rig([{ f: 'content', g: 'content', h: 'content' }]);
  for (const name of ['f', 'g', 'h']) r.paths.chmod(name, 0o600);
  r.paths.fs.release(r.paths.open('f', O_WRONLY | O_TRUNC));
  r.paths.setattr('g', { size: 0 });
  expect(copied(r)).toBe(0);
  r.paths.setattr('h', { size: 4 });
  expect(copied(r)).toBe(4);
  expectLasting(r, { f: '', g: '', h: 'cont' });
});

test('a file that shrinks and grows shows zeros where it was cut', () => {
  const r = rig([{ f: 'content' }]);
  r.paths.chmod('f', 0o600);
  const reader = r.paths.open('f');
  r.paths.setattr('f', { size: 3 });
  r.paths.setattr('f', { size: 5 });
  expect(r.paths.readHandle(reader)).toBe('con\0\0');
  r.paths.fs.release(reader);
  expectLasting(r, { f: 'con\0\0' });
});

test('data is found after renames of the file and of folders above it', () => {
  const r = rig([{ d: {}, 'd/e': {}, 'd/e/f': 'one', 'd/e/g': 'two', 'd/e/h': 'three' }]);
  const { paths } = r;
  paths.chmod('d/e/f', 0o600);
  paths.rename('d/e/g', 'd/g');
  paths.rename('d/e', 'moved');
  paths.rename('moved/h', 'd/h');
  paths.rename('d', 'D');
  paths.rename('D/g', 'moved/e');
  paths.chmod('moved/e', 0o640);
  expect(copied(r)).toBe(0);
  expectLasting(r, { 'moved/f': 'one', 'moved/e': 'two', 'D/h': 'three' });
});

test('a rename, an exchange and a link write where the data is', () => {
  const r = rig([{ d: {}, 'd/f': 'one', 'd/g': 'two', 'd/h': 'three' }]);
  const { paths } = r;
  paths.rename('d/f', 'f');
  paths.rename('d/g', 'd/h', RENAME_EXCHANGE);
  paths.link('d/h', 'also');
  expect(['f', 'd/g', 'd/h', 'also'].map((path) => inUpper(r.upper, path)?.redirect)).toEqual([
    '/d/f',
    '/d/h',
    '/d/g',
    '/d/g',
  ]);
  expect(copied(r)).toBe(0);
  expect(paths.stat('also')).toMatchObject({ nlink: 2, ino: paths.stat('d/h').ino });
  expectLasting(r, { f: 'one', 'd/g': 'three', 'd/h': 'two', also: 'two' });
});

test('a new file at the old name, and the old one back at it, keep apart', () => {
  const r = rig([{ f: 'old' }]);
  r.paths.rename('f', 'g');
  r.paths.write('f', 'new');
  expectLasting(r, { f: 'new', g: 'old' });
  const again = rig([{ f: 'old' }]);
  again.paths.chmod('f', 0o600);
  again.paths.unlink('f');
  again.paths.write('f', 'new');
  expectLasting(again, { f: 'new' });
  const back = rig([{ f: 'old' }]);
  back.paths.rename('f', 'g');
  back.paths.rename('g', 'f');
  expectLasting(back, { f: 'old' });
});

test('a path that does not fit into a mark is no reason to fail: the data is fetched', () => {
  class Short extends MemLayer {
    override hold(...where: Parameters<MemLayer['hold']>) {
      const node = super.hold(...where);
      const setRedirect = node.setRedirect.bind(node);
      node.setRedirect = (redirect) => {
        if (redirect !== undefined) throw new FsError(ENOSPC);
        setRedirect(redirect);
      };
      return node;
    }
  }
  const numbers = { last: 0 };
  const lower = fillLayer(new MemLayer({ id: 'lower', device: 'disk', numbers }), { f: 'content' });
  const upper = new Short({ id: 'upper', device: 'disk', numbers });
  const paths = new Paths(new Union({ lowers: [lower], upper }));
  paths.rename('f', 'g');
  expect(inUpper(upper, 'g')?.metacopy).toBe(false);
  expect(new Paths(new Union({ lowers: [lower], upper })).read('g')).toBe('content');
});

test('hard links of a lower share attributes before anybody writes, and data after', () => {
  const r = rig([{ a: 'content', b: '=a', c: '=a' }]);
  const { paths } = r;
  paths.chmod('a', 0o600);
  expect(copied(r)).toBe(0);
  for (const name of ['a', 'b', 'c']) {
    expect(paths.stat(name)).toMatchObject({ nlink: 3, mode: 0o100600, ino: paths.stat('a').ino });
    expect(r.remount().paths.read(name)).toBe('content');
  }
  paths.unlink('a');
  expect(r.remount().paths.stat('b')).toMatchObject({ nlink: 2, mode: 0o100600 });
  const again = r.remount();
  again.paths.rename('b', 'B');
  again.paths.link('c', 'C');
  expect(copied(again)).toBe(0);
  expect(again.paths.read('B')).toBe('content');
  again.paths.writeAt('c', 0, 'C');
  expectLasting(again.remount(), { B: 'Content', C: 'Content', c: 'Content' });
  expect(again.remount().paths.stat('C').nlink).toBe(3);
});

test('the data of a lower hard link without data is found after another name than the copied one moves', () => {
  const r = rig([
    { a: { size: 7, redirect: '/d/f' }, b: '=a' },
    { d: {}, 'd/f': 'content' },
  ]);
  r.paths.chmod('a', 0o600);
  expect(inUpper(r.upper, 'a')?.redirect).toBe(undefined);
  r.paths.rename('b', 'c');
  expect(inUpper(r.upper, 'c')?.redirect).toBe('/b');
  expect(copied(r)).toBe(0);
  expectLasting(r, { a: 'content', c: 'content' });
});

test('a name of a hard link is removed, and the count of the others kept, without copying', () => {
  const r = rig([{ a: 'content', b: '=a', c: '=a' }]);
  r.paths.unlink('b');
  expect(copied(r)).toBe(0);
  expect(r.remount().paths.stat('a').nlink).toBe(2);
  expectLasting(r, { a: 'content', c: 'content' });
});

test('a removed file that is still open takes attributes, and then data', () => {
  const r = rig([{ f: 'content' }]);
  const { paths, union } = r;
  const node = paths.node('f');
  const handle = union.open(node, O_RDONLY);
  paths.unlink('f');
  union.setattr(node, { mode: 0o600 }, SYSTEM_CALLER, new Attr());
  expect(paths.readHandle(handle)).toBe('content');
  expect(copied(r)).toBe(0);
  const writer = union.open(node, O_RDWR);
  union.write(writer, 0, bytes('C'), false);
  expect(paths.readHandle(handle)).toBe('Content');
  for (const open of [handle, writer]) union.release(open);
  union.forget(node, 1);
  expect(paths.ls('')).toEqual([]);
  expect(r.remount().paths.ls('')).toEqual([]);
});

test('holes are those of the data, and ranges are copied out of it', () => {
  const r = rig([{ f: '', g: 'gggg' }]);
  const file = r.lowers[0]!.hold('', 'f').openWrite();
  file.write(65_536, bytes('data'));
  file.truncate(1_048_576);
  file.close();
  const { paths, union } = r.remount();
  paths.chmod('f', 0o600);
  const handle = paths.open('f');
  expect(union.lseek(handle, 0, SEEK_DATA)).toBe(65_536);
  expect(union.lseek(handle, 65_536, SEEK_HOLE)).toBe(69_632);
  const to = paths.open('g', O_RDWR);
  expect(union.copyFileRange(handle, 65_536, to, 1, 2)).toBe(2);
  expect(paths.readHandle(to)).toBe('gdag');
  union.release(to);
  union.release(handle);
});

test('a disk that is full when the data is fetched leaves the file as it was', () => {
  const content = 'x'.repeat(20_000);
  const r = rig([{ f: content }], { capacity: 8192 });
  r.paths.setattr('f', { mode: 0o600, mtime: { sec: 5, nsec: 6 } });
  const free = r.upper.statfs().bfree;
  expect(errnoOf(() => r.paths.open('f', O_RDWR))).toBe(ENOSPC);
  expect(r.upper.statfs().bfree).toBe(free);
  expect(errnoOf(() => r.paths.setattr('f', { size: 10_000 }))).toBe(ENOSPC);
  for (const { paths } of [r, r.remount()]) {
    expect(paths.read('f')).toBe(content);
    expect(paths.stat('f')).toMatchObject({ size: 20_000, mode: 0o100600, mtimeSec: 5 });
  }
  expect(errnoOf(() => r.union.settle())).toBe(ENOSPC);
  expect(r.upper.guarded).toBe(true);
  expect(r.remount().paths.read('f')).toBe(content);
});

test('a file with a capability is copied whole, and one that gets a capability gets its data', () => {
  const r = rig([{ f: 'content', g: 'content' }]);
  const node = r.lowers[0]!.hold('', 'f');
  node.setxattr('security.capability', bytes('cap'), 0);
  node.release();
  const { paths, upper } = r.remount();
  paths.chmod('f', 0o600);
  paths.chmod('g', 0o600);
  expect([inUpper(upper, 'f')?.metacopy, inUpper(upper, 'g')?.metacopy]).toEqual([false, true]);
  paths.setxattr('g', 'security.capability', 'cap');
  expect(inUpper(upper, 'g')?.metacopy).toBe(false);
  expect(paths.getxattr('f', 'security.capability')).toBe('cap');
});

test('a file whose capability goes with the change stays without data', () => {
  const r = rig([{ f: 'content', g: 'content' }]);
  for (const name of ['f', 'g']) {
    const node = r.lowers[0]!.hold('', name);
    node.setxattr('security.capability', bytes('cap'), 0);
    node.release();
  }
  const fresh = r.remount();
  const { paths } = fresh;
  paths.setattr('f', { uid: 7, killPrivileges: true });
  paths.with('g', (node) => paths.fs.removexattr(node, 'security.capability'));
  for (const name of ['f', 'g']) {
    expect(isBare(fresh, name)).toBe(true);
    expect(paths.getxattr(name, 'security.capability')).toBeUndefined();
  }
  expectLasting(fresh, { f: 'content', g: 'content' });
});

test('names of hard links are made for a reader of the upper, and data stays below', () => {
  const r = rig([{ a: 'content', b: '=a', f: 'content' }]);
  r.paths.chmod('a', 0o600);
  r.paths.chmod('f', 0o600);
  r.union.joinLinks();
  expect(copied(r)).toBe(0);
  expect(r.upper.guarded).toBe(true);
  const reader = r.committed().paths;
  for (const name of ['a', 'b', 'f']) {
    expect([reader.read(name), reader.stat(name).mode]).toEqual(['content', 0o100600]);
  }
  expectLasting(r, { a: 'content', b: 'content', f: 'content' });
});

test('an ordinary user leaves no set-id file without data, because fetching it would clear the bits', () => {
  const r = rig([{ f: 'content', g: 'content' }], { marks: 'user' });
  const node = r.lowers[0]!.hold('', 'f');
  node.chmod(0o4755);
  node.release();
  const { paths, upper } = r.remount();
  paths.setattr('f', { mtime: 'now' });
  paths.chmod('g', 0o2755);
  expect([inUpper(upper, 'f')?.metacopy, inUpper(upper, 'g')?.metacopy]).toEqual([false, false]);
});

test('a process that died between cutting a file and fetching what is left has cut it', () => {
  const r = rig([{ f: 'content' }]);
  r.paths.chmod('f', 0o600);
  const file = r.upper.hold('', 'f').openWrite();
  file.truncate(4);
  file.close();
  const { paths, union } = r.remount();
  expect(paths.stat('f').size).toBe(4);
  const handle = paths.open('f');
  const into = new Uint8Array(10);
  expect([union.read(handle, 2, into), text(into.subarray(0, 2))]).toEqual([2, 'nt']);
  expect(union.read(handle, 4, into)).toBe(0);
  expect(union.lseek(handle, 0, SEEK_HOLE)).toBe(4);
  union.release(handle);
  expectLasting(r, { f: 'cont' });
});

test('data that is not there or too short fails to be read, and nothing else does', () => {
  const r = rig([{ short: 'abc' }]);
  fillLayer(r.upper, { lost: { size: 7 }, short: { size: 7 }, cut: { size: 7 } });
  const { paths } = r.remount();
  for (const name of ['lost', 'short']) {
    expect(errnoOf(() => paths.read(name))).toBe(EIO);
    expect(errnoOf(() => paths.open(name, O_RDWR))).toBe(EIO);
    expect(paths.stat(name).size).toBe(7);
  }
  paths.write('cut', 'new');
  expect(paths.read('cut')).toBe('new');
  paths.unlink('lost');
  expect(paths.ls('')).toEqual(['cut', 'short']);
});

test('a folder that is made opaque keeps the data of what the upper has in it', () => {
  const r = rig([{ d: {}, 'd/f': 'one', 'd/e': {}, 'd/e/g': 'two', 'd/e/h': 'three' }]);
  r.paths.chmod('d/f', 0o600);
  r.paths.rename('d/e/g', 'd/e/G');
  r.paths.chmod('d/e/h', 0o600);
  const { paths, union } = r.remount();
  paths.with('d', (node) => union.makeOpaque(node));
  expectLasting(r.remount(), { 'd/f': 'one', 'd/e/G': 'two', 'd/e/h': 'three' });
});

test('lower layers that have attributes alone lead on to their data', () => {
  const r = rig([
    { moved: { size: 3, redirect: '/f' }, f: null, sibling: { size: 3, redirect: 'moved' }, d: {} },
    { moved: { size: 3, redirect: '/deep/g' }, f: { size: 3, redirect: '/x/f' }, same: { size: 4 } },
    { x: { redirect: '/deep' }, same: { size: 4 }, deep: {}, 'deep/g': { size: 3 } },
    { same: 'four', deep: {}, 'deep/f': 'one', 'deep/g': 'two' },
  ]);
  const content = { moved: 'one', sibling: 'two', same: 'four' };
  for (const [path, wanted] of Object.entries(content))
    expect([path, r.paths.read(path)]).toEqual([path, wanted]);
  expect(r.paths.stat('moved')).toMatchObject({ mode: 0o100600, size: 3, blocks: 8 });
  expect(r.paths.ls('')).toEqual(['d', 'deep', 'moved', 'same', 'sibling', 'x']);
  r.paths.chmod('moved', 0o640);
  r.paths.rename('same', 'd/other');
  r.paths.writeAt('sibling', 0, 'T');
  expect(r.paths.read('moved')).toBe('one');
  expect(r.paths.stat('d/other').blocks).toBe(8);
  expectLasting(r, { moved: 'one', 'd/other': 'four', sibling: 'Two' });
});

test('what is no file, or a whiteout, on the way to the data ends the search', () => {
  const r = rig([
    { a: { size: 3 }, b: { size: 3 } },
    { a: {}, b: null },
    { a: 'one', b: 'two' },
  ]);
  for (const name of ['a', 'b']) expect(errnoOf(() => r.paths.read(name))).toBe(EIO);
});

test('the listing of many layers knows that a file of attributes alone is not the end', () => {
  const r = rig([
    { d: {}, 'd/f': { size: 4 } },
    { d: {}, 'd/f': { size: 4 } },
    { d: {}, 'd/f': 'four' },
    { d: {} },
  ]);
  r.paths.forgets = false;
  expect(r.paths.ls('d')).toEqual(['f']);
  expect(r.paths.read('d/f')).toBe('four');
});

test('a settling that was cut short at any step loses nothing and goes on', () => {
  let left = Number.POSITIVE_INFINITY;
  const step = () => {
    if (left-- <= 0) throw new FsError(EIO, 'cut short');
  };
  class Dying extends MemLayer {
    override hold(...where: Parameters<MemLayer['hold']>) {
      const node = super.hold(...where);
      for (const name of ['openWrite', 'setMetacopy', 'setRedirect', 'setOrigin', 'utimes'] as const) {
        const act = (node[name] as (...args: unknown[]) => unknown).bind(node);
        Object.assign(node, {
          [name]: (...args: unknown[]) => {
            step();
            return act(...args);
          },
        });
      }
      return node;
    }
    override sync(): void {
      step();
    }
    override setGuard(on: boolean): void {
      step();
      super.setGuard(on);
    }
  }
  const numbers = { last: 0 };
  const common = { device: 'disk', numbers };
  const lower = fillLayer(new MemLayer({ id: 'lower', ...common }), {
    d: {},
    'd/f': 'one',
    g: 'two',
    h: '=g',
  });
  const content = { 'D/f': 'one', G: 'two', h: 'two' };
  let steps = 0;
  for (; ; steps++) {
    left = Number.POSITIVE_INFINITY;
    const upper = new Dying({ id: 'upper', ...common });
    const mount = () => new Union({ lowers: [lower], upper });
    const paths = new Paths(mount());
    paths.chmod('d/f', 0o600);
    paths.rename('d', 'D');
    paths.rename('g', 'G');
    left = steps;
    const ended = errnoOf(() => mount().settle()) === 0;
    left = Number.POSITIVE_INFINITY;
    for (const again of [mount(), mount()]) {
      const found = new Paths(again);
      for (const [path, wanted] of Object.entries(content))
        expect([steps, path, found.read(path)]).toEqual([steps, path, wanted]);
      again.settle();
    }
    expect(inUpper(upper, 'D/f')?.metacopy).toBe(false);
    expect(upper.guarded).toBe(false);
    if (ended) break;
  }
  expect(steps).toBeGreaterThan(8);
});

test('explain tells attributes and data apart', () => {
  const r = rig([{ f: 'hidden' }, { f: 'gone' }]);
  r.paths.chmod('f', 0o600);
  const { layers, why, onWrite, result, data } = r.union.explain('f');
  expect(layers.map(({ finding }) => finding)).toEqual(['metadata', 'file', 'not-looked']);
  expect({ why, onWrite, result, data }).toMatchObject({
    why: 'Layer upper has its attributes and not its data, which is in layer lower0.',
    onWrite: { copiesBytes: 6 },
    result: { layer: 'upper' },
    data: { ownBytes: 0, ranges: [{ from: 0, to: 6, layer: 'lower0' }] },
  });
});

test('a file of a lower that others change has its data where they put it', () => {
  const [top, low] = [{ f: { size: 3, redirect: '/g' } }, { g: 'old' }].map((what, i) =>
    fillLayer(new MemLayer({ id: `lower${i}` }), what),
  ) as [MemLayer, MemLayer];
  const paths = new Paths(new Union({ lowers: [Object.assign(top, { changes: true }), low] }));
  paths.forgets = false;
  const handle = paths.open('f');
  expect([paths.read('f'), paths.readHandle(handle)]).toEqual(['old', 'old']);
  const node = top.hold('', 'f');
  node.openWrite().write(0, bytes('fetched'));
  node.setMetacopy(false);
  expect([paths.read('f'), paths.readHandle(handle)]).toEqual(['fetched', 'fetched']);
});
