// Reaching the object behind an inode: the upper one if there is one, else the topmost lower one. A node that
// was taken with `acquire` goes back with `giveBack`, whatever happens in between.

import { EINVAL, ENOENT, ENOTDIR, EROFS, ESTALE, FsError } from '../errno.js';
import { Attr } from '../filesystem.js';
import { LayerEntry, type LayerNode, type ReadLayer, type WritableNode } from '../layer/layer.js';
import type { ByteString } from '../name.js';
import type { DataBelow, Inode, LowerPlace } from './inode.js';
import { folderLinks } from './listing.js';
import type { Stack } from './stack.js';

export function acquire(stack: Stack, inode: Inode): LayerNode {
  if (inode.held !== undefined) return inode.held;
  if (inode.upper) return acquireUpper(stack, inode);
  if (inode.lower !== undefined) return holdLower(stack, inode, inode.lower);
  const top = inode.folders[0];
  if (top === undefined) throw new FsError(ESTALE, 'inode without a layer');
  return stack.lowers[top.depth]!.hold(top.path, '.');
}

function holdLower(stack: Stack, inode: Inode, { layer, dir, name }: LowerPlace): LayerNode {
  const node = layer.hold(dir, name);
  if (!stack.lowersChange) return node;
  const entry = new LayerEntry(new Attr());
  node.stat(entry);
  if (isStill(stack, inode, entry.attr)) return node;
  node.release();
  throw new FsError(ESTALE, 'a lower that changed');
}

/** False if somebody has put another file where the inode's lower file was. */
export function isStill(stack: Stack, inode: Inode, { ino }: Attr): boolean {
  const { lower } = inode;
  const depth = lower === undefined ? -1 : stack.lowers.indexOf(lower.layer);
  return depth >= 0 && (inode.ino === stack.lowerNumber(depth, ino) || stack.isDuplicate(inode.ino));
}

/** As `acquire`, for changing it: the caller has made sure that the upper has the object. */
export function acquireUpper(stack: Stack, inode: Inode): WritableNode {
  if (inode.held !== undefined) return inode.held;
  if (stack.upper === undefined) throw new FsError(EROFS, 'union');
  if (inode.isFolder) return stack.upper.hold(stack.table.path(inode), '.');
  if (inode.parent === undefined) throw new FsError(ESTALE, 'inode without a name');
  return stack.upper.hold(stack.table.path(inode.parent), inode.name);
}

export function giveBack(inode: Inode, node: LayerNode): void {
  if (node !== inode.held) node.release();
}

/** The upper object by way of its data, which is open for writing: no name has to be looked up for it. */
function openNode({ held, upper, writer }: Inode): WritableNode | undefined {
  return held === undefined && upper ? writer?.node : undefined;
}

/** Runs `act` on the object behind the inode. */
export function withNode<T>(stack: Stack, inode: Inode, act: (node: LayerNode) => T): T {
  const open = openNode(inode);
  if (open !== undefined) return act(open);
  const node = acquire(stack, inode);
  try {
    return act(node);
  } finally {
    giveBack(inode, node);
  }
}

/** Runs `act` on the upper object of the inode, which must have one. */
export function withUpper<T>(stack: Stack, inode: Inode, act: (node: WritableNode) => T): T {
  const open = openNode(inode);
  if (open !== undefined) return act(open);
  const node = acquireUpper(stack, inode);
  try {
    return act(node);
  } finally {
    giveBack(inode, node);
  }
}

