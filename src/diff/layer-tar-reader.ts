// Reads a layer tar as it comes: chunks of any size go in, entries and their data come out through callbacks,
// and no file is ever held whole. Reads V7, USTAR, PAX, GNU and star headers. Where they disagree Go's
// archive/tar is followed, because it reads the same layers in containerd and Docker.
//
// Data is handed out as slices of the chunk that was pushed, valid only until the callback returns.

import { fromBytes } from '../../fs/index.js';
import type { Extent, TarEntry } from './tar-entry.js';
import { BLOCK, corruptTar, FIELD, isZeroBlock, paddingOf, TYPE } from './tar-format.js';
import { assertChecksum, type Extension, flagOf, NO_EXTENSION, readHeader, sizeOf } from './tar-header.js';
import { PAX_LIMIT, parsePaxRecords } from './tar-pax.js';
import {
  GNU_BLOCK_EXTENDED,
  GNU_BLOCK_PAIRS,
  GNU_HEADER_PAIRS,
  isSoundMap,
  MapReader,
  readGnuPairs,
  SPARSE_MAP_LIMIT,
} from './tar-sparse.js';

export interface TarVisitor {
  /** `end`: bytes of the stream up to the entry's data. */
  entry(entry: TarEntry, end: number): void;
  /** Bytes of the last entry, for `offset` in the file; ascending, and with gaps where a sparse file has holes. */
  data(offset: number, bytes: Uint8Array): void;
  /** The data of the last entry is complete. Called for every entry. */
  end(): void;
}

/** What the next bytes of the stream are. */
type State = 'header' | 'meta' | 'gnu-map' | 'pax-map' | 'data' | 'padding' | 'done';

/** A header whose map of holes is still being read. */
interface Pending {
  readonly entry: Omit<TarEntry, 'sparse'>;
  /** Bytes that the archive holds for it. */
  readonly stored: number;
  readonly map: Extent[];
}

export class LayerTarReader {
  readonly #visitor: TarVisitor;
  #state: State = 'header';
  /** Bytes of the stream before the chunk in hand. */
  #base = 0;
  /** A block of which a chunk held only the beginning. */
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #zeroBlock = false;

  /** Bytes left of data or padding. */
  #left = 0;
  #padding = 0;
  /** Where in the file the next byte of data belongs. */
  #offset = 0;
  #extents: readonly Extent[] | undefined;
  #extent = 0;

  #metaType = '';
  #meta = new Uint8Array(0);
  /** What headers before the next entry's own said of it. */
  #extension: Extension = NO_EXTENSION;
  #pending: Pending | undefined;
  #mapReader = new MapReader();

  constructor(visitor: TarVisitor) {
    this.#visitor = visitor;
  }

  /** True once the end mark was read; what follows it means nothing. */
  get done(): boolean {
    return this.#state === 'done';
  }

