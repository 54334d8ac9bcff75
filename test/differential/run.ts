// The run of the differential test that the short and the long one share: random histories first, then tours to the
// cells of the coverage that they have left below the minimum. It is the same run for the same options.

import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Need } from '../requires.js';
import { type History, historyOf, type Kernel, tourOf } from './commands.js';
import type { Coverage } from './coverage.js';
import { Ended } from './partner.js';
import { live, Stage } from './twins.js';

/** What a run needs of the machine. */
export const NEEDS: readonly Need[] = [
  'overlay',
  'fuse',
  'loop',
  'program:mkfs.ext4',
  'program:setfacl',
  'program:setfattr',
  'program:unshare',
  'program:nsenter',
];

export interface RunOptions {
  readonly seed: number;
  readonly where: 'first namespace' | 'user namespace';
  /** Histories are made until so many operations were run. */
  readonly operations: number;
  /** How many commands there are at most between one mounting and the next. */
  readonly commands: number;
  /** How often each cell of the coverage must be met. */
  readonly least: number;
  /** Live through this one alone; what is left of it if it fails becomes shorter each time. */
  readonly history?: History;
  /** Where what was met is added up; its minimum is this run's. */
  readonly coverage: Coverage;
}

/** So many cells are visited in one tour: more would use up the lower layers. */
const TOUR_CELLS = 80;
const TOURS_WITHOUT_GAIN = 6;
/** Finding a shorter history ends here, so that the seed is told before the test's own limit. */
const SHRINK_LIMIT_MS = 60_000;
/** A mount cannot follow redirects inside a user namespace, so there is one way to mount there. */
const KERNELS: Readonly<Record<RunOptions['where'], readonly Kernel[]>> = {
  'first namespace': ['plain', 'metacopy', 'plain', 'userxattr'],
  'user namespace': ['userxattr'],
};

/** Fails with the seed and the shortest history that fast-check finds. */
export async function runTwins(options: RunOptions): Promise<void> {
  const { seed, operations, commands, least, coverage } = options;
  const kernels = KERNELS[options.where];
  const stage = await Stage.begin(options.where);
  const histories = historyOf(kernels, commands);
  let left = operations;
  const once = async (lived: History): Promise<void> => {
    const remounts = await live(stage, lived);
    const report = await stage.report();
    coverage.add(report, remounts);
    left -= report.totals['operations'] ?? 0;
  };
  try {
    if (options.history !== undefined) {
      // As an example, so that a failure is shrunk further.
      await check('history', histories, seed, { numRuns: 1, examples: [[options.history]] }, once);
      return;
    }
    await check('history', histories, seed, { numRuns: operations }, async (lived) => {
      if (left > 0) await once(lived);
    });
    let idle = 0;
    for (let round = seed; idle < TOURS_WITHOUT_GAIN; round++) {
      const cells = coverage.missing(least);
      if (cells.length === 0) return;
      // A different part of them each time: one that is hard to reach must not keep the others waiting.
      const from = (round * TOUR_CELLS) % cells.length;
      const turned = [...cells.slice(from), ...cells.slice(0, from)];
      // Making one place may move the other away, so a few cells are tried more than once.
      const tour = tourOf(kernels, [...turned, ...turned, ...turned].slice(0, TOUR_CELLS), round);
      await check('tour', histories, seed, { numRuns: 1, examples: [[tour]] }, once);
      idle = coverage.missing(least).length < cells.length ? 0 : idle + 1;
    }
  } finally {
    await stage.end();
  }
}

/** fast-check's own loop, with a limit for shrinking and a report that names the operations. */
async function check(
  what: string,
  histories: fc.Arbitrary<History>,
  seed: number,
  parameters: fc.Parameters<[History]>,
  once: (lived: History) => Promise<void>,
): Promise<void> {
  let since: number | undefined;
  let shortest: { readonly lived: History; readonly message: string } | undefined;
  let reached = (): void => undefined;
  const limit = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const property = fc.asyncProperty(histories, async (lived) => {
    if (since !== undefined && Date.now() - since > SHRINK_LIMIT_MS) {
      reached();
      // Ends fast-check's loop, which would go on to make every shorter history, though none is tried any more.
      await new Promise<never>(() => undefined);
    }
    try {
      await once(lived);
    } catch (error) {
      since = error instanceof Ended ? Number.NEGATIVE_INFINITY : (since ?? Date.now());
      shortest = { lived, message: (error as Error).message };
      throw error;
    }
  });
  await Promise.race([fc.check(property, { seed, ...parameters }), limit]);
  if (shortest === undefined) return;
  const file = join(tmpdir(), `mica-twins-${seed}.json`);
  writeFileSync(file, JSON.stringify(shortest.lived));
  throw new Error(
    `seed ${seed}, ${what}: ${shortest.message}\nthis history again: MICA_TWIN_HISTORY=${file}`,
  );
}
