// Open files that came from the caller without anybody's wish: its database, whatever its shell had open. A container
// must not have them, and a process that lives long must not keep them.

import { closeSync, readdirSync, readFileSync } from 'node:fs';

const CLOSED_BY_EXEC = 0o2000000;

/** Closes all from `first` on that are not Node's own, which are those that no program of ours would inherit. */
export function closeInherited(first: number): void {
  const numbers = readdirSync('/proc/self/fd').map(Number);
  for (const fd of numbers.filter((number) => number >= first && isInherited(number))) closeSync(fd);
}

function isInherited(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSED_BY_EXEC) === 0;
  } catch (error) {
    // What the list itself was read by.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
