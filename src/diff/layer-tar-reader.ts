// Reads a layer tar as it comes: chunks of any size go in, entries and their data come out through callbacks,
// and no file is ever held whole. Reads V7, USTAR, PAX, GNU and star headers. Where they disagree Go's
// archive/tar is followed, because it reads the same layers in containerd and Docker.
//
// Data is handed out as slices of the chunk that was pushed, valid only until the callback returns.

import { type ByteString, fromBytes, PERMISSION_BITS, type Timestamp } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { Extent, TarEntry, TarType } from './tar-entry.js';
import {
  BLOCK,
  corruptTar,
  FIELD,
  type Field,
  headerSums,
  isZeroBlock,
  paddingOf,
  readNumber,
  TYPE,
} from './tar-format.js';
import {
  PAX_LIMIT,
  type PaxRecord,
  parsePaxInteger,
  parsePaxRecords,
  parsePaxTime,
  xattrsOf,
} from './tar-pax.js';
import {
  GNU_BLOCK_EXTENDED,
  GNU_BLOCK_PAIRS,
  GNU_HEADER_PAIRS,
  isSoundMap,
  MapReader,
  paxSparseOf,
  readGnuPairs,
  SPARSE_MAP_LIMIT,
} from './tar-sparse.js';

export interface TarVisitor {
  entry(entry: TarEntry): void;
  /** Bytes of the last entry, for `offset` in the file; ascending, and with gaps where a sparse file has holes. */
  data(offset: number, bytes: Uint8Array): void;
  /** The data of the last entry is complete. Called for every entry. */
  end(): void;
}

