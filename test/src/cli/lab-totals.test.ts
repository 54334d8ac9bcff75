// What the lab counts of a large layer is counted beside everything else that it does.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StackDescription } from '../../../fs/index.js';
import { Totals } from '../../../src/cli/lab/totals.js';

let top: string;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'mica-totals-'));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

/** How often others had a turn while it was counted. */
async function turnsWhile(counting: Promise<void>): Promise<number> {
  let isDone = false;
  const end = counting.then(() => {
    isDone = true;
  });
  let turns = 0;
  for (; !isDone; turns++) await turn();
  await end;
  return turns;
}

it('others have their turn some hundred files later, also where the union shows none of them', async () => {
  const [large, above] = [join(top, 'large'), join(top, 'above')];
  const files = 8000;
  for (let folder = 0; folder < 40; folder++) {
    mkdirSync(join(large, 'many', String(folder)), { recursive: true });
    for (let n = 0; n < files / 40; n++) writeFileSync(join(large, 'many', String(folder), String(n)), '');
  }
  mkdirSync(above);
  writeFileSync(join(above, 'many'), 'a file hides all of it');
  const stack: StackDescription = {
    lowers: [above, large].map((path) => ({ path, id: path, dialect: 'overlay' })),
  };
  const totals = new Totals();
  const turns = await turnsWhile(totals.count(stack));
  expect(totals.ofLayer(large)).toBeGreaterThanOrEqual(41 * 4096);
  expect(turns).toBeGreaterThan(files / 800);
});
