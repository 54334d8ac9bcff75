// Taking a file's data to another place: extents are shared where the filesystem can, and holes stay holes.

import { SEEK_DATA, SEEK_HOLE } from '../filesystem.js';
import type { LayerFile, WritableFile, WriteLayer } from '../layer/layer.js';

/** What a copy-up cost, and what it did not (see event.ts). */
export interface Amounts {
  bytesCopied: number;
  bytesSaved: number;
}

/**
 * Makes `to`, which has no data yet, hold the first `size` bytes of `from`; `whole` if that is all of it. How long it
 * is then is the caller's affair, because it may end in a hole.
 */
export function copyData(
  from: LayerFile,
  to: WritableFile,
  size: number,
  whole: boolean,
  amounts: Amounts,
): void {
  if (whole && to.cloneFrom(from)) {
    amounts.bytesSaved = size;
    return;
  }
  amounts.bytesCopied = copyRange(from, to, 0, size);
  amounts.bytesSaved = size - amounts.bytesCopied;
}

/**
 * To be called before a copy gets its name, or its mark goes: after a power cut it must not be there empty (as
 * ovl_copy_up_file of the kernel). Shared extents are the filesystem's own affair.
 */
export function syncCopy(upper: WriteLayer, copy: WritableFile, { bytesCopied }: Amounts): void {
  if (bytesCopied > 0 && !upper.volatile) copy.sync(true);
}

/** Copies the data from `first` to `end` and leaves the holes; returns the bytes copied. */
export function copyRange(from: LayerFile, to: WritableFile, first: number, end: number): number {
  let copied = 0;
  for (const count of copyPieces(from, to, end, Number.POSITIVE_INFINITY, first)) copied += count;
  return copied;
}

/** As that up to `size`, and after each piece of at most `piece` bytes it is told how many were copied. */
export function* copyPieces(
  from: LayerFile,
  to: WritableFile,
  size: number,
  piece: number,
  first = 0,
): Generator<number, void> {
  for (let at = first; at < size; ) {
    const start = from.seek(at, SEEK_DATA);
    if (start === undefined || start >= size) return;
    const end = Math.min(from.seek(start, SEEK_HOLE) ?? size, size);
    for (at = start; at < end; ) {
      const count = to.copyFrom(from, at, at, Math.min(end - at, piece));
      if (count === 0) return;
      at += count;
      yield count;
    }
  }
}
