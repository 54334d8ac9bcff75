// Open files. All handles of an inode share its data (one descriptor for reading, one for writing): a copy-up
// changes what the inode reads from, and every handle follows. Offsets of O_APPEND are computed here.

import { EBADF, EFBIG, EINVAL, EISDIR, ENXIO, EOPNOTSUPP, ESTALE, FsError } from '../errno.js';
import {
  type Backing,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  O_ACCMODE,
  O_APPEND,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from '../filesystem.js';
import type { LayerFile, WritableFile } from '../layer/layer.js';
import { S_IFDIR, S_IFREG } from '../mode.js';
import { assertOffset, isStill, statLayer, withNode } from './access.js';
import { readData } from './aside.js';
import { ensureData, ensureWritable } from './copy-up.js';
import { emptyPart, endPart, openBelow } from './data-below.js';
import { openWriter } from './in-part.js';
import { closeData, type Inode } from './inode.js';
import type { Stack } from './stack.js';

/** What a handle remembers beside its inode. */
export class OpenFile {
  readonly inode: Inode;
  readonly flags: number;

  constructor(inode: Inode, flags: number) {
    this.inode = inode;
    this.flags = flags;
    inode.opens++;
  }

  get writes(): boolean {
    return (this.flags & O_ACCMODE) !== O_RDONLY;
  }
}

/** Opens the inode's data as the flags ask: copied up for writing, without data for O_TRUNC. */
export function openFile(stack: Stack, inode: Inode, flags: number): OpenFile {
  if (inode.type === S_IFDIR) throw new FsError(EISDIR, 'open');
  if (inode.type !== S_IFREG) throw new FsError(EINVAL, 'open');
  const truncate = (flags & O_TRUNC) !== 0;
  // Counted first, so that a copy-up leaves its data open for it.
  const file = new OpenFile(inode, flags);
  try {
    if (file.writes || truncate) {
      const cut = ensureWritable(stack, inode, truncate ? 0 : undefined);
      // Which of its data is its own need not be known then.
      const empties = truncate && inode.dataBelow?.own !== undefined;
      if (empties) emptyPart(stack, inode);
      writable(stack, inode);
      if (truncate && !cut && !empties) truncateData(stack, inode, 0);
    } else readable(stack, inode);
    return file;
  } catch (error) {
    closeFile(stack, file);
    throw error;
  }
}

export function closeFile(stack: Stack, file: OpenFile): void {
  const { inode } = file;
  inode.opens--;
  if (inode.opens === 0) {
    endPart(stack, inode);
    closeData(inode);
  }
  stack.table.tidy(inode);
}

export function readFile(stack: Stack, file: OpenFile, offset: number, into: Uint8Array): number {
  assertOffset(offset);
  return readData(stack, readable(stack, file.inode), offset, into);
}

export function writeFile(stack: Stack, file: OpenFile, offset: number, data: Uint8Array): number {
  const writer = writerOf(stack, file);
  let at = offset;
  if ((file.flags & O_APPEND) !== 0) {
    writer.stat(stack.attr);
    at = stack.attr.size;
  }
  assertOffset(at);
  if (!Number.isSafeInteger(at + data.length)) throw new FsError(EFBIG, 'write');
  file.inode.unsynced += data.length;
  return data.length === 0 ? 0 : writer.write(at, data);
}

/** SEEK_DATA and SEEK_HOLE alone: the others need no filesystem. */
export function seekFile(stack: Stack, file: OpenFile, offset: number, whence: number): number {
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new FsError(EINVAL, 'lseek');
  // lseek(2): a negative offset is ENXIO for these two.
  if (offset < 0) throw new FsError(ENXIO, 'lseek');
  const found = readable(stack, file.inode).seek(offset, whence);
  if (found === undefined) throw new FsError(ENXIO, 'lseek');
  return found;
}

/** More than that is not written as zeros. */
const MOST_ZEROS = 4 << 20;
/** So much is fetched for a hole that is one. */
const WORTH_A_HOLE = 1 << 20;

const ALLOCATE_MODES = new Set([
  0,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE,
  FALLOC_ZERO_RANGE,
  FALLOC_ZERO_RANGE | FALLOC_KEEP_SIZE,
]);

export function allocateFile(
  stack: Stack,
  file: OpenFile,
  mode: number,
  offset: number,
  length: number,
): void {
  writerOf(stack, file);
  assertOffset(offset);
  if (!Number.isSafeInteger(length) || length <= 0) throw new FsError(EINVAL, 'fallocate');
  if (!ALLOCATE_MODES.has(mode)) throw new FsError(EOPNOTSUPP, 'fallocate');
  // A hole in a file that is in part its own would have to be written, as zeros.
  const shown = file.inode.dataBelow?.own?.lowerEnd ?? 0;
  const digs = (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0;
  const zeros = Math.min(offset + length, shown) - offset;
  if (digs && zeros > 0 && (zeros > MOST_ZEROS || shown <= WORTH_A_HOLE)) ensureData(stack, file.inode);
  writable(stack, file.inode).allocate(mode, offset, length);
}

/** copy_file_range(2); EINVAL for overlapping ranges of one file. */
export function copyRange(
  stack: Stack,
  from: OpenFile,
  fromOffset: number,
  to: OpenFile,
  toOffset: number,
  length: number,
): number {
  const writer = writerOf(stack, to);
  assertOffset(fromOffset);
  assertOffset(toOffset);
  if ((from.flags & O_ACCMODE) === O_WRONLY || (to.flags & O_APPEND) !== 0) throw new FsError(EBADF, 'copy');
  const source = readable(stack, from.inode);
  source.stat(stack.attr);
  const count = Math.max(0, Math.min(length, stack.attr.size - fromOffset));
  const overlap = Math.abs(fromOffset - toOffset) < count;
  if (from.inode === to.inode && overlap) throw new FsError(EINVAL, 'copy');
  to.inode.unsynced += count;
  return count === 0 ? 0 : writer.copyFrom(source, fromOffset, toOffset, count);
}

/** See Filesystem.backing: an upper file with its own data, or, without an upper, any file with its own data. */
export function backingOf(stack: Stack, inode: Inode, atLeast: number): Backing | undefined {
  if (inode.type !== S_IFREG || inode.dataBelow !== undefined) return undefined;
  if (!inode.upper && (stack.upper !== undefined || stack.lowersChange)) return undefined;
  if (atLeast > 0 && statLayer(stack, inode).attr.size < atLeast) return undefined;
  const known = inode.writer ?? inode.reader;
  const file = known ?? openReader(stack, inode);
  const close = () => {
    if (file !== known) file.close();
  };
  if (file.fd !== undefined) return { fd: file.fd, close };
  close();
  return undefined;
}

/** Sets the size of a file that is in the upper. */
export function truncateData(stack: Stack, inode: Inode, size: number): void {
  if (size === 0 && inode.dataBelow?.own !== undefined) {
    emptyPart(stack, inode);
    return;
  }
  const file = inode.writer ?? openWriter(stack, inode);
  try {
    file.truncate(size);
  } finally {
    if (file !== inode.writer) file.close();
  }
  endPart(stack, inode);
}

function writerOf(stack: Stack, file: OpenFile): WritableFile {
  if (!file.writes) throw new FsError(EBADF, 'write');
  stack.writable();
  return writable(stack, file.inode);
}

function readable(stack: Stack, inode: Inode): LayerFile {
  if (inode.writer !== undefined) return inode.writer;
  inode.reader ??= openReader(stack, inode);
  return inode.reader;
}

/** By name where a name leads to the file: that is half the work of holding it first. */
function openReader(stack: Stack, inode: Inode): LayerFile {
  const { held, lower, parent } = inode;
  if (inode.dataBelow !== undefined) return openBelow(stack, inode);
  if (held === undefined && !inode.upper && lower !== undefined) {
    const file = lower.layer.open(lower.dir, lower.name);
    if (stack.lowersChange) assertStill(stack, inode, file);
    return file;
  }
  if (held === undefined && inode.upper && parent !== undefined && stack.upper !== undefined) {
    return stack.upper.open(stack.table.path(parent), inode.name);
  }
  return withNode(stack, inode, (node) => node.open());
}

/** Opened by its name, it must be the file that the name meant: the kernel looks it up again for ESTALE. */
function assertStill(stack: Stack, inode: Inode, file: LayerFile): void {
  file.stat(stack.attr);
  if (isStill(stack, inode, stack.attr)) return;
  file.close();
  throw new FsError(ESTALE, 'a lower that changed');
}

function writable(stack: Stack, inode: Inode): WritableFile {
  if (inode.writer !== undefined) return inode.writer;
  // Opened for writing when what is a lower now was the upper.
  if (!inode.upper) ensureWritable(stack, inode);
  inode.writer ??= openWriter(stack, inode);
  return inode.writer;
}
