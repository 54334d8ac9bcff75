// Interning: which inode stands for an object that a lookup found. It is found by the object's number, so that two
// names of one file meet in one inode, also where the file was copied up through one of them (the index of hard
// links). Whatever else claims a number that is taken gets one of its own.

import { attempt, ESTALE, FsError } from '../errno.js';
import type { WritableNode } from '../layer/layer.js';
import { S_IFMT } from '../mode.js';
import { type ByteString, joinPath } from '../name.js';
import { closeData, type DataBelow, type Inode, type LowerFolder, releaseHeld } from './inode.js';
import { Found, findData, LOWER, resolve, UPPER } from './lookup.js';
import { OwnBlocks } from './own-blocks.js';
import type { Stack } from './stack.js';

/** The inode of what was found; EROFS and the like are not its affair. `found.exists` must hold. */
export function intern(stack: Stack, parent: Inode, name: ByteString, found: Found): Inode {
  const { table } = stack;
  let ino = numberOf(stack, found);
  let known = table.byIno(ino) ?? holderOf(stack, found, ino);
  if (stack.lowersChange && known !== undefined && !isSame(stack, known, parent, name, found)) {
    known = orphanIfGone(stack, known);
  }
  if (known !== undefined && !isSame(stack, known, parent, name, found)) {
    ino = stack.duplicateNumber(parent, name);
    known = table.byIno(ino);
  }
  if (known !== undefined) {
    if (!known.isFolder) refresh(stack, known, parent, name, found);
    if (stack.lowersChange) refreshLower(stack, known, parent, name, found);
    return known;
  }
  const inode = table.add(ino, found.entry.attr.mode & S_IFMT, parent, name, nidOf(stack, found));
  inode.upper = found.where === UPPER;
  if (inode.upper) inode.upperIno = found.entry.attr.ino;
  if (inode.isFolder) {
    inode.folders = found.folders;
    // What has no subfolder in any part needs no listing to be counted.
    if (found.mostSubfolders === 0) inode.subfolders = 0;
    inode.lowerPath = found.lowerPath;
    return inode;
  }
  try {
    fill(stack, inode, parent, name, found);
  } catch (error) {
    // Whoever asks next must not find an inode without its data, or that has not met its other names.
    table.tidy(inode);
    throw error;
  }
  return inode;
}

/** Where the data of a file is, and which other names it has. */
function fill(stack: Stack, inode: Inode, parent: Inode, name: ByteString, found: Found): void {
  if (found.entry.metacopy) inode.dataBelow = findData(stack, parent, name, found);
  else if (found.entry.ranges !== undefined) dropRanges(stack, parent, name, found);
  if (found.where === LOWER) {
    inode.lower = { layer: stack.lowers[found.depth]!, dir: found.dir, name: found.name };
  }
  if (found.entry.attr.nlink <= 1) return;
  // With one name left, its folder may not say that it has an origin.
  if (found.where === UPPER && found.entry.origin !== 0) stack.table.noteCopy(inode);
  if (found.where === LOWER) joinIndex(stack, inode, found);
  else if (found.entry.origin !== 0) holdIndexed(stack, inode);
}

/** What a process left that died when the file had all of its data. */
function dropRanges(
  stack: Stack,
  parent: Inode,
  name: ByteString,
  { where, entry: { ranges } }: Found,
): void {
  const { upper } = stack;
  if (upper === undefined || where !== UPPER || stack.frozen || ranges === undefined) return;
  attempt(() => {
    const node = upper.hold(stack.table.path(parent), name);
    try {
      node.setRanges(undefined);
    } finally {
      node.release();
    }
    upper.dropRanges(ranges.key);
  });
}

/** Looks up a name and interns it; undefined if it does not exist. The step must `tidy` the inode at its end. */
export function child(stack: Stack, parent: Inode, name: ByteString, found = stack.found): Inode | undefined {
  resolve(stack, parent, name, found);
  return found.exists ? intern(stack, parent, name, found) : undefined;
}

/** The folder at a path; undefined where there is none, or a layer fails. The step must `tidy` it, as with `child`. */
export function folderAt(stack: Stack, root: Inode, path: ByteString): Inode | undefined {
  let folder: Inode | undefined = root;
  for (const name of path === '' ? [] : path.split('/')) {
    const parent: Inode = folder;
    let next: Inode | undefined;
    attempt(() => {
      next = child(stack, parent, name);
    });
    if (next?.isFolder !== true) return undefined;
    folder = next;
  }
  return folder;
}

