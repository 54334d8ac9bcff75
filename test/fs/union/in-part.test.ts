// Large lower files that are written: what was written is in the upper, the rest stays below.

import { expect, test } from 'vitest';
import { EIO } from '../../../fs/errno.js';
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../../fs/filesystem.js';
import { bytes, errnoOf } from '../../suites/paths.js';
import {
  BLOCK,
  CONTENT,
  copied,
  expectLasting,
  IN_PART,
  isInPart,
  letters,
  over,
  ownBlocks,
  SIZE,
} from './parts.js';
import { inUpper, type Rig, rig } from './stacks.js';

test('one byte into a lower file copies one block, and keeps times, number and blocks', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  const before = r.paths.stat('f');
  r.paths.writeAt('f', 5000, '!');
  expect(isInPart(r, 'f')).toBe(true);
  expect(r.upper.guarded).toBe(true);
  expect(ownBlocks(r, 'f')).toBe(1);
  expect(r.events.slice(-2)).toMatchObject([
    { kind: 'copy-up', path: 'f', bytesCopied: 0, bytesSaved: SIZE },
    { kind: 'copy-up', path: 'f', bytesCopied: BLOCK, bytesSaved: 0 },
  ]);
  const { ino, size, blocks } = r.paths.stat('f');
  expect({ ino, size, blocks }).toEqual({ ino: before.ino, size: SIZE, blocks: before.blocks });
  expect(r.remount().paths.stat('f')).toMatchObject({ ino, size, blocks });
  expectLasting(r, { f: over(CONTENT, 5000, '!') });
});

test('opening for writing copies nothing, and readers that are open follow what is written', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  const reader = r.paths.open('f');
  expect(r.paths.readHandle(reader)).toBe(CONTENT);
  const writer = r.paths.open('f', O_WRONLY);
  expect([isInPart(r, 'f'), ownBlocks(r, 'f')]).toEqual([true, 0]);
  r.paths.fs.write(writer, 0, bytes('new'), false);
  expect(r.paths.readHandle(reader)).toBe(over(CONTENT, 0, 'new'));
  r.paths.fs.release(writer);
  expect(r.paths.readHandle(reader)).toBe(over(CONTENT, 0, 'new'));
  r.paths.fs.release(reader);
  expectLasting(r, { f: over(CONTENT, 0, 'new') });
});

test('a file that had its attributes copied up is written in part as well', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  r.paths.chmod('f', 0o600);
  const reader = r.paths.open('f');
  r.paths.writeAt('f', SIZE, 'end');
  expect([isInPart(r, 'f'), ownBlocks(r, 'f')]).toEqual([true, 1]);
  expect(r.paths.readHandle(reader)).toBe(`${CONTENT}end`);
  r.paths.fs.release(reader);
  expectLasting(r, { f: `${CONTENT}end` });
});

test('what is short, sparse, or not asked for is copied whole', () => {
  const r = rig([{ short: 'x'.repeat(BLOCK - 1), sparse: '' }], IN_PART);
  const file = r.lowers[0]!.hold('', 'sparse').openWrite();
  file.truncate(1 << 20);
  file.write(0, bytes('a'));
  file.close();
  r.paths.writeAt('short', 0, '!');
  const fresh = r.remount();
  // One block of data is enough for the threshold of one.
  fresh.paths.writeAt('sparse', 5, '!');
  expect([isInPart(r, 'short'), isInPart(r, 'sparse')]).toEqual([false, true]);
  const more = rig([{ f: CONTENT, g: CONTENT }], { partsFrom: SIZE + 1 });
  more.paths.writeAt('f', 0, '!');
  expect(inUpper(more.upper, 'f')?.metacopy).toBe(false);
  const cut = rig([{ f: CONTENT }], IN_PART);
  cut.paths.setattr('f', { size: 100 });
  expect(inUpper(cut.upper, 'f')?.metacopy).toBe(false);
  expect(copied(cut)).toBe(100);
});

