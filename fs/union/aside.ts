// What of an open file may take long, beside copying it (prepared-copy.ts): making it durable, and reading what is not
// in memory. Both most often do not, and going aside takes longer than they do; so the last ones tell what is to be
// expected (Pace), for a sync also how much there is to write. A first one that nobody could expect keeps others waiting.

import { Later, type Task, type TaskResult } from '../later.js';
import type { LayerFile, WritableFile } from '../layer/layer.js';
import { openObject, openWriter } from './in-part.js';
import type { Inode } from './inode.js';
import type { Pace } from './long-work.js';
import type { Stack } from './stack.js';

/** A task of which there is nothing to keep but how it went. */
class PlainTask implements Task {
  readonly #pace: Pace | undefined;
  errno: number | undefined;

  /** `pace`: of which it is one, where it tells of others. */
  constructor(pace: Pace | undefined) {
    this.#pace = pace;
  }

  finish({ errno, durationMs }: TaskResult): void {
    this.errno = errno;
    this.#pace?.note(durationMs);
  }

  abandon(): void {
    // It does no harm.
  }

  end(): void {
    // Nothing was kept.
  }
}

/** So much to write takes a fast disk a millisecond. */
const MUCH_TO_WRITE = 1 << 20;
const BLOCK = 512;

/** Data of the upper reaches the disk; what lies below is on it. A file that is not open for writing is opened for it. */
export function syncFile(stack: Stack, inode: Inode, dataOnly: boolean): void {
  if (syncBelow(stack) || !inode.upper || stack.readOnly) return;
  const { work, syncs } = stack;
  const inPart = inode.dataBelow?.own !== undefined;
  // Whoever has waited has waited for this; for a file in part its own only for what is in the object.
  if (work?.again === true && !inPart) return;
  const file = inode.writer ?? openWriter(stack, inode);
  try {
    if (work !== undefined && !work.again) {
      const bytes = bytesToWrite(stack, inode, file);
      const much = bytes >= MUCH_TO_WRITE;
      const task = new PlainTask(much ? undefined : syncs);
      const isBegun = () =>
        inPart ? syncObject(stack, inode, bytes, task) : work.sync(file, dataOnly, bytes, task);
      if ((much || syncs.slow) && isBegun()) throw new Later(task);
    }
    const begin = performance.now();
    file.sync(dataOnly);
    syncs.note(performance.now() - begin);
  } finally {
    if (file !== inode.writer) file.close();
  }
}

function syncObject(stack: Stack, inode: Inode, bytes: number, task: Task): boolean {
  const object = openObject(stack, inode);
  try {
    return stack.work?.sync(object, false, bytes, task) === true;
  } finally {
    object.close();
  }
}

/** Since this was asked last. What is written past the union is told by the file's growth alone. */
function bytesToWrite(stack: Stack, inode: Inode, file: WritableFile): number {
  file.stat(stack.attr);
  const { blocks } = stack.attr;
  const grown = (blocks - inode.syncedBlocks) * BLOCK;
  const bytes = Math.max(grown, inode.unsynced);
  inode.syncedBlocks = blocks;
  inode.unsynced = 0;
  return bytes;
}

/** What was the upper until a moment ago reaches the disk, with whatever else lies there; false if it has done so. */
function syncBelow(stack: Stack): boolean {
  if (!stack.unsyncedBelow || stack.readOnly) return false;
  stack.upper?.sync();
  stack.unsyncedBelow = false;
  return true;
}

/** Everything in the upper reaches the disk, with whatever else lies on it. */
export function syncUpper(stack: Stack): void {
  const { work, upper, fullSyncs } = stack;
  if (syncBelow(stack) || upper === undefined || stack.frozen || work?.again === true) return;
  const task = new PlainTask(fullSyncs);
  const goesAside = work !== undefined && upper.fd !== undefined && fullSyncs.slow;
  if (goesAside && work.syncFilesystem(upper.fd, task)) throw new Later(task);
  const begin = performance.now();
  upper.sync();
  fullSyncs.note(performance.now() - begin);
}

/** Reads as LayerFile.read; Later while what is asked for comes into memory. */
export function readData(stack: Stack, file: LayerFile, offset: number, into: Uint8Array): number {
  const { work, reads } = stack;
  if (work === undefined || file.readNow === undefined) return file.read(offset, into);
  if (reads.slow && !work.again) {
    const count = file.readNow(offset, into);
    if (count !== undefined) return count;
    const task = new PlainTask(reads);
    if (work.fetch(file, offset, into.length, task)) throw new Later(task);
  }
  const begin = performance.now();
  const count = file.read(offset, into);
  reads.note(performance.now() - begin);
  return count;
}
