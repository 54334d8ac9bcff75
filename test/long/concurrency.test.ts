// Several processes at work on one mount for minutes. MICA_SEED repeats a run as far as that can be: in what each
// process does, not in when.

import { it } from 'vitest';
import { workTogether } from '../concurrency/run.js';
import { describeWith } from '../requires.js';

describeWith(['overlay', 'fuse'], 'several processes on one mount', () => {
  it('lose nothing, and see nothing half done', async () => {
    const seed = Number(process.env['MICA_SEED'] ?? Math.floor(Math.random() * 1e6));
    process.stdout.write(`seed ${seed}\n`);
    await workTogether({ processes: 8, operations: 40_000, seed });
  });
});