test('a file that is cut shows no more than that of what lies below, whatever it grows to', () => {
  for (const size of [1, BLOCK - 1, BLOCK, BLOCK + 1, SIZE - 1]) {
    for (const dies of [false, true]) {
      const r = rig([{ f: CONTENT }], IN_PART);
      // What is known of an open file is not read again.
      const reader = r.paths.open('f');
      r.paths.writeAt('f', 4000, 'own');
      r.paths.setattr('f', { size });
      const left = over(CONTENT, 4000, 'own').slice(0, size);
      expectRead(r.remount(), left);
      const grown = dies ? r.remount() : r;
      grown.paths.setattr('f', { size: SIZE + 5000 });
      if (!dies) expect(r.paths.readHandle(reader) === left.padEnd(SIZE + 5000, '\0')).toBe(true);
      r.paths.fs.release(reader);
      expectRead(grown, left.padEnd(SIZE + 5000, '\0'));
      grown.paths.writeAt('f', size + 10, 'more');
      expectLasting(grown, { f: over(left.padEnd(SIZE + 5000, '\0'), size + 10, 'more') });
    }
  }
});

function expectRead(r: Rig, content: string): void {
  expect(r.paths.stat('f').size).toBe(content.length);
  expect(r.paths.read('f') === content).toBe(true);
}

test('what a write fetches is told, once a block: of its first and last block, unless it writes all of them', () => {
  const r = rig([{ f: CONTENT, g: '=f' }], IN_PART);
  const written = (offset: number, length: number) => {
    const before = copied(r);
    r.paths.writeAt('f', offset, '!'.repeat(length));
    return copied(r) - before;
  };
  expect(written(0, BLOCK)).toBe(0);
  expect(written(BLOCK - 10, 20)).toBe(BLOCK);
  expect(written(BLOCK + 100, 20)).toBe(0);
  expect(written(SIZE - 1, 1)).toBe(1000);
  expect(r.events.at(-1)).toMatchObject({ kind: 'copy-up', path: 'f', layer: 'upper' });
});

test('O_TRUNC and a truncation to nothing copy nothing, and end it', () => {
  const r = rig([{ f: CONTENT, g: CONTENT }], IN_PART);
  for (const name of ['f', 'g']) r.paths.writeAt(name, 0, '!'.repeat(BLOCK));
  r.paths.fs.release(r.paths.open('f', O_RDWR | O_TRUNC));
  r.paths.setattr('g', { size: 0 });
  expect(copied(r)).toBe(0);
  for (const name of ['f', 'g']) {
    expect(inUpper(r.upper, name)).toMatchObject({ metacopy: false, ranges: undefined });
  }
  r.paths.setattr('g', { size: 5000 });
  expectLasting(r, { f: '', g: '\0'.repeat(5000) });
});

test('a file of which every block was written and made durable ceases to be one in part', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  const handle = r.paths.open('f', O_RDWR);
  for (let at = 0; at < SIZE; at += BLOCK) r.paths.fs.write(handle, at, bytes('z'.repeat(BLOCK)), false);
  r.paths.fs.fsync(handle, true);
  r.paths.fs.release(handle);
  expect(inUpper(r.upper, 'f')).toMatchObject({ metacopy: false, ranges: undefined });
  expect(copied(r)).toBe(0);
  expectLasting(r, { f: 'z'.repeat(3 * BLOCK) });
});

test('settling copies only what is not own, keeps the times, and is told of', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  r.paths.writeAt('f', 5000, '!');
  r.paths.setattr('f', { mtime: { sec: 5, nsec: 6 } });
  r.union.settle();
  const of = r.events.filter(({ kind }) => kind === 'copy-up').at(-1);
  expect(of).toMatchObject({ bytesCopied: SIZE - BLOCK, bytesSaved: BLOCK });
  expect(r.paths.stat('f').mtimeSec).toBe(5);
  expectLasting(r, { f: over(CONTENT, 5000, '!') });
});

