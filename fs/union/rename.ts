// rename(2) and renameat2(2). Everything is checked and copied up first; then marks are set on folders that
// would else lose or gain lower content at their new place; the move itself is one step of the upper.

import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, FsError } from '../errno.js';
import { type NodeId, RENAME_EXCHANGE, RENAME_NOREPLACE } from '../filesystem.js';
import { assertName, type ByteString, joinPath } from '../name.js';
import { assertLiveFolder } from './access.js';
import { ensureUpper } from './copy-up.js';
import { pinData } from './data-below.js';
import { ensureUpperName, nowAt } from './hardlink.js';
import { keepNumber, markImpure } from './impure.js';
import type { Inode } from './inode.js';
import { child } from './intern.js';
import { gainedSubfolder, isEmpty, lostSubfolder } from './listing.js';
import { LOWER, lowerHas, type Where } from './lookup.js';
import { dropNeedlessRedirect, prepareMove } from './marker.js';
import type { Stack } from './stack.js';
import { losing } from './whiteout.js';

/** One side of a rename: a name, and what it is. */
interface Side {
  readonly parent: Inode;
  readonly name: ByteString;
  readonly inode: Inode;
  readonly where: Where;
  readonly nlink: number;
}

/** See Filesystem.rename. RENAME_WHITEOUT is refused: who may make whiteouts by hand writes to a layer, not to a union. */
export function rename(
  stack: Stack,
  parent: Inode,
  name: ByteString,
  newParent: Inode,
  newName: ByteString,
  flags: number,
): readonly NodeId[] {
  // A file with several names may come to be known by one in the other folder, which nothing else may keep then.
  parent.pins++;
  newParent.pins++;
  try {
    return renameIn(stack, parent, name, newParent, newName, flags);
  } finally {
    stack.table.unpin(parent);
    stack.table.unpin(newParent);
  }
}

function renameIn(
  stack: Stack,
  parent: Inode,
  name: ByteString,
  newParent: Inode,
  newName: ByteString,
  flags: number,
): readonly NodeId[] {
  stack.writable();
  const exchange = flags === RENAME_EXCHANGE;
  if (flags !== 0 && flags !== RENAME_NOREPLACE && !exchange) throw new FsError(EINVAL, 'rename');
  assertName(name);
  assertName(newName);
  assertLiveFolder(parent);
  assertLiveFolder(newParent);
  const source = side(stack, parent, name);
  if (source === undefined) throw new FsError(ENOENT, 'rename');
  try {
    const target = side(stack, newParent, newName);
    try {
      if (target !== undefined && flags === RENAME_NOREPLACE) throw new FsError(EEXIST, 'rename');
      if (target === undefined && exchange) throw new FsError(ENOENT, 'rename');
      if (isWithin(newParent, source.inode)) throw new FsError(EINVAL, 'rename');
      if (target !== undefined && isWithin(parent, target.inode)) {
        throw new FsError(exchange ? EINVAL : ENOTEMPTY, 'rename');
      }
      if (target?.inode === source.inode) return NONE;
      if (target !== undefined && exchange) exchangeNames(stack, source, target);
      else move(stack, source, newParent, newName, target);
      return parent === newParent ? NONE : foldersOf(source.inode, exchange ? target?.inode : undefined);
    } finally {
      if (target !== undefined) stack.table.unpin(target.inode);
    }
  } finally {
    stack.table.unpin(source.inode);
  }
}

const NONE: readonly NodeId[] = [];

function foldersOf(one: Inode, other: Inode | undefined): readonly NodeId[] {
  const nodes: NodeId[] = [];
  if (one.isFolder) nodes.push(one.node);
  if (other?.isFolder) nodes.push(other.node);
  return nodes;
}

function side(stack: Stack, parent: Inode, name: ByteString): Side | undefined {
  const inode = child(stack, parent, name);
  if (inode === undefined) return undefined;
  inode.pins++;
  return { parent, name, inode, where: stack.found.where, nlink: stack.found.entry.attr.nlink };
}

function isWithin(folder: Inode, ancestor: Inode): boolean {
  for (let at: Inode | undefined = folder; at !== undefined; at = at.parent) if (at === ancestor) return true;
  return false;
}

function move(
  stack: Stack,
  source: Side,
  newParent: Inode,
  newName: ByteString,
  target: Side | undefined,
): void {
  const { parent, name, inode } = source;
  const upper = stack.writable();
  if (target !== undefined) assertReplaceable(stack, inode, target.inode);
  ensureUpper(stack, newParent);
  ensureMovable(stack, source);
  const go = () => {
    prepareSide(stack, source, newParent, newName);
    if (newParent !== parent) keepNumber(stack, inode);
    markImpure(stack, inode, newParent);
    const leaveWhiteout = lowerHas(stack, parent, name);
    const dir = stack.table.path(parent);
    upper.rename(dir, name, stack.table.path(newParent), newName, leaveWhiteout);
    if (leaveWhiteout) stack.emit('whiteout', joinPath(dir, name));
  };
  if (target === undefined) go();
  else losing(stack, target.inode, newParent, newName, target.where, target.nlink, go);
  if (inode.isFolder) moveCount(parent, newParent);
  nowAt(stack, inode, newParent, newName);
  if (inode.isFolder) dropNeedlessRedirect(stack, inode);
}

function exchangeNames(stack: Stack, one: Side, other: Side): void {
  ensureMovable(stack, one);
  ensureMovable(stack, other);
  prepareSide(stack, one, other.parent, other.name);
  prepareSide(stack, other, one.parent, one.name);
  if (one.parent !== other.parent) for (const { inode } of [one, other]) keepNumber(stack, inode);
  markImpure(stack, one.inode, other.parent);
  markImpure(stack, other.inode, one.parent);
  const { table } = stack;
  stack.writable().exchange(table.path(one.parent), one.name, table.path(other.parent), other.name);
  if (one.inode.isFolder) moveCount(one.parent, other.parent);
  if (other.inode.isFolder) moveCount(other.parent, one.parent);
  nowAt(stack, one.inode, other.parent, other.name);
  nowAt(stack, other.inode, one.parent, one.name);
  for (const { inode } of [one, other]) if (inode.isFolder) dropNeedlessRedirect(stack, inode);
}

/** The order of these checks is the VFS's: kinds first, then emptiness. */
function assertReplaceable(stack: Stack, source: Inode, target: Inode): void {
  if (source.isFolder && !target.isFolder) throw new FsError(ENOTDIR, 'rename');
  if (!source.isFolder && target.isFolder) throw new FsError(EISDIR, 'rename');
  if (target.isFolder && !isEmpty(stack, target)) throw new FsError(ENOTEMPTY, 'rename');
}

function prepareSide(stack: Stack, { inode }: Side, newParent: Inode, newName: ByteString): void {
  // Somebody may be looking for what is not settled, and have been where it goes.
  if (stack.writable().guarded && (inode.isFolder || inode.dataBelow !== undefined)) stack.guard();
  if (inode.isFolder) prepareMove(stack, inode, newParent, newName);
  else pinData(stack, inode);
}

function ensureMovable(stack: Stack, { parent, name, inode, where }: Side): void {
  if (where === LOWER) ensureUpperName(stack, inode, parent, name);
}

function moveCount(from: Inode, to: Inode): void {
  lostSubfolder(from);
  gainedSubfolder(to);
}
