import { expect, test } from 'vitest';
import { EACCES, EEXIST, ENOENT, EPERM, FsError } from '../../../fs/errno.js';
import { Attr, Entry, O_EXCL, O_RDWR, ROOT_NODE, SYSTEM_CALLER } from '../../../fs/filesystem.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { S_IFIFO, S_IFLNK, S_IFREG } from '../../../fs/mode.js';
import { Union } from '../../../fs/union/union.js';
import { bytes, errnoOf, Paths } from '../../suites/paths.js';
import { fillLayer, inUpper, rig } from './stacks.js';

const LINKED = { a: 'old', b: '=a', d: {}, 'd/c': '=a' };

test('a write through one name of a lower hard link is seen through the others', () => {
  const { paths, remount, upper } = rig([LINKED]);
  const { ino } = paths.stat('b');
  paths.writeAt('a', 0, 'new');
  for (const { paths: seen } of [{ paths }, remount()]) {
    expect(['a', 'b', 'd/c'].map((path) => seen.read(path))).toEqual(['new', 'new', 'new']);
    expect(['a', 'b', 'd/c'].map((path) => seen.stat(path).ino)).toEqual([ino, ino, ino]);
    expect(['a', 'b', 'd/c'].map((path) => seen.stat(path).nlink)).toEqual([3, 3, 3]);
  }
  expect(upper.guarded).toBe(true);
});

test('nlink counts the names that are left, whether copied up or not, also after remount', () => {
  const r = rig([LINKED]);
  expect(r.paths.stat('a').nlink).toBe(3);
  r.paths.unlink('b');
  expect(r.paths.stat('a').nlink).toBe(2);
  expect(r.remount().paths.stat('d/c').nlink).toBe(2);
  r.paths.unlink('a');
  expect(r.paths.stat('d/c').nlink).toBe(1);
  expect(r.remount().paths.read('d/c')).toBe('old');
  r.paths.unlink('d/c');
  expect(r.remount().paths.tree()).toEqual(['d folder 755 0:0']);
});

test('a name of a lower file that the process may not read is removed all the same, and counted as gone', () => {
  let unreadable = true;
  class Unreadable extends MemLayer {
    override hold(...where: Parameters<MemLayer['hold']>) {
      const node = super.hold(...where);
      const open = node.open.bind(node);
      node.open = () => {
        if (unreadable) throw new FsError(EACCES);
        return open();
      };
      return node;
    }
  }
  const lower = new Unreadable({ id: 'lower' });
  fillLayer(lower, { a: 'x', b: '=a', c: '=a', d: '=a' });
  const upper = new MemLayer({ id: 'upper', marks: 'user' });
  const paths = new Paths(new Union({ lowers: [lower], upper }));
  paths.unlink('a');
  expect(paths.exists('a')).toBe(false);
  expect(paths.stat('b')).toMatchObject({ nlink: 3 });
  paths.unlink('c');
  expect(['a', 'b', 'c', 'd'].filter((name) => paths.exists(name))).toEqual(['b', 'd']);
  expect(paths.stat('d').nlink).toBe(2);
  expect(new Paths(new Union({ lowers: [lower], upper })).stat('b').nlink).toBe(2);
  unreadable = false;
  paths.chmod('b', 0o600);
  paths.writeAt('b', 0, 'y');
  expect(['b', 'd'].map((name) => paths.stat(name).nlink)).toEqual([2, 2]);
  unreadable = true;
  const node = paths.node('d');
  paths.unlink('b');
  expect(paths.stat('d').nlink).toBe(1);
  paths.unlink('d');
  const attr = new Attr();
  paths.fs.getattr(node, attr);
  expect(attr.nlink).toBe(0);
});

test('the index forgets a file with its last name', () => {
  const { paths, upper, lowers } = rig([{ a: 'x', b: '=a' }]);
  const source = lowers[0]!.hold('', 'a');
  const key = upper.indexKey(source);
  paths.writeAt('a', 0, 'y');
  expect(upper.indexNames(key)).toBe(1);
  paths.unlink('b');
  expect(upper.indexed(key)).toBeDefined();
  paths.unlink('a');
  expect(upper.indexed(key)).toBeUndefined();
});

