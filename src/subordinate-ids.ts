// Subordinate ids: what newuidmap(1) and newgidmap(1) may give a user beside his own, by name or by number (subuid(5)).

import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';

/** /etc/subuid and /etc/subgid: a user needs a range in both. */
export const RANGE_FILES: readonly string[] = ['/etc/subuid', '/etc/subgid'];

/** How such a file may name the user of this process: by login name, if there is one, and by number. */
export function namesOfUser(): readonly string[] {
  const number = `${process.getuid?.() ?? ''}`;
  try {
    return [userInfo().username, number];
  } catch {
    // A number that passwd(5) has no name for, as in many containers.
    return [number];
  }
}

/** Whether a file gives a range to one of these names; a file that is missing gives none. */
export function hasRange(path: string, names: readonly string[]): boolean {
  return readIfThere(path)
    .split('\n')
    .some((line) => names.includes(line.split(':', 1)[0] ?? ''));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
