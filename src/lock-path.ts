// The lock of a file or folder that stands at a path: one holder over all processes of the machine, gone with it however
// it ends. It is flock(2), which holds the object and not its name, so whoever gets the lock makes sure of the name.

import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { sys } from '../fs/index.js';

/**
 * Locks what is at `path`, without waiting. Returns the descriptor that holds the lock until it is closed; `busy` if
 * somebody has it, `gone` if nothing is there (any more). Where there is no flock(2) the descriptor holds nothing.
 */
export function lockPath(path: string): number | 'busy' | 'gone' {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
    throw error;
  }
  let isHeld = false;
  try {
    if (process.platform === 'linux' && !sys.tryLock(fd)) return 'busy';
    // Between opening and locking the holder may have removed it, and another may stand in its place.
    const now = statSync(path, { throwIfNoEntry: false, bigint: true });
    if (now?.ino !== fstatSync(fd, { bigint: true }).ino) return 'gone';
    isHeld = true;
    return fd;
  } finally {
    if (!isHeld) closeSync(fd);
  }
}
