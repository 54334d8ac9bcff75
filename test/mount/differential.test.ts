// A short run of the differential test: whatever is done on our mount and on the kernel's overlayfs gives the
// same answers and the same trees. `test/long/` has the run that counts.

import { expect, it } from 'vitest';
import { Coverage } from '../differential/coverage.js';
import { runTwins } from '../differential/run.js';
import { describeWith } from '../requires.js';

describeWith(
  ['overlay', 'fuse', 'program:setfacl', 'program:setfattr'],
  'a mount beside kernel overlayfs',
  () => {
    it.each([1])('answers as it does, whatever is done (seed %i)', async (seed) => {
      const coverage = new Coverage();
      await runTwins({ seed, operations: 500, commands: 150, least: 1, coverage });
      process.stdout.write(`${coverage.table()}\n`);
      expect(coverage.missing(1)).toEqual([]);
      expect(coverage.successShare).toBeGreaterThan(0.4);
    });
  },
);
