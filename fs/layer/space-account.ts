// What an upper takes on its disk, counted as du(1) counts: allocated blocks, and each object once. The sum is of what
// was seen of every object last. Of one that changes that is remembered by its number: a filesystem may move blocks at any
// time (delayed allocation, compression), so what goes when an object goes is what was counted for it, and not what it
// has by then. An object without a name counts until nobody holds it any more.

import { EDQUOT, FsError } from '../errno.js';
import { BlockRanges } from './block-ranges.js';
import type { SpaceLimit, SpaceUse } from './layer.js';

const SECTOR = 512;

export class SpaceAccount {
  readonly limit: SpaceLimit;
  #bytes = 0;
  #inodes = 0;
  /** Blocks of 512 bytes that are counted for objects which were made or changed since the account began, by number. */
  readonly #blocks = new Map<number, number>();
  /** How often an object is held: as a node, or open. */
  readonly #holders = new Map<number, number>();
  /** What was allocated in advance, by number: space that is taken, and looks like holes until something is written. */
  readonly #allocated = new Map<number, BlockRanges>();
  /** Held objects without a name. */
  readonly #nameless = new Set<number>();
  #expected = 0;
  #refuses = true;

  constructor(limit: SpaceLimit) {
    this.limit = limit;
  }

  get use(): SpaceUse {
    return { bytes: this.#bytes, inodes: this.#inodes };
  }

  /** Bytes that may still come; 0 beyond the limit. */
  get bytesLeft(): number {
    if (!this.#refuses) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.limit.bytes - this.#bytes - this.#expected);
  }

  get inodesLeft(): number {
    const { inodes = Number.POSITIVE_INFINITY } = this.limit;
    return this.#refuses ? Math.max(0, inodes - this.#inodes) : Number.POSITIVE_INFINITY;
  }

  /** EDQUOT unless so many bytes may come. */
  assertBytes(bytes: number): void {
    if (bytes > this.bytesLeft) throw new FsError(EDQUOT, 'quota');
  }

  /** EDQUOT unless an object may come that takes `bytes`; none does where more is taken than may be. */
  assertObject(bytes: number): void {
    const isOver = this.#refuses && this.#bytes > this.limit.bytes;
    if (this.inodesLeft === 0 || isOver) throw new FsError(EDQUOT, 'quota');
    this.assertBytes(bytes);
  }

  /** Runs `act`: what it does is counted, and nothing of it refused. */
  unlimited<T>(act: () => T): T {
    const refuses = this.#refuses;
    this.#refuses = false;
    try {
      return act();
    } finally {
      this.#refuses = refuses;
    }
  }

  /** So many more bytes (or fewer) are about to be written by somebody who does not ask: nobody else gets them. */
  expect(bytes: number): void {
    this.#expected += bytes;
  }

  /** An object that is there from the start, and of which nothing has to be known until it changes. */
  found(blocks: number): void {
    this.#bytes += blocks * SECTOR;
    this.#inodes++;
  }

  /** A new object. */
  made(ino: number, blocks: number): void {
    this.found(blocks);
    this.#blocks.set(ino, blocks);
  }

  /** To be called before an object changes: it was not changed before, or this is ignored. */
  before(ino: number, blocks: number): void {
    if (!this.#blocks.has(ino)) this.#blocks.set(ino, blocks);
  }

  /** After it did. */
  changed(ino: number, blocks: number): void {
    this.#bytes += (blocks - (this.#blocks.get(ino) ?? blocks)) * SECTOR;
    this.#blocks.set(ino, blocks);
  }

  /** What of an object was allocated in advance since the account began; undefined for nothing. */
  allocated(ino: number): BlockRanges | undefined {
    return this.#allocated.get(ino);
  }

  /** A range of an object, aligned to blocks, has space from now on, or has none any more. */
  setAllocated(ino: number, from: number, end: number, has: boolean): void {
    const ranges = this.#allocated.get(ino) ?? new BlockRanges();
    if (has) ranges.add(from, end);
    else ranges.remove(from, end);
    if (ranges.isEmpty) this.#allocated.delete(ino);
    else this.#allocated.set(ino, ranges);
  }

  /** The last name of an object is gone. */
  lostName(ino: number, blocks: number): void {
    this.before(ino, blocks);
    if (this.#holders.has(ino)) this.#nameless.add(ino);
    else this.#gone(ino);
  }

  hold(ino: number): void {
    this.#holders.set(ino, (this.#holders.get(ino) ?? 0) + 1);
  }

  letGo(ino: number): void {
    const holders = (this.#holders.get(ino) ?? 0) - 1;
    if (holders > 0) {
      this.#holders.set(ino, holders);
      return;
    }
    this.#holders.delete(ino);
    if (this.#nameless.delete(ino)) this.#gone(ino);
  }

  #gone(ino: number): void {
    this.#bytes -= (this.#blocks.get(ino) ?? 0) * SECTOR;
    this.#inodes--;
    this.#blocks.delete(ino);
    this.#allocated.delete(ino);
  }
}
