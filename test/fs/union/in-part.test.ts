// Large lower files that are written: what was written is in the upper, the rest stays below.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EIO, ENOSPC, FsError } from '../../../fs/errno.js';
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  type Handle,
  O_APPEND,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../../fs/filesystem.js';
import type { WritableFile } from '../../../fs/layer/layer.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { Union } from '../../../fs/union/union.js';
import { runs } from '../../runs.js';
import { bytes, errnoOf, Paths } from '../../suites/paths.js';
import { fillLayer, inUpper, type Rig, rig } from './stacks.js';

const BLOCK = 4096;
/** Three blocks, the last one cut. */
const SIZE = 2 * BLOCK + 1000;
const CONTENT = letters(SIZE);
const IN_PART = { partsFrom: BLOCK };

function letters(size: number): string {
  return Array.from({ length: size }, (_, i) => String.fromCharCode(97 + ((i * 7 + (i >> 8)) % 26))).join('');
}

/** `content` with `part` written at `offset`. */
function over(content: string, offset: number, part: string): string {
  return content.padEnd(offset, '\0').slice(0, offset) + part + content.slice(offset + part.length);
}

function isInPart({ upper }: Rig, path: string): boolean {
  const entry = inUpper(upper, path);
  return entry?.metacopy === true && entry.ranges !== undefined;
}

/** Blocks of data in the upper's own object. */
function ownBlocks({ upper }: Rig, path: string): number {
  return (inUpper(upper, path)?.attr.blocks ?? 0) / 8;
}

function copied(r: Rig): number {
  return r.events.reduce((sum, event) => sum + (event.bytesCopied ?? 0), 0);
}

/** The same after unmount and mount, and after settling, which leaves nothing of all this. */
function expectLasting(r: Rig, content: Readonly<Record<string, string>>): void {
  const check = ({ paths }: Rig) => {
    for (const [path, wanted] of Object.entries(content)) {
      expect([path, paths.stat(path).size, paths.read(path) === wanted]).toEqual([path, wanted.length, true]);
    }
  };
  check(r);
  check(r.remount());
  const settled = r.remount();
  settled.union.settle();
  check(settled);
  expect(r.upper.guarded).toBe(false);
  expect(r.upper.hasRanges).toBe(false);
  for (const path of Object.keys(content)) {
    expect(inUpper(r.upper, path)).toMatchObject({ metacopy: false, ranges: undefined });
  }
  check(settled.remount());
  check(settled.committed());
}

