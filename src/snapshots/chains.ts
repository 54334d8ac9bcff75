// The cache of flattened chains: one file for each chain that was opened, worth keeping as long as all of its
// layers are there. Losing one costs a merge and nothing else.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { chainMembers, isUnusable, readIndexHead } from '../../fs/index.js';

/** Removes what speaks of a layer that `named` does not know, and what cannot be read. Returns how many. */
export function sweepChains(folder: string, named: (id: string) => boolean): number {
  if (!existsSync(folder)) return 0;
  let count = 0;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (membersOf(path)?.every(named) === true) continue;
    rmSync(path, { force: true });
    count++;
  }
  return count;
}

/** undefined for a file that is damaged, half-written or of something else. */
function membersOf(path: string): readonly string[] | undefined {
  try {
    return chainMembers(readIndexHead(path).trailer);
  } catch (error) {
    if (isUnusable(error)) return undefined;
    throw error;
  }
}
