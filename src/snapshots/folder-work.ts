// Work on folders of snapshots, whose failures are the store's: what a system call said, about what.

import { Attr, fromText, sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { SnapshotRow } from '../metadata/rows.js';
import { copyAttributes, copyTree } from './copy-tree.js';
import type { NewFolder } from './folders.js';
import type { Place } from './mounts.js';

/** What a system call said about `what`, as the store's own failure; anything else stays what it is. */
export function asFailure(what: string, error: unknown): unknown {
  if (error instanceof StoreError || typeof (error as NodeJS.ErrnoException).code !== 'string') return error;
  return new StoreError('failed', what, (error as Error).message, { cause: error });
}

export function said<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asFailure(what, error);
  }
}

export function withFolder<T>(path: string, use: (fd: number) => T): T {
  const fd = sys.openAt(sys.AT_FDCWD, fromText(path), sys.O_RDONLY | sys.O_DIRECTORY);
  try {
    return use(fd);
  } finally {
    sys.closeFd(fd);
  }
}

/**
 * What a new folder on top of `parent` begins with: a whole tree is copied for who may change it; else the root folder
 * alone begins as the parent's.
 */
export function fillFolder(
  place: Place,
  folder: NewFolder,
  parent: SnapshotRow,
  kind: 'active' | 'view',
): void {
  withFolder(place.fs(parent.id), (from) => {
    withFolder(`${folder.path}/fs`, (to) => {
      if (parent.form === 'full' && kind === 'active') {
        copyTree(from, to);
        return;
      }
      const attr = new Attr();
      sys.statFd(from, attr);
      copyAttributes(from, attr, to, '.', (xattr) => !xattr.includes('.overlay.'));
    });
  });
}
