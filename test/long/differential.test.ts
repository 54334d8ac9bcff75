// The long run of the differential test. MICA_TWIN_OPERATIONS: how many operations (default 200,000), shared by
// the seeds of MICA_TWIN_SEEDS (default: four new ones, printed); an eighth of each in a user namespace. The seed and
// the number of operations make the run: with both as they were, it is the same run. MICA_TWIN_HISTORY: a file with
// one history, as a failure leaves it; then that is all that is run.

import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { Coverage } from '../differential/coverage.js';
import { NEEDS, runTwins } from '../differential/run.js';
import { describeWith } from '../requires.js';

const OPERATIONS = Number(process.env['MICA_TWIN_OPERATIONS'] ?? 200_000);
const drawn = Array.from({ length: 4 }, () => Math.floor(Math.random() * 1e9));
const SEEDS = process.env['MICA_TWIN_SEEDS']?.split(',').map(Number) ?? drawn;
const EACH = Math.ceil(OPERATIONS / SEEDS.length);
const PLACES = ['first namespace', 'user namespace'] as const;
const WHERE = { 'first namespace': 7 / 8, 'user namespace': 1 / 8 } as const;

describeWith(NEEDS, 'a mount beside kernel overlayfs', () => {
  const all = new Coverage('first namespace');
  afterAll(() => process.stdout.write(`seeds ${SEEDS}, ${OPERATIONS} operations\n${all.table()}\n`));

  const file = process.env['MICA_TWIN_HISTORY'];
  if (file !== undefined) {
    const history = { ground: 'here', ...JSON.parse(readFileSync(file, 'utf8')) };
    // In a user namespace the kernel mounts nothing else.
    const places = PLACES.filter((where) => where === 'first namespace' || history.kernel === 'userxattr');
    it.each(places)(`lives through ${file} again, in the %s`, async (where) => {
      await runTwins({ seed: 0, where, operations: 0, commands: 10_000, least: 0, coverage: all, history });
    });
    return;
  }

  const runs = SEEDS.flatMap((seed) => PLACES.map((where) => ({ seed, where })));
  it.concurrent.each(runs)('answers as it does (seed $seed, $where)', async ({ seed, where }) => {
    const coverage = new Coverage(where);
    const operations = Math.ceil(EACH * WHERE[where]);
    const least = Math.max(1, Math.floor(operations / 10_000));
    process.stdout.write(`seed ${seed}, ${where}: ${operations} operations\n`);
    await runTwins({ seed, where, operations, commands: 700, least, coverage });
    all.addAll(coverage);
    process.stdout.write(`seed ${seed}, ${where}: ${JSON.stringify(coverage.totals)}\n`);
    expect(coverage.missing(least)).toEqual([]);
    expect(coverage.successShare).toBeGreaterThan(0.4);
  });
});
