// Long form: both differs on random changes, and the contract where both sides are mounts of FUSE.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf } from '../../src/digest.js';
import { describeWith } from '../requires.js';
import { attempt, LOWER, MIDDLE, operation } from '../src/diff/operations.js';
import { differSuite, NEW, NOW } from '../suites/differ.js';
import { byMarks, walking } from '../suites/store-differs.js';

describeWith(['root', 'fuse', 'overlay'], 'the differs', () => {
  differSuite('a walk over mounts of FUSE', walking('fuse', 'fuse'));

  test('whatever was changed, all ways lead to the same bytes', async () => {
    const ways = [
      byMarks,
      walking('overlay', 'overlay'),
      walking('native', 'fuse'),
      walking('fuse', 'native'),
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 14 }), async (steps) => {
        const digests = new Set<string>();
        for (const make of ways) {
          const under = await make();
          try {
            const tar = await under.layer([LOWER, MIDDLE], (hands) => {
              for (const step of steps) attempt(hands, step);
              hands.touchNew(NEW, NOW);
            });
            digests.add(digestOf(tar));
          } finally {
            await under.remove();
          }
        }
        expect(digests.size).toBe(1);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });
});
