// Which mount of ours shows a snapshot, and which snapshot a folder of this machine shows.

import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type ListedMount, MountTable } from '../mounts/table.js';
import type { StoredSnapshot } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';
import type { Context } from './context.js';

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

/**
 * The mount of ours that a path of this machine lies in, symlinks followed, with the rest of the path. Nobody can look below
 * one whose server has died, so any path there is one in it.
 */
export function mountAt(
  { settings }: Context,
  word: string,
): { readonly mount: ListedMount; readonly rest: string } | undefined {
  const path = resolve(word);
  const table = new MountTable(settings.state);
  const mount = table.at(path);
  if (mount !== undefined) return { mount, rest: '' };
  const { real, rest } = nearestFolder(path);
  const found = table.containing(join(real, rest));
  return rest === '' || found?.mount.state === 'dead' ? found : undefined;
}

/** How far an absolute path is there, without symlinks, and the rest of it. A mount whose server has died is not. */
export function nearestFolder(path: string): { readonly real: string; readonly rest: string } {
  let at = path;
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  return { real: realpathSync(at), rest: path.slice(at.length).replace(/^\//, '') };
}
