// Hard links. In the upper they are the layer's own. Those of a lower file stay together through the index: the
// first copy-up also becomes an entry of the index, names that were not made yet are found through it, and the
// count of names is what the upper has without the index's own, plus those still to be made.

import { attempt, EEXIST, ENOENT, EPERM, FsError } from '../errno.js';
import { assertName, type ByteString } from '../name.js';
import { acquireUpper, assertLiveFolder, giveBack, withUpper } from './access.js';
import { ensureUpper } from './copy-up.js';
import { pinData } from './data-below.js';
import { keepNumber, markImpure } from './impure.js';
import { type Inode, releaseHeld } from './inode.js';
import { resolve, WHITEOUT } from './lookup.js';
import type { Stack } from './stack.js';

/** A further name for a file. EPERM for a folder, ENOENT for a removed file (but not for O_TMPFILE's). */
export function link(stack: Stack, inode: Inode, parent: Inode, name: ByteString): void {
  const upper = stack.writable();
  assertName(name);
  assertLiveFolder(parent);
  if (inode.isFolder) throw new FsError(EPERM, 'link');
  if (inode.removed && !inode.linkable) throw new FsError(ENOENT, 'link');
  const where = resolve(stack, parent, name, stack.found);
  if (stack.found.exists) throw new FsError(EEXIST, 'link');
  ensureUpper(stack, parent);
  ensureUpper(stack, inode);
  pinData(stack, inode);
  if (inode.dataBelow !== undefined && !inode.removed) stack.guard();
  keepNumber(stack, inode);
  markImpure(stack, inode, parent);
  if (inode.indexKey !== undefined) upper.pinIndexNames(inode.indexKey);
  const node = acquireUpper(stack, inode);
  try {
    upper.link(node, stack.table.path(parent), name, where === WHITEOUT);
  } finally {
    giveBack(inode, node);
  }
  nowAt(stack, inode, parent, name);
}

/** Afterwards the upper has the inode at this very name, which only a lower has until now. */
export function ensureUpperName(stack: Stack, inode: Inode, parent: Inode, name: ByteString): void {
  if (!inode.upper) {
    ensureUpper(stack, inode);
    return;
  }
  // Copied up through another name: this one is known to the index alone.
  const { indexKey } = inode;
  if (indexKey === undefined) return;
  ensureUpper(stack, parent);
  markImpure(stack, inode, parent);
  withUpper(stack, parent, (folder) => {
    // The name was there before, so the folder's times must not tell otherwise.
    folder.stat(stack.scratch);
    const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = stack.scratch.attr;
    stack.writable().linkIndexed(indexKey, stack.table.path(parent), name);
    attempt(() => folder.utimes({ sec: atimeSec, nsec: atimeNsec }, { sec: mtimeSec, nsec: mtimeNsec }));
  });
}

/** The inode has just got the name (parent, name) in the upper: from now on it is found by it. */
export function nowAt(stack: Stack, inode: Inode, parent: Inode, name: ByteString): void {
  if (inode.removed) stack.table.adopt(inode, parent, name);
  else stack.table.place(inode, parent, name);
  if (inode.indexKey === undefined) releaseHeld(inode);
}
