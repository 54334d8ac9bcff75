// Files in part where a disk is full, takes half of a write, or fails at any step.

import { expect, test } from 'vitest';
import { EIO, ENOSPC, FsError } from '../../../fs/errno.js';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, O_RDWR } from '../../../fs/filesystem.js';
import type { WritableFile } from '../../../fs/layer/layer.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { Union } from '../../../fs/union/union.js';
import { bytes, errnoOf, Paths } from '../../suites/paths.js';
import { BLOCK, CONTENT, IN_PART, letters, over, SIZE } from './parts.js';
import { fillLayer, inUpper, rig } from './stacks.js';

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
