// Whether anybody uses a snapshot without saying so in the metadata: a mount of ours that shows it, an overlay of the
// kernel on its folder, or a process that holds the lock of its upper. For who is about to remove what nothing names.

import { closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sys } from '../../fs/index.js';
import { readMounts } from './mountinfo.js';
import { overlayOn } from './overlay-on.js';
import { MountTable } from './table.js';

/**
 * Asks of snapshots by id, as things are now. What is returned says who uses one of `folder` (ROOT/snapshots), for
 * people; undefined if nobody does.
 */
export function snapshotUses(state: string, folder: string): (id: string) => string | undefined {
  const mounts = new MountTable(state).list().filter((mount) => mount.state === 'live');
  const shown = new Map(
    mounts.flatMap(({ snapshot, target }) =>
      snapshot?.store === folder ? [[snapshot.id, `mounted at ${target}`] as const] : [],
    ),
  );
  const uppers = new Map<string, string>();
  for (const { upper, target } of mounts) {
    if (upper !== undefined) uppers.set(`${upper.device}:${upper.inode}`, `mounted at ${target}`);
  }
  const overlays = (readMounts() ?? []).filter(({ type }) => type === 'overlay');
  return (id) => {
    const fs = join(folder, id, 'fs');
    const at = shown.get(id) ?? (uppers.size > 0 ? uppers.get(placeOf(fs)) : undefined);
    if (at !== undefined) return at;
    const overlay = overlays.length > 0 ? overlayOn(fs, overlays) : undefined;
    if (overlay !== undefined) return `mounted at ${overlay}`;
    return isHeld(join(folder, id, 'work')) ? 'held by a process that writes to it' : undefined;
  };
}

function placeOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? '' : `${found.dev}:${found.ino}`;
}

/** An upper is held by an exclusive flock on its work folder as long as somebody writes to it. */
function isHeld(work: string): boolean {
  if (process.platform !== 'linux') return false;
  let fd: number;
  try {
    fd = openSync(work, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  try {
    return !sys.tryLock(fd);
  } finally {
    closeSync(fd);
  }
}
