// Copy-up: makes the upper hold what a lower holds, before it is changed. Parents first. The copy is staged
// complete (attributes, marks, and its data where that is wanted) and then gets its name in one step, so a failure
// at any point leaves nothing in the upper. The inode is switched to the upper last; open handles share the
// inode's data, so they follow by themselves. Who changes attributes or names alone leaves the data of a file below
// (data-below.ts), under the guard, because other readers of the upper may not follow.

import { attempt } from '../errno.js';
import { Attr } from '../filesystem.js';
import type { LayerFile, LayerNode, Staged, WritableFile, WritableNode } from '../layer/layer.js';
import { isSymlink, S_IFREG } from '../mode.js';
import { acquire, giveBack, withUpper } from './access.js';
import { copyAttributes } from './copy-attributes.js';
import { type Amounts, copyData, syncCopy } from './copy-data.js';
import { beginBelow, fetchData, leaveBelow, mayLeaveBelow, openSource } from './data-below.js';
import { becomeImpure } from './impure.js';
import { beginPart, isWorthIt } from './in-part.js';
import { closeData, type DataBelow, type Inode, switchData } from './inode.js';
import { becomeIndexed } from './intern.js';
import { preparedCopy } from './prepared-copy.js';
import { replaceWhole } from './replace-whole.js';
import type { Stack } from './stack.js';
import { CAPABILITY } from './xattr-names.js';

/** Afterwards the inode, and all folders above it, are in the upper; a file's data may still lie below. EROFS without an upper. */
export function ensureUpper(stack: Stack, inode: Inode): void {
  ensureCopied(stack, inode, LEFT_BELOW);
}

/**
 * As `ensureUpper`, and `change` is made to the object: to a copy before it has its name, where it gets only one, so that
 * there is one step in which the inode comes to the upper as it is wanted.
 */
export function changeUpper(stack: Stack, inode: Inode, change: (node: WritableNode) => void): void {
  if (inode.upper) withUpper(stack, inode, change);
  else ensureCopied(stack, inode, LEFT_BELOW, { change });
}

/** As `ensureUpper`, and the file has no capability in the upper. */
export function ensureUpperWithoutCapability(stack: Stack, inode: Inode): void {
  ensureCopied(stack, inode, LEFT_BELOW, { capability: false });
  withUpper(stack, inode, (node) => {
    if (node.getxattr(CAPABILITY) !== undefined) node.removexattr(CAPABILITY);
  });
}

/** As `ensureUpper`, and the data of a file is there too. */
export function ensureData(stack: Stack, inode: Inode): void {
  ensureCopied(stack, inode, Number.POSITIVE_INFINITY);
  if (inode.dataBelow !== undefined) fetch(stack, inode, Number.POSITIVE_INFINITY);
}

/**
 * As `ensureUpper`, and the data of a file may be written: it is there too, or what is written of a large file becomes
 * its own (in-part.ts). Of what lies below, the first `limit` bytes, for a caller who truncates it. True if that cut the
 * file, which is then truncated: nothing that could fail is left to do.
 */
export function ensureWritable(stack: Stack, inode: Inode, limit = Number.POSITIVE_INFINITY): boolean {
  const cut = ensureCopied(stack, inode, limit, WRITABLE);
  const { dataBelow } = inode;
  if (dataBelow === undefined || dataBelow.own !== undefined || beginBelow(stack, inode, limit)) return cut;
  return fetch(stack, inode, limit);
}

function fetch(stack: Stack, inode: Inode, limit: number): boolean {
  return replaceWhole(stack, inode, limit) ?? fetchData(stack, inode, limit);
}

/** In place of a number of bytes: none, and the file says that they lie below. */
const LEFT_BELOW = -1;

/** What a copy is not like its source in. */
interface Differences {
  /** False: its capability is left out. */
  readonly capability?: boolean;
  readonly change?: (node: WritableNode) => void;
  /** True: what is not written of a large file stays below. */
  readonly inPart?: boolean;
}