test('link to a lower file copies it up once and keeps its number', () => {
  const { paths, remount } = rig([{ f: 'x' }]);
  const { ino } = paths.stat('f');
  expect(paths.link('f', 'g')).toMatchObject({ ino, nlink: 2 });
  paths.writeAt('g', 0, 'y');
  expect(paths.read('f')).toBe('y');
  expect(remount().paths.stat('f')).toMatchObject({ ino, nlink: 2 });
});

test('names of a lower file are asked whose they are once one of them was copied up, and not before', () => {
  let asked = 0;
  class Asked extends MemLayer {
    override indexKey(...source: Parameters<MemLayer['indexKey']>) {
      asked++;
      return super.indexKey(...source);
    }
  }
  const lower = fillLayer(new MemLayer({ id: 'lower' }), { a: 'x', b: '=a', c: 'y', d: '=c' });
  const upper = new Asked({ id: 'upper' });
  const paths = new Paths(new Union({ lowers: [lower], upper }));
  for (const name of ['a', 'b', 'c', 'd']) expect(paths.stat(name).nlink).toBe(2);
  expect(asked).toBe(0);
  paths.chmod('a', 0o600);
  const before = asked;
  expect(paths.stat('b')).toMatchObject({ mode: S_IFREG | 0o600, nlink: 2 });
  expect(asked).toBeGreaterThan(before);
});

test('a hard link keeps its number where only more names than one tell of an origin', () => {
  class Taken extends MemLayer {
    override lookup(...where: Parameters<MemLayer['lookup']>) {
      const there = super.lookup(...where);
      if (where[2].attr.nlink === 1) where[2].origin = 0;
      return there;
    }
  }
  const common = { device: 'disk', numbers: { last: 0 } };
  const lower = fillLayer(new MemLayer({ id: 'lower', ...common }), { f: 'x' });
  const upper = new Taken({ id: 'upper', ...common });
  new Paths(new Union({ lowers: [lower], upper })).link('f', 'g');
  const paths = new Paths(new Union({ lowers: [lower], upper }));
  const { ino } = paths.stat('g');
  const handle = paths.open('g');
  paths.unlink('f');
  expect(paths.stat('g')).toMatchObject({ ino, nlink: 1 });
  paths.writeAt('g', 0, 'y');
  expect(paths.readHandle(handle)).toBe('y');
});

test('link over a whiteout, and not over a name that exists', () => {
  const { paths } = rig([{ f: 'x', g: 'y' }]);
  expect(errnoOf(() => paths.link('f', 'g'))).toBe(EEXIST);
  paths.unlink('g');
  paths.link('f', 'g');
  expect(paths.read('g')).toBe('x');
});

test('a folder takes no further name', () => {
  const { paths } = rig([{ d: {} }]);
  expect(errnoOf(() => paths.link('d', 'e'))).toBe(EPERM);
});

test('rename of one name onto another of the same file changes nothing', () => {
  const { paths } = rig([LINKED]);
  paths.rename('a', 'b');
  expect(paths.ls('')).toEqual(['a', 'b', 'd']);
  paths.writeAt('a', 0, 'n');
  paths.rename('b', 'a');
  expect(paths.ls('')).toEqual(['a', 'b', 'd']);
});

test('a name that was only in the index is moved with its file', () => {
  const { paths, remount } = rig([LINKED]);
  paths.writeAt('a', 0, 'new');
  paths.rename('d/c', 'e');
  for (const { paths: seen } of [{ paths }, remount()]) {
    expect(seen.ls('d')).toEqual([]);
    expect(seen.read('e')).toBe('new');
    expect(seen.stat('e').nlink).toBe(3);
    expect(seen.stat('e').ino).toBe(seen.stat('b').ino);
  }
});

test('a file replaced by rename loses one name, not all', () => {
  const { paths } = rig([{ ...LINKED, n: 'new' }]);
  paths.rename('n', 'b');
  expect(paths.read('b')).toBe('new');
  expect(paths.stat('a').nlink).toBe(2);
});

