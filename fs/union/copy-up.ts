// Copy-up: makes the upper hold what a lower holds, before it is changed. Parents first. The copy is staged
// complete (data, attributes, marks) and then gets its name in one step, so a failure at any point leaves
// nothing in the upper. The inode is switched to the upper last; open handles share the inode's data, so they
// follow by themselves.

import { attempt, EOPNOTSUPP, isErrno } from '../errno.js';
import { Attr, SEEK_DATA, SEEK_HOLE } from '../filesystem.js';
import {
  LayerEntry,
  type LayerFile,
  type LayerNode,
  type Staged,
  type WritableFile,
} from '../layer/layer.js';
import { isSymlink, PERMISSION_BITS, S_IFREG } from '../mode.js';
import { acquire, giveBack, withUpper } from './access.js';
import { closeData, type Inode } from './inode.js';
import { becomeIndexed } from './lookup.js';
import type { Stack } from './stack.js';

interface Amounts {
  bytesCopied: number;
  bytesSaved: number;
}

/**
 * Afterwards the inode, and all folders above it, are in the upper. Of a file's data at most `dataLimit` bytes
 * are taken along, for a caller who truncates it next. EROFS without an upper.
 */
export function ensureUpper(stack: Stack, inode: Inode, dataLimit = Number.POSITIVE_INFINITY): void {
  stack.writable();
  if (inode.upper) return;
  if (!inode.removed && inode.parent !== undefined) ensureUpper(stack, inode.parent);
  const source = acquire(stack, inode);
  try {
    copyUp(stack, inode, source, dataLimit);
  } finally {
    giveBack(inode, source);
  }
}

function copyUp(stack: Stack, inode: Inode, source: LayerNode, dataLimit: number): void {
  const upper = stack.writable();
  const entry = new LayerEntry(new Attr());
  source.stat(entry);
  const { attr } = entry;
  const what = { mode: attr.mode, uid: attr.uid, gid: attr.gid, rdev: attr.rdev };
  const staged = upper.stage(isSymlink(attr.mode) ? { ...what, target: source.readlink() } : what);
  const amounts: Amounts = { bytesCopied: 0, bytesSaved: 0 };
  let data: WritableFile | undefined;
  try {
    if (inode.type === S_IFREG) {
      data = staged.openWrite();
      copyData(source, data, Math.min(attr.size, dataLimit), attr.size <= dataLimit, amounts);
    }
    copyAttributes(source, staged, attr);
    staged.setOrigin(inode.ino, source);
    publish(stack, inode, staged, source, attr);
  } catch (error) {
    data?.close();
    if (!inode.upper) staged.discard();
    throw error;
  }
  if (data !== undefined) {
    closeData(inode);
    if (inode.opens > 0) inode.writer = data;
    else data.close();
  }
  stack.emit('copy-up', stack.table.path(inode), amounts);
}

/** Gives the copy its name and switches the inode. A removed inode's copy gets no name and stays held. */
function publish(stack: Stack, inode: Inode, staged: Staged, source: LayerNode, attr: Attr): void {
  const upper = stack.writable();
  // The layer's count of subfolders goes on to be true, but from now on nothing else tells it.
  if (inode.folders.length === 1 && attr.nlink >= 2) inode.subfolders ??= attr.nlink - 2;
  const { parent } = inode;
  if (inode.removed || parent === undefined) {
    staged.stat(stack.scratch);
    inode.upperIno = stack.scratch.attr.ino;
    inode.held = staged;
    inode.staged = staged;
    inode.upper = true;
    return;
  }
  const dir = stack.table.path(parent);
  withUpper(stack, parent, (folder) => {
    // The name was there before, so the parent's times must not tell otherwise.
    folder.stat(stack.scratch);
    const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = stack.scratch.attr;
    if (!parent.impure) folder.setImpure();
    parent.impure = true;
    staged.stat(stack.scratch);
    inode.upperIno = stack.scratch.attr.ino;
    if (!inode.isFolder && inode.type !== S_IFREG) stack.table.noteCopy(inode);
    if (!inode.isFolder && attr.nlink > 1) {
      // Until all names are made, only the index joins them, which other readers of the upper do not know.
      upper.setGuard(true);
      const key = upper.indexKey(source);
      const held = staged.publishIndexed(key, attr.nlink - 1, dir, inode.name, false);
      inode.upper = true;
      becomeIndexed(inode, key, held);
    } else {
      staged.publish(dir, inode.name, false);
      inode.upper = true;
    }
    // The copy is there, whatever becomes of the times (as ovl_copy_up_one of the kernel).
    attempt(() => folder.utimes({ sec: atimeSec, nsec: atimeNsec }, { sec: mtimeSec, nsec: mtimeNsec }));
  });
}

/** Owner and mode came with the stage; writing data, and setting an ACL, may have changed the mode. */
function copyAttributes(source: LayerNode, staged: Staged, attr: Attr): void {
  for (const name of source.listxattr()) {
    const value = source.getxattr(name);
    if (value === undefined) continue;
    try {
      staged.setxattr(name, value, 0);
    } catch (error) {
      // As the kernel's copy-up: what guards access must not be lost, the rest is lost on a filesystem without it.
      const guards = name.startsWith('security.') || name.startsWith('system.posix_acl_');
      if (guards || !isErrno(error, EOPNOTSUPP)) throw error;
    }
  }
  staged.chmod(attr.mode & PERMISSION_BITS);
  staged.utimes({ sec: attr.atimeSec, nsec: attr.atimeNsec }, { sec: attr.mtimeSec, nsec: attr.mtimeNsec });
}

function copyData(source: LayerNode, to: WritableFile, size: number, whole: boolean, amounts: Amounts): void {
  if (size === 0) return;
  const from = source.open();
  try {
    if (whole && to.cloneFrom(from)) {
      amounts.bytesSaved = size;
      return;
    }
    amounts.bytesCopied = copyRanges(from, to, size);
    amounts.bytesSaved = size - amounts.bytesCopied;
    to.truncate(size);
  } finally {
    from.close();
  }
}

/** Copies the data and leaves the holes; returns the bytes copied. */
function copyRanges(from: LayerFile, to: WritableFile, size: number): number {
  let copied = 0;
  for (let at = 0; at < size; ) {
    const start = from.seek(at, SEEK_DATA);
    if (start === undefined || start >= size) break;
    const end = Math.min(from.seek(start, SEEK_HOLE) ?? size, size);
    for (at = start; at < end; ) {
      const count = to.copyFrom(from, at, at, end - at);
      if (count === 0) return copied;
      at += count;
      copied += count;
    }
  }
  return copied;
}
