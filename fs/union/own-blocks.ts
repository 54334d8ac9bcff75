// Which blocks of a file are its own, while the rest of its data still lies below (in-part.ts). One bit a block, in
// memory and in a sidecar of the upper; a block is 4 KiB, and beyond `lowerEnd` everything is the file's own without
// a bit. A bit is stored after the data of its block was written, so a process may die anywhere. But after a power cut
// the bit may be there and the data not: then of the blocks with a bit those are own that the filesystem has data for.
// It is asked only then: what it says of pages in memory is not about what was written.

import { SEEK_DATA, SEEK_HOLE } from '../filesystem.js';
import type { LayerFile, RangesMark, WritableFile } from '../layer/layer.js';
import { writeAll } from './write-all.js';

export const BLOCK = 4096;

// The sidecar: magic (8 bytes), size of a block (u32, little-endian), epoch (text, zeros up to HEADER), bits.
const MAGIC = 'micarng1';
const AT_EPOCH = 12;
const HEADER = 128;

export class OwnBlocks {
  /** The name of the sidecar; '' for a file without a name, which nobody finds later. */
  key: string;
  /** What the mark says. It is more than `lowerEnd` only while the disk does not take the mark. */
  storedEnd: number;
  /** True if all that was written is durable. */
  synced = false;
  #lowerEnd: number;
  /** Undefined until they are read. */
  #bits: Uint8Array | undefined;
  /** How many blocks below `lowerEnd` are own. */
  #count = 0;
  /** What the sidecar says has to be held against the data. */
  #isStale = false;

  constructor({ key, lowerEnd }: RangesMark) {
    this.key = key;
    this.storedEnd = lowerEnd;
    this.#lowerEnd = lowerEnd;
  }

  /** Nothing is own yet. `sidecar` is empty, and absent for a file without a name. */
  static begin(mark: RangesMark, sidecar: WritableFile | undefined, epoch: string): OwnBlocks {
    const own = new OwnBlocks(mark);
    own.#bits = new Uint8Array(bytesFor(mark.lowerEnd));
    if (sidecar !== undefined) writeAll(sidecar, 0, header(epoch));
    return own;
  }

  /** Bytes of the file below that show, from the start: where a block is not own. Never grows. */
  get lowerEnd(): number {
    return this.#lowerEnd;
  }

  get isLoaded(): boolean {
    return this.#bits !== undefined;
  }

