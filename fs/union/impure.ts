// Folders that say that entries have an origin, whose number these show (overlayfs's mark `impure`). In a folder that
// does not say so nobody looks for the origin of a file that has one name and its data. But overlayfs links what was
// copied up into folders without a word, so a number that was shown must be kept when it comes to be looked for.

import { Attr } from '../filesystem.js';
import { LayerEntry, type WritableNode } from '../layer/layer.js';
import { direntType, S_IFDIR } from '../mode.js';
import type { ByteString } from '../name.js';
import { acquireUpper, giveBack, withUpper } from './access.js';
import type { Inode } from './inode.js';
import type { Stack } from './stack.js';

const DT_DIR = direntType(S_IFDIR);

/**
 * To be called before a file gets a further name, or one in another folder, where its origin will be looked for: from now
 * on it says the number that it was shown with.
 */
export function keepNumber(stack: Stack, inode: Inode): void {
  if (inode.removed || inode.isFolder || inode.ino !== stack.upperNumber(inode.upperIno)) return;
  withUpper(stack, inode, (node) => {
    node.stat(stack.scratch);
    if (stack.scratch.origin !== 0 && stack.originNumber(stack.scratch) !== inode.ino) {
      node.setOrigin(inode.ino, undefined);
    }
  });
}

/** Tells the kernel's readdir that the folder holds an entry whose number is its origin's. */
export function markImpure(stack: Stack, inode: Inode, folder: Inode): void {
  if (folder.impure || inode.ino === stack.upperNumber(inode.upperIno)) return;
  const node = acquireUpper(stack, folder);
  try {
    becomeImpure(stack, folder, node);
  } finally {
    giveBack(folder, node);
  }
}

/** Afterwards the folder, whose object is `node`, tells that entries have an origin; those that it has keep their numbers. */
export function becomeImpure(stack: Stack, folder: Inode, node: WritableNode): void {
  if (!node.isImpure()) {
    keepNumbersIn(stack, stack.table.path(folder));
    node.setImpure();
  }
  folder.impure = true;
}

/** As `keepNumber`, of files in a folder that has not told of origins until now. */
function keepNumbersIn(stack: Stack, dir: ByteString): void {
  const upper = stack.writable();
  const names: ByteString[] = [];
  upper.list(dir, (name, type, _ino, whiteout) => {
    if (!whiteout && type !== DT_DIR) names.push(name);
  });
  const shown = new LayerEntry(new Attr());
  for (const name of names) {
    if (!upper.lookup(dir, name, shown) || shown.origin !== 0) continue;
    const node = upper.hold(dir, name);
    try {
      node.stat(stack.scratch);
      if (stack.scratch.origin !== 0) node.setOrigin(stack.upperNumber(shown.attr.ino), undefined);
    } finally {
      node.release();
    }
  }
}