  /** Takes the next bytes of the stream. Throws StoreError 'corrupt', and what the visitor throws. */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    while (at < bytes.length && this.#state !== 'done') {
      if (this.#state === 'data') at = this.#takeData(bytes, at);
      else if (this.#state === 'meta') at = this.#takeMeta(bytes, at);
      else if (this.#state === 'padding') at = this.#skip(bytes, at);
      else at = this.#takeBlock(bytes, at);
    }
    this.#base += bytes.length;
  }

  /** Ends the entry in hand without the rest of its data: so many bytes of the stream are not to be pushed. */
  skip(): number {
    let skipped = 0;
    if (this.#state === 'data') {
      skipped += this.#left;
      this.#endEntry();
    }
    if (this.#state === 'padding') {
      skipped += this.#left;
      this.#state = 'header';
    }
    this.#base += skipped;
    return skipped;
  }

  /**
   * The stream has ended. Throws 'corrupt' if that cuts an entry short. An archive without end mark is taken as
   * whole, as all other readers do: what vouches for a layer is its digest.
   */
  finish(): void {
    if (this.#state === 'done') return;
    const between = this.#state === 'header' && this.#filled === 0;
    if (!between || this.#extension !== NO_EXTENSION) {
      throw corruptTar('the archive is cut short', this.#base);
    }
    this.#state = 'done';
  }

  #takeData(bytes: Buffer, at: number): number {
    const extent = this.#extents?.[this.#extent];
    let room = Math.min(this.#left, bytes.length - at);
    if (extent !== undefined) {
      if (this.#offset < extent.offset) this.#offset = extent.offset;
      room = Math.min(room, extent.offset + extent.length - this.#offset);
    }
    if (room > 0) this.#visitor.data(this.#offset, bytes.subarray(at, at + room));
    this.#offset += room;
    this.#left -= room;
    if (extent !== undefined && this.#offset === extent.offset + extent.length) this.#extent++;
    if (this.#left === 0) this.#endEntry();
    return at + room;
  }

  #endEntry(): void {
    this.#left = this.#padding;
    this.#state = this.#left > 0 ? 'padding' : 'header';
    this.#visitor.end();
  }

  #skip(bytes: Buffer, at: number): number {
    const room = Math.min(this.#left, bytes.length - at);
    this.#left -= room;
    if (this.#left === 0) this.#state = 'header';
    return at + room;
  }

  #takeMeta(bytes: Buffer, at: number): number {
    const room = Math.min(this.#left, bytes.length - at);
    this.#meta.set(bytes.subarray(at, at + room), this.#meta.length - this.#left);
    this.#left -= room;
    if (this.#left === 0) this.#endMeta(this.#base + at + room);
    return at + room;
  }

  #endMeta(offset: number): void {
    const type = this.#metaType;
    if (type === TYPE.gnuLongName || type === TYPE.gnuLongLink) {
      const nul = this.#meta.indexOf(0);
      const text = fromBytes(this.#meta, 0, nul < 0 ? this.#meta.length : nul);
      const key = type === TYPE.gnuLongName ? 'longName' : 'longLink';
      this.#extension = { ...this.#extension, [key]: text };
    } else {
      const records = parsePaxRecords(this.#meta);
      if (records === undefined) throw corruptTar('the extended header is malformed', offset);
      // Global records would change what a layer's entries say by what came before them: not used in layers.
      if (type !== TYPE.paxGlobal) this.#extension = { ...this.#extension, pax: records };
    }
    this.#left = this.#padding;
    this.#state = this.#left > 0 ? 'padding' : 'header';
  }

  /** Everything that comes in whole blocks: from the chunk where it holds one, else pieced together. */
  #takeBlock(bytes: Buffer, at: number): number {
    if (this.#filled === 0 && bytes.length - at >= BLOCK) {
      this.#handleBlock(bytes, at, this.#base + at);
      return at + BLOCK;
    }
    const room = Math.min(BLOCK - this.#filled, bytes.length - at);
    this.#block.set(bytes.subarray(at, at + room), this.#filled);
    this.#filled += room;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#handleBlock(this.#block, 0, this.#base + at + room - BLOCK);
    }
    return at + room;
  }

  #handleBlock(bytes: Buffer, at: number, offset: number): void {
    if (this.#state === 'header') this.#header(bytes, at, offset);
    else if (this.#state === 'gnu-map') this.#gnuMapBlock(bytes, at, offset);
    else this.#paxMapBlock(bytes, at, offset);
  }

  #header(bytes: Buffer, at: number, offset: number): void {
    if (bytes[at] === 0 && isZeroBlock(bytes, at)) {
      if (this.#zeroBlock) this.#state = 'done';
      this.#zeroBlock = true;
      return;
    }
    if (this.#zeroBlock) throw corruptTar('an entry follows a block of zeros', offset);
    assertChecksum(bytes, at, offset);
    const flag = flagOf(bytes, at);
    if (this.#beginMeta(flag, sizeOf(bytes, at, offset), offset)) return;

    const { entry, stored, sparse } = readHeader(bytes, at, offset, this.#extension);
    this.#extension = NO_EXTENSION;
    if (flag === TYPE.gnuSparse) {
      const map = readGnuPairs(bytes, at + FIELD.gnuSparse[0], GNU_HEADER_PAIRS, []);
      if (map === undefined) throw corruptTar('the map of a sparse file is malformed', offset);
      this.#pending = { entry, stored, map };
      if (bytes[at + FIELD.gnuExtended[0]] !== 0) this.#state = 'gnu-map';
      else this.#beginSparse(this.#pending, map, stored, offset);
    } else if (sparse !== undefined) {
      this.#pending = { entry, stored, map: [] };
      if (sparse.map !== undefined) this.#beginSparse(this.#pending, sparse.map, stored, offset);
      else {
        this.#mapReader = new MapReader();
        this.#state = 'pax-map';
      }
    } else {
      this.#beginData(entry, stored, stored, undefined, offset + BLOCK);
    }
  }

  /** Begins a header that speaks of the next one; false if the flag is of an ordinary entry. */
  #beginMeta(flag: string, size: number, offset: number): boolean {
    if (flag === TYPE.gnuVolume) {
      this.#left = size + paddingOf(size);
      this.#state = this.#left > 0 ? 'padding' : 'header';
      return true;
    }
    const known =
      flag === TYPE.paxHeader ||
      flag === TYPE.sunHeader ||
      flag === TYPE.paxGlobal ||
      flag === TYPE.gnuLongName ||
      flag === TYPE.gnuLongLink;
    if (!known) return false;
    if (size > PAX_LIMIT) throw corruptTar(`an extended header of ${size} bytes is too long`, offset);
    this.#metaType = flag === TYPE.sunHeader ? TYPE.paxHeader : flag;
    this.#meta = new Uint8Array(size);
    this.#left = size;
    this.#padding = paddingOf(size);
    this.#state = 'meta';
    if (size === 0) this.#endMeta(offset);
    return true;
  }

  #gnuMapBlock(bytes: Buffer, at: number, offset: number): void {
    const pending = this.#pending!;
    const map = readGnuPairs(bytes, at, GNU_BLOCK_PAIRS, pending.map);
    if (map === undefined || map.length * 24 > SPARSE_MAP_LIMIT) {
      throw corruptTar('the map of a sparse file is malformed', offset);
    }
    if (bytes[at + GNU_BLOCK_EXTENDED] === 0) this.#beginSparse(pending, map, pending.stored, offset);
  }

  #paxMapBlock(bytes: Buffer, at: number, offset: number): void {
    const pending = this.#pending!;
    const complete = this.#mapReader.block(bytes, at);
    const data = pending.stored - this.#mapReader.bytes;
    if (complete === 'malformed' || data < 0) {
      throw corruptTar('the map of a sparse file is malformed', offset);
    }
    if (complete) this.#beginSparse(pending, this.#mapReader.extents(), data, offset);
  }

  #beginSparse(pending: Pending, map: readonly Extent[], data: number, offset: number): void {
    if (!isSoundMap(map, pending.entry.size, data)) {
      throw corruptTar('the map of a sparse file does not fit its data', offset);
    }
    this.#pending = undefined;
    const extents = map.filter(({ length }) => length > 0);
    this.#beginData({ ...pending.entry, sparse: extents }, data, pending.stored, extents, offset + BLOCK);
  }

  /** `data` bytes follow; padding counts from all that the archive `stored` for the entry, a map included. */
  #beginData(
    entry: TarEntry,
    data: number,
    stored: number,
    extents: readonly Extent[] | undefined,
    end: number,
  ): void {
    this.#left = data;
    this.#padding = paddingOf(stored);
    this.#offset = 0;
    this.#extents = extents;
    this.#extent = 0;
    this.#state = 'data';
    this.#visitor.entry(entry, end);
    if (data === 0) this.#endEntry();
  }
}
