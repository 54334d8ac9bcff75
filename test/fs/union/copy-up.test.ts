import { expect, test } from 'vitest';
import { EIO, ENOSPC, EROFS, FsError } from '../../../fs/errno.js';
import { O_RDWR, O_TRUNC, O_WRONLY } from '../../../fs/filesystem.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { S_IFIFO } from '../../../fs/mode.js';
import { Union } from '../../../fs/union/union.js';
import { errnoOf, Paths } from '../../suites/paths.js';
import { fillLayer, inUpper, rig } from './stacks.js';

test('a copy-up tells what it copied, parents first', () => {
  const { paths, events } = rig([{ a: {}, 'a/b': {}, 'a/b/f': 'content' }]);
  paths.writeAt('a/b/f', 0, 'C');
  expect(events.map(({ kind, path, bytesCopied }) => [kind, path, bytesCopied])).toEqual([
    ['copy-up', 'a', 0],
    ['copy-up', 'a/b', 0],
    ['copy-up', 'a/b/f', 7],
  ]);
});

test('holes are not copied, and the event counts them as saved', () => {
  const { paths, lowers, events, remount } = rig([{ f: '' }]);
  const file = lowers[0]!.hold('', 'f').openWrite();
  file.write(65_536, new Uint8Array(4096).fill(1));
  file.truncate(1_048_576);
  file.close();
  const { paths: fresh, events: seen } = remount();
  fresh.fs.release(fresh.open('f', O_RDWR));
  expect(seen[0]).toMatchObject({ kind: 'copy-up', bytesCopied: 4096, bytesSaved: 1_044_480 });
  expect(paths.stat('f').blocks).toBe(8);
  expect(events).toEqual([]);
});

test('O_TRUNC copies no data, and truncate only what stays', () => {
  const { paths, events } = rig([{ f: 'content', g: 'content' }]);
  paths.fs.release(paths.open('f', O_WRONLY | O_TRUNC));
  paths.setattr('g', { size: 3 });
  expect(events.map(({ path, bytesCopied }) => [path, bytesCopied])).toEqual([
    ['f', 0],
    ['g', 3],
  ]);
});

test('a full disk in the middle of a copy-up leaves nothing in the upper', () => {
  const { paths, upper, lowers } = rig([{ d: {}, 'd/f': 'x'.repeat(20_000) }], { capacity: 8192 });
  const before = upper.statfs().bfree;
  expect(errnoOf(() => paths.open('d/f', O_RDWR))).toBe(ENOSPC);
  expect(inUpper(upper, 'd/f')).toBeUndefined();
  expect(upper.statfs().bfree).toBe(before);
  expect(paths.read('d/f')).toBe('x'.repeat(20_000));
  expect(lowers[0]!.lookup('d', 'f', inUpper(lowers[0]!, 'd/f')!)).toBe(true);
});

test('a copy-up that fails at its last step leaves nothing in the upper', () => {
  class Failing extends MemLayer {
    override stage(...what: Parameters<MemLayer['stage']>) {
      const staged = super.stage(...what);
      staged.publish = () => {
        throw new FsError(EIO);
      };
      return staged;
    }
  }
  const lower = fillLayer(new MemLayer({ id: 'lower' }), { f: 'content' });
  const upper = new Failing({ id: 'upper' });
  const paths = new Paths(new Union({ lowers: [lower], upper }));
  const before = upper.statfs().bfree;
  expect(errnoOf(() => paths.chmod('f', 0o600))).toBe(EIO);
  expect(inUpper(upper, 'f')).toBeUndefined();
  expect(upper.statfs().bfree).toBe(before);
  expect(paths.read('f')).toBe('content');
});