const WRITABLE: Differences = { inPart: true };
const NO_DIFFERENCES: Differences = {};

/** True if a file was copied and cut. */
function ensureCopied(
  stack: Stack,
  inode: Inode,
  limit: number,
  differences: Differences = NO_DIFFERENCES,
): boolean {
  stack.writable();
  if (inode.upper) return false;
  const above: Inode[] = [];
  for (let at = inode; !at.removed && at.parent?.upper === false; at = at.parent) above.push(at.parent);
  for (const folder of above.reverse()) copyAlone(stack, folder, limit, NO_DIFFERENCES);
  return copyAlone(stack, inode, limit, differences);
}

/** The folders above are in the upper. */
function copyAlone(stack: Stack, inode: Inode, limit: number, differences: Differences): boolean {
  const source = acquire(stack, inode);
  try {
    return copyUp(stack, inode, source, limit, differences);
  } finally {
    giveBack(inode, source);
  }
}

function copyUp(
  stack: Stack,
  inode: Inode,
  source: LayerNode,
  limit: number,
  { capability = true, change, inPart = false }: Differences,
): boolean {
  const upper = stack.writable();
  const attr = new Attr();
  source.attributes(attr);
  const what = { mode: attr.mode, uid: attr.uid, gid: attr.gid, rdev: attr.rdev };
  const isFile = inode.type === S_IFREG;
  const xattrs = source.listxattr();
  const keepsCapability = isFile && capability && xattrs.includes(CAPABILITY);
  const cut = isFile && limit !== LEFT_BELOW && limit < attr.size;
  const leaves = isFile && limit === LEFT_BELOW && mayLeaveBelow(stack, attr, keepsCapability);
  const mayBeInPart =
    isFile &&
    inPart &&
    isWorthIt(stack, attr.size, attr.blocks, cut ? limit : attr.size) &&
    mayLeaveBelow(stack, attr, keepsCapability);
  const wanted = !isFile || leaves ? 0 : cut ? limit : attr.size;
  const whole = wanted === attr.size;
  const isCopied = wanted > 0 && !mayBeInPart;
  const prepared = isCopied ? preparedCopy(stack, inode, { source, attr, size: wanted, whole }) : undefined;
  if (prepared !== undefined) {
    attr.atimeSec = prepared.atime.sec;
    attr.atimeNsec = prepared.atime.nsec;
  }
  const staged =
    prepared?.staged ?? upper.stage(isSymlink(attr.mode) ? { ...what, target: source.readlink() } : what);
  const amounts: Amounts = prepared?.amounts ?? { bytesCopied: 0, bytesSaved: 0 };
  let data = prepared?.data;
  let below: DataBelow | undefined;
  try {
    if (mayBeInPart) data = sharedCopy(stack, inode, source, staged, wanted, amounts);
    if (mayBeInPart && data === undefined) {
      below = leaveBelow(stack, inode, staged, source, attr);
      below = { ...below, own: beginPart(stack, inode, staged, attr.size) };
      amounts.bytesSaved = attr.size;
    } else if (leaves) {
      below = leaveBelow(stack, inode, staged, source, attr);
      amounts.bytesSaved = attr.size;
    } else if (isFile && data === undefined) {
      data = staged.openWrite();
      if (wanted > 0) copyDataOf(stack, inode, source, data, wanted, whole, amounts);
    }
    copyAttributes(source, xattrs, staged, attr, capability);
    if (cut && data !== undefined) staged.utimes(undefined, 'now');
    // An inode of ext4 has room for two short marks: with the kernel's origin the file would cost a block.
    staged.setOrigin(inode.ino, below === undefined || attr.nlink > 1 ? source : undefined);
    if (!joinsIndex(inode, attr)) change?.(staged);
    publish(stack, inode, staged, source, attr);
  } catch (error) {
    if (inode.upper) switchTo(inode, below, data);
    else {
      data?.close();
      staged.discard();
      if (below?.own !== undefined) attempt(() => upper.dropRanges(below!.own!.key));
    }
    throw error;
  }
  switchTo(inode, below, data);
  stack.emit('copy-up', stack.table.path(inode), amounts);
  if (change !== undefined && joinsIndex(inode, attr)) withUpper(stack, inode, change);
  return cut && below === undefined;
}