/** What a typeflag makes; absent ones are refused or steer the reader. */
const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  [TYPE.file]: 'file',
  [TYPE.contiguous]: 'file',
  [TYPE.gnuSparse]: 'file',
  [TYPE.link]: 'link',
  [TYPE.symlink]: 'symlink',
  [TYPE.char]: 'char',
  [TYPE.block]: 'block',
  [TYPE.folder]: 'folder',
  [TYPE.gnuDumpdir]: 'folder',
  [TYPE.fifo]: 'fifo',
};

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

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
  #pax: readonly PaxRecord[] = [];
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;
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

  /**
   * The stream has ended. Throws 'corrupt' if that cuts an entry short. An archive without end mark is taken as
   * whole, as all other readers do: what vouches for a layer is its digest.
   */
  finish(): void {
    if (this.#state === 'done') return;
    const between = this.#state === 'header' && this.#filled === 0;
    if (!between || this.#pax.length > 0 || this.#longName !== undefined || this.#longLink !== undefined) {
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
      if (type === TYPE.gnuLongName) this.#longName = text;
      else this.#longLink = text;
    } else {
      const records = parsePaxRecords(this.#meta);
      if (records === undefined) throw corruptTar('the extended header is malformed', offset);
      // Global records would change what a layer's entries say by what came before them: not used in layers.
      if (type !== TYPE.paxGlobal) this.#pax = records;
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
    const number = (field: Field, what: string): number => {
      const value = readNumber(bytes, at + field[0], field[1]);
      if (value === undefined) throw corruptTar(`the ${what} is not a number`, offset);
      return value;
    };
    const sums = headerSums(bytes, at);
    const checksum = readNumber(bytes, at + FIELD.checksum[0], FIELD.checksum[1]);
    if (checksum === undefined || (checksum !== sums.unsigned && checksum !== sums.signed)) {
      throw corruptTar('the checksum of a header does not match', offset);
    }

    const flag = String.fromCharCode(bytes[at + FIELD.type[0]]!);
    const size = number(FIELD.size, 'size');
    if (size < 0) throw corruptTar('the size is negative', offset);
    if (this.#beginMeta(flag, size, offset)) return;

    const pax = this.#takePax();
    const text = (key: string) => {
      const value = pax?.get(key);
      // An empty value takes the record back (POSIX pax).
      return value === undefined || value.length === 0 ? undefined : fromBytes(value);
    };
    const integer = (key: string, field: Field): number => {
      const value = text(key);
      if (value === undefined) return number(field, key);
      const parsed = parsePaxInteger(value);
      if (parsed === undefined) throw corruptTar(`the ${key} is not a number`, offset);
      return parsed;
    };
    const time = (key: string): Timestamp | undefined => {
      const value = text(key);
      if (value === undefined) return undefined;
      const parsed = parsePaxTime(value);
      if (parsed === undefined) throw corruptTar(`the ${key} is not a time`, offset);
      return parsed;
    };

    const sparse = pax === undefined ? undefined : paxSparseOf(this.#pax);
    if (sparse === 'malformed') throw corruptTar('the map of a sparse file is malformed', offset);
    const header = fieldText(bytes, at, FIELD.name);
    const name = sparse?.name ?? this.#longName ?? text('path') ?? prefixed(bytes, at, header);
    if (name === '' || name.includes('\0')) throw corruptTar('an entry has no usable name', offset);
    let type = TYPES[flag];
    if (type === undefined) {
      const why = `entry type ${JSON.stringify(flag)} of ${JSON.stringify(name)} is unknown`;
      throw new StoreError('unsupported', 'cannot read layer tar', why);
    }
    if (type === 'file' && name.endsWith('/')) type = 'folder';
    const linkname = this.#longLink ?? text('linkpath') ?? fieldText(bytes, at, FIELD.linkname);
    if (linkname.includes('\0')) throw corruptTar('a link target holds a NUL', offset);
    const uid = integer('uid', FIELD.uid);
    const gid = integer('gid', FIELD.gid);
    if (uid < 0 || gid < 0) throw corruptTar('an owner is negative', offset);
    const device = type === 'char' || type === 'block';
    const atime = time('atime');
    // Links and folders of some writers name a size but have no data.
    const stored = type === 'file' ? (pax?.has('size') ? integer('size', FIELD.size) : size) : 0;
    if (stored < 0) throw corruptTar('the size is negative', offset);
    const entry = {
      path: name.replace(/\/+$/, '') || '/',
      type,
      mode: number(FIELD.mode, 'mode') & PERMISSION_BITS,
      uid,
      gid,
      size: stored,
      mtime: time('mtime') ?? { sec: number(FIELD.mtime, 'mtime'), nsec: 0 },
      ...(atime === undefined ? {} : { atime }),
      linkname: type === 'link' || type === 'symlink' ? linkname : '',
      devmajor: device ? number(FIELD.devmajor, 'device number') : 0,
      devminor: device ? number(FIELD.devminor, 'device number') : 0,
      xattrs: pax === undefined ? NO_XATTRS : xattrsOf(this.#pax),
    };
    this.#pax = [];
    this.#longName = undefined;
    this.#longLink = undefined;

    if (flag === TYPE.gnuSparse) {
      const realSize = number(FIELD.gnuRealSize, 'size');
      const map = readGnuPairs(bytes, at + FIELD.gnuSparse[0], GNU_HEADER_PAIRS, []);
      if (map === undefined) throw corruptTar('the map of a sparse file is malformed', offset);
      this.#pending = { entry: { ...entry, size: realSize }, stored, map };
      if (bytes[at + FIELD.gnuExtended[0]] !== 0) this.#state = 'gnu-map';
      else this.#beginSparse(this.#pending, map, stored, offset);
    } else if (type === 'file' && sparse !== undefined) {
      this.#pending = { entry: { ...entry, size: sparse.size }, stored, map: [] };
      if (sparse.map !== undefined) this.#beginSparse(this.#pending, sparse.map, stored, offset);
      else {
        this.#mapReader = new MapReader();
        this.#state = 'pax-map';
      }
    } else {
      this.#beginData(entry, stored, stored, undefined);
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

  /** The last value of each key, or undefined without records. */
  #takePax(): Map<ByteString, Uint8Array> | undefined {
    if (this.#pax.length === 0) return undefined;
    return new Map(this.#pax.map(({ key, value }) => [key, value]));
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
    this.#beginData({ ...pending.entry, sparse: extents }, data, pending.stored, extents);
  }

  /** `data` bytes follow; padding counts from all that the archive `stored` for the entry, a map included. */
  #beginData(entry: TarEntry, data: number, stored: number, extents: readonly Extent[] | undefined): void {
    this.#left = data;
    this.#padding = paddingOf(stored);
    this.#offset = 0;
    this.#extents = extents;
    this.#extent = 0;
    this.#state = 'data';
    this.#visitor.entry(entry);
    if (data === 0) this.#endEntry();
  }
}

/** A text field up to its first NUL. */
function fieldText(bytes: Buffer, base: number, [at, length]: Field): ByteString {
  const start = base + at;
  let end = start;
  while (end < start + length && bytes[end] !== 0) end++;
  return bytes.toString('latin1', start, end);
}

/** The name with its prefix, where the header has that field: POSIX writes 'ustar' and NUL, GNU a blank. */
function prefixed(bytes: Buffer, at: number, name: ByteString): ByteString {
  const magic = at + FIELD.magic[0];
  if (bytes[magic + 5] !== 0 || bytes.toString('latin1', magic, magic + 5) !== 'ustar') return name;
  const [trailer] = FIELD.starTrailer;
  const star = bytes.toString('latin1', at + trailer, at + trailer + 4) === 'tar\0';
  const prefix = fieldText(bytes, at, star ? [FIELD.prefix[0], 131] : FIELD.prefix);
  return prefix === '' ? name : `${prefix}/${name}`;
}