test('one byte into a lower file copies one block, and keeps times, number and blocks', () => {
  const r = rig([{ f: CONTENT }], IN_PART);
  const before = r.paths.stat('f');
  r.paths.writeAt('f', 5000, '!');
  expect(isInPart(r, 'f')).toBe(true);
  expect(r.upper.guarded).toBe(true);
  expect(ownBlocks(r, 'f')).toBe(1);
  expect(r.events.at(-1)).toMatchObject({ kind: 'copy-up', path: 'f', bytesCopied: 0, bytesSaved: SIZE });
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

test('O_TRUNC and a truncation to nothing copy nothing, and end it', () => {
  const r = rig([{ f: CONTENT, g: CONTENT }], IN_PART);
  for (const name of ['f', 'g']) r.paths.writeAt(name, 0, '!');
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
  expect([isInPart(again, 'a'), copied(again)]).toEqual([true, 0]);
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

test('a disk that is full leaves the file as it was, wherever it runs full', () => {
  for (const capacity of [0, BLOCK, 2 * BLOCK]) {
    const r = rig([{ f: CONTENT }], { ...IN_PART, capacity });
    let wrote = CONTENT;
    if (errnoOf(() => r.paths.writeAt('f', 5000, '!')) === 0) wrote = over(wrote, 5000, '!');
    expect(errnoOf(() => r.paths.writeAt('f', 10, 'x'.repeat(5000)))).toBe(ENOSPC);
    for (const { paths } of [r, r.remount()]) expect(paths.read('f') === wrote).toBe(true);
    expect(errnoOf(() => r.union.settle())).toBe(capacity === 0 ? 0 : ENOSPC);
    for (const { paths } of [r, r.remount()]) expect(paths.read('f') === wrote).toBe(true);
  }
});

/** An upper whose files take no more than `room` bytes at a time. */
class Narrow extends MemLayer {
  room = Number.POSITIVE_INFINITY;

  override hold(...where: Parameters<MemLayer['hold']>) {
    const node = super.hold(...where);
    const openWrite = node.openWrite.bind(node);
    node.openWrite = () => this.#narrowed(openWrite());
    return node;
  }

  override openRanges(key: string) {
    const file = super.openRanges(key);
    return file && this.#narrowed(file);
  }

  #narrowed(file: WritableFile): WritableFile {
    const write = file.write.bind(file);
    file.write = (offset, data) => write(offset, data.subarray(0, this.room));
    return file;
  }
}

test('a write that ends in the midst of a block leaves the rest of it as it was below', () => {
  for (const room of [1, 100, BLOCK, BLOCK + 100]) {
    const common = { device: 'disk', numbers: { last: 0 } };
    const lower = fillLayer(new MemLayer({ id: 'lower', ...common }), { f: CONTENT });
    const upper = new Narrow({ id: 'upper', ...common, ...IN_PART });
    const open = () => new Paths(new Union({ lowers: [lower], upper }));
    const paths = open();
    paths.writeAt('f', SIZE - 1, '!');
    upper.room = room;
    const handle = paths.open('f', O_RDWR);
    const count = paths.fs.write(handle, 10, bytes('x'.repeat(2 * BLOCK)), false);
    paths.fs.release(handle);
    expect(count).toBe(room);
    upper.room = Number.POSITIVE_INFINITY;
    const wanted = over(over(CONTENT, SIZE - 1, '!'), 10, 'x'.repeat(count));
    for (const each of [paths, open()]) expect(each.read('f') === wanted).toBe(true);
  }
});

test('a hole is made whole where each write of its zeros ends early', () => {
  const common = { device: 'disk', numbers: { last: 0 } };
  const content = letters((1 << 20) + BLOCK);
  const lower = fillLayer(new MemLayer({ id: 'lower', ...common }), { f: content });
  const upper = new Narrow({ id: 'upper', ...common, ...IN_PART });
  upper.room = 3000;
  const paths = new Paths(new Union({ lowers: [lower], upper }));
  const handle = paths.open('f', O_RDWR);
  paths.fs.fallocate(handle, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 100, 3 * BLOCK);
  expect(inUpper(upper, 'f')?.metacopy).toBe(true);
  expect(paths.readHandle(handle) === over(content, 100, '\0'.repeat(3 * BLOCK)).slice(0, 65_536)).toBe(true);
  paths.fs.release(handle);
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
  expect(r.union.explain('f').onWrite).toEqual({ copiesBytes: BLOCK });
  r.paths.chmod('g', 0o600);
  expect(r.union.explain('g').onWrite).toEqual({ copiesBytes: BLOCK });
  r.paths.writeAt('f', 0, '!');
  const { layers, why, onWrite } = r.union.explain('f');
  expect(layers.map(({ finding }) => finding)).toEqual(['part', 'file']);
  expect(why).toBe(
    'Layer upper has its attributes and what was written of its data, and not the rest, which is in layer lower0.',
  );
  expect(onWrite).toEqual({ copiesBytes: BLOCK });
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

/** Every change of an upper in memory, counted; the one after which `left` is 0 fails. */
class Dying extends MemLayer {
  left = Number.POSITIVE_INFINITY;

  step(): void {
    if (this.left-- <= 0) throw new FsError(EIO, 'cut short');
  }

  override hold(...where: Parameters<MemLayer['hold']>) {
    const node = super.hold(...where);
    const marks = ['setMetacopy', 'setRanges', 'setRedirect', 'setOrigin', 'utimes'] as const;
    for (const name of marks) this.#counted(node, name);
    const openWrite = node.openWrite.bind(node);
    node.openWrite = () => this.#countedFile(openWrite());
    return node;
  }

  override makeRanges() {
    this.step();
    const made = super.makeRanges();
    return { ...made, file: this.#countedFile(made.file) };
  }

  override openRanges(key: string) {
    const file = super.openRanges(key);
    return file && this.#countedFile(file);
  }

  override dropRanges(key: string): void {
    this.step();
    super.dropRanges(key);
  }

  override sync(): void {
    this.step();
  }

  override setGuard(on: boolean): void {
    this.step();
    super.setGuard(on);
  }

  #countedFile(file: WritableFile): WritableFile {
    for (const name of ['write', 'truncate', 'copyFrom', 'sync'] as const) this.#counted(file, name);
    return file;
  }

  #counted<K extends string>(object: Readonly<Record<K, unknown>>, name: K): void {
    const act = (object[name] as (...args: unknown[]) => unknown).bind(object);
    Object.assign(object, {
      [name]: (...args: unknown[]) => {
        this.step();
        return act(...args);
      },
    });
  }
}

/** Lets `act` die at each of its steps on an upper that `prepare` made; `check` looks at what is left, mounted anew. */
function dyingAtEachStep(
  prepare: (paths: Paths) => void,
  act: (rig: { union: Union; paths: Paths }) => void,
  check: (paths: Paths, failed: boolean, step: number) => void,
): number {
  for (let steps = 0; ; steps++) {
    const common = { device: 'disk', numbers: { last: 0 } };
    const lower = fillLayer(new MemLayer({ id: 'lower', ...common }), { d: {}, f: CONTENT, g: CONTENT });
    const upper = new Dying({ id: 'upper', ...common, ...IN_PART });
    const mount = () => {
      const union = new Union({ lowers: [lower], upper });
      return { union, paths: new Paths(union) };
    };
    prepare(mount().paths);
    const mounted = mount();
    upper.left = steps;
    const failed = errnoOf(() => act(mounted)) !== 0;
    upper.left = Number.POSITIVE_INFINITY;
    check(mounted.paths, failed, steps);
    check(mount().paths, failed, steps);
    const settled = mount();
    settled.union.settle();
    check(settled.paths, failed, steps);
    expect([upper.guarded, upper.hasRanges]).toEqual([false, false]);
    if (!failed) return steps;
  }
}

test('a settling that was cut short at any step loses nothing and goes on', () => {
  const steps = dyingAtEachStep(
    (paths) => {
      paths.writeAt('f', 5000, 'own');
      paths.writeAt('g', 0, 'own');
      paths.rename('g', 'd/G');
    },
    ({ union }) => union.settle(),
    (paths, _failed, step) => {
      expect([step, paths.read('f') === over(CONTENT, 5000, 'own')]).toEqual([step, true]);
      expect([step, paths.read('d/G') === over(CONTENT, 0, 'own')]).toEqual([step, true]);
    },
  );
  expect(steps).toBeGreaterThan(15);
});

test('a write that fails at any step is there whole or not at all', () => {
  const before = over(CONTENT, 0, 'first');
  const after = over(before, 4000, 'y'.repeat(200));
  const steps = dyingAtEachStep(
    (paths) => paths.writeAt('f', 0, 'first'),
    ({ paths }) => paths.writeAt('f', 4000, 'y'.repeat(200)),
    (paths, failed, step) => {
      const found = paths.read('f');
      // The first block is its own already: of that, as of any file, a part may be written.
      const part = over(before, 4000, 'y'.repeat(96));
      expect([step, [before, after, part].includes(found), failed || found === after]).toEqual([
        step,
        true,
        true,
      ]);
    },
  );
  expect(steps).toBeGreaterThan(2);
});

test('a truncation that fails at any step has cut the file or has not', () => {
  dyingAtEachStep(
    (paths) => paths.writeAt('f', 0, 'first'),
    ({ paths }) => {
      paths.setattr('f', { size: 5000 });
      paths.setattr('f', { size: SIZE });
    },
    (paths, failed, step) => {
      const whole = over(CONTENT, 0, 'first');
      const cut = whole.slice(0, 5000);
      const done = cut.padEnd(SIZE, '\0');
      const found = paths.read('f');
      expect([step, (failed ? [whole, cut, done] : [done]).includes(found)]).toEqual([step, true]);
    },
  );
});

/** A hole in a smaller one is worth all of its data. */
const BIG = (1 << 20) + 1000;
const BIG_CONTENT = letters(BIG);

/** Offsets where something begins or ends, and just beside. */
const offset = fc.oneof(
  fc
    .constantFrom(0, BLOCK, 2 * BLOCK, 3 * BLOCK, BIG)
    .chain((at) => fc.integer({ min: -2, max: 2 }).map((by) => Math.max(0, at + by))),
  fc.integer({ min: 0, max: BIG + 2 * BLOCK }),
);
const length = fc.oneof(
  fc.constantFrom(1, BLOCK - 1, BLOCK, BLOCK + 1),
  fc.integer({ min: 1, max: 3 * BLOCK }),
);

type Change =
  | {
      readonly do: 'write' | 'zero' | 'punch' | 'allocate' | 'read';
      readonly at: number;
      readonly length: number;
    }
  | { readonly do: 'copy'; readonly at: number; readonly from: number; readonly length: number }
  | { readonly do: 'truncate'; readonly at: number }
  | { readonly do: 'append'; readonly length: number };
type Turn = { readonly do: 'remount' | 'settle' | 'reopen' | 'sync' };

const step: fc.Arbitrary<Change | Turn> = fc.oneof(
  fc.record({ do: fc.constantFrom('write' as const), at: offset, length }),
  fc.record({
    do: fc.constantFrom('zero' as const, 'punch' as const, 'allocate' as const, 'read' as const),
    at: offset,
    length,
  }),
  fc.record({ do: fc.constant('copy' as const), at: offset, from: offset, length }),
  fc.record({ do: fc.constant('truncate' as const), at: offset }),
  fc.record({ do: fc.constant('append' as const), length }),
  fc.record({
    do: fc.constantFrom('remount' as const, 'settle' as const, 'reopen' as const, 'sync' as const),
  }),
);

test('any run of changes leaves what it leaves of an ordinary file', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), fc.boolean(), (steps, bare) => {
      let r = rig([{ f: BIG_CONTENT }], IN_PART);
      if (bare) r.paths.chmod('f', 0o600);
      let content = bytes(BIG_CONTENT);
      let handle: Handle = r.paths.open('f', O_RDWR);
      let letter = 0;
      for (const each of steps) {
        if ('at' in each || 'length' in each) {
          content = apply(r, handle, each, content, String.fromCharCode(65 + (letter++ % 26)));
        } else if (each.do === 'remount' || each.do === 'reopen') {
          r.paths.fs.release(handle);
          if (each.do === 'remount') r = r.remount();
          handle = r.paths.open('f', O_RDWR);
        } else if (each.do === 'settle') r.union.settle();
        else r.union.fsync(handle, true);
        const found = new Uint8Array(BIG + 20 * BLOCK);
        const count = r.union.read(handle, 0, found);
        expect([each, count]).toEqual([each, content.length]);
        expect([each, isSame(found, content)]).toEqual([each, true]);
      }
      r.paths.fs.release(handle);
      expectSame(r, content);
      expectSame(r.remount(), content);
      r.union.settle();
      expectSame(r.remount(), content);
    }),
    { numRuns: runs(100) },
  );
});

