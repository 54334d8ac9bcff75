// Who watches goes behind those who are watched: on a busy machine a trace would else take time from the very work that it
// is to tell of. It gets enough of a processor to keep up with a mount.

import { existsSync, readdirSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

const NICE = 10;
const THREADS = '/proc/self/task';

/** Lowers the priority of this process, of V8's threads too. */
export function stepBack(): void {
  if (getPriority() >= NICE) return;
  // Linux has a priority for each thread.
  lowerPriority(existsSync(THREADS) ? readdirSync(THREADS).map(Number) : [process.pid]);
}

/** Lowers the priority of threads, as far as they are still there. */
export function lowerPriority(threads: readonly number[]): void {
  for (const thread of threads) {
    try {
      setPriority(thread, NICE);
    } catch (error) {
      // It has ended since they were listed.
      if ((error as NodeJS.ErrnoException).errno !== -constants.errno.ESRCH) throw error;
    }
  }
}
