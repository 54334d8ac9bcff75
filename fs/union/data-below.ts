// Files of the upper whose data still lies in a lower (overlayfs's metacopy): who changes a file's attributes or
// names alone copies none of its bytes. `Inode.dataBelow` says where they are. It holds until somebody opens the file
// for writing or cuts it, or the upper is settled; then the data is fetched into the very object, so that further
// names of it and whoever holds it go along, and the mark goes last. Until the mark is gone the bytes below count,
// whatever the object holds, and of them those up to its size; so a fetch may be cut short anywhere. Of a file that has
// some of its data (in-part.ts) all this is true of the rest.

import { attempt, E2BIG, EDQUOT, EIO, ENOSPC, EOPNOTSUPP, ERANGE, FsError, isErrno } from '../errno.js';
import { Attr, FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../filesystem.js';
import {
  LayerEntry,
  type LayerFile,
  type LayerNode,
  type Staged,
  type WritableFile,
  type WritableNode,
} from '../layer/layer.js';
import { isFolder, S_ISGID, S_ISUID } from '../mode.js';
import { type ByteString, joinPath } from '../name.js';
import { statLayer, withUpper } from './access.js';
import { type Amounts, copyData, copyRange, syncCopy } from './copy-data.js';
import { CutFile } from './cut-file.js';
import { beginPart, isWorthIt, loadedPart, openLower, openObject, placeOf, readPart } from './in-part.js';
import { closeData, type DataBelow, type Inode, type LowerPlace, switchData } from './inode.js';
import type { OwnBlocks } from './own-blocks.js';
import type { Stack } from './stack.js';
import { CAPABILITY } from './xattr-names.js';

/**
 * Whether the data of a file may stay below while its copy in the upper changes. Not where a later write into the
 * copy would take something away for a moment in which the process may die: file capabilities, and the set-id bits
 * of who may not keep them (file_remove_privs of the kernel). Nor where others change what lies below. An empty file
 * has no data.
 */
export function mayLeaveBelow(stack: Stack, { size, mode }: Attr, hasCapability: boolean): boolean {
  if (size === 0 || hasCapability || stack.lowersChange) return false;
  return stack.writable().privileged || (mode & (S_ISUID | S_ISGID)) === 0;
}

/** Makes a staged copy of `source` one without data, under the guard. */
export function leaveBelow(
  stack: Stack,
  inode: Inode,
  staged: Staged,
  source: LayerNode,
  { size, blocks }: Attr,
): DataBelow {
  const upper = stack.writable();
  // An ordinary user must be able to read the data: what he can never fetch he could never settle.
  if (!upper.privileged) openSource(stack, inode, source).close();
  staged.setSize(size);
  // What has no name is found by nobody else.
  if (!inode.removed) {
    stack.guard();
    staged.setMetacopy(true);
  }
  const { dataBelow, lower, parent, name } = inode;
  return {
    place: dataBelow === undefined ? lower : dataBelow.place,
    blocks: dataBelow?.blocks ?? blocks,
    lowerPath: joinPath(parent?.lowerPath ?? '', name),
    pinned: false,
    own: undefined,
  };
}

/**
 * To be called before a file is written that has its data below; `wanted` bytes of it are to stay. True if it can be
 * written from now on: it shares its extents with the one below, or what is written becomes its own. False: it is to be fetched.
 */
export function beginBelow(stack: Stack, inode: Inode, wanted: number): boolean {
  const { dataBelow } = inode;
  if (dataBelow?.place === undefined) return false;
  const { attr } = statLayer(stack, inode);
  const { size } = attr;
  if (!isWorthIt(stack, size, dataBelow.blocks, wanted)) return false;
  const hasCapability = withUpper(stack, inode, (node) => node.getxattr(CAPABILITY) !== undefined);
  if (!mayLeaveBelow(stack, attr, hasCapability)) return false;
  if (shareData(stack, inode)) return true;
  const own = withUpper(stack, inode, (node) => beginPart(stack, inode, node, size));
  closeData(inode);
  inode.dataBelow = { ...dataBelow, own };
  stack.emit('copy-up', stack.table.path(inode), { bytesCopied: 0, bytesSaved: size });
  return true;
}

/** The data of a file that is not in the upper, of whose topmost object `source` is. */
export function openSource(stack: Stack, inode: Inode, source: LayerNode): LayerFile {
  return inode.dataBelow === undefined ? source.open() : openBelow(stack, inode);
}

/** The data of a file that has it below. EIO if it is not there. */
export function openBelow(stack: Stack, inode: Inode): LayerFile {
  if (inode.dataBelow?.own !== undefined) {
    return readPart(
      stack,
      inode,
      withUpper(stack, inode, (node) => node.open()),
    );
  }
  const place = placeOf(inode);
  const { size } = statLayer(stack, inode).attr;
  const file = place.layer.open(place.dir, place.name);
  try {
    file.stat(stack.attr);
    if (stack.attr.size === size) return file;
    if (stack.attr.size > size) return new CutFile(file, size);
    throw new FsError(EIO, `data in layer ${place.layer.id} is shorter than the file`);
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Afterwards the upper has the data of the file, which is `limit` bytes long at most; open handles follow. True if
 * that cut the file.
 */
export function fetchData(stack: Stack, inode: Inode, limit = Number.POSITIVE_INFINITY): boolean {
  const amounts: Amounts = { bytesCopied: 0, bytesSaved: 0 };
  const before = Object.assign(new Attr(), statLayer(stack, inode).attr);
  const file = takeIn(stack, inode, limit, amounts);
  const cut = limit < before.size;
  try {
    if (!inode.removed) syncCopy(stack.writable(), file, amounts);
    if (isUnsynced(stack, inode)) file.sync(true);
    ownData(stack, inode);
  } catch (error) {
    // The bytes below count again, all of them.
    if (cut) attempt(() => withUpper(stack, inode, (node) => takeBack(file, node, before, undefined)));
    file.close();
    throw error;
  }
  switchData(inode, file);
  stack.emit('copy-up', stack.table.path(inode), amounts);
  return cut;
}

/** As `fetchData` for many files: all data is durable before the first mark goes. */
export function fetchAll(stack: Stack, inodes: readonly Inode[]): void {
  if (inodes.length === 0) return;
  const amounts = inodes.map((inode) => {
    const each: Amounts = { bytesCopied: 0, bytesSaved: 0 };
    takeIn(stack, inode, Number.POSITIVE_INFINITY, each).close();
    return each;
  });
  stack.writable().sync();
  for (const [i, inode] of inodes.entries()) {
    ownData(stack, inode);
    closeData(inode);
    stack.emit('copy-up', stack.table.path(inode), amounts[i]!);
  }
}

function takeIn(stack: Stack, inode: Inode, limit: number, amounts: Amounts): WritableFile {
  if (inode.dataBelow?.own === undefined) return copyIn(stack, inode, limit, amounts);
  return copyRest(stack, inode, amounts);
}

/** Copies the data into the upper object, where nobody looks at it while the mark stands, and returns it open. */
function copyIn(stack: Stack, inode: Inode, limit: number, amounts: Amounts): WritableFile {
  return withUpper(stack, inode, (node) => {
    const entry = new LayerEntry(new Attr());
    node.stat(entry);
    const { size } = entry.attr;
    const capability = node.getxattr(CAPABILITY);
    const from = limit > 0 && size > 0 ? openBelow(stack, inode) : undefined;
    try {
      const to = node.openWrite();
      try {
        if (from !== undefined) {
          keepTimes(node, entry.attr);
          copyData(from, to, Math.min(size, limit), size <= limit, amounts);
          restore(node, entry.attr, capability);
        }
        // From here on the file is as long as it is going to be, wherever its data is.
        if (limit < size) to.truncate(limit);
        return to;
      } catch (error) {
        takeBack(to, node, entry.attr, capability);
        to.close();
        throw error;
      }
    } finally {
      from?.close();
    }
  });
}

/** As `copyIn`, for a file that has some of its data: what is not its own comes to it. */
function copyRest(stack: Stack, inode: Inode, amounts: Amounts): WritableFile {
  return withUpper(stack, inode, (node) => {
    const entry = new LayerEntry(new Attr());
    node.stat(entry);
    const { attr } = entry;
    const to = node.openWrite();
    try {
      const own = loadedPart(stack, inode, to);
      if (!own.isWhole) bringRest(stack, inode, node, to, attr, amounts);
      amounts.bytesSaved = attr.size - amounts.bytesCopied;
      return to;
    } catch (error) {
      to.close();
      throw error;
    }
  });
}

function bringRest(
  stack: Stack,
  inode: Inode,
  node: WritableNode,
  to: WritableFile,
  attr: Attr,
  amounts: Amounts,
): void {
  const own = loadedPart(stack, inode, to);
  const capability = node.getxattr(CAPABILITY);
  const from = openLower(stack, inode, own);
  try {
    keepTimes(node, attr);
    eachBelow(own, (at, end) => {
      // Where there is a hole below, a write that never got its bit may have left something.
      empty(to, at, end);
      amounts.bytesCopied += copyRange(from, to, at, end);
    });
    restore(node, attr, capability);
  } catch (error) {
    eachBelow(own, (at, end) => {
      attempt(() => to.allocate(FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, at, end - at));
    });
    attempt(() => restore(node, attr, capability));
    throw error;
  } finally {
    from.close();
  }
}

/** Visits the ranges of a file that come from below. */
function eachBelow(own: OwnBlocks, visit: (at: number, end: number) => void): void {
  for (let at = own.nextBelow(0); at < own.lowerEnd; at = own.nextBelow(own.runEnd(at))) {
    visit(at, own.runEnd(at));
  }
}

const ZEROS = new Uint8Array(65_536);

function empty(file: WritableFile, from: number, end: number): void {
  try {
    file.allocate(FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, from, end - from);
  } catch (error) {
    if (!isErrno(error, EOPNOTSUPP)) throw error;
    for (let at = from; at < end; ) at += file.write(at, ZEROS.subarray(0, end - at));
  }
}

/** True of a file that has all of its data, and some of it may be lost at a power cut. */
function isUnsynced(stack: Stack, { dataBelow, removed }: Inode): boolean {
  const own = dataBelow?.own;
  return own !== undefined && !own.synced && own.lowerEnd > 0 && !removed && !stack.writable().volatile;
}

/** A file of which nothing below shows any more, and that is durable as it is, ceases to be one in part. */
export function endPart(stack: Stack, inode: Inode): void {
  const own = inode.dataBelow?.own;
  if (own?.isWhole !== true || stack.readOnly || isUnsynced(stack, inode)) return;
  // Where the disk does not take that, it goes on as it is.
  if (attempt(() => ownData(stack, inode))) closeData(inode);
}

/**
 * Cuts a file that has some of its data to nothing; which that was need not be known. Once it is cut nothing fails, and
 * it is open for writing, unless the disk does not take the marks back: then it goes on as one in part.
 */
export function emptyPart(stack: Stack, inode: Inode): void {
  const file = openObject(stack, inode);
  try {
    file.truncate(0);
  } catch (error) {
    file.close();
    throw error;
  }
  inode.dataBelow?.own?.cut(0);
  if (attempt(() => ownData(stack, inode))) switchData(inode, file);
  else file.close();
}

/** As `copyIn` of a whole file by sharing its extents; false where the filesystem cannot, and nothing has changed. */
function shareData(stack: Stack, inode: Inode): boolean {
  const from = openBelow(stack, inode);
  let size: number;
  let shared: WritableFile | undefined;
  try {
    if (from.fd === undefined) return false;
    shared = withUpper(stack, inode, (node) => shareInto(node, from));
    from.stat(stack.attr);
    ({ size } = stack.attr);
  } finally {
    from.close();
  }
  if (shared === undefined) return false;
  try {
    ownData(stack, inode);
  } catch (error) {
    shared.close();
    throw error;
  }
  switchData(inode, shared);
  stack.emit('copy-up', stack.table.path(inode), { bytesCopied: 0, bytesSaved: size });
  return true;
}

function shareInto(node: WritableNode, from: LayerFile): WritableFile | undefined {
  const entry = new LayerEntry(new Attr());
  node.stat(entry);
  const to = node.openWrite();
  let shared = false;
  try {
    keepTimes(node, entry.attr);
    shared = to.cloneFrom(from);
    restore(node, entry.attr, undefined);
    return shared ? to : undefined;
  } finally {
    if (!shared) to.close();
  }
}

/** Where there is no room for the mark the copy goes on: a crash in the midst of it leaves new times. */
function keepTimes(node: WritableNode, attr: Attr): void {
  try {
    node.keepTimes(attr);
  } catch (error) {
    if (!(error instanceof FsError) || !NO_ROOM.has(error.errno)) throw error;
  }
}

/** Writing into a file sets its times, and may take set-id bits and capabilities. */
function restore(node: WritableNode, attr: Attr, capability: Uint8Array | undefined): void {
  if ((attr.mode & (S_ISUID | S_ISGID)) !== 0) node.chmod(attr.mode);
  if (capability !== undefined) node.setxattr(CAPABILITY, capability, 0);
  node.utimes({ sec: attr.atimeSec, nsec: attr.atimeNsec }, { sec: attr.mtimeSec, nsec: attr.mtimeNsec });
  node.keepTimes(undefined);
}

/** The file is again what it was before data was copied into it, as far as the disk lets it be: all bytes below count. */
function takeBack(
  file: WritableFile,
  node: WritableNode,
  attr: Attr,
  capability: Uint8Array | undefined,
): void {
  attempt(() => file.allocate(FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 0, attr.size));
  attempt(() => file.truncate(attr.size));
  attempt(() => restore(node, attr, capability));
}

/** The data is in the upper object: from now on it counts. The mark goes in one step. */
function ownData(stack: Stack, inode: Inode): void {
  const place = inode.dataBelow?.place;
  const own = inode.dataBelow?.own;
  withUpper(stack, inode, (node) => {
    if (!inode.removed && place !== undefined) rememberOrigin(stack, inode, node, place);
    node.setMetacopy(false);
    // Without the mark it says nothing.
    attempt(() => node.setRedirect(undefined));
    if (own !== undefined && own.key !== '') {
      attempt(() => {
        node.setRanges(undefined);
        stack.writable().dropRanges(own.key);
      });
    }
  });
  inode.dataBelow = undefined;
}

/** `node` tells the inode's number and, where its filesystem has handles, the object at a place below. */
export function rememberOrigin(
  stack: Stack,
  inode: Inode,
  node: WritableNode,
  { layer, dir, name }: LowerPlace,
): void {
  // A layer of data alone has no file of the union that the kernel could find by its handle.
  if (stack.data.includes(layer)) {
    node.setOrigin(inode.ino, undefined);
    return;
  }
  const source = layer.hold(dir, name);
  try {
    node.setOrigin(inode.ino, source);
  } finally {
    source.release();
  }
}

/** What says that a path is too long for a mark, or that there is no room for it beside the object's other xattrs. */
const NO_ROOM: ReadonlySet<number> = new Set([E2BIG, EDQUOT, ENOSPC, ERANGE]);

/** To be called before a file gets another name: its data is found whatever it is called. */
export function pinData(stack: Stack, inode: Inode): void {
  const { dataBelow } = inode;
  if (dataBelow === undefined || dataBelow.pinned || !inode.upper || inode.removed) return;
  try {
    withUpper(stack, inode, (node) => node.setRedirect(`/${dataBelow.lowerPath}`));
    dataBelow.pinned = true;
  } catch (error) {
    if (!(error instanceof FsError) || !NO_ROOM.has(error.errno)) throw error;
    fetchData(stack, inode);
  }
}

/**
 * To be called before the layers below show nothing any more in a folder at `path` of the upper, which is
 * `lowerPath` in the lowers: the files in it keep their data. Nodes in it must not be in use.
 */
export function pinAllIn(stack: Stack, path: ByteString, lowerPath: ByteString): void {
  const upper = stack.writable();
  const entry = new LayerEntry(new Attr());
  const folders = [{ path, lowerPath }];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const names: ByteString[] = [];
    upper.list(folder.path, (name, _type, _ino, whiteout) => {
      if (!whiteout) names.push(name);
    });
    for (const name of names) {
      if (!upper.lookup(folder.path, name, entry)) continue;
      const { redirect, metacopy, opaque, attr } = entry;
      if (redirect?.startsWith('/')) continue;
      const below = joinPath(folder.lowerPath, redirect ?? name);
      if (isFolder(attr.mode) && !opaque)
        folders.push({ path: joinPath(folder.path, name), lowerPath: below });
      if (!metacopy) continue;
      const node = upper.hold(folder.path, name);
      try {
        node.setRedirect(`/${below}`);
      } finally {
        node.release();
      }
    }
  }
}
