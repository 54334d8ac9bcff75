// Files in part hold what an ordinary file holds after the same random changes.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  type Handle,
  O_APPEND,
  O_RDWR,
  O_WRONLY,
} from '../../../fs/filesystem.js';
import { runs } from '../../runs.js';
import { bytes } from '../../suites/paths.js';
import { BLOCK, IN_PART, letters } from './parts.js';
import { type Rig, rig } from './stacks.js';

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
