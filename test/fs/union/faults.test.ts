// Whatever call to the kernel fails in the middle of a change, the change fails with that errno and leaves the tree
// as it was, seen at once and by the next mount, and it works when it is tried again. Every call of every operation
// fails once.

import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EDQUOT, EIO, EMFILE, ENOSPC } from '../../../fs/errno.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { arm, bury, type Call, disarm, openDescriptors, type Verdict } from '../../faults/libc.js';
import { OPERATIONS, type Operation } from '../../faults/operations.js';
import { type Opened, Places, shown, type Upper } from '../../faults/places.js';
import { runs } from '../../runs.js';
import { errnoOf } from '../../suites/paths.js';

/** What a call of a kind may fail with, whatever else the disk does. */
const ERRNOS: Readonly<Record<Call['kind'], readonly number[]>> = {
  change: [ENOSPC, EDQUOT, EIO],
  open: [EMFILE, EIO],
  read: [EIO],
};

/** The short form lets every fourth reading fail, on uppers of one kind. */
const SHORT = runs(1) === 1;

const ALL = { numbers: true, folderTimes: true };

interface Tried {
  readonly errno: number;
  readonly calls: readonly Call[];
}

/** Runs the operation while `judge` decides over its calls. */
function attempt(operation: Operation, { paths, union }: Opened, judge: (call: Call) => Verdict): Tried {
  arm(judge);
  let errno: number;
  let calls: readonly Call[];
  try {
    errno = errnoOf(() => operation.act(paths, union));
  } finally {
    calls = disarm();
  }
  return { errno, calls };
}

function prepared(operation: Operation, upper: Upper): Opened {
  const first = upper.open();
  operation.prepare?.(first.paths, first.union);
  first.union.destroy();
  return upper.open();
}

const MARKS = mayUseTrustedXattrs() ? (['trusted', 'user'] as const) : (['user'] as const);

describe.each(SHORT ? MARKS.slice(0, 1) : MARKS)(
  'a failing call on an upper with marks under %s.',
  (marks) => {
    let places: Places;
    beforeAll(() => {
      places = new Places(marks);
    });
    afterAll(() => places.remove());

    it.each(OPERATIONS)('$name: fails whole, with that errno', (operation) => {
      // How it goes without a failure.
      const upper = places.fresh();
      const opened = prepared(operation, upper);
      shown(opened.paths);
      const { calls } = attempt(operation, opened, () => undefined);
      const after = shown(opened.paths);
      opened.union.destroy();
      upper.remove();
      expect(calls.length).toBeGreaterThan(0);

      const problems: string[] = [];
      for (const { at, kind } of calls) {
        if (SHORT && kind === 'read' && at % 4 !== 0) continue;
        const errno = ERRNOS[kind][at % ERRNOS[kind].length] as number;
        const upper = places.fresh();
        const first = prepared(operation, upper);
        const before = shown(first.paths, ALL);
        const tried = attempt(operation, first, (call) => (call.at === at ? errno : undefined));
        const wrong = (what: string, is: unknown, wanted: unknown) => {
          if (isDeepStrictEqual(is, wanted)) return;
          const name = tried.calls[at]?.name;
          problems.push(
            `${name}, call ${at} of ${calls.length}, ${errno}: ${what}: ${difference(is, wanted)}`,
          );
        };
        // A reading that fails when all is done is too late to take it back.
        const done = tried.errno === 0 || (kind === 'read' && isDeepStrictEqual(shown(first.paths), after));
        const check = (opened: Opened, when: string) => {
          if (done) wrong(when, shown(opened.paths), after);
          else wrong(when, shown(opened.paths, ALL), before);
        };
        if (tried.errno !== 0) wrong('errno', tried.errno, errno);
        check(first, 'seen at once');
        if (!done) wrong('work folder', upper.rubbish(), []);
        first.union.destroy();
        wrong('descriptors left open', openDescriptors(), 0);
        bury(() => undefined);
        const next = upper.open();
        check(next, 'mounted again');
        if (!done) {
          const again = errnoOf(() => operation.act(next.paths, next.union));
          wrong('tried again', again, 0);
          wrong('tried again', shown(next.paths), after);
        }
        next.union.destroy();
        upper.remove();
      }
      expect(problems).toEqual([]);
    });
  },
);

/** The lines that are in one of two lists. */
function difference(is: unknown, wanted: unknown): string {
  if (!Array.isArray(is) || !Array.isArray(wanted)) return `${is}, not ${wanted}`;
  const only = (one: unknown[], other: unknown[], sign: string) =>
    one.filter((line) => !other.includes(line)).map((line) => `\n  ${sign} ${line}`);
  return [...only(is, wanted, '+'), ...only(wanted, is, '-')].join('');
}