test('a name that was unlinked leaves the file reachable by node through the others', () => {
  const { union, paths } = rig([{}]);
  paths.write('a', 'x');
  paths.link('a', 'b');
  const node = paths.node('a');
  paths.unlink('a');
  const attr = new Attr();
  union.getattr(node, attr);
  expect(attr.nlink).toBe(1);
  union.setattr(node, { mode: 0o600 }, SYSTEM_CALLER, attr);
  expect(paths.stat('b').mode & 0o777).toBe(0o600);
});

test('settling makes the names that only the index joined', () => {
  const { union, paths, upper, events } = rig([LINKED]);
  paths.writeAt('a', 0, 'new');
  expect(inUpper(upper, 'd/c')).toBeUndefined();
  union.settle();
  expect(upper.guarded).toBe(false);
  expect(inUpper(upper, 'd/c')?.attr.ino).toBe(inUpper(upper, 'a')?.attr.ino);
  expect(paths.stat('b').nlink).toBe(3);
  expect(events.at(-1)?.kind).toBe('settle');
});

test('a file without a name gets one by link, unless O_EXCL forbids it', () => {
  const { union, paths } = rig([{}]);
  const entry = new Entry();
  const handle = union.tmpfile(ROOT_NODE, 0o644, O_RDWR, SYSTEM_CALLER, entry);
  union.write(handle, 0, bytes('unnamed'), false);
  expect(entry.attr.nlink).toBe(0);
  expect(paths.ls('')).toEqual([]);
  const linked = new Entry();
  union.link(entry.node, ROOT_NODE, 'named', linked);
  expect(linked.node).toBe(entry.node);
  expect(linked.attr.nlink).toBe(1);
  expect(paths.read('named')).toBe('unnamed');
  const exclusive = new Entry();
  union.tmpfile(ROOT_NODE, 0o644, O_RDWR | O_EXCL, SYSTEM_CALLER, exclusive);
  expect(errnoOf(() => union.link(exclusive.node, ROOT_NODE, 'other', linked))).toBe(ENOENT);
});

test('symlinks and fifos with several names stay one, too', () => {
  const { paths, lowers, remount } = rig([{ d: {} }]);
  const [lower] = lowers;
  lower!.make('', 'p', { mode: S_IFIFO | 0o600, uid: 0, gid: 0 });
  lower!.make('', 's', { mode: S_IFLNK | 0o777, uid: 0, gid: 0, target: 'x' });
  for (const name of ['p', 's']) lower!.link(lower!.hold('', name), 'd', name, false);
  for (const name of ['p', 's']) {
    paths.setattr(name, { uid: 5 });
    for (const seen of [paths, remount().paths]) {
      expect(seen.stat(`d/${name}`)).toMatchObject({ uid: 5, nlink: 2, ino: seen.stat(name).ino });
    }
  }
});

test('a capability goes with a write that asks for it, lower or upper', () => {
  const { paths, lowers, remount } = rig([{ f: 'f' }]);
  lowers[0]!.hold('', 'f').setxattr('security.capability', bytes('cap'), 0);
  const handle = paths.open('f', O_RDWR);
  paths.fs.write(handle, 0, bytes('g'), false);
  expect(paths.getxattr('f', 'security.capability')).toBe('cap');
  paths.fs.write(handle, 0, bytes('h'), true);
  expect(remount().paths.getxattr('f', 'security.capability')).toBeUndefined();
  paths.setxattr('f', 'security.capability', 'again');
  paths.fs.write(handle, 0, bytes('i'), true);
  expect(paths.getxattr('f', 'security.capability')).toBeUndefined();
});

test('a count of names that could not be stored is put right by the next mount', () => {
  const { lowers, upper, paths, remount } = rig([LINKED]);
  paths.chmod('a', 0o600);
  upper.setIndexNames(upper.indexKey(lowers[0]!.hold('', 'a')), 0);
  const { paths: next } = remount();
  expect(next.stat('b').nlink).toBe(3);
  next.writeAt('b', 0, 'new');
  expect(['a', 'b', 'd/c'].map((path) => next.read(path))).toEqual(['new', 'new', 'new']);
  expect(next.stat('a')).toMatchObject({ nlink: 3, ino: next.stat('d/c').ino });
});
