// The run of the differential test that the short and the long one share: random histories first, then tours to the
// cells of the coverage that they have left below the minimum.

import fc from 'fast-check';
import { type History, historyOf, tourOf } from './commands.js';
import type { Coverage } from './coverage.js';
import { Caller, live } from './twins.js';

export interface RunOptions {
  readonly seed: number;
  /** Histories are made until so many operations were run. */
  readonly operations: number;
  /** How many commands there are at most between one mounting and the next. */
  readonly commands: number;
  /** How often each cell of the coverage must be met. */
  readonly least: number;
  /** Where what was met is added up. */
  readonly coverage: Coverage;
}

/** So many cells are visited in one tour: more would use up the lower layers. */
const TOUR_CELLS = 80;
const TOURS_WITHOUT_GAIN = 6;
/** Finding a shorter history ends here, so that the seed is told before the test's own limit. */
const SHRINK_LIMIT_MS = 60_000;

/** Fails with the seed and the shortest history that fast-check finds. */
export async function runTwins({ seed, operations, commands, least, coverage }: RunOptions): Promise<void> {
  const caller = new Caller();
  let left = operations;
  let failedAt: number | undefined;
  const once = async (lived: History): Promise<void> => {
    const remounts = await live(caller, lived);
    const report = await caller.report();
    coverage.add(report, remounts);
    left -= report.totals['operations'] ?? 0;
  };
  try {
    const run = await fc.check(
      fc.asyncProperty(historyOf(commands), async (lived) => {
        const enough = failedAt === undefined ? left <= 0 : Date.now() - failedAt > SHRINK_LIMIT_MS;
        if (enough) return;
        try {
          await once(lived);
        } catch (error) {
          failedAt ??= Date.now();
          throw error;
        }
      }),
      { seed, numRuns: operations },
    );
    if (run.failed) {
      // The operations tell more than the commands that led to them, which the seed brings back.
      const [lived] = run.counterexample ?? [];
      const { message } = run.errorInstance as Error;
      throw new Error(
        `seed ${run.seed}, path ${run.counterexamplePath}: ${message}\n${JSON.stringify(lived).slice(0, 2000)}`,
      );
    }
    await visitTheRest(coverage, least, seed, once);
  } finally {
    caller.end();
  }
}

async function visitTheRest(
  coverage: Coverage,
  least: number,
  seed: number,
  once: (tour: History) => Promise<void>,
): Promise<void> {
  let idle = 0;
  for (let round = seed; idle < TOURS_WITHOUT_GAIN; round++) {
    const cells = coverage.missing(least);
    if (cells.length === 0) return;
    // A different part of them each time: one that is hard to reach must not keep the others waiting.
    const from = (round * TOUR_CELLS) % cells.length;
    await once(tourOf([...cells.slice(from), ...cells.slice(0, from)].slice(0, TOUR_CELLS), round));
    idle = coverage.missing(least).length < cells.length ? 0 : idle + 1;
  }
}