test('data and holes are those of both', () => {
  const r = rig([{ f: 'x' }], { partsFrom: 1 });
  const file = r.lowers[0]!.hold('', 'f').openWrite();
  file.write(4 * BLOCK, bytes('below'));
  file.truncate(16 * BLOCK);
  file.close();
  const { paths, union, upper } = r.remount();
  const handle = paths.open('f', O_RDWR);
  union.write(handle, 8 * BLOCK, bytes('own'), false);
  union.write(handle, 20 * BLOCK, bytes('end'), false);
  expect(inUpper(upper, 'f')?.metacopy).toBe(true);
  const extents = (from: number): number[][] => {
    const start =
      errnoOf(() => union.lseek(handle, from, SEEK_DATA)) === 0 ? union.lseek(handle, from, SEEK_DATA) : -1;
    if (start < 0) return [];
    const end = union.lseek(handle, start, SEEK_HOLE);
    return [[start / BLOCK, end / BLOCK], ...extents(end)];
  };
  expect(extents(0)).toEqual([
    [0, 1],
    [4, 5],
    [8, 9],
    [20, 20 + 3 / BLOCK],
  ]);
  expect(union.lseek(handle, BLOCK, SEEK_HOLE)).toBe(BLOCK);
  union.release(handle);
});

test('what is only shown from below may end the file, and its end is a hole', () => {
  const { paths, union } = rig([{ f: CONTENT }], IN_PART);
  const handle = paths.open('f', O_RDWR);
  expect(union.lseek(handle, 0, SEEK_HOLE)).toBe(SIZE);
  expect(union.lseek(handle, SIZE - 1, SEEK_DATA)).toBe(SIZE - 1);
  expect(errnoOf(() => union.lseek(handle, SIZE, SEEK_DATA))).not.toBe(0);
  union.release(handle);
});

test('a removed file keeps what was written to it, also while nobody has it open, and its sidecar goes', () => {
  for (const first of ['write', 'unlink'] as const) {
    const { paths, union, upper } = rig([{ f: CONTENT }], IN_PART);
    const node = paths.node('f');
    if (first === 'write') paths.writeAt('f', 5000, 'one');
    paths.unlink('f');
    const writer = union.open(node, O_RDWR);
    union.write(writer, 5000, bytes('one'), false);
    union.write(writer, 10, bytes('two'), false);
    union.release(writer);
    const reader = union.open(node, O_RDONLY);
    expect(paths.readHandle(reader) === over(over(CONTENT, 5000, 'one'), 10, 'two')).toBe(true);
    union.release(reader);
    union.forget(node, 1);
    expect(upper.hasRanges).toBe(false);
  }
});

test('a sidecar goes with the last name of its file, by unlink or rename', () => {
  const r = rig([{ f: CONTENT, g: CONTENT, other: 'other' }], IN_PART);
  r.paths.writeAt('f', 0, '!');
  r.paths.writeAt('g', 0, '!');
  r.paths.link('f', 'f2');
  const fresh = r.remount();
  fresh.paths.unlink('f');
  expect(fresh.paths.read('f2')).toBe(over(CONTENT, 0, '!'));
  fresh.paths.unlink('f2');
  expect(r.upper.hasRanges).toBe(true);
  fresh.paths.rename('other', 'g');
  expect(r.upper.hasRanges).toBe(false);
  expectLasting(fresh, { g: 'other' });
});

test('moved, linked and exchanged files are found with their blocks', () => {
  const r = rig([{ d: {}, 'd/f': CONTENT, 'd/g': CONTENT }], IN_PART);
  r.paths.writeAt('d/f', 5000, 'own');
  r.paths.rename('d/f', 'f');
  r.paths.rename('d', 'D');
  r.paths.link('f', 'D/also');
  r.paths.writeAt('D/also', 0, 'two');
  r.paths.writeAt('D/g', 0, 'g');
  const f = over(over(CONTENT, 5000, 'own'), 0, 'two');
  expect(isInPart(r, 'f')).toBe(true);
  expectLasting(r, { f, 'D/also': f, 'D/g': over(CONTENT, 0, 'g') });
});