test('an object that takes the place of a failed copy on the disk does not get the number of its source', () => {
  const common = { device: 'disk', numbers: { last: 0 } };
  const lower = new MemLayer({ id: 'lower', ...common });
  const fifo = { mode: S_IFIFO | 0o644, uid: 0, gid: 0 };
  lower.make('', 'p', fifo);
  class Failing extends MemLayer {
    override stage(...what: Parameters<MemLayer['stage']>) {
      const staged = super.stage(...what);
      staged.publish = () => {
        common.numbers.last--;
        throw new FsError(EIO);
      };
      return staged;
    }
  }
  const upper = new Failing({ id: 'upper', ...common });
  const paths = new Paths(new Union({ lowers: [lower], upper }));
  const { ino } = paths.stat('p');
  expect(errnoOf(() => paths.chmod('p', 0o600))).toBe(EIO);
  expect(paths.mknod('n', fifo.mode).ino).not.toBe(ino);
  expect(paths.stat('p').ino).toBe(ino);
});

test('reading, listing and a refused change copy nothing up', () => {
  const { paths, events } = rig([{ d: {}, 'd/f': 'f' }]);
  paths.read('d/f');
  paths.tree();
  errnoOf(() => paths.mkdir('d/f'));
  errnoOf(() => paths.rmdir('d'));
  errnoOf(() => paths.with('d/f', (node) => paths.fs.removexattr(node, 'user.none')));
  errnoOf(() => paths.rename('d', 'd/f/x'));
  expect(events).toEqual([]);
});

test('a union without an upper changes nothing', () => {
  const lower = fillLayer(new MemLayer(), { d: {}, f: 'f' });
  const union = new Union({ lowers: [lower] });
  const paths = new Paths(union);
  expect(union.readOnly).toBe(true);
  for (const act of [
    () => paths.mkdir('x'),
    () => paths.write('x', ''),
    () => paths.unlink('f'),
    () => paths.rmdir('d'),
    () => paths.rename('f', 'x'),
    () => paths.link('f', 'x'),
    () => paths.chmod('f', 0o600),
    () => paths.setattr('f', { size: 0 }),
    () => paths.setxattr('f', 'user.x', 'y'),
    () => paths.open('f', O_RDWR),
  ]) {
    expect(errnoOf(act)).toBe(EROFS);
  }
  expect(paths.read('f')).toBe('f');
});

test('a frozen union changes nothing more, also through handles that were open', () => {
  const { union, paths } = rig([{ f: 'f' }]);
  const handle = paths.create('n');
  union.freeze();
  expect(union.readOnly).toBe(true);
  expect(errnoOf(() => union.write(handle, 0, new Uint8Array(1), false))).toBe(EROFS);
  expect(errnoOf(() => paths.mkdir('d'))).toBe(EROFS);
  expect(paths.ls('')).toEqual(['f', 'n']);
  union.release(handle);
});

test('file numbers of two filesystems never meet', () => {
  const one = fillLayer(new MemLayer({ id: 'one', device: 'one' }), { a: 'a' });
  const two = fillLayer(new MemLayer({ id: 'two', device: 'two' }), { b: 'b' });
  const upper = new MemLayer({ id: 'upper', device: 'three' });
  const paths = new Paths(new Union({ lowers: [two, one], upper }));
  paths.write('c', 'c');
  const inos = ['a', 'b', 'c'].map((path) => paths.stat(path).ino);
  expect(new Set(inos).size).toBe(3);
  expect(inos.map((ino) => ino % 2 ** 48)).toEqual([2, 2, 2]);
  expect(['a', 'b', 'c'].map((path) => paths.read(path))).toEqual(['a', 'b', 'c']);
});

test('an upper file that carries the origin of another is a file of its own', () => {
  const { paths, upper, remount } = rig([{ f: 'f' }]);
  paths.chmod('f', 0o600);
  const copied = upper.makeFile('', 'copy', { mode: 0o100644, uid: 0, gid: 0 });
  copied.close();
  upper.hold('', 'copy').setOrigin(paths.stat('f').ino, upper.hold('', 'f'));
  const { paths: fresh } = remount();
  expect(fresh.node('f')).not.toBe(fresh.node('copy'));
  expect(fresh.stat('f').ino).not.toBe(fresh.stat('copy').ino);
  fresh.write('copy', 'changed');
  expect(fresh.read('f')).toBe('f');
});