/** The layer's own attributes of the inode (not its marks), in `stack.scratch` until the next call. */
export function statLayer(stack: Stack, inode: Inode): LayerEntry {
  const { scratch } = stack;
  const node = inode.held ?? openNode(inode);
  if (node !== undefined) {
    node.attributes(scratch.attr);
    scratch.whiteout = false;
    return scratch;
  }
  let there: boolean;
  if (inode.upper) {
    there =
      inode.parent === undefined
        ? attributesAt(stack.upper!, '', '.', scratch)
        : attributesAt(stack.upper!, stack.table.path(inode.parent), inode.name, scratch);
  } else if (inode.lower !== undefined && stack.lowersChange) {
    there = lowerNow(stack, inode, inode.lower);
  } else if (inode.lower !== undefined) {
    there = attributesAt(inode.lower.layer, inode.lower.dir, inode.lower.name, scratch);
  } else {
    const top = inode.folders[0];
    there = top !== undefined && attributesAt(stack.lowers[top.depth]!, top.path, '.', scratch);
  }
  if (!there || scratch.whiteout) throw new FsError(ESTALE, 'inode');
  return scratch;
}

/** The attributes of a lower file that others may have changed or replaced; what is open is what is meant. */
function lowerNow(stack: Stack, inode: Inode, { layer, dir, name }: LowerPlace): boolean {
  const { scratch } = stack;
  if (inode.reader !== undefined && inode.dataBelow === undefined) {
    inode.reader.stat(scratch.attr);
    scratch.whiteout = false;
    return true;
  }
  return attributesAt(layer, dir, name, scratch) && isStill(stack, inode, scratch.attr);
}

/** A layer's own attributes of what is known to be there; marks may be left out. */
export function attributesAt(layer: ReadLayer, dir: ByteString, name: ByteString, out: LayerEntry): boolean {
  return layer.stat === undefined ? layer.lookup(dir, name, out) : layer.stat(dir, name, out);
}

/** Fills `out` with the attributes that the union shows. */
export function stat(stack: Stack, inode: Inode, out: Attr): void {
  present(stack, inode, statLayer(stack, inode).attr, out);
}

/** Turns a layer's attributes of an inode into the union's. */
export function present(stack: Stack, inode: Inode, from: Attr, out: Attr): void {
  assignAttr(out, from);
  out.ino = inode.ino;
  if (inode.dataBelow !== undefined) out.blocks = blocksOf(inode.dataBelow, from);
  if (inode.isFolder) out.nlink = folderLinks(stack, inode, from.nlink);
  else if (inode.indexKey !== undefined) out.nlink = from.nlink - 1 + stack.upper!.indexNames(inode.indexKey);
  else if (inode.removed) out.nlink = 0;
  else if (stack.lostNames.size > 0 && !inode.upper) out.nlink -= stack.lostNames.get(inode.ino) ?? 0;
}

/** st_blocks where the data is not in the topmost object, or not all: what shows from below, and what the object has. */
function blocksOf({ blocks, own }: DataBelow, upper: Attr): number {
  if (own === undefined) return blocks;
  const both = Math.min(blocks, Math.ceil(own.lowerEnd / 512)) + upper.blocks;
  return Math.max(upper.blocks, Math.min(both, Math.ceil(upper.size / 4096) * 8));
}

function assignAttr(to: Attr, from: Attr): void {
  to.size = from.size;
  to.blocks = from.blocks;
  to.mode = from.mode;
  to.nlink = from.nlink;
  to.uid = from.uid;
  to.gid = from.gid;
  to.rdev = from.rdev;
  to.blksize = from.blksize;
  to.atimeSec = from.atimeSec;
  to.atimeNsec = from.atimeNsec;
  to.mtimeSec = from.mtimeSec;
  to.mtimeNsec = from.mtimeNsec;
  to.ctimeSec = from.ctimeSec;
  to.ctimeNsec = from.ctimeNsec;
  to.btimeSec = from.btimeSec;
  to.btimeNsec = from.btimeNsec;
}

export function readlink(stack: Stack, inode: Inode): ByteString {
  return withNode(stack, inode, (node) => node.readlink());
}

/** EINVAL for what is no offset or length of a file. */
export function assertOffset(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new FsError(EINVAL, 'offset');
}

/** ENOTDIR for what is no folder, ENOENT for a folder that was removed: nothing can be made in either. */
export function assertLiveFolder(inode: Inode): void {
  if (!inode.isFolder) throw new FsError(ENOTDIR, 'parent');
  if (inode.removed) throw new FsError(ENOENT, 'parent');
}