test('hard links of a lower stay one file, whichever is written', () => {
  const r = rig([{ a: CONTENT, b: '=a', c: '=a' }], IN_PART);
  r.paths.writeAt('a', 5000, 'one');
  const again = r.remount();
  again.paths.writeAt('b', 0, 'two');
  expect([isInPart(again, 'a'), copied(again)]).toEqual([true, BLOCK]);
  const content = over(over(CONTENT, 5000, 'one'), 0, 'two');
  expectLasting(again, { a: content, b: content, c: content });
});

test('a file that gets a capability gets its data first', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  r.paths.writeAt('f', 0, '!');
  r.paths.setxattr('f', 'security.capability', 'cap');
  expect(inUpper(r.upper, 'f')).toMatchObject({ metacopy: false, ranges: undefined });
  expect(r.paths.read('f')).toBe(over(CONTENT, 0, '!'));
});

test('writing and reading fail while the sidecar is not there, and removing does not', () => {
  const r = rig([{ f: CONTENT, g: CONTENT }], IN_PART);
  for (const name of ['f', 'g']) r.paths.writeAt(name, 0, '!');
  for (const name of ['f', 'g']) r.upper.dropRanges(inUpper(r.upper, name)!.ranges!.key);
  const { paths } = r.remount();
  expect(errnoOf(() => paths.read('f'))).toBe(EIO);
  expect(errnoOf(() => paths.open('f', O_RDWR))).toBe(EIO);
  expect(paths.stat('f').size).toBe(SIZE);
  paths.unlink('f');
  paths.write('g', 'new');
  expect(paths.read('g')).toBe('new');
});

test('after a power cut a block is own if it has its bit and all of its data', () => {
  const content = letters(SIZE + BLOCK);
  const r = rig([{ f: content }], IN_PART);
  r.paths.writeAt('f', 0, 'durable');
  r.paths.writeAt('f', 5000, 'lost');
  r.paths.writeAt('f', content.length - 2, 'tail');
  const object = r.upper.hold('', 'f').openWrite();
  const lost = () => {
    object.allocate(FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, BLOCK, BLOCK);
    r.upper.epoch += ' and on';
  };
  lost();
  const kept = over(over(content, 0, 'durable'), content.length - 2, 'tail');
  expectRead(r.remount(), kept);
  // The bits are put right before one is added.
  const again = r.remount();
  again.paths.writeAt('f', BLOCK + 1, 'again');
  expectRead(again.remount(), over(kept, BLOCK + 1, 'again'));
  lost();
  expectRead(again.remount(), kept);
  object.close();
  expectLasting(again.remount(), { f: kept });
});

test('a sidecar that never reached the disk tells of nothing that did', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  r.paths.writeAt('f', 0, '!');
  const sidecar = r.upper.openRanges(inUpper(r.upper, 'f')!.ranges!.key)!;
  sidecar.truncate(0);
  sidecar.close();
  expectRead(r.remount(), CONTENT);
  r.remount().paths.writeAt('f', 1, '?');
  expectLasting(r.remount(), { f: over(CONTENT, 1, '?') });
});

test('what a process left that died before the last mark went is put right', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  r.paths.writeAt('f', 0, '!');
  const entry = inUpper(r.upper, 'f')!;
  const file = r.lowers[0]!.open('', 'f');
  const object = r.upper.hold('', 'f').openWrite();
  object.copyFrom(file, BLOCK, BLOCK, SIZE);
  const node = r.upper.hold('', 'f');
  node.setMetacopy(false);
  const { paths } = r.remount();
  expect(paths.read('f')).toBe(over(CONTENT, 0, '!'));
  expect([inUpper(r.upper, 'f')?.ranges, r.upper.openRanges(entry.ranges!.key)]).toEqual([
    undefined,
    undefined,
  ]);
  for (const each of [file, object]) each.close();
  node.release();
});

