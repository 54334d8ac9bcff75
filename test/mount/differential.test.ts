// A short run of the differential test: whatever is done on our mount and on the kernel's overlayfs gives the
// same answers and the same trees. `test/long/` has the run that counts.

import { expect, it } from 'vitest';
import { Coverage } from '../differential/coverage.js';
import { NEEDS, runTwins } from '../differential/run.js';
import { describeWith } from '../requires.js';

const LIMIT_MS = 300_000;

describeWith(NEEDS, 'a mount beside kernel overlayfs', () => {
  const lived = async (where: 'first namespace' | 'user namespace', least: number): Promise<void> => {
    const coverage = new Coverage(where);
    const seed = Number(process.env['MICA_SEED'] ?? 1);
    await runTwins({ seed, where, operations: 400, commands: 150, least, coverage });
    process.stdout.write(`${coverage.table()}\n`);
    expect(coverage.missing(least)).toEqual([]);
    expect(coverage.successShare).toBeGreaterThan(0.4);
  };

  it('answers as it does, every operation on every state', () => lived('first namespace', 1), LIMIT_MS);

  it('answers as it does in a user namespace', () => lived('user namespace', 0), LIMIT_MS);
});
