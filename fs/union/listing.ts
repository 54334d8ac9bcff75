// The names of a folder over all its layers, and how many of them are folders, which is what st_nlink tells
// (2 and one for each subfolder; find and fts rely on it to know where folders still are). A layer's own count is
// the truth where the folder lies in that layer alone. A merged folder is counted once, by its listing, and its
// count is then kept by whoever makes, moves or removes a folder in it.

import { EACCES, FsError, isErrno } from '../errno.js';
import type { LayerVisitor, WriteLayer } from '../layer/layer.js';
import { direntType, S_IFDIR } from '../mode.js';
import type { ByteString } from '../name.js';
import type { Inode } from './inode.js';
import type { Stack } from './stack.js';

const DT_DIR = direntType(S_IFDIR);

/** The merged names of one folder, in parallel arrays. Several readers may share it. */
export interface Listing {
  readonly names: readonly ByteString[];
  readonly types: readonly number[];
  /** st_ino, or 0 where only a lookup can tell (an upper entry may have an origin). */
  readonly inos: readonly number[];
}

const EMPTY: Listing = { names: [], types: [], inos: [] };

/** The names that the folder shows; looking at them leaves no trace in it. */
export function takeListing(stack: Stack, folder: Inode): Listing {
  return merged(stack, folder, (upper, dir, visit) => upper.list(dir, visit));
}

/** As `takeListing`, for somebody who reads the folder: its time of access tells, as far as it is in the upper. */
export function readListing(stack: Stack, folder: Inode): Listing {
  return merged(stack, folder, (upper, dir, visit) => upper.read(dir, visit));
}

type ListUpper = (upper: WriteLayer, dir: ByteString, visit: LayerVisitor) => void;

function merged(stack: Stack, folder: Inode, listUpper: ListUpper): Listing {
  if (folder.removed) return EMPTY;
  const { upper } = stack;
  const memo = stack.lowerNames.take(stack, folder);
  if (memo !== undefined && !folder.upper) return memo;
  const names: ByteString[] = [];
  const types: number[] = [];
  const inos: number[] = [];
  const listing: Listing = { names, types, inos };
  const sources = folder.folders.length + (folder.upper ? 1 : 0);
  const seen = sources > 1 ? new Set<ByteString>() : undefined;
  if (folder.upper && upper !== undefined) {
    listUpper(upper, stack.table.path(folder), (name, type, _ino, whiteout) => {
      seen?.add(name);
      if (whiteout) return;
      names.push(name);
      types.push(type);
      inos.push(0);
    });
  }
  if (memo !== undefined) {
    for (let i = 0; i < memo.names.length; i++) {
      const name = memo.names[i]!;
      if (seen?.has(name) === true) continue;
      names.push(name);
      types.push(memo.types[i]!);
      inos.push(memo.inos[i]!);
    }
    return listing;
  }
  for (const { depth, path } of folder.folders) {
    stack.lowers[depth]!.list(path, (name, type, ino, whiteout) => {
      if (seen !== undefined) {
        if (seen.has(name)) return;
        seen.add(name);
      }
      if (whiteout) return;
      names.push(name);
      types.push(type);
      inos.push(stack.listedNumber(depth, ino));
    });
  }
  return listing;
}

export function isEmpty(stack: Stack, folder: Inode): boolean {
  return takeListing(stack, folder).names.length === 0;
}

/** `subfolders` of a folder of which they cannot be known: it then shows 1 link, which says that they are not counted. */
const NOT_KNOWN = -1;

/** st_nlink of a folder whose topmost layer shows `own`, which is less than 2 where that layer does not count. */
export function folderLinks(stack: Stack, folder: Inode, own: number): number {
  if (folder.removed) return 0;
  const changes = stack.lowersChange && folder.folders.length > 0;
  if (folder.subfolders === undefined || changes) {
    if (own >= 2 && folder.folders.length + (folder.upper ? 1 : 0) === 1) return own;
    folder.subfolders = countSubfolders(stack, folder);
  }
  return 2 + (folder.subfolders ?? NOT_KNOWN);
}

/** A folder got a name in `folder`, by whatever operation. */
export function gainedSubfolder(folder: Inode): void {
  if (folder.subfolders !== undefined && folder.subfolders !== NOT_KNOWN) folder.subfolders++;
}

/** A folder lost its name in `folder`. */
export function lostSubfolder(folder: Inode): void {
  if (folder.subfolders !== undefined && folder.subfolders !== NOT_KNOWN) folder.subfolders--;
}

function countSubfolders(stack: Stack, folder: Inode): number | undefined {
  try {
    const { types } = takeListing(stack, folder);
    let count = 0;
    for (const type of types) if (type === DT_DIR) count++;
    return count;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    // EACCES: a part that may be searched but not read (mode 0711 for who is not root). Others may not last.
    return isErrno(error, EACCES) ? NOT_KNOWN : undefined;
  }
}
