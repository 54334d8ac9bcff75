// A short run of several processes at work on one mount; `test/long/` has the one of minutes.

import { it } from 'vitest';
import { workTogether } from '../concurrency/run.js';
import { describeWith } from '../requires.js';

describeWith(['overlay', 'fuse'], 'several processes on one mount', () => {
  it('lose nothing, and see nothing half done', async () => {
    await workTogether({ processes: 5, operations: 1500, seed: Number(process.env['MICA_SEED'] ?? 42) });
  });
});
