// The long run of the differential test: MICA_TWIN_OPERATIONS operations (default 200,000) shared by the seeds of
// MICA_TWIN_SEEDS (default 1,2,3,4). The table it prints belongs in the notes of a release.

import { expect, it } from 'vitest';
import { Coverage } from '../differential/coverage.js';
import { runTwins } from '../differential/run.js';
import { describeWith } from '../requires.js';

const OPERATIONS = Number(process.env['MICA_TWIN_OPERATIONS'] ?? 200_000);
/** Of each operation on each state, over all seeds. */
const LEAST = Math.max(1, Math.floor(OPERATIONS / 10_000));
const SEEDS = (process.env['MICA_TWIN_SEEDS'] ?? '1,2,3,4').split(',').map(Number);

describeWith(
  ['overlay', 'fuse', 'program:setfacl', 'program:setfattr'],
  'a mount beside kernel overlayfs',
  () => {
    const coverage = new Coverage();

    it.each(SEEDS)('answers as it does, whatever is done (seed %i)', async (seed) => {
      await runTwins({
        seed,
        operations: Math.ceil(OPERATIONS / SEEDS.length),
        commands: 300,
        least: LEAST,
        coverage,
      });
    });

    it('met every operation on every state, and most operations succeeded', () => {
      process.stdout.write(`${coverage.table()}\n`);
      expect(coverage.missing(LEAST)).toEqual([]);
      expect(coverage.successShare).toBeGreaterThan(0.4);
    });
  },
);
