// Many processes on one store for two minutes. MICA_SEED repeats what each process does, not when.

import { it } from 'vitest';
import { workOnStore } from '../crash/together.js';

it('twenty processes that import, commit, remove and collect at once lose nothing', async () => {
  const seed = Number(process.env['MICA_SEED'] ?? Math.floor(Math.random() * 1e6));
  process.stdout.write(`seed ${seed}\n`);
  await workOnStore({ processes: 20, seconds: 120, seed });
}, 900_000);
