// Removing names. A name that a lower shows needs a whiteout in the upper, always asked afresh, because an
// upper file may stand on a lower one; a name of the upper alone leaves nothing. An object that is still in use
// is held before its name goes, so that open handles and the kernel's references keep working.

import { EACCES, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, FsError, isErrno } from '../errno.js';
import { assertName, type ByteString, joinPath } from '../name.js';
import { acquireUpper, assertLiveFolder } from './access.js';
import { ensureUpper } from './copy-up.js';
import type { Inode } from './inode.js';
import { isEmpty, lostSubfolder } from './listing.js';
import { child, LOWER, lowerHas, UPPER, type Where } from './lookup.js';
import type { Stack } from './stack.js';

export function unlink(stack: Stack, parent: Inode, name: ByteString): void {
  remove(stack, parent, name, (inode) => {
    if (inode.isFolder) throw new FsError(EISDIR, 'unlink');
  });
}

export function rmdir(stack: Stack, parent: Inode, name: ByteString): void {
  remove(stack, parent, name, (inode) => {
    if (!inode.isFolder) throw new FsError(ENOTDIR, 'rmdir');
    if (!isEmpty(stack, inode)) throw new FsError(ENOTEMPTY, 'rmdir');
  });
}

function remove(stack: Stack, parent: Inode, name: ByteString, check: (inode: Inode) => void): void {
  const upper = stack.writable();
  assertName(name);
  assertLiveFolder(parent);
  const inode = child(stack, parent, name);
  if (inode === undefined) throw new FsError(ENOENT, 'remove');
  const { where } = stack.found;
  const { nlink } = stack.found.entry.attr;
  inode.pins++;
  try {
    check(inode);
    const left = prepareToLose(stack, inode, where, nlink);
    const dir = stack.table.path(parent);
    if (left === LOWER || lowerHas(stack, parent, name)) {
      ensureUpper(stack, parent);
      upper.whiteout(dir, name);
      stack.emit('whiteout', joinPath(dir, name));
    } else if (inode.isFolder) upper.rmdir(dir, name);
    else upper.unlink(dir, name);
    if (inode.isFolder) lostSubfolder(parent);
    nameIsGone(stack, inode, left, nlink);
  } finally {
    stack.table.unpin(inode);
  }
}

/**
 * To be called before a name of the inode goes: what is in use is held. A lower file with several names is
 * copied up first, because the count of its names (`nlink`) can only be kept beside an upper object (as
 * ovl_nlink_start of the kernel). Returns where the name is now.
 */
export function prepareToLose(stack: Stack, inode: Inode, where: Where, nlink: number): Where {
  let now = where;
  if (!inode.isFolder && !inode.upper && nlink > 1 && copiesUp(stack, inode)) now = UPPER;
  const inUse = inode.lookups > 0 || inode.opens > 0 || inode.pins > 1;
  if (inode.upper && inUse && inode.held === undefined) inode.held = acquireUpper(stack, inode);
  return now;
}

/** False for what the process may not read: its name may go all the same, and the count of the others stays too high. */
function copiesUp(stack: Stack, inode: Inode): boolean {
  try {
    ensureUpper(stack, inode);
    return true;
  } catch (error) {
    if (!isErrno(error, EACCES)) throw error;
    return false;
  }
}

/** To be called after a name of the inode, one of `nlink` that was in `where`, is gone. */
export function nameIsGone(stack: Stack, inode: Inode, where: Where, nlink: number): void {
  const { upper, table, scratch } = stack;
  // A lower file that could not be copied up: other names of it are left.
  if (!inode.isFolder && !inode.upper && nlink > 1) return;
  if (inode.indexKey !== undefined && upper !== undefined) {
    if (where === LOWER) upper.setIndexNames(inode.indexKey, upper.indexNames(inode.indexKey) - 1);
    inode.held?.stat(scratch);
    if (scratch.attr.nlink - 1 + upper.indexNames(inode.indexKey) > 0) return;
    upper.unindex(inode.indexKey);
    inode.indexKey = undefined;
    table.orphan(inode);
  } else if (inode.isFolder || nlink === 1 || inode.held === undefined) {
    table.orphan(inode);
  } else {
    inode.held.stat(scratch);
    if (scratch.attr.nlink === 0) table.orphan(inode);
  }
}
