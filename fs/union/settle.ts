// Settling: makes an upper plain, so that the kernel's overlayfs shows the tree that we show. What only we can
// read is turned into what everybody can: folders moved by a redirect that others do not follow (the kernel none
// under `user.`, fuse-overlayfs none) are copied up whole, made opaque and freed of whiteouts; then the names of hard
// links that were joined by the index alone are made, those of files copied up a moment ago included. The guard goes
// last; until then each step leaves a tree that we show unchanged, so a settling that was cut short goes on at the
// next one.

import type { ByteString } from '../name.js';
import { withUpper } from './access.js';
import { ensureUpperName } from './hardlink.js';
import type { Inode } from './inode.js';
import { takeListing } from './listing.js';
import { child, LOWER } from './lookup.js';
import type { Stack } from './stack.js';

export function settle(stack: Stack, root: Inode): void {
  const upper = stack.writable();
  if (!upper.guarded) return;
  if (!upper.redirectsArePlain) {
    copyUpMoved(stack, root, false);
    dropWhiteouts(stack, root);
  }
  const joined = new Map<string, Inode>();
  try {
    makeNames(stack, root, joined);
    dropFromIndex(stack, joined);
  } finally {
    for (const inode of joined.values()) stack.table.unpin(inode);
  }
  upper.sync();
  upper.setGuard(false);
  stack.emit('settle', '');
}

/** `whole`: a folder above is going to be opaque, so everything below it has to be in the upper. */
function copyUpMoved(stack: Stack, folder: Inode, whole: boolean): void {
  const moved = hasRedirect(stack, folder);
  eachChild(stack, folder, (inode, name, isLowerName) => {
    if ((whole || moved) && isLowerName) ensureUpperName(stack, inode, folder, name);
    if (inode.isFolder) copyUpMoved(stack, inode, whole || moved);
  });
  if (!whole && !moved) return;
  withUpper(stack, folder, (node) => {
    // Only the topmost needs the mark: below an opaque folder nothing of the lowers is looked at.
    if (!whole) node.setOpaque(true);
    node.setRedirect(undefined);
  });
  folder.folders = [];
  if (!whole) stack.emit('opaque', stack.table.path(folder));
}

/**
 * A folder without lower parts needs no whiteouts, and the kernel, which lists such a folder as it is, would show
 * their names. Only once it is opaque: before that they hide what lies below.
 */
function dropWhiteouts(stack: Stack, folder: Inode): void {
  if (!folder.upper) return;
  if (folder.folders.length === 0) {
    const upper = stack.writable();
    const path = stack.table.path(folder);
    const names: ByteString[] = [];
    upper.list(path, (name, _type, _ino, whiteout) => {
      if (whiteout) names.push(name);
    });
    if (names.length > 0) {
      withUpper(stack, folder, (node) => {
        node.stat(stack.scratch);
        const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = stack.scratch.attr;
        for (const name of names) upper.unlink(path, name);
        node.utimes({ sec: atimeSec, nsec: atimeNsec }, { sec: mtimeSec, nsec: mtimeNsec });
      });
    }
  }
  eachChild(stack, folder, (inode) => {
    if (inode.isFolder) dropWhiteouts(stack, inode);
  });
}

function hasRedirect(stack: Stack, folder: Inode): boolean {
  if (!folder.upper) return false;
  return withUpper(stack, folder, (node) => {
    node.stat(stack.scratch);
    return stack.scratch.redirect !== undefined;
  });
}

/** `joined` collects the files of the index, pinned. */
function makeNames(stack: Stack, folder: Inode, joined: Map<string, Inode>): void {
  eachChild(stack, folder, (inode, name, isLowerName) => {
    if (inode.isFolder) makeNames(stack, inode, joined);
    if (inode.indexKey === undefined) return;
    if (isLowerName) ensureUpperName(stack, inode, folder, name);
    if (joined.has(inode.indexKey)) return;
    inode.pins++;
    joined.set(inode.indexKey, inode);
  });
}

/** With all its names made a file needs the index no more. */
function dropFromIndex(stack: Stack, joined: Map<string, Inode>): void {
  const upper = stack.writable();
  for (const [key, inode] of joined) {
    if (upper.indexNames(key) > 0) continue;
    upper.unindex(key);
    inode.indexKey = undefined;
  }
}

function eachChild(
  stack: Stack,
  folder: Inode,
  act: (inode: Inode, name: ByteString, isLowerName: boolean) => void,
): void {
  for (const name of takeListing(stack, folder).names) {
    const inode = child(stack, folder, name);
    if (inode === undefined) continue;
    const isLowerName = stack.found.where === LOWER;
    inode.pins++;
    try {
      act(inode, name, isLowerName);
    } finally {
      stack.table.unpin(inode);
    }
  }
}
