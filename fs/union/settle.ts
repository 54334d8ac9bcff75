// Settling: makes an upper plain, so that the kernel's overlayfs shows the tree that we show. What only we can
// read is turned into what everybody can: names of hard links that were joined by the index alone are made, and
// folders moved by a redirect under `user.`, which the kernel does not follow, are copied up whole and made
// opaque. The guard goes last; until then each step leaves a tree that we show unchanged, so a settling that was
// cut short goes on at the next one.

import type { ByteString } from '../name.js';
import { withUpper } from './access.js';
import { ensureUpper } from './copy-up.js';
import { materialise } from './hardlink.js';
import type { Inode } from './inode.js';
import { child, LOWER } from './lookup.js';
import { takeListing } from './readdir.js';
import type { Stack } from './stack.js';

export function settle(stack: Stack, root: Inode): void {
  const upper = stack.writable();
  if (!upper.guarded) return;
  const joined = new Map<string, Inode>();
  try {
    settleFolder(stack, root, false, joined);
    for (const [key, inode] of joined) {
      if (upper.indexNames(key) > 0) continue;
      upper.unindex(key);
      inode.indexKey = undefined;
    }
  } finally {
    for (const inode of joined.values()) stack.table.unpin(inode);
  }
  upper.sync();
  upper.setGuard(false);
  stack.emit('settle', '');
}

/**
 * `whole`: a folder above is going to be opaque, so everything has to be in the upper. `joined` collects the
 * files of the index, pinned; with all names made, they need it no more.
 */
function settleFolder(stack: Stack, folder: Inode, whole: boolean, joined: Map<string, Inode>): void {
  const redirected = hasUserRedirect(stack, folder);
  const copyAll = whole || redirected;
  for (const name of takeListing(stack, folder).names) {
    settleName(stack, folder, name, copyAll, joined);
  }
  if (!copyAll) return;
  withUpper(stack, folder, (node) => {
    // Only the topmost needs the mark: below an opaque folder nothing of the lowers is looked at.
    if (redirected && !whole) node.setOpaque(true);
    node.setRedirect(undefined);
  });
  folder.folders = [];
  if (redirected && !whole) stack.emit('opaque', stack.table.path(folder));
}

function settleName(
  stack: Stack,
  folder: Inode,
  name: ByteString,
  whole: boolean,
  joined: Map<string, Inode>,
): void {
  const inode = child(stack, folder, name);
  if (inode === undefined) return;
  const lowerName = stack.found.where === LOWER;
  inode.pins++;
  try {
    if (lowerName && inode.indexKey !== undefined) materialise(stack, inode, folder, name);
    else if (whole) ensureUpper(stack, inode);
    if (inode.isFolder) settleFolder(stack, inode, whole, joined);
    if (inode.indexKey !== undefined && !joined.has(inode.indexKey)) {
      inode.pins++;
      joined.set(inode.indexKey, inode);
    }
  } finally {
    stack.table.unpin(inode);
  }
}

function hasUserRedirect(stack: Stack, folder: Inode): boolean {
  if (!folder.upper || stack.upper?.marks !== 'user') return false;
  return withUpper(stack, folder, (node) => {
    node.stat(stack.scratch);
    return stack.scratch.redirect !== undefined;
  });
}