function expectSame(r: Rig, content: Uint8Array): void {
  const handle = r.paths.open('f');
  const found = new Uint8Array(BIG + 20 * BLOCK);
  expect(r.union.read(handle, 0, found)).toBe(content.length);
  expect(isSame(found, content)).toBe(true);
  r.paths.fs.release(handle);
}

function isSame(found: Uint8Array, content: Uint8Array): boolean {
  return Buffer.compare(found.subarray(0, content.length), content) === 0;
}

/** Does it, and returns what an ordinary file has then. */
function apply(
  { union, paths }: Rig,
  handle: Handle,
  step: Change,
  content: Uint8Array,
  letter: string,
): Uint8Array {
  const written = (at: number, data: Uint8Array): Uint8Array => {
    const next = new Uint8Array(Math.max(content.length, at + data.length));
    next.set(content);
    next.set(data, at);
    return next;
  };
  switch (step.do) {
    case 'write': {
      const data = bytes(letter.repeat(step.length));
      union.write(handle, step.at, data, false);
      return written(step.at, data);
    }
    case 'append': {
      const data = bytes(letter.repeat(step.length));
      if (content.length > BIG + 10 * BLOCK) return content;
      const appender = paths.open('f', O_WRONLY | O_APPEND);
      union.write(appender, 0, data, false);
      union.release(appender);
      return written(content.length, data);
    }
    case 'truncate': {
      paths.setattr('f', { size: step.at });
      const next = new Uint8Array(step.at);
      next.set(content.subarray(0, step.at));
      return next;
    }
    case 'zero':
      union.fallocate(handle, FALLOC_ZERO_RANGE, step.at, step.length);
      return written(step.at, new Uint8Array(step.length));
    case 'allocate':
      union.fallocate(handle, FALLOC_KEEP_SIZE, step.at, step.length);
      return content;
    case 'punch':
      union.fallocate(handle, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, step.at, step.length);
      return content.slice().fill(0, step.at, step.at + step.length);
    case 'read': {
      const into = new Uint8Array(step.length);
      const count = union.read(handle, step.at, into);
      const wanted = content.subarray(step.at, step.at + step.length);
      expect([step, count, isSame(into, wanted)]).toEqual([step, wanted.length, true]);
      return content;
    }
    case 'copy': {
      const data = content.slice(step.from, step.from + step.length);
      if (Math.abs(step.from - step.at) < data.length || data.length === 0) return content;
      expect(union.copyFileRange(handle, step.from, handle, step.at, step.length)).toBe(data.length);
      return written(step.at, data);
    }
  }
}
