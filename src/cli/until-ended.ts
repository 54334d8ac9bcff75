// Stays in the foreground as long as a mount is there; a signal ends the mount.

import { setTimeout as sleep } from 'node:timers/promises';
import { unmountSnapshot } from '../mounts/mount-snapshot.js';
import { MountTable } from '../mounts/table.js';

/** How often the table is looked at: it is a folder of notes about another process, with nothing to wait on. */
const LOOK_MS = 200;

/** Resolves when the mount at `target` is gone, which it soon is after `signal`. */
export async function untilEnded(target: string, state: string, signal: AbortSignal): Promise<void> {
  const table = new MountTable(state);
  while (table.at(target) !== undefined) {
    if (signal.aborted) {
      await unmountSnapshot(target, state);
      return;
    }
    await sleep(LOOK_MS);
  }
}
