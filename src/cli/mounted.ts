// Which mount of ours shows a snapshot, and which snapshot a folder of this machine shows.

import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type ListedMount, MountTable } from '../mounts/table.js';
import type { StoredSnapshot } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';

/**
 * The mount that shows this very snapshot, not one on top of it: by its name, or, for a mount that was made of
 * what `snapshot mounts` says, by the folder that it writes.
 */
export function mountOf(store: Store, info: StoredSnapshot): ListedMount | undefined {
  const table = new MountTable(store.state);
  return (
    table.showing(store.folders.snapshots, info.id) ??
    table.writing(join(store.folders.snapshots, info.id, 'fs'))
  );
}

/** Where a snapshot is mounted, by us or by the kernel for somebody else; undefined if nowhere that we can see. */
export function mountPointOf(store: Store, info: StoredSnapshot): string | undefined {
  const upper = join(store.folders.snapshots, info.id, 'fs');
  return mountOf(store, info)?.target ?? new MountTable(store.state).kernelMountOn(upper);
}

/** True for a word that can only be a path of this machine: it begins with a slash, or with `.` or `..` and one. */
export function isPath(word: string): boolean {
  return /^\.{0,2}\//.test(word) || word === '.' || word === '..';
}

/** A folder of this machine as typed, absolute and without symlinks; undefined if there is none. */
export function folderAt(word: string): string | undefined {
  const path = resolve(word);
  return existsSync(path) ? realpathSync(path) : undefined;
}
