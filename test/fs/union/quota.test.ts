// A union over an upper of limited space: after any operations the account says what a fresh measurement says.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EDQUOT, EINVAL, ENOENT } from '../../../fs/errno.js';
import {
  Entry,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  type Handle,
  O_RDWR,
  ROOT_NODE,
  SYSTEM_CALLER,
} from '../../../fs/filesystem.js';
import { openLowerDir } from '../../../fs/layer/dir-layer.js';
import { openUpperDir } from '../../../fs/layer/dir-upper.js';
import { LimitedUpper, measureSpace } from '../../../fs/layer/limited-upper.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { fromText } from '../../../fs/name.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { Union } from '../../../fs/union/union.js';
import { runs } from '../../runs.js';
import { describeFilesystem, fillWithStartingTree } from '../../suites/filesystem.js';
import { errnoOf, Paths } from '../../suites/paths.js';
import { apply, LOWEST, layers, lowestModel } from './operations.js';
import { type Description, fillLayer } from './stacks.js';

const BLOCK = 4096;

describeFilesystem('a union over an upper of limited space', () => {
  const numbers = { last: 0 };
  const lower = new MemLayer({ id: 'lower', device: 'disk', numbers });
  fillWithStartingTree(lower);
  const inner = new MemLayer({ id: 'upper', device: 'disk', numbers });
  const open = () => over(lower, inner, 2 ** 40).union;
  return { fs: open(), remount: open, dispose: () => inner.close() };
});

interface Limited {
  readonly inner: MemLayer;
  readonly upper: LimitedUpper;
  readonly union: Union;
  readonly paths: Paths;
}

function limited(description: Description, limit: number, inner?: MemLayer, partsFrom?: number): Limited {
  const numbers = { last: 0 };
  const common = { device: 'disk', numbers };
  const lower = fillLayer(new MemLayer({ id: 'lower', ...common }), description);
  return over(
    lower,
    inner ?? new MemLayer({ id: 'upper', ...common, ...(partsFrom && { partsFrom }) }),
    limit,
  );
}

function over(lower: MemLayer, inner: MemLayer, bytes: number): Limited {
  const upper = new LimitedUpper(inner, { bytes });
  const union = new Union({ lowers: [lower], upper });
  return { inner, upper, union, paths: new Paths(union) };
}

function expectCounted({ inner, upper }: Limited): void {
  expect(upper.space.use).toEqual(measureSpace(inner));
}

test('the account agrees with a measurement after any changes of names', () => {
  fc.assert(
    fc.property(layers, fc.boolean(), ([steps = []], keeps) => {
      const model = lowestModel();
      const at = limited(LOWEST, 2 ** 30);
      at.paths.forgets = !keeps;
      for (const step of steps) {
        apply(at.paths, model, step);
        // What is removed takes its space as long as it is remembered.
        at.paths.forgetKept();
        expectCounted(at);
      }
      at.union.settle();
      expectCounted(at);
    }),
    { numRuns: runs(150) },
  );
});

test.runIf(mayUseTrustedXattrs())('the account of a real folder does, too', () => {
  fc.assert(
    fc.property(layers, ([steps = []]) => {
      const base = mkdtempSync(join(tmpdir(), 'mica-quota-'));
      const real = (name: string) => fromText(join(base, name));
      try {
        for (const name of ['lower', 'lower-work', 'upper', 'work']) mkdirSync(join(base, name));
        fillLayer(openUpperDir(real('lower'), real('lower-work')), LOWEST).close();
        const inner = openUpperDir(real('upper'), real('work'), { lockWaitMs: 0 });
        const upper = new LimitedUpper(inner, { bytes: 2 ** 30 });
        const union = new Union({ lowers: [openLowerDir(real('lower'))], upper });
        const model = lowestModel();
        const paths = new Paths(union);
        for (const step of steps) {
          apply(paths, model, step);
          expect(upper.space.use).toEqual(measureSpace(inner));
        }
        union.settle();
        expect(upper.space.use).toEqual(measureSpace(inner));
        union.destroy();
      } finally {
        execFileSync('rm', ['-rf', base]);
      }
    }),
    { numRuns: runs(15) },
  );
});

const PUNCH = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
const SIZE = 3 * BLOCK + 100;
const place = fc.integer({ min: 0, max: 5 * BLOCK });
const length = fc.integer({ min: 1, max: 2 * BLOCK });
const which = fc.constantFrom('a', 'b', 'c');
const file = fc.record({
  do: fc.constantFrom(
    'write',
    'zero',
    'punch',
    'allocate',
    'truncate',
    'copy',
    'open',
    'close',
    'unlink',
    'nameless',
  ),
  name: which,
  at: place,
  length,
});