/**
 * The copy gets two names, in the index and its own. Where the disk fails for good in between, the first one stays and is
 * found by the next mount, so the copy must be like its source until both are there.
 */
function joinsIndex(inode: Inode, { nlink }: Attr): boolean {
  return !inode.isFolder && !inode.removed && nlink > 1;
}

/** The inode is in the upper: what is read of it from now on. */
function switchTo(inode: Inode, below: DataBelow | undefined, data: WritableFile | undefined): void {
  inode.dataBelow = below;
  // What is open has the data below alone.
  if (below?.own !== undefined) closeData(inode);
  if (data !== undefined) switchData(inode, data);
}

/** Shares all extents of the source, and cuts what it gets; undefined where the filesystem cannot. */
function sharedCopy(
  stack: Stack,
  inode: Inode,
  source: LayerNode,
  staged: Staged,
  wanted: number,
  amounts: Amounts,
): WritableFile | undefined {
  const to = staged.openWrite();
  let isDone = false;
  try {
    if (!isCloned(to, openSource(stack, inode, source))) return undefined;
    to.truncate(wanted);
    isDone = true;
    amounts.bytesSaved = wanted;
    return to;
  } finally {
    if (!isDone) to.close();
  }
}

function isCloned(to: WritableFile, from: LayerFile): boolean {
  try {
    return to.cloneFrom(from);
  } finally {
    from.close();
  }
}

function copyDataOf(
  stack: Stack,
  inode: Inode,
  source: LayerNode,
  to: WritableFile,
  size: number,
  whole: boolean,
  amounts: Amounts,
): void {
  const from = openSource(stack, inode, source);
  try {
    copyData(from, to, size, whole, amounts);
    to.truncate(size);
    // A copy without a name is gone after a power cut anyway.
    if (!inode.removed) syncCopy(stack.writable(), to, amounts);
  } finally {
    from.close();
  }
}

/** Gives the copy its name and switches the inode. A removed inode's copy gets no name and stays held. */
function publish(stack: Stack, inode: Inode, staged: Staged, source: LayerNode, attr: Attr): void {
  const upper = stack.writable();
  // The layer's count of subfolders goes on to be true, but from now on nothing else tells it.
  if (inode.folders.length === 1 && attr.nlink >= 2) inode.subfolders ??= attr.nlink - 2;
  const { parent } = inode;
  if (inode.removed || parent === undefined) {
    staged.attributes(stack.attr);
    inode.upperIno = stack.attr.ino;
    inode.held = staged;
    inode.staged = staged;
    inode.upper = true;
    return;
  }
  const dir = stack.table.path(parent);
  withUpper(stack, parent, (folder) => {
    // The name was there before, so the parent's times must not tell otherwise.
    folder.attributes(stack.attr);
    const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = stack.attr;
    if (!parent.impure) becomeImpure(stack, parent, folder);
    staged.attributes(stack.attr);
    inode.upperIno = stack.attr.ino;
    if (joinsIndex(inode, attr)) {
      const others = attr.nlink - 1 - (stack.lostNames.get(inode.ino) ?? 0);
      // Until all names are made, only the index joins them, which other readers of the upper do not know.
      stack.guard();
      const key = upper.indexKey(source);
      const held = staged.publishIndexed(key, others, dir, inode.name, false);
      inode.upper = true;
      becomeIndexed(inode, key, held);
    } else {
      staged.publish(dir, inode.name, false);
      inode.upper = true;
    }
    if (!inode.isFolder && inode.type !== S_IFREG) stack.table.noteCopy(inode);
    // The copy is there, whatever becomes of the times (as ovl_copy_up_one of the kernel).
    attempt(() => folder.utimes({ sec: atimeSec, nsec: atimeNsec }, { sec: mtimeSec, nsec: mtimeNsec }));
  });
}
