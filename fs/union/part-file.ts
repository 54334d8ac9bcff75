// The data of a file that is in part its own: each block comes from the upper object or from below, and a block that
// is written comes to the upper whole. What of it is not written is brought there first, then the data is written, then
// the bit (own-blocks.ts): whoever is killed in between has written nothing. Sizes are the upper object's.

import { EIO, FsError } from '../errno.js';
import { Attr, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, SEEK_DATA, SEEK_HOLE } from '../filesystem.js';
import type { LayerFile, WritableFile, WritableNode } from '../layer/layer.js';
import { BLOCK, type OwnBlocks } from './own-blocks.js';
import { writeAll } from './write-all.js';

const buffer = new Uint8Array(BLOCK);
const ZEROS = new Uint8Array(16 * BLOCK);

/** What a file for reading is made of. */
export interface PartData {
  readonly upper: LayerFile;
  /** Has `own.lowerEnd` bytes at least. */
  readonly lower: LayerFile;
  readonly own: OwnBlocks;
}

export class PartReader implements LayerFile {
  /** The data is in no one object. */
  readonly fd = undefined;
  protected readonly own: OwnBlocks;
  protected readonly lower: LayerFile;
  readonly #upper: LayerFile;

  /** Takes the two files over. */
  constructor({ upper, lower, own }: PartData) {
    this.#upper = upper;
    this.lower = lower;
    this.own = own;
  }

  read(offset: number, into: Uint8Array): number {
    const { own } = this;
    if (offset >= own.lowerEnd || own.isWhole) return this.#upper.read(offset, into);
    const end = offset + into.length;
    let at = offset;
    while (at < end) {
      const below = at < own.lowerEnd;
      const stop = below ? Math.min(own.runEnd(at), end) : end;
      const from = below && !own.has(Math.floor(at / BLOCK)) ? this.lower : this.#upper;
      const count = from.read(at, into.subarray(at - offset, stop - offset));
      at += count;
      if (at < stop) break;
    }
    return at - offset;
  }

  stat(out: Attr): void {
    this.#upper.stat(out);
  }

  seek(offset: number, whence: number): number | undefined {
    const { own } = this;
    for (let at = offset; at < own.lowerEnd; ) {
      const end = own.runEnd(at);
      const from = own.has(Math.floor(at / BLOCK)) ? this.#upper : this.lower;
      const found = from.seek(at, whence) ?? (whence === SEEK_HOLE ? at : end);
      if (found < end) return found;
      at = end;
    }
    return this.#upper.seek(Math.max(offset, own.lowerEnd), whence) ?? this.#endOf(offset, whence);
  }

  close(): void {
    try {
      this.#upper.close();
    } finally {
      this.lower.close();
    }
  }

  /** The end of a file is a hole, also where the last bytes come from below. */
  #endOf(offset: number, whence: number): number | undefined {
    const attr = new Attr();
    this.#upper.stat(attr);
    return whence === SEEK_DATA || offset >= attr.size ? undefined : attr.size;
  }
}

/** What a file for writing is made of. */
export interface WritablePart extends PartData {
  readonly upper: WritableFile;
  /** Where the bits are stored; none for a file without a name. */
  readonly sidecar: WritableFile | undefined;
  /** Stores `own.lowerEnd` with the object. */
  readonly storeEnd: () => void;
  /** Told how many bytes came from below for a write: the rest of its first and last block. */
  readonly fetched: (bytes: number) => void;
}

export class PartFile extends PartReader implements WritableFile {
  readonly node?: WritableNode;
  readonly #upper: WritableFile;
  readonly #sidecar: WritableFile | undefined;
  readonly #storeEnd: () => void;
  readonly #fetched: (bytes: number) => void;
  readonly #attr = new Attr();
  /** Bytes that came from below since a write began. */
  #filled = 0;

  constructor(part: WritablePart) {
    super(part);
    this.#upper = part.upper;
    this.#sidecar = part.sidecar;
    this.#storeEnd = part.storeEnd;
    this.#fetched = part.fetched;
    if (part.upper.node !== undefined) this.node = part.upper.node;
  }

