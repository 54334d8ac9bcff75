// The upper under which everything goes on is taken out and another one, which is empty, takes its place: as the topmost
// lower it goes on to show what it has (a commit), or it shows nothing any more (rollback.ts). Node ids, numbers, handles
// and what the kernel keeps stay as they are. What can fail comes first, and leaves the union as it was; then it is
// decided in one step, which the caller makes durable; then memory follows, which cannot fail.
//
// Some files must not change their object, because somebody reads or writes that without asking the union (passthrough):
// their objects go over to the new upper, and the old one gets copies.

import { EROFS, EXDEV, FsError } from '../errno.js';
import { Attr } from '../filesystem.js';
import type { ReadLayer, WriteLayer } from '../layer/layer.js';
import { direntType, S_IFDIR } from '../mode.js';
import { type ByteString, joinPath } from '../name.js';
import { copyAttributes } from './copy-attributes.js';
import { type HandedOver, HandOver, type Place } from './hand-over.js';
import { closeData, type Inode, releaseHeld } from './inode.js';
import { folderAt } from './intern.js';
import type { Stack } from './stack.js';

/** What the caller does, and who must keep his object. */
export interface SwitchPlan {
  readonly kept: readonly Inode[];
  /** Makes it durable that the upper is another one from now on; `handedOver`: names of the old one that get copies then. */
  readonly decide: (handedOver: readonly HandedOver[]) => void;
}

/**
 * The upper, which must be settled, becomes the topmost lower, and `fresh` the upper. EXDEV where they are not on one
 * filesystem. What fails before `decide` has returned leaves all as it was, but for what `fresh` holds.
 */
export function switchUpper(
  stack: Stack,
  root: Inode,
  fresh: WriteLayer,
  { kept, decide }: SwitchPlan,
): void {
  const old = stack.writable();
  if (fresh.device !== old.device) throw new FsError(EXDEV, 'another upper');
  if (stack.lowersChange) throw new FsError(EROFS, 'lowers that change');
  const named = [...stack.table.values()].filter(isNamedAnew).concat(kept);
  const places = placesOf(old, new Set(named.map(({ upperIno }) => upperIno)));
  copyRoot(old, fresh);
  const handOver = new HandOver(stack, root, fresh, kept, places);
  try {
    handOver.prepare();
    decide(handOver.list);
  } catch (error) {
    handOver.discard();
    throw error;
  }
  rebase(stack, root, old, handOver, fresh, places);
  try {
    // If it fails, whoever decided finds in his list what is left to do.
    handOver.replaceOld();
  } finally {
    old.becomeLower();
  }
}

/** A file of which no name is known, although it has some. */
function isNamedAnew({ upper, removed, held, isFolder }: Inode): boolean {
  return upper && !removed && held !== undefined && !isFolder;
}

const DT_DIR = direntType(S_IFDIR);

/** All names that objects with these numbers have in a layer. */
export function placesOf(
  layer: ReadLayer,
  wanted: ReadonlySet<number>,
): ReadonlyMap<number, readonly Place[]> {
  const places = new Map<number, Place[]>();
  const folders = wanted.size === 0 ? [] : [''];
  for (let dir = folders.pop(); dir !== undefined; dir = folders.pop()) {
    const at = dir;
    layer.list(at, (name, type, ino, whiteout) => {
      if (whiteout) return;
      if (type === DT_DIR) folders.push(joinPath(at, name));
      else if (wanted.has(ino)) {
        const known = places.get(ino);
        if (known === undefined) places.set(ino, [{ dir: at, name }]);
        else known.push({ dir: at, name });
      }
    });
  }
  return places;
}

/** The root is the one folder that every upper has of its own. */
function copyRoot(old: WriteLayer, fresh: WriteLayer): void {
  const source = old.hold('', '.');
  const to = fresh.hold('', '.');
  try {
    const attr = new Attr();
    source.attributes(attr);
    to.chown(attr.uid, attr.gid);
    const xattrs = source.listxattr();
    for (const name of to.listxattr()) if (!xattrs.includes(name)) to.removexattr(name);
    copyAttributes(source, xattrs, to, attr, true);
    to.chmod(attr.mode);
  } finally {
    source.release();
    to.release();
  }
}

/** Memory follows: what the old upper has is what a lower has. */
function rebase(
  stack: Stack,
  root: Inode,
  old: WriteLayer,
  handOver: HandOver,
  fresh: WriteLayer,
  places: ReadonlyMap<number, readonly Place[]>,
): void {
  const { table } = stack;
  table.leaveIndex((inode) => inode.upper);
  const inodes = [...table.values()];
  // As long as all folders are where they were.
  for (const inode of inodes) if (inode.isFolder && !inode.removed) inode.lowerPath = table.path(inode);
  const inFresh = handOver.folders;
  stack.exchange(fresh, old);
  const strayed: Inode[] = [];
  for (const inode of inodes) {
    // Whoever waits for it begins anew: it would come to what is no upper any more.
    inode.prepared = undefined;
    if (inode.isFolder) rebaseFolder(inode, inFresh);
    else if (inode.removed) continue;
    else if (handOver.has(inode)) handOver.settleDown(inode);
    else if (inode.upper) {
      const place = inode.held === undefined ? undefined : places.get(inode.upperIno)?.[0];
      if (place !== undefined) strayed.push(inode);
      rebaseFile(stack, old, inode, place);
    } else if (inode.dataBelow !== undefined) {
      inode.dataBelow = { ...inode.dataBelow, lowerPath: lowerPathOf(inode), pinned: false };
    }
  }
  for (const inode of strayed) placeAnew(stack, root, inode);
}

/** A file is found by the name that it was found to have. */
function placeAnew(stack: Stack, root: Inode, inode: Inode): void {
  const { dir, name } = inode.lower!;
  const folder = folderAt(stack, root, dir);
  if (folder !== undefined) stack.table.place(inode, folder, name);
}

function lowerPathOf({ parent, name }: Inode): ByteString {
  return joinPath(parent?.lowerPath ?? '', name);
}

function rebaseFolder(inode: Inode, inFresh: ReadonlyMap<Inode, number>): void {
  inode.lowerNames?.release();
  inode.askedInVain = 0;
  const below = inode.folders.map(({ depth, path }) => ({ depth: depth + 1, path }));
  if (inode.removed) {
    inode.folders = below;
    return;
  }
  inode.folders = inode.upper ? [{ depth: 0, path: inode.lowerPath }, ...below] : below;
  const ino = inFresh.get(inode);
  inode.upper = ino !== undefined;
  inode.upperIno = ino ?? 0;
  inode.impure = inode.upper;
}

/** `place`: where it is, if it is not known to be where it was last found. */
function rebaseFile(stack: Stack, old: WriteLayer, inode: Inode, place: Place | undefined): void {
  closeData(inode);
  releaseHeld(inode);
  const { parent } = inode;
  const dir = place?.dir ?? (parent === undefined ? '' : parent.lowerPath);
  inode.lower = { layer: old, dir, name: place?.name ?? inode.name };
  inode.upper = false;
  inode.upperIno = 0;
  inode.indexKey = undefined;
  inode.unsynced = 0;
  stack.lostNames.delete(inode.ino);
}
