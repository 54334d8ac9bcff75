// Cuts a zstd stream into its frames without decompressing (RFC 8878, 3.1): Node's own decoder and fzstd each
// take one frame only and are silent about, or stumble over, what follows. Skippable frames are left out.

import { StoreError } from '../errors.js';
import type { Bytes } from './compression.js';

export interface FramePart {
  readonly bytes: Uint8Array;
  /** These bytes end a frame; the next part begins another. */
  readonly last: boolean;
}

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

function corrupt(why: string): StoreError {
  return new StoreError('corrupt', 'cannot decompress zstd', why);
}

/** The data frames of a stream in parts. Throws StoreError 'corrupt' if it is no zstd stream or ends in a frame. */
export async function* zstdFrames(source: Bytes): AsyncGenerator<FramePart, void> {
  const walker = new FrameWalker();
  for await (const chunk of source) yield* walker.push(chunk);
  walker.finish();
}

type Step = 'magic' | 'skip-length' | 'skip' | 'descriptor' | 'header' | 'block' | 'body' | 'checksum';

class FrameWalker {
  #step: Step = 'magic';
  /** Small fields are collected here, `#want` bytes of them. */
  #field: number[] = [];
  #want = 4;
  /** Bytes left of a body or of something skipped. */
  #left = 0;
  #lastBlock = false;
  #checksum = false;

  *push(chunk: Uint8Array): Generator<FramePart, void> {
    let at = 0;
    // Where the part of the frame in this chunk begins.
    let start = 0;
    while (at < chunk.length) {
      if (this.#step === 'skip' || this.#step === 'body') {
        const room = Math.min(this.#left, chunk.length - at);
        this.#left -= room;
        at += room;
        if (this.#left > 0) break;
        if (this.#step === 'body') {
          if (this.#endBlock()) {
            yield { bytes: chunk.subarray(start, at), last: true };
            start = at;
          }
        } else {
          this.#expect('magic', 4);
          start = at;
        }
        continue;
      }
      this.#field.push(chunk[at]!);
      at++;
      if (this.#field.length < this.#want) continue;
      if (this.#step === 'magic') {
        const magic = this.#number();
        // The magic may have begun in an earlier chunk, when nobody could know yet what it would be.
        if (magic === MAGIC) yield { bytes: Uint8Array.from(this.#field), last: false };
        start = at;
      }
      if (this.#endField()) {
        yield { bytes: chunk.subarray(start, at), last: true };
        start = at;
      }
    }
    const skipping = this.#step === 'magic' || this.#step === 'skip' || this.#step === 'skip-length';
    if (!skipping && start < at) yield { bytes: chunk.subarray(start, at), last: false };
  }

  finish(): void {
    if (this.#step !== 'magic' || this.#field.length > 0) throw corrupt('unexpected end of file');
  }

  #expect(step: Step, bytes: number): void {
    this.#step = step;
    this.#want = bytes;
    this.#field = [];
  }

  #number(): number {
    return this.#field.reduceRight((value, byte) => value * 256 + byte, 0);
  }

  /** A field is complete; true if the frame ends with it. */
  #endField(): boolean {
    const value = this.#number();
    switch (this.#step) {
      case 'magic':
        if (value === MAGIC) this.#expect('descriptor', 1);
        else if (value - (value % 16) === SKIPPABLE) this.#expect('skip-length', 4);
        else throw corrupt('no frame begins where one should');
        return false;
      case 'skip-length':
        this.#left = value;
        this.#expect(value > 0 ? 'skip' : 'magic', 4);
        return false;
      case 'descriptor':
        this.#checksum = (value & 0x04) !== 0;
        this.#expect('header', headerLength(value));
        return false;
      case 'header':
        this.#expect('block', 3);
        return false;
      case 'block': {
        this.#lastBlock = (value & 1) !== 0;
        const type = (value >> 1) & 3;
        if (type === 3) throw corrupt('a block has a reserved type');
        // A run-length block holds the one byte that is repeated.
        this.#left = type === 1 ? 1 : value >> 3;
        if (this.#left === 0) return this.#endBlock();
        this.#expect('body', 0);
        return false;
      }
      default:
        this.#expect('magic', 4);
        return true;
    }
  }

  /** True if the frame ends with this block. */
  #endBlock(): boolean {
    if (!this.#lastBlock) this.#expect('block', 3);
    else if (this.#checksum) this.#expect('checksum', 4);
    else this.#expect('magic', 4);
    return this.#lastBlock && !this.#checksum;
  }
}

/** How many bytes of a frame header follow its descriptor; never 0: window, dictionary id or content size. */
function headerLength(descriptor: number): number {
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  const content = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  return (single ? 0 : 1) + dictionary + content;
}