test('the account agrees with a measurement after any changes of data, and is never above the limit', () => {
  const limit = 8 * BLOCK;
  fc.assert(
    fc.property(fc.array(file, { maxLength: 40 }), fc.boolean(), (steps, inPart) => {
      const content = 'x'.repeat(SIZE);
      const at = limited({ a: content, b: content }, limit, undefined, inPart ? BLOCK : undefined);
      const open: Handle[] = [];
      for (const step of steps) {
        const errno = errnoOf(() => change(at, open, step));
        expect([0, EDQUOT, ENOENT, EINVAL]).toContain(errno);
        expect(at.upper.space.use.bytes).toBeLessThanOrEqual(limit);
        if (errno === EDQUOT) continue;
        if (open.length === 0) expectCounted(at);
      }
      for (const handle of open) at.union.release(handle);
      expectCounted(at);
    }),
    { numRuns: runs(200) },
  );
});

type Change = typeof file extends fc.Arbitrary<infer T> ? T : never;

function change({ union, paths }: Limited, open: Handle[], step: Change): void {
  const { at, length, name } = step;
  const into = (act: (handle: Handle) => unknown): void => {
    const handle = paths.create(name, 0o644, O_RDWR);
    try {
      act(handle);
    } finally {
      union.release(handle);
    }
  };
  const doIt: Record<Change['do'], () => unknown> = {
    write: () => into((handle) => union.write(handle, at, new Uint8Array(length), false)),
    zero: () => into((handle) => union.fallocate(handle, FALLOC_ZERO_RANGE, at, length)),
    punch: () => into((handle) => union.fallocate(handle, PUNCH, at, length)),
    allocate: () => into((handle) => union.fallocate(handle, FALLOC_KEEP_SIZE, at, length)),
    truncate: () => paths.setattr(name, { size: at }),
    copy: () => into((handle) => union.copyFileRange(handle, 0, handle, at, length)),
    open: () => open.push(paths.open(name, O_RDWR)),
    nameless: () => {
      open.push(tmpfile(union));
      union.write(open.at(-1)!, at, new Uint8Array(length), false);
    },
    close: () => {
      const handle = open.pop();
      if (handle !== undefined) union.release(handle);
    },
    unlink: () => paths.unlink(name),
  };
  doIt[step.do]();
}

function tmpfile(union: Union): Handle {
  const entry = new Entry();
  const handle = union.tmpfile(ROOT_NODE, 0o600, O_RDWR, SYSTEM_CALLER, entry);
  union.forget(entry.node, 1);
  return handle;
}

test('a file that does not fit is not copied up, and stays what it was', () => {
  const at = limited({ big: 'x'.repeat(5 * BLOCK) }, 4 * BLOCK);
  expect(errnoOf(() => at.paths.writeAt('big', 0, 'y'))).toBe(EDQUOT);
  expect(at.paths.read('big')).toBe('x'.repeat(5 * BLOCK));
  expectCounted(at);
  // Without its data it fits, and then nothing is in the way of what settles it.
  at.paths.chmod('big', 0o600);
  expect(at.upper.space.use).toEqual({ bytes: 0, inodes: 2 });
  at.union.settle();
  expect(at.upper.space.use).toEqual({ bytes: 5 * BLOCK, inodes: 2 });
  expect(errnoOf(() => at.paths.mkdir('d'))).toBe(EDQUOT);
});

test('a large file changes in part within a limit that is smaller than it', () => {
  const at = limited({ big: 'x'.repeat(50 * BLOCK) }, 4 * BLOCK, undefined, BLOCK);
  at.paths.writeAt('big', 7 * BLOCK + 5, 'y');
  expect(at.upper.space.use.bytes).toBe(BLOCK);
  at.paths.writeAt('big', 20 * BLOCK - 1, 'yy');
  expect(at.upper.space.use.bytes).toBe(3 * BLOCK);
  expectCounted(at);
  expect(errnoOf(() => at.paths.writeAt('big', 30 * BLOCK - 1, 'yy'))).toBe(EDQUOT);
  expect(at.paths.read('big').slice(7 * BLOCK, 7 * BLOCK + 10)).toBe('xxxxxyxxxx');
});

test('a removed file that is open counts, and nobody gets its space before it is closed', () => {
  const at = limited({}, 2 * BLOCK);
  const handle = at.paths.create('f');
  at.union.write(handle, 0, new Uint8Array(2 * BLOCK), false);
  at.paths.unlink('f');
  expect(errnoOf(() => at.paths.write('g', 'g'))).toBe(EDQUOT);
  at.union.release(handle);
  at.paths.write('g', 'g');
  expectCounted(at);
});

test('statfs of the union shows the limit', () => {
  const at = limited({}, 10 * BLOCK);
  at.paths.write('f', 'f');
  expect(at.union.statfs(ROOT_NODE)).toMatchObject({ blocks: 10, bfree: 9, bavail: 9 });
});
