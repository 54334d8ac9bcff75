// Whether a process that was written down is still the one it was: a number alone may have gone to another.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessMark {
  readonly pid: number;
  /** Field 22 of /proc/pid/stat, ticks since boot; '' where there is no /proc. */
  readonly started: string;
}

export function markOf(pid: number): ProcessMark {
  return { pid, started: startOf(pid) ?? '' };
}

export function isAlive(mark: ProcessMark): boolean {
  const started = startOf(mark.pid);
  if (started !== undefined) return started === mark.started;
  if (process.platform === 'linux') return false;
  try {
    process.kill(mark.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** undefined if there is no such process that this user may see, or only what is left of one that nobody has waited for. */
function startOf(pid: number): string | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The last two: another user's, where /proc hides those (`hidepid`).
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
  // The name in parentheses may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Tells this boot of the machine from every other; '' where it is not known. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Names the mount namespace of a process (namespaces(7)); '' where it is not known. */
export function mountNamespace(pid: number | 'self' = 'self'): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Ended, or another user's, or a system without /proc.
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return '';
    throw error;
  }
}

/** A process that lives in a mount namespace; undefined if the namespace has gone, or is not this user's to see. */
export function processIn(namespace: string): number | undefined {
  return readdirSync('/proc')
    .map(Number)
    .find((pid) => pid > 0 && mountNamespace(pid) === namespace);
}
