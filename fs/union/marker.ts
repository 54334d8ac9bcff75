// The marks on folders of the upper that decide what of the lowers shows through them: opaque and redirect.
// Every mark is set before the folder gets the name for which it is needed, and says the same at the old one, so
// that no moment exists in which lower content appears or is lost, also if the folder stays where it is. Kernel
// overlayfs does not follow redirects under `user.`, and fuse-overlayfs none, so where one of them may read the upper
// it is guarded first.

import { attempt, E2BIG, EDQUOT, ENOSPC, ERANGE, EXDEV, FsError, isErrno } from '../errno.js';
import type { WritableNode } from '../layer/layer.js';
import { type ByteString, basename, dirname, joinPath } from '../name.js';
import { withUpper } from './access.js';
import type { Inode } from './inode.js';
import { lowerHas } from './lookup.js';
import type { Stack } from './stack.js';

/** Lower parts of the folder are not part of it any more (it has none), wherever it is. */
export function makeOpaque(stack: Stack, folder: Inode, path: ByteString): void {
  withUpper(stack, folder, (node) => {
    node.setRedirect(undefined);
    node.setOpaque(true);
  });
  stack.emit('opaque', path);
}

/** Beyond this a filesystem may have no room for a mark, though it is not full: ext4 has one block for all xattrs of a file. */
const LONG = 1024;

/** EXDEV for a path that is too long for a mark: the folder is then copied by who moves it (as ovl_set_redirect). */
function setRedirect(node: WritableNode, redirect: ByteString): void {
  try {
    node.setRedirect(redirect);
  } catch (error) {
    const noRoom = [ENOSPC, EDQUOT, E2BIG, ERANGE].some((errno) => isErrno(error, errno));
    throw noRoom && redirect.length > LONG ? new FsError(EXDEV, 'redirect', { cause: error }) : error;
  }
}

/** Prepares a folder of the upper to keep its content when it is moved to (newParent, newName). */
export function prepareMove(stack: Stack, folder: Inode, newParent: Inode, newName: ByteString): void {
  const newPath = joinPath(stack.table.path(newParent), newName);
  if (folder.folders.length === 0) {
    if (lowerHas(stack, newParent, newName)) makeOpaque(stack, folder, newPath);
    return;
  }
  if (!stack.writable().redirectsArePlain) stack.guard();
  withUpper(stack, folder, (node) => setRedirect(node, redirectFor(folder, newParent)));
  stack.emit('redirect', newPath);
}

/** A folder that is back where its lower part is needs no redirect, and has none if it can be taken away. */
export function dropNeedlessRedirect(stack: Stack, folder: Inode): void {
  const { parent, name, lowerPath } = folder;
  if (parent === undefined || folder.folders.length === 0 || !isAmong(parent, lowerPath)) return;
  if (name !== basename(lowerPath)) return;
  attempt(() => withUpper(stack, folder, (node) => node.setRedirect(undefined)));
}

/** A sibling's name where that leads to the lower part from the new place and from the old one, else a path. */
function redirectFor(folder: Inode, newParent: Inode): ByteString {
  const { lowerPath } = folder;
  return folder.parent === newParent && isAmong(newParent, lowerPath) ? basename(lowerPath) : `/${lowerPath}`;
}

/** The lower folder at the path is an entry of the lower parts of `parent`. */
function isAmong(parent: Inode, path: ByteString): boolean {
  return parent.folders.length > 0 && parent.lowerPath === dirname(path);
}
