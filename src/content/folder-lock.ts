// The lock of an ingest: one writer, over all processes of the machine, gone with its holder however it ends.
// On Linux it is flock(2) on the ingest's folder. Elsewhere it is a file that holds the pid of its owner, and a
// file whose owner is dead is taken over.

import { closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockPath } from '../lock-path.js';
import { hasCode } from './system-error.js';

export interface FolderLock {
  /** Safe to call twice. */
  release(): void;
}

/** The lock of `folder`; `busy` if somebody has it, `gone` if there is no such folder (any more). */
export function lockFolder(folder: string): FolderLock | 'busy' | 'gone' {
  return process.platform === 'linux' ? flockFolder(folder) : lockByPid(folder);
}

function flockFolder(folder: string): FolderLock | 'busy' | 'gone' {
  const fd = lockPath(folder);
  return typeof fd === 'string' ? fd : once(() => closeSync(fd));
}

/** Exported for its test, which runs on Linux as well. */
export function lockByPid(folder: string): FolderLock | 'busy' | 'gone' {
  const file = join(folder, 'lock');
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return once(() => rmSync(file, { force: true }));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return 'gone';
      if (!hasCode(error, 'EEXIST')) throw error;
      if (ownerLives(file)) return 'busy';
      rmSync(file, { force: true });
    }
  }
  return 'busy';
}

function ownerLives(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    // Cut short while it was written. (To kill(2) 0 is no process but the caller's own group.)
    if (pid === 0) return false;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (hasCode(error, 'EPERM')) return true;
    if (hasCode(error, 'ESRCH') || hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** A second close of a number could close somebody else's file. */
function once(release: () => void): FolderLock {
  let held = true;
  return {
    release: () => {
      if (held) release();
      held = false;
    },
  };
}
