// Whatever call to the kernel fails in the middle of a change, the change fails with that errno and leaves the tree
// as it was, seen at once and by the next mount, and it works when it is tried again.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { failsOnce, fillsUp, problemsOf } from '../../faults/failures.js';
import { OPERATIONS } from '../../faults/operations.js';
import { Places } from '../../faults/places.js';
import { runs } from '../../runs.js';

/** The short form lets every change and opening fail in one way, and every fourth reading. */
const SHORT = runs(1) === 1;
const MARKS = mayUseTrustedXattrs() ? (['trusted', 'user'] as const) : (['user'] as const);

describe.each(SHORT ? MARKS.slice(0, 1) : MARKS)('an upper with marks under %s.', (marks) => {
  let places: Places;
  beforeAll(() => {
    places = new Places(marks);
  });
  afterAll(() => places.remove());

  it.each(OPERATIONS)(
    '$name: whatever call fails, all of it fails, with that errno',
    (operation) => {
      const problems = problemsOf(places, operation, (call) =>
        SHORT && call.kind === 'read' && call.at % 4 !== 0 ? [] : failsOnce(call, !SHORT),
      );
      expect(problems).toEqual([]);
    },
    120_000,
  );

  it.each(OPERATIONS)(
    '$name: fits on the disk or leaves it as it was',
    (operation) => {
      const problems = problemsOf(places, operation, (call) =>
        SHORT && call.at % 3 !== 0 && call.length === 0 ? [] : fillsUp(call),
      );
      expect(problems).toEqual([]);
    },
    120_000,
  );
});
