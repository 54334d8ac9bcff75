// Stays in the foreground as long as a mount is there; a signal ends the mount.

import { setTimeout as sleep } from 'node:timers/promises';
import { unmountSnapshot } from '../mounts/mount-snapshot.js';
import { type ListedMount, MountTable } from '../mounts/table.js';
import { type Stats, statsOf } from './request-stats.js';

/** How often the table is looked at: it is a folder of notes about another process, with nothing to wait on. */
const LOOK_MS = 200;

/**
 * Resolves when the mount at `target` is gone, which it soon is after `signal`, with what its server last told of its
 * requests, if it measures them.
 */
export async function untilEnded(
  target: string,
  state: string,
  signal: AbortSignal,
): Promise<Stats | undefined> {
  const table = new MountTable(state);
  let stats: Stats | undefined;
  for (;;) {
    const mount: ListedMount | undefined = table.at(target);
    if (mount === undefined) return stats;
    stats = (await statsOf(mount)) ?? stats;
    if (signal.aborted) {
      await unmountSnapshot(target, state);
      return stats;
    }
    await sleep(LOOK_MS);
  }
}