  /** How many blocks have a bit: the last one may be cut off by `lowerEnd`. */
  get blocks(): number {
    return Math.ceil(this.#lowerEnd / BLOCK);
  }

  /** Nothing of what lies below shows any more, as far as is known. */
  get isWhole(): boolean {
    return this.#count === this.blocks;
  }

  /**
   * Reads the bits. `data` is the object, `size` bytes long. A sidecar without a header was never durable, and neither was
   * what it told of.
   */
  load(sidecar: LayerFile, epoch: string, data: LayerFile, size: number): void {
    this.cut(size);
    const bits = new Uint8Array(bytesFor(this.#lowerEnd));
    const wanted = header(epoch);
    const found = new Uint8Array(HEADER);
    const valid = sidecar.read(0, found) === HEADER && startsWith(found, wanted.subarray(0, AT_EPOCH));
    if (valid) sidecar.read(HEADER, bits);
    this.#bits = bits;
    this.#recount();
    this.#isStale = !(valid && startsWith(found, wanted));
    if (this.#isStale) this.#dropWithout(data, size);
  }

  /**
   * To be called before a bit is added: a sidecar of another epoch is written anew, the epoch last, because until then the
   * bits have to be held against the data.
   */
  renew(sidecar: WritableFile, epoch: string): void {
    if (!this.#isStale) return;
    writeAll(sidecar, HEADER, this.#loaded());
    sidecar.sync(true);
    writeAll(sidecar, 0, header(epoch));
    this.#isStale = false;
  }

  /** True if a block, which must begin below `lowerEnd`, is own. */
  has(block: number): boolean {
    return ((this.#loaded()[block >> 3]! >> (block & 7)) & 1) === 1;
  }

  /** The end of the run of bytes that are own, or are not, as the one at `offset` is, which must be below `lowerEnd`. */
  runEnd(offset: number): number {
    const bits = this.#loaded();
    const { blocks } = this;
    let block = Math.floor(offset / BLOCK);
    const own = this.has(block);
    const same = own ? 0xff : 0;
    while (block < blocks) {
      if ((block & 7) === 0 && bits[block >> 3] === same) block += 8;
      else if (this.has(block) === own) block++;
      else break;
    }
    return Math.min(block * BLOCK, this.#lowerEnd);
  }

  /** The first byte from `offset` on that comes from below; `lowerEnd` if there is none. */
  nextBelow(offset: number): number {
    let at = offset;
    while (at < this.#lowerEnd && this.has(Math.floor(at / BLOCK))) at = this.runEnd(at);
    return at;
  }

  /** True if a block from `first` to `last` is not own. */
  lacks(first: number, last: number): boolean {
    for (let block = first; block <= last; block++) if (!this.has(block)) return true;
    return false;
  }

  /** The blocks from `first` to `last` are own: the bits are stored, and then believed. */
  take(first: number, last: number, sidecar: WritableFile | undefined): void {
    const bits = this.#loaded();
    const at = first >> 3;
    const bytes = bits.slice(at, (last >> 3) + 1);
    for (let block = first; block <= last; block++) bytes[(block >> 3) - at]! |= 1 << (block & 7);
    if (sidecar !== undefined) writeAll(sidecar, HEADER + at, bytes);
    for (let block = first; block <= last; block++) if (!this.has(block)) this.#count++;
    bits.set(bytes, at);
  }

  /** The file was cut to `size`: what lies below shows no further, whatever it grows to. */
  cut(size: number): void {
    if (size >= this.#lowerEnd) return;
    this.#lowerEnd = size;
    if (this.#bits !== undefined) this.#recount();
  }

  #recount(): void {
    const bits = this.#loaded();
    const { blocks } = this;
    let count = 0;
    for (let block = 0; block < blocks; ) {
      if ((block & 7) === 0 && bits[block >> 3] === 0) block += 8;
      else if (this.has(block++)) count++;
    }
    this.#count = count;
  }

  /** What has a bit and no data, or not in all of the block, is not own. */
  #dropWithout(data: LayerFile, size: number): void {
    for (let at = 0; at < this.#lowerEnd; ) {
      const end = this.runEnd(at);
      if (this.has(Math.floor(at / BLOCK))) this.#dropIn(at, Math.min(roundUp(end), size), data);
      at = end;
    }
  }

  #dropIn(from: number, end: number, data: LayerFile): void {
    for (let at = from; at < end; ) {
      const start = Math.min(data.seek(at, SEEK_DATA) ?? end, end);
      if (start > at) {
        this.#drop(Math.floor(at / BLOCK), Math.ceil(start / BLOCK));
        at = roundUp(start);
      } else at = Math.max(at + 1, data.seek(at, SEEK_HOLE) ?? end);
    }
  }

  #drop(from: number, end: number): void {
    const bits = this.#loaded();
    for (let block = from; block < end; block++) {
      if (!this.has(block)) continue;
      bits[block >> 3]! &= ~(1 << (block & 7));
      this.#count--;
    }
  }

  #loaded(): Uint8Array {
    if (this.#bits === undefined) throw new Error('ranges are used before they are read');
    return this.#bits;
  }
}

function bytesFor(lowerEnd: number): number {
  return Math.ceil(lowerEnd / BLOCK / 8);
}

function roundUp(offset: number): number {
  return Math.ceil(offset / BLOCK) * BLOCK;
}

function header(epoch: string): Uint8Array {
  const bytes = new Uint8Array(HEADER);
  const encoder = new TextEncoder();
  encoder.encodeInto(MAGIC, bytes);
  new DataView(bytes.buffer).setUint32(MAGIC.length, BLOCK, true);
  encoder.encodeInto(epoch, bytes.subarray(AT_EPOCH));
  return bytes;
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, i) => bytes[i] === byte);
}