/** The root's inode; its upper part, if there is an upper, is the layer's own root. */
export function makeRoot(stack: Stack): Inode {
  const folders = stack.lowers.map((_, depth) => ({ depth, path: '' }));
  const top = stack.upper ?? stack.lowers[0];
  if (top === undefined) throw new TypeError('a union needs at least one layer');
  const { scratch } = stack;
  if (!top.lookup('', '.', scratch)) throw new FsError(ESTALE, 'root of a layer');
  const opaque = stack.upper !== undefined && scratch.opaque;
  const upperIno = scratch.attr.ino;
  const lowest = opaque ? undefined : stack.lowers[0];
  const hasLower = lowest?.lookup('', '.', scratch) === true;
  const ino = hasLower ? stack.lowerNumber(0, scratch.attr.ino) : stack.upperNumber(upperIno);
  const root = stack.table.addRoot(ino);
  root.folders = hasLower ? cutBelowOpaque(stack, folders) : [];
  root.nid = hasLower ? (stack.indexed?.tree.root ?? 0) : 0;
  root.upper = stack.upper !== undefined;
  root.upperIno = upperIno;
  return root;
}

function cutBelowOpaque(stack: Stack, folders: LowerFolder[]): LowerFolder[] {
  const last = folders.findIndex(
    ({ depth }) => stack.lowers[depth]!.lookup('', '.', stack.scratch) && stack.scratch.opaque,
  );
  return last < 0 ? folders : folders.slice(0, last + 1);
}

/** Where the index has what was found; 0 if it is not the index that has it. */
function nidOf({ indexed, former }: Stack, { where, depth, dir, name }: Found): number {
  return where === LOWER && indexed !== undefined && depth === former ? indexed.tree.find(dir, name) : 0;
}

/** An object of the index that is shown under the number which an upper object claims, and had no inode so far. */
function holderOf(stack: Stack, found: Found, ino: number): Inode | undefined {
  const { indexed, table } = stack;
  if (indexed === undefined || !isOfUpper(stack, found) || found.entry.origin === 0) return undefined;
  const nid = indexed.holderOf(ino);
  return nid === 0 ? undefined : table.find(indexed.nodeOf(nid));
}

/** What was found is in the upper, or in one that was it until a moment ago: its number may be that of what it was copied from. */
function isOfUpper({ former }: Stack, { where, depth }: Found): boolean {
  return where === UPPER || (where === LOWER && depth < former);
}

function numberOf(stack: Stack, found: Found): number {
  const { entry } = found;
  if (!isOfUpper(stack, found)) return stack.lowerNumber(found.depth, entry.attr.ino);
  if (entry.origin !== 0) return stack.originNumber(entry);
  if (found.folders.length > 0) return stack.lowerNumber(found.numberDepth, found.lowerIno);
  return stack.table.numberOfCopy(entry.attr.ino) ?? stack.upperNumber(entry.attr.ino);
}

/** True if the found object is the one that the inode with its number stands for. */
function isSame(stack: Stack, known: Inode, parent: Inode, name: ByteString, found: Found): boolean {
  const { attr } = found.entry;
  if ((attr.mode & S_IFMT) !== known.type) return false;
  if (known.isFolder) return known.parent === parent && known.name === name;
  if (found.where === UPPER) return known.upper && known.upperIno === attr.ino;
  if (attr.nlink > 1) return !known.upper || known.indexKey !== undefined;
  const { lower } = known;
  return (
    !known.upper &&
    lower !== undefined &&
    lower.layer === stack.lowers[found.depth] &&
    lower.dir === found.dir &&
    lower.name === found.name
  );
}

/** Somebody moved or replaced what a lower had: its number is another object's now. Undefined if so, else the inode. */
function orphanIfGone(stack: Stack, known: Inode): Inode | undefined {
  const { parent, name } = known;
  if (parent === undefined || known.upper) return known;
  const now = new Found();
  resolve(stack, parent, name, now);
  const there =
    now.exists && numberOf(stack, now) === known.ino && (now.entry.attr.mode & S_IFMT) === known.type;
  if (there) return known;
  stack.table.orphan(known);
  return undefined;
}

