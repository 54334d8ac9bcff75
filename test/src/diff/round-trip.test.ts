// Whatever is done to a tree, its layer, written and unpacked again, must show the same tree; and looking only at
// what the layer holds must find what looking at everything finds.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changesBetween } from '../../../src/diff/changes.js';
import { layerOf } from '../../../src/diff/differ.js';
import { runs } from '../../runs.js';
import { attempt, LOWER, MIDDLE, operation } from './operations.js';
import { type Draft, readTar, writeTar } from './tar-tools.js';
import { Work } from './work.js';

const RUNS = runs(150);

test('a layer unpacked again shows the tree that it was written of', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 14 }), async (steps) => {
      const work = await Work.begin(LOWER, MIDDLE);
      for (const step of steps) attempt(work, step);
      expect(await work.roundTrip()).toEqual([]);
      const listed = (changes: ReturnType<typeof changesBetween>) =>
        changes.map(({ op, path }) => `${op} ${path}`);
      expect(listed(work.changes())).toEqual(listed(changesBetween(work.below(), work.union)));
      const walked: Uint8Array[] = [];
      for await (const chunk of layerOf({ from: work.below(), to: work.union })) walked.push(chunk);
      expect(Buffer.concat(walked).equals(await work.tar())).toBe(true);
    }),
    { numRuns: RUNS },
  );
});

test('settling an upper changes nothing of what it shows and what it writes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 14 }), async (steps) => {
      const work = await Work.begin(LOWER, MIDDLE);
      for (const step of steps) attempt(work, step);
      const before = readTar(await work.tar());
      work.union.settle();
      expect(readTar(await work.tar())).toEqual(before);
    }),
    { numRuns: RUNS / 2 },
  );
});

test('it does not matter where in the archive the whiteouts stand', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 14 }),
      fc.infiniteStream(fc.nat(1000)),
      async (steps, places) => {
        const work = await Work.begin(LOWER, MIDDLE);
        for (const step of steps) attempt(work, step);
        const entries = readTar(await work.tar());
        const isMark = ({ path }: Draft) => /(?:^|\/)\.wh\./.test(path);
        const shuffled: Draft[] = entries.filter((entry) => !isMark(entry));
        for (const mark of entries.filter(isMark)) {
          shuffled.splice(places.next().value % (shuffled.length + 1), 0, mark);
        }
        expect(await work.differencesTo(writeTar(shuffled))).toEqual([]);
      },
    ),
    { numRuns: RUNS / 2 },
  );
});