  write(offset: number, data: Uint8Array): number {
    this.#begin(offset, data.length);
    const count = this.#upper.write(offset, data);
    this.#wrote(offset, count, data.length);
    return count;
  }

  copyFrom(source: LayerFile, fromOffset: number, toOffset: number, length: number): number {
    this.#begin(toOffset, length);
    const count = this.#upper.copyFrom(source, fromOffset, toOffset, length);
    this.#wrote(toOffset, count, length);
    return count;
  }

  /** Never a file without data. */
  cloneFrom(_source: LayerFile): boolean {
    return false;
  }

  /** Once the object is cut nothing can fail: a mark that says more is written before the file grows again. */
  truncate(size: number): void {
    const { own } = this;
    this.#upper.stat(this.#attr);
    if (size > this.#attr.size) this.#assertEndStored();
    own.synced = false;
    this.#upper.truncate(size);
    own.cut(size);
  }

  /** What lies below shows through holes, so a hole is written where there may be such. */
  allocate(mode: number, offset: number, length: number): void {
    const { own } = this;
    this.#assertEndStored();
    own.synced = false;
    const end = offset + length;
    let at = offset;
    if ((mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0) {
      this.#upper.stat(this.#attr);
      const stop = Math.min(end, own.blocks * BLOCK, this.#attr.size);
      while (at < stop) at += this.write(at, ZEROS.subarray(0, stop - at));
    }
    if (at < end) this.#upper.allocate(mode, at, end - at);
  }

  /** All of it, each time: the mark and the sidecar's name are metadata that the data is worth nothing without. */
  sync(_dataOnly: boolean): void {
    this.#assertEndStored();
    this.#sidecar?.sync(false);
    this.#upper.sync(false);
    this.own.synced = true;
  }

  override close(): void {
    try {
      super.close();
    } finally {
      this.#sidecar?.close();
    }
  }

  /** Whatever of the blocks at both ends is not going to be written comes from below. */
  #begin(offset: number, length: number): void {
    const { own } = this;
    this.#assertEndStored();
    this.#filled = 0;
    own.synced = false;
    const end = offset + length;
    const first = Math.floor(offset / BLOCK);
    const last = Math.floor((end - 1) / BLOCK);
    if (offset > first * BLOCK) this.#fill(first, first * BLOCK);
    const isFilled = last === first && offset > first * BLOCK;
    if (end < Math.min((last + 1) * BLOCK, own.lowerEnd) && !isFilled) this.#fill(last, last * BLOCK);
  }

  /** Brings what shows of a block below to the upper, from `offset` on. It is not own yet. */
  #fill(block: number, offset: number): void {
    const { own } = this;
    const end = Math.min((block + 1) * BLOCK, own.lowerEnd);
    if (offset >= end || own.has(block)) return;
    const bytes = buffer.subarray(0, end - offset);
    if (this.lower.read(offset, bytes) < bytes.length) throw new FsError(EIO, 'data below ends');
    writeAll(this.#upper, offset, bytes);
    this.#filled += bytes.length;
  }

  /** Of `length` bytes so many were written: the rest may have been to end a block that was to be written whole. */
  #wrote(offset: number, count: number, length: number): void {
    const end = offset + count;
    if (count < length && end % BLOCK !== 0) this.#fill(Math.floor(end / BLOCK), end);
    this.#take(offset, count);
    if (this.#filled > 0) this.#fetched(this.#filled);
  }

  #take(offset: number, length: number): void {
    const { own } = this;
    const first = Math.floor(offset / BLOCK);
    const last = Math.min(Math.floor((offset + length - 1) / BLOCK), own.blocks - 1);
    if (length > 0 && first <= last && own.lacks(first, last)) own.take(first, last, this.#sidecar);
  }

  #assertEndStored(): void {
    if (this.own.storedEnd === this.own.lowerEnd) return;
    this.#storeEnd();
    this.own.storedEnd = this.own.lowerEnd;
  }
}
