// The marks on folders of the upper that decide what of the lowers shows through them: opaque and redirect.
// Every mark is set before the folder gets the name for which it is needed, so that no moment exists in which
// lower content appears or is lost. Kernel overlayfs does not follow redirects under `user.`, so with those the
// upper is guarded first.

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

/** Prepares a folder of the upper to keep its content when it is moved to (newParent, newName). */
export function prepareMove(stack: Stack, folder: Inode, newParent: Inode, newName: ByteString): void {
  const newPath = joinPath(stack.table.path(newParent), newName);
  if (folder.folders.length === 0) {
    if (lowerHas(stack, newParent, newName)) makeOpaque(stack, folder, newPath);
    return;
  }
  const redirect = redirectFor(folder, newParent, newName);
  if (redirect !== undefined && stack.writable().marks === 'user') stack.writable().setGuard(true);
  withUpper(stack, folder, (node) => node.setRedirect(redirect));
  if (redirect !== undefined) stack.emit('redirect', newPath);
}

/** undefined: the lower part is where the name leads anyway. A sibling's name where that says it, else a path. */
function redirectFor(folder: Inode, newParent: Inode, newName: ByteString): ByteString | undefined {
  const { lowerPath } = folder;
  const sibling = newParent.folders.length > 0 && newParent.lowerPath === dirname(lowerPath);
  if (!sibling) return `/${lowerPath}`;
  return basename(lowerPath) === newName ? undefined : basename(lowerPath);
}