/** A file was reached by a name: that name is a good one to find it by. */
function refresh(stack: Stack, inode: Inode, parent: Inode, name: ByteString, found: Found): void {
  if (inode.indexKey !== undefined) {
    if (found.where === LOWER) countName(stack, inode, inode.indexKey, found.entry.attr.nlink);
    return;
  }
  if (inode.upper !== (found.where === UPPER)) return;
  stack.table.place(inode, parent, name);
  if (inode.upper) releaseHeld(inode);
}

/** What others may have changed below since: the parts of a folder, and where the data of a lower file is. */
function refreshLower(stack: Stack, inode: Inode, parent: Inode, name: ByteString, found: Found): void {
  if (inode.isFolder) {
    inode.folders = found.folders;
    inode.lowerPath = found.lowerPath;
  } else if (found.where === LOWER && !inode.upper) {
    const { metacopy } = found.entry;
    if (metacopy !== (inode.dataBelow !== undefined)) closeData(inode);
    inode.dataBelow = metacopy ? findData(stack, parent, name, found) : undefined;
  }
}

/** A lower file with several names may have been copied up through another of them. */
function joinIndex(stack: Stack, inode: Inode, found: Found): void {
  const { upper } = stack;
  if (upper?.knowsLinks !== true || inode.lower === undefined) return;
  const { layer, dir, name } = inode.lower;
  const source = layer.hold(dir, name);
  try {
    const key = upper.indexKey(source);
    const held = upper.indexed(key);
    if (held === undefined) {
      const lost = upper.lostNames(key);
      if (lost > 0) stack.lostNames.set(inode.ino, lost);
      return;
    }
    becomeIndexed(inode, key, numbered(stack, inode, held));
    inode.dataBelow = stack.scratch.metacopy ? belowIndexed(stack, inode, found) : undefined;
    countName(stack, inode, key, found.entry.attr.nlink);
  } finally {
    source.release();
  }
}

/**
 * The data of an indexed object that has none, which `stack.scratch` holds: the lower file is the one that it was
 * copied up from, and has it or leads on to it. A redirect of the lower file is not the object's own.
 */
function belowIndexed(stack: Stack, inode: Inode, { entry }: Found): DataBelow {
  const { dataBelow, lower, parent, name } = inode;
  const { redirect, ranges } = stack.scratch;
  const pinned = redirect?.startsWith('/') === true;
  const own = ranges && new OwnBlocks(ranges);
  if (dataBelow !== undefined) return { ...dataBelow, pinned, own };
  const lowerPath = joinPath(parent?.lowerPath ?? '', name);
  return { place: lower, blocks: entry.attr.blocks, lowerPath, pinned, own };
}

/**
 * We came by a name of an indexed file that is still to be made, so there is one. A count of none was left by a
 * process that died between the index entry and its count, or could not be stored: what the lower counts, less what
 * the upper has, is the best guess.
 */
function countName(stack: Stack, inode: Inode, key: string, nlink: number): void {
  const { upper } = stack;
  if (upper === undefined || stack.frozen || upper.indexNames(key) >= 1 || inode.held === undefined) return;
  inode.held.stat(stack.scratch);
  const made = stack.scratch.attr.nlink - 1;
  attempt(() => upper.setIndexNames(key, Math.max(1, nlink - made)));
}

function holdIndexed(stack: Stack, inode: Inode): void {
  const { upper } = stack;
  if (upper?.hasIndexed !== true || inode.parent === undefined) return;
  const held = upper.hold(stack.table.path(inode.parent), inode.name);
  let key: string | undefined;
  try {
    key = upper.indexedKey(held);
  } finally {
    if (key === undefined) held.release();
  }
  if (key !== undefined) becomeIndexed(inode, key, numbered(stack, inode, held));
}

/** `held`, of which the inode has the number; released if it cannot be asked. */
function numbered(stack: Stack, inode: Inode, held: WritableNode): WritableNode {
  try {
    held.stat(stack.scratch);
  } catch (error) {
    held.release();
    throw error;
  }
  inode.upperIno = stack.scratch.attr.ino;
  return held;
}

/** The inode is the indexed object; it stays held, because its names come and go. */
export function becomeIndexed(inode: Inode, key: string, held: WritableNode): void {
  inode.upper = true;
  inode.indexKey = key;
  releaseHeld(inode);
  inode.held = held;
}
