// Whether kernel overlayfs writes to a folder. /proc/self/mountinfo repeats the words that an overlay was mounted with,
// so the folder may be named relative to the working folder of a process that has ended, or through a symlink or
// a bind. But the root of an overlay has the attributes of its upper's root, so the two are told by their times.

import { type BigIntStats, chownSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { type MountPoint, mountAt } from './mountinfo.js';

const WORD = 'upperdir=';

/** The mount point of an overlay among `mounts` whose upper is the folder `fs`; undefined if there is none. */
export function overlayOn(fs: string, mounts: readonly MountPoint[]): string | undefined {
  for (const mount of mounts) {
    if (mount.type !== 'overlay') continue;
    const upper = upperOf(mount);
    if (upper === undefined) continue;
    if (upper === fs || (mayMean(upper, fs) && showsRootOf(mount, fs, mounts))) return mount.target;
  }
  return undefined;
}

function upperOf({ superOptions }: MountPoint): string | undefined {
  return superOptions.find((option) => option.startsWith(WORD))?.slice(WORD.length);
}

/** A name of one folder ends alike, but through a symlink; `.` says nothing of it. */
function mayMean(upper: string, fs: string): boolean {
  const last = basename(upper);
  return last === basename(fs) || last === '.' || last === '..';
}

/** Who looks into a mount may wait for its layers, so this is asked only of those that may be meant. */
function showsRootOf(mount: MountPoint, fs: string, mounts: readonly MountPoint[]): boolean {
  // What another mount covers, or shows but in part, cannot be looked at.
  if (mountAt(mount.target, mounts) !== mount || mount.root !== '/') return false;
  let before: BigIntStats | undefined;
  let isTouched = false;
  for (;;) {
    const folder = statOf(fs);
    const shown = statOf(mount.target);
    if (folder === undefined || shown === undefined) return false;
    if (isSameRoot(folder, shown)) {
      // Two folders that were made in one tick of the clock are alike until one of them changes.
      if (isTouched || !touch(fs)) return true;
      isTouched = true;
      continue;
    }
    // Somebody may have changed the root between the two looks.
    if (before !== undefined && isSameRoot(before, folder)) return false;
    before = folder;
  }
}

/** Sets the time of change, and nothing else; false where that is not permitted. */
function touch(path: string): boolean {
  try {
    chownSync(path, -1, -1);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM' || code === 'EROFS') return false;
    throw error;
  }
}

/** Who may not look at a mount is told nothing of it. */
function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'ENOTCONN' || code === 'EIO' || code === 'ESTALE') return undefined;
    throw error;
  }
}

function isSameRoot(a: BigIntStats, b: BigIntStats): boolean {
  return (
    a.ctimeNs === b.ctimeNs && a.mtimeNs === b.mtimeNs && a.birthtimeNs === b.birthtimeNs && a.mode === b.mode
  );
}
