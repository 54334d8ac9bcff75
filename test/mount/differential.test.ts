// A short run of the differential test: whatever is done on our mount and on the kernel's overlayfs gives the
// same answers and the same trees. `test/long/` has the run that counts.

import { expect, it } from 'vitest';
import { Coverage } from '../differential/coverage.js';
import { runTwins } from '../differential/run.js';
import { describeWith } from '../requires.js';

describeWith(
  ['overlay', 'fuse', 'program:setfacl', 'program:setfattr', 'program:unshare', 'program:nsenter'],
  'a mount beside kernel overlayfs',
  () => {
    it.each(['first namespace', 'user namespace'] as const)(
      'answers as it does, in the %s',
      async (where) => {
        const coverage = new Coverage(where);
        await runTwins({ seed: 1, where, operations: 1000, commands: 150, least: 1, coverage });
        process.stdout.write(`${coverage.table()}\n`);
        expect(coverage.missing(1)).toEqual([]);
        expect(coverage.successShare).toBeGreaterThan(0.4);
      },
    );
  },
);
