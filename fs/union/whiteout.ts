// Removing names. A name that a lower shows needs a whiteout in the upper, always asked afresh, because an
// upper file may stand on a lower one; a name of the upper alone leaves nothing. An object that is still in use
// is held before its name goes, so that open handles and the kernel's references keep working.

import { attempt, EACCES, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, FsError, isErrno } from '../errno.js';
import { assertName, type ByteString, joinPath } from '../name.js';
import { acquireUpper, assertLiveFolder, statLayer, withNode } from './access.js';
import { ensureUpper } from './copy-up.js';
import { ensureUpperName } from './hardlink.js';
import { keepPart, losePart } from './in-part.js';
import { type Inode, releaseHeld } from './inode.js';
import { child } from './intern.js';
import { isEmpty, lostSubfolder } from './listing.js';
import { LOWER, lowerHas, type Where } from './lookup.js';
import type { Stack } from './stack.js';

export function unlink(stack: Stack, parent: Inode, name: ByteString): void {
  remove(stack, parent, name, (inode) => {
    if (inode.isFolder) throw new FsError(EISDIR, 'unlink');
  });
}

export function rmdir(stack: Stack, parent: Inode, name: ByteString): void {
  remove(stack, parent, name, (inode) => {
    if (!inode.isFolder) throw new FsError(ENOTDIR, 'rmdir');
    // A folder of the upper alone is looked into by the upper, and only if it cannot be removed at once.
    if ((!inode.upper || inode.folders.length > 0) && !isEmpty(stack, inode))
      throw new FsError(ENOTEMPTY, 'rmdir');
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
    losing(stack, inode, parent, name, where, nlink, () => {
      const dir = stack.table.path(parent);
      if (!inode.upper || lowerHas(stack, parent, name)) {
        ensureUpper(stack, parent);
        upper.whiteout(dir, name);
        stack.emit('whiteout', joinPath(dir, name));
      } else if (inode.isFolder) upper.rmdir(dir, name);
      else upper.unlink(dir, name);
    });
  } finally {
    stack.table.unpin(inode);
  }
}

/**
 * Runs `act`, which makes a name of the inode go: (parent, name), one of `nlink` that its layer counts. What is in
 * use is held before. A lower file with several names is copied up before, under this name, because the count of
 * its names can only be kept beside an upper object, and is kept in the same step only for a name of the upper (as
 * ovl_nlink_start of the kernel). Nothing has to be written afterwards.
 */
export function losing(
  stack: Stack,
  inode: Inode,
  parent: Inode,
  name: ByteString,
  where: Where,
  nlink: number,
  act: () => void,
): void {
  const wasHeld = inode.held !== undefined;
  const left = namesLeft(stack, inode, parent, name, where, nlink);
  const lost = !inode.isFolder && !inode.upper && left > 0 ? nlink - left : 0;
  if (lost > 0) noteLost(stack, inode, lost, joinPath(stack.table.path(parent), name));
  const inUse = stack.table.lookupsOf(inode) > 0 || inode.opens > 0 || inode.pins > 1;
  if (inode.upper && inUse && inode.held === undefined) inode.held = acquireUpper(stack, inode);
  if (left === 0 && inUse) keepPart(stack, inode);
  try {
    act();
  } catch (error) {
    if (!wasHeld && inode.indexKey === undefined) releaseHeld(inode);
    throw error;
  }
  if (inode.isFolder) lostSubfolder(parent);
  else if (lost > 0) {
    stack.lostNames.set(inode.ino, lost);
    noteLost(stack, inode, lost);
  }
  if (left > 0) return;
  stack.lostNames.delete(inode.ino);
  const { indexKey } = inode;
  if (indexKey !== undefined) {
    inode.indexKey = undefined;
    // An entry that stays counts no names, and is dropped when the upper is opened next.
    attempt(() => stack.writable().unindex(indexKey));
  }
  losePart(stack, inode);
  stack.table.orphan(inode);
}

/** The upper remembers that names of a lower file went, the last of them at `last`, as far as its disk lets it. */
function noteLost(stack: Stack, inode: Inode, names: number, last?: ByteString): void {
  attempt(() =>
    withNode(stack, inode, (source) => {
      const upper = stack.writable();
      upper.setLostNames(upper.indexKey(source), names, last);
    }),
  );
}

/** How many names the inode has when this one is gone. */
function namesLeft(
  stack: Stack,
  inode: Inode,
  parent: Inode,
  name: ByteString,
  where: Where,
  nlink: number,
): number {
  if (inode.isFolder) return 0;
  if (where === LOWER && nlink > 1 && copiesUp(stack, inode, parent, name)) {
    statLayer(stack, inode);
    return countLeft(stack, inode, stack.scratch.attr.nlink);
  }
  const left = countLeft(stack, inode, nlink);
  return inode.upper ? left : left - (stack.lostNames.get(inode.ino) ?? 0);
}

function countLeft(stack: Stack, inode: Inode, nlink: number): number {
  if (inode.indexKey === undefined) return nlink - 1;
  return nlink - 2 + stack.writable().pinIndexNames(inode.indexKey);
}

/** False for what the process may not read: its name may go all the same, and the stack remembers that it went. */
function copiesUp(stack: Stack, inode: Inode, parent: Inode, name: ByteString): boolean {
  try {
    ensureUpperName(stack, inode, parent, name);
    return true;
  } catch (error) {
    if (!isErrno(error, EACCES)) throw error;
    return false;
  }
}
