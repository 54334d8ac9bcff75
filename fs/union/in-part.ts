// Sub-file copy-up: a large lower file that is written gets a sparse object in the upper, of the same size and without
// its data (the mark metacopy, under the guard), and besides the mark `ranges`, whose sidecar says which blocks are its
// own by now. `DataBelow.own` stands for it. Files that can share their extents with the lower do that instead; short
// ones are copied. It ends as each fetch of data does (data-below.ts), or when nothing from below shows any more.

import { attempt, EIO, FsError } from '../errno.js';
import type { LayerFile, WritableFile, WritableNode } from '../layer/layer.js';
import { withUpper } from './access.js';
import type { Inode, LowerPlace } from './inode.js';
import { OwnBlocks } from './own-blocks.js';
import { PartFile, PartReader } from './part-file.js';
import type { Stack } from './stack.js';

/** Longer files are copied: 32 MiB of bits are enough. */
const LONGEST = 2 ** 40;

/**
 * True if a file of so many bytes and `blocks` (st_blocks), of which `wanted` bytes are to stay, is worth it. Whether its
 * data may stay below at all is another question.
 */
export function isWorthIt(stack: Stack, size: number, blocks: number, wanted: number): boolean {
  return size <= LONGEST && Math.min(wanted, size, blocks * 512) >= stack.partsFrom;
}

/**
 * The object of a file, which has no data, becomes one that has some of it: none yet. What fails leaves a sidecar at
 * most, which the guard takes along when it goes.
 */
export function beginPart(stack: Stack, inode: Inode, node: WritableNode, size: number): OwnBlocks {
  const upper = stack.writable();
  if (inode.removed) return OwnBlocks.begin({ key: '', lowerEnd: size }, undefined, upper.epoch);
  stack.guard();
  const { key, file } = upper.makeRanges();
  try {
    const mark = { key, lowerEnd: size };
    const own = OwnBlocks.begin(mark, file, upper.epoch);
    node.setRanges(mark);
    return own;
  } catch (error) {
    attempt(() => upper.dropRanges(key));
    throw error;
  } finally {
    file.close();
  }
}

/** The data of a file of the upper, for writing. */
export function openWriter(stack: Stack, inode: Inode): WritableFile {
  const file = openObject(stack, inode);
  return inode.dataBelow?.own === undefined ? file : writePart(stack, inode, file);
}

/** What of its data is in the upper, for writing. */
export function openObject(stack: Stack, inode: Inode): WritableFile {
  return withUpper(stack, inode, (node) => node.openWrite());
}

/** The data of a file in part its own, for reading. Takes `data`, its object, over. */
export function readPart(stack: Stack, inode: Inode, data: LayerFile): LayerFile {
  return closedIfFails(data, () => {
    const own = loadedPart(stack, inode, data);
    return new PartReader({ upper: data, lower: openLower(stack, inode, own), own });
  });
}

/** As `readPart`, for writing. */
function writePart(stack: Stack, inode: Inode, data: WritableFile): WritableFile {
  return closedIfFails(data, () => {
    const own = loadedPart(stack, inode, data);
    const sidecar = own.key === '' ? undefined : openSidecar(stack, own);
    try {
      if (sidecar !== undefined) own.renew(sidecar, stack.writable().epoch);
      const storeEnd = () => storeLowerEnd(stack, inode, own);
      const lower = openLower(stack, inode, own);
      return new PartFile({ upper: data, lower, own, sidecar, storeEnd, fetched: telling(stack, inode) });
    } catch (error) {
      sidecar?.close();
      throw error;
    }
  });
}

/** A block that was fetched is a copy-up of its own: how much it copied is known when it is written. */
function telling(stack: Stack, inode: Inode): (bytes: number) => void {
  return (bytes) => stack.emit('copy-up', stack.table.path(inode), { bytesCopied: bytes, bytesSaved: 0 });
}

function closedIfFails<T>(file: LayerFile, act: () => T): T {
  try {
    return act();
  } catch (error) {
    file.close();
    throw error;
  }
}

/** What is known of the blocks of a file in part its own; `data` is its object. */
export function loadedPart(stack: Stack, { dataBelow }: Inode, data: LayerFile): OwnBlocks {
  const own = dataBelow?.own;
  if (own === undefined) throw new Error('not in part its own');
  // Of what nothing shows from below nothing has to be known.
  if (own.isLoaded || own.lowerEnd === 0) return own;
  const sidecar = openSidecar(stack, own);
  try {
    data.stat(stack.attr);
    own.load(sidecar, stack.upper!.epoch, data, stack.attr.size);
    return own;
  } finally {
    sidecar.close();
  }
}

function openSidecar(stack: Stack, { key }: OwnBlocks): WritableFile {
  const sidecar = stack.upper?.openRanges(key);
  if (sidecar === undefined) throw new FsError(EIO, `the upper has no ranges ${key}`);
  return sidecar;
}

function storeLowerEnd(stack: Stack, inode: Inode, { key, lowerEnd }: OwnBlocks): void {
  if (key !== '') withUpper(stack, inode, (node) => node.setRanges({ key, lowerEnd }));
}

/** The whole file below; EIO if it has less than what shows of it. */
export function openLower(stack: Stack, inode: Inode, { lowerEnd }: OwnBlocks): LayerFile {
  const place = placeOf(inode);
  const file = place.layer.open(place.dir, place.name);
  return closedIfFails(file, () => {
    file.stat(stack.attr);
    if (stack.attr.size < lowerEnd) {
      throw new FsError(EIO, `data in layer ${place.layer.id} is shorter than the file`);
    }
    return file;
  });
}

/** Where the data lies of a file that has it below; EIO if it is not there. */
export function placeOf({ dataBelow }: Inode): LowerPlace {
  if (dataBelow?.place === undefined) throw new FsError(EIO, 'no layer has the data of the file');
  return dataBelow.place;
}

/** To be called before the last name goes of a file that stays in use: what its sidecar says is known from now on. */
export function keepPart(stack: Stack, inode: Inode): void {
  const { dataBelow } = inode;
  if (dataBelow?.own === undefined || dataBelow.own.isLoaded) return;
  // What cannot be read fails for who reads it.
  attempt(() => {
    const data = withUpper(stack, inode, (node) => node.open());
    try {
      loadedPart(stack, inode, data);
    } finally {
      data.close();
    }
  });
}

/** To be called after the last name is gone. */
export function losePart(stack: Stack, { dataBelow }: Inode): void {
  const own = dataBelow?.own;
  if (own === undefined || own.key === '') return;
  const { key } = own;
  if (own.isLoaded) own.key = '';
  attempt(() => stack.writable().dropRanges(key));
}
