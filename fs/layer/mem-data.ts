// The bytes of a file in memory, in blocks that exist only where something was written, so that holes are
// real: they cost nothing, and SEEK_HOLE finds them. A block that is absent reads as zeros.

import { SEEK_DATA } from '../filesystem.js';

const BLOCK = 4096;

/** Told how many bytes are about to be allocated (negative: freed); throws if there is no room. */
export type Reserve = (bytes: number) => void;

export class SparseBytes {
  #size = 0;
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #reserve: Reserve;

  constructor(reserve: Reserve) {
    this.#reserve = reserve;
  }

  get size(): number {
    return this.#size;
  }

  /** Allocated space in units of 512 bytes, as st_blocks counts. */
  get sectors(): number {
    return this.#blocks.size * (BLOCK / 512);
  }

  read(offset: number, into: Uint8Array): number {
    const length = Math.max(0, Math.min(into.length, this.#size - offset));
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const within = at % BLOCK;
      const count = Math.min(BLOCK - within, length - done);
      const block = this.#blocks.get(Math.floor(at / BLOCK));
      if (block === undefined) into.fill(0, done, done + count);
      else into.set(block.subarray(within, within + count), done);
      done += count;
    }
    return length;
  }

  write(offset: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const at = offset + done;
      const within = at % BLOCK;
      const count = Math.min(BLOCK - within, data.length - done);
      this.#block(Math.floor(at / BLOCK)).set(data.subarray(done, done + count), within);
      done += count;
      this.#size = Math.max(this.#size, at + count);
    }
  }

  truncate(size: number): void {
    // Also what was allocated behind the end.
    if (size < this.#size) this.punch(size, Number.POSITIVE_INFINITY);
    this.#size = size;
  }

  /** Makes blocks for a range; the size stays. */
  allocate(offset: number, length: number): void {
    for (let n = Math.floor(offset / BLOCK); n * BLOCK < offset + length; n++) this.#block(n);
  }

  /** Zeros a range and frees the blocks that lie wholly in it; the size stays. */
  punch(offset: number, length: number): void {
    const end = offset + length;
    for (const [n, block] of this.#blocks) {
      const from = Math.max(offset - n * BLOCK, 0);
      const to = Math.min(end - n * BLOCK, BLOCK);
      if (from >= to) continue;
      if (from === 0 && to === BLOCK) this.#free(n);
      else block.fill(0, from, to);
    }
  }

  /** The next data or hole from `offset` on, as lseek(2): the end of the file is a hole. */
  seek(offset: number, whence: number): number | undefined {
    if (offset >= this.#size) return undefined;
    for (let at = offset; at < this.#size; at = (Math.floor(at / BLOCK) + 1) * BLOCK) {
      if (this.#blocks.has(Math.floor(at / BLOCK)) === (whence === SEEK_DATA)) return at;
    }
    return whence === SEEK_DATA ? undefined : this.#size;
  }

  clear(): void {
    for (const n of this.#blocks.keys()) this.#free(n);
  }

  #block(n: number): Uint8Array {
    let block = this.#blocks.get(n);
    if (block === undefined) {
      this.#reserve(BLOCK);
      block = new Uint8Array(BLOCK);
      this.#blocks.set(n, block);
    }
    return block;
  }

  #free(n: number): void {
    if (this.#blocks.delete(n)) this.#reserve(-BLOCK);
  }
}