test('a lower that was not settled is not shown wrong', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  r.paths.writeAt('f', 0, '!');
  expect(errnoOf(() => r.committed().paths.read('f'))).toBe(EIO);
  expect(errnoOf(() => r.committed().committed().paths.read('f'))).toBe(EIO);
});

test('for who reads the upper as a lower it is fetched, and from then on files are copied whole', () => {
  const r = rig([{ f: CONTENT, g: CONTENT, h: CONTENT }], IN_PART);
  const handle = r.paths.open('f', O_RDWR);
  r.paths.fs.write(handle, 0, bytes('!'), false);
  r.paths.chmod('h', 0o600);
  r.union.joinLinks();
  r.paths.fs.write(handle, 1, bytes('?'), false);
  r.paths.writeAt('g', 0, 'g');
  const { paths } = r.committed();
  expect(paths.read('f')).toBe(over(CONTENT, 0, '!?'));
  expect(paths.read('g')).toBe(over(CONTENT, 0, 'g'));
  expect([inUpper(r.upper, 'h')?.metacopy, r.upper.guarded]).toEqual([true, true]);
  r.paths.fs.release(handle);
});

test('explain tells what was written from the rest, and what a write would copy', () => {
  const r = rig([{ f: CONTENT, g: CONTENT }], IN_PART);
  expect(r.union.explain('f').onWrite).toMatchObject({ copiesBytes: BLOCK });
  r.paths.chmod('g', 0o600);
  expect(r.union.explain('g').onWrite).toMatchObject({ copiesBytes: BLOCK });
  r.paths.writeAt('f', 0, '!');
  const { layers, why, onWrite } = r.union.explain('f');
  expect(layers.map(({ finding }) => finding)).toEqual(['part', 'file']);
  expect(why).toBe(
    'Layer upper has its attributes and what was written of its data, and not the rest, which is in layer lower0.',
  );
  expect(onWrite).toMatchObject({ copiesBytes: BLOCK });
});

test('explain tells which ranges of a file in part come from which layer', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  const size = CONTENT.length;
  r.paths.writeAt('f', BLOCK + 3, '!');
  expect(r.union.explain('f').data).toEqual({
    ownBytes: BLOCK,
    ownRanges: 1,
    ranges: [
      { from: 0, to: BLOCK, layer: 'lower0' },
      { from: BLOCK, to: 2 * BLOCK, layer: 'upper' },
      { from: 2 * BLOCK, to: size, layer: 'lower0' },
    ],
  });
  r.paths.writeAt('f', size, 'end');
  const { data } = r.remount().union.explain('f');
  expect(data?.ranges.at(-1)).toMatchObject({ to: size + 3, layer: 'upper' });
  expect(data?.ranges.map(({ from }) => from).slice(1)).toEqual(
    data?.ranges.map(({ to }) => to).slice(0, -1),
  );
  for (let at = 0; at < size; at += BLOCK) r.paths.writeAt('f', at, '?');
  expect(r.union.explain('f').data?.ownBytes ?? size + 3).toBe(size + 3);
});

test('nobody is given an object to write past the union', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  r.paths.writeAt('f', 0, '!');
  expect(r.paths.with('f', (node) => r.union.backing(node, 0))).toBeUndefined();
});

test('a large hole is made in a file that has all of its data', () => {
  const size = 6 << 20;
  const r = rig([{ f: 'x'.repeat(size) }], IN_PART);
  const handle = r.paths.open('f', O_RDWR);
  r.union.fallocate(handle, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, BLOCK, 3 << 20);
  expect(isInPart(r, 'f')).toBe(true);
  r.union.fallocate(handle, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, BLOCK, 5 << 20);
  expect(inUpper(r.upper, 'f')?.metacopy).toBe(false);
  expect(r.union.lseek(handle, 0, SEEK_HOLE)).toBe(BLOCK);
  r.paths.fs.release(handle);
});
