// Everything that changed is thrown away: another upper, which is empty, takes the place of the one that there is, which is
// no part of the union any more. Folders that the lowers have stay what they are, where the lowers have them. Every other
// object of the old upper goes on for who has it in use, as one of which the last name was removed: a file that was
// changed as well, so that nobody finds other data in a file that he reads or has mapped; the name leads to the lower's.
// What the kernel keeps is not so any more, and who asks for this has to tell it (`Stale`).

import { EXDEV, FsError } from '../errno.js';
import { Attr, type NodeId, ROOT_NODE, type Stale } from '../filesystem.js';
import { LayerEntry, type WriteLayer } from '../layer/layer.js';
import { type ByteString, basename, dirname } from '../name.js';
import { acquireUpper } from './access.js';
import { keepPart } from './in-part.js';
import type { Inode } from './inode.js';
import { folderAt } from './intern.js';
import type { Stack } from './stack.js';

/**
 * `fresh` takes the place of the upper. EXDEV where they are not on one filesystem. What fails before `decide` has returned
 * leaves all as it was.
 */
export function rollBack(stack: Stack, root: Inode, fresh: WriteLayer, decide: () => void): Stale {
  const old = stack.writable();
  if (fresh.device !== old.device) throw new FsError(EXDEV, 'another upper');
  const inodes = [...stack.table.values()];
  const stale = staleOf(stack, old, inodes);
  const rootIno = numberOfRoot(fresh);
  const belowRoot = rootFolders(stack);
  holdAll(stack, inodes);
  decide();
  const changed = inodes.filter(({ upper, removed }) => upper && !removed);
  for (const inode of changed) if (!isMerged(inode)) orphan(stack, inode);
  for (const inode of inodes) inode.prepared = undefined;
  stack.lostNames.clear();
  stack.exchange(fresh, undefined);
  const folders = changed.filter((inode) => isMerged(inode) && inode.node !== ROOT_NODE);
  for (const folder of folders) asBelow(folder);
  asBelow(root);
  root.folders = belowRoot;
  root.upper = true;
  root.upperIno = rootIno;
  for (const folder of folders.sort(byDepth)) moveBack(stack, root, folder);
  old.close();
  return stale;
}

/**
 * What would be told of a rollback now. Who drops these names before gives back the nodes that nobody has in use, so that
 * they need not be held.
 */
export function namesToDrop(stack: Stack): Stale {
  const { upper } = stack;
  const { names } = upper === undefined ? { names: [] } : staleOf(stack, upper, [...stack.table.values()]);
  return { names, nodes: [] };
}

/** A folder that a lower has, too. */
function isMerged({ isFolder, folders, node }: Inode): boolean {
  return isFolder && (folders.length > 0 || node === ROOT_NODE);
}

/** Names that the old upper says something of, in folders that somebody knows. */
function staleOf(stack: Stack, old: WriteLayer, inodes: readonly Inode[]): Stale {
  const names: { folder: NodeId; name: ByteString }[] = [];
  const nodes: NodeId[] = [];
  for (const inode of inodes) {
    const { isFolder, upper, removed, node: folder } = inode;
    if (upper || stack.lostNames.has(inode.ino)) nodes.push(folder);
    if (!isFolder || !upper || removed) continue;
    old.list(stack.table.path(inode), (name) => void names.push({ folder, name }));
  }
  return { names, nodes };
}

function numberOfRoot(layer: WriteLayer): number {
  const entry = new LayerEntry(new Attr());
  layer.lookup('', '.', entry);
  return entry.attr.ino;
}

/** The lower parts of the root, which an opaque upper may have hidden. */
function rootFolders({ lowers, scratch }: Stack): Inode['folders'] {
  const opaque = lowers.findIndex((layer) => layer.lookup('', '.', scratch) && scratch.opaque);
  const count = opaque < 0 ? lowers.length : opaque + 1;
  return lowers.slice(0, count).map((_, depth) => ({ depth, path: '' }));
}

/** What is going to have no name stays reachable. */
function holdAll(stack: Stack, inodes: readonly Inode[]): void {
  for (const inode of inodes) {
    if (!inode.upper || inode.removed || isMerged(inode)) continue;
    // What of its data is its own is said in the work folder.
    if (inode.dataBelow?.own !== undefined) keepPart(stack, inode);
    inode.held ??= acquireUpper(stack, inode);
  }
}

function orphan(stack: Stack, inode: Inode): void {
  const own = inode.dataBelow?.own;
  if (own?.isLoaded === true) own.key = '';
  inode.indexKey = undefined;
  stack.table.orphan(inode);
  // What it was copied from is a file of its own again, which must be told from it.
  if (!inode.isFolder) inode.ino = stack.upperNumber(inode.upperIno);
}

/** A folder of which the upper has nothing any more. */
function asBelow(folder: Inode): void {
  folder.upper = false;
  folder.upperIno = 0;
  folder.impure = false;
  folder.subfolders = undefined;
  folder.inheritance = undefined;
}

function byDepth(one: Inode, other: Inode): number {
  return one.lowerPath.split('/').length - other.lowerPath.split('/').length;
}

/** A folder is where the lowers have it. Those above it are there already. */
function moveBack(stack: Stack, root: Inode, folder: Inode): void {
  const parent = folderAt(stack, root, dirname(folder.lowerPath));
  // Only a disk that fails: what cannot be reached has no name.
  if (parent === undefined) stack.table.orphan(folder);
  else stack.table.place(folder, parent, basename(folder.lowerPath));
}
