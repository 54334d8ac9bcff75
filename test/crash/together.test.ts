// A short run of what test/long does for minutes. MICA_SEED repeats what each process does, not when.

import { it } from 'vitest';
import { workOnStore } from './together.js';

it('processes that import, commit, remove and collect at a time lose nothing and leave nothing', async () => {
  await workOnStore({ processes: 4, seconds: 5, seed: Number(process.env['MICA_SEED'] ?? 42) });
}, 120_000);
