// Reads an image straight from its bytes: nothing is unpacked, a lookup allocates nothing and asks no kernel.
// Every offset is checked before it is followed and every loop is bounded by what lies in the bytes, so a damaged
// image yields "not there" or an FsError EIO, never a crash or an endless loop; whether the bytes are the right
// ones is for a digest to say. Inodes are named by nid; 0 is none.

import { EIO, FsError } from '../errno.js';
import type { Attr } from '../filesystem.js';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT } from '../mode.js';
import type { ByteString } from '../name.js';
import {
  BLOCK,
  DIRENT,
  DIRENT_TYPES,
  INLINE,
  INODE,
  MAGIC,
  PLAIN,
  SIDE_BLOCKS,
  SIDE_BTIME,
  SIDE_CTIME,
  SIDE_INO,
  SIDE_LAYER,
  SIDE_PATH,
  SIDE_RECORD,
  SIDE_SIZE,
  SLOT,
  SUPERBLOCK,
  XATTR_HEADER,
  XATTR_PREFIXES,
} from './format.js';

const WORD = 2 ** 32;
const PATH_MAX = 4095;
const NAME_MAX = 255;
const DOT = 0x2e;
const SLASH = 0x2f;
const MAX_BLOCKS = WORD;

/** Receives one entry of a folder: its name, d_type and nid. */
export type EntryVisitor = (name: ByteString, type: number, nid: number) => void;

/** Receives one entry of a folder: nid, d_type and position; answers whether it wants more. */
export type PositionVisitor = (nid: number, type: number, position: number) => boolean;

/** Receives one xattr; the bytes are good until the visitor returns. */
export type XattrVisitor = (name: ByteString, value: Uint8Array) => void;

export class ImageReader {
  readonly root: number;
  #bytes: Buffer;
  #words: Uint32Array;
  #halves: Uint16Array;
  /** Bytes of the image proper. */
  #length: number;
  readonly #sharedAt: number;
  /** Of the folder that `#open` opened: whole blocks, where they begin, and the tail. */
  #full = 0;
  #data = 0;
  #tail = 0;
  #tailAt = 0;
  /** Where the name of the entry lies that `lookup` found or `entries` visits, and its bytes. */
  nameAt = 0;
  nameLength = 0;

  /**
   * `bytes` begin at a multiple of 4 in their buffer; `length` are those of the image, and the side table follows.
   * EIO if this is no image that the writer made.
   */
  constructor(bytes: Uint8Array, length: number) {
    const whole = bytes.length - (bytes.length % 4);
    if (length % BLOCK !== 0 || length < BLOCK || length > whole || bytes.byteOffset % 4 !== 0)
      throw damaged();
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, whole);
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, whole / 4);
    this.#halves = new Uint16Array(bytes.buffer, bytes.byteOffset, whole / 2);
    this.#length = length;
    const word = SUPERBLOCK / 4;
    if (this.#words[word] !== MAGIC || this.#bytes[SUPERBLOCK + 12] !== 12) throw damaged();
    this.#sharedAt = this.#words[word + 11]! * BLOCK;
    this.root = this.#halves[SUPERBLOCK / 2 + 7]!;
    if (!this.isFolder(this.root)) throw damaged();
  }

  /** Lets go of the bytes: from now on nothing is there. */
  close(): void {
    this.#bytes = Buffer.alloc(0);
    this.#words = new Uint32Array(0);
    this.#halves = new Uint16Array(0);
    this.#length = 0;
  }

  /** The number of inodes. */
  get inodes(): number {
    return this.#words[SUPERBLOCK / 4 + 4]!;
  }

  /** st_mode; 0 for what is no inode. */
  mode(nid: number): number {
    return this.#isInode(nid) ? this.#halves[nid * 16 + 2]! : 0;
  }

  isFolder(nid: number): boolean {
    return (this.mode(nid) & S_IFMT) === S_IFDIR;
  }

  /** A character device 0:0. */
  isWhiteout(nid: number): boolean {
    return (this.mode(nid) & S_IFMT) === S_IFCHR && this.#words[nid * 8 + 4] === 0;
  }

  /** The inode of a name in a folder; 0 if there is none. */
  lookup(dir: number, name: ByteString): number {
    if (!this.#openFolder(dir)) return 0;
    let low = 0;
    let high = this.#full + (this.#tail > 0 ? 1 : 0) - 1;
    // The last block whose first name is not beyond the wanted one.
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const base = this.#blockAt(middle);
      const count = this.#countAt(base, this.#sizeOf(middle));
      if (count === 0 || this.#compare(base, this.#sizeOf(middle), count, 0, name) < 0) high = middle - 1;
      else low = middle;
    }
    if (high < 0) return 0;
    return this.#lookupIn(this.#blockAt(low), this.#sizeOf(low), name);
  }

  /** Visits all entries but '.' and '..' in the order of their bytes. EIO for what is no folder. */
  list(dir: number, visit: EntryVisitor): void {
    if (!this.#openFolder(dir)) throw damaged();
    const blocks = this.#full + (this.#tail > 0 ? 1 : 0);
    const at: number[] = [];
    for (let i = 0; i < blocks; i++) at.push(this.#blockAt(i), this.#sizeOf(i));
    // The visitor may open other folders.
    for (let i = 0; i < at.length; i += 2) this.#listBlock(at[i]!, at[i + 1]!, visit);
  }

  /**
   * Visits the entries but '.' and '..' from position `from` on until the visitor answers false; nothing is allocated for
   * an entry, whose name lies at `nameAt`. The visitor may ask for anything. EIO for what is no folder.
   */
  entries(dir: number, from: number, visit: PositionVisitor): void {
    if (!this.#openFolder(dir)) throw damaged();
    const [full, data, tail, tailAt] = [this.#full, this.#data, this.#tail, this.#tailAt];
    const blocks = full + (tail > 0 ? 1 : 0);
    let position = 0;
    for (let block = 0; block < blocks; block++) {
      const base = block < full ? data + block * BLOCK : tailAt;
      const size = block < full ? BLOCK : tail;
      const count = this.#countAt(base, size);
      if (count === 0) throw damaged();
      for (let i = Math.max(0, from - position); i < count; i++) {
        const start = base + this.#halves[base / 2 + i * 6 + 4]!;
        const length = this.#nameEnd(base, size, count, i) - start;
        if (this.#isDots(start, length)) continue;
        const type = DIRENT_TYPES[this.#bytes[base + i * DIRENT + 10]!];
        const nid = this.#nidAt(base, i);
        if (type === undefined || !this.#isInode(nid) || !this.#isName(start, length)) throw damaged();
        this.nameAt = start;
        this.nameLength = length;
        if (!visit(nid, type, position + i)) return;
      }
      position += count;
    }
  }

  /** The bytes of a name, see `nameAt`. */
  text(at: number, length: number): ByteString {
    return this.#bytes.toString('latin1', at, at + length);
  }

  /** The place of an inode among all, from 0 on. EIO for what is none. */
  ordinal(nid: number): number {
    const ordinal = this.#isInode(nid) ? this.#words[nid * 8 + 5]! : WORD;
    if (ordinal >= this.inodes) throw damaged();
    return ordinal;
  }

  nlink(nid: number): number {
    return this.#isInode(nid) ? this.#words[nid * 8 + 11]! : 0;
  }

  /** Fills all attributes; atime, which is not kept, is the time of the last change of the data. EIO if damaged. */
  stat(nid: number, out: Attr): void {
    if (!this.#isInode(nid)) throw damaged();
    const words = this.#words;
    const word = nid * 8;
    const mode = this.#halves[nid * 16 + 2]!;
    const type = mode & S_IFMT;
    const side = this.#side(nid);
    out.mode = mode;
    const size = type === S_IFDIR ? side + SIDE_SIZE : word + 2;
    out.size = words[size]! + words[size + 1]! * WORD;
    out.rdev = type === S_IFCHR || type === S_IFBLK ? words[word + 4]! : 0;
    out.uid = words[word + 6]!;
    out.gid = words[word + 7]!;
    out.mtimeSec = this.#signed(word + 8);
    out.mtimeNsec = words[word + 10]!;
    out.atimeSec = out.mtimeSec;
    out.atimeNsec = out.mtimeNsec;
    out.nlink = words[word + 11]!;
    out.blksize = BLOCK;
    out.ino = words[side + SIDE_INO]! + words[side + SIDE_INO + 1]! * WORD;
    out.blocks = words[side + SIDE_BLOCKS]! + words[side + SIDE_BLOCKS + 1]! * WORD;
    out.ctimeSec = this.#signed(side + SIDE_CTIME);
    out.ctimeNsec = words[side + SIDE_CTIME + 2]!;
    out.btimeSec = this.#signed(side + SIDE_BTIME);
    out.btimeNsec = words[side + SIDE_BTIME + 2]!;
  }

  /** The number on the source's filesystem. */
  ino(nid: number): number {
    const side = this.#side(nid);
    return this.#words[side + SIDE_INO]! + this.#words[side + SIDE_INO + 1]! * WORD;
  }

  /** The layer of the chain that the inode is from, 0 is the topmost. */
  layer(nid: number): number {
    return this.#words[this.#side(nid) + SIDE_LAYER]!;
  }

  /** The path in the layer, where it is another than in the image. */
  path(nid: number): ByteString | undefined {
    const offset = this.#words[this.#side(nid) + SIDE_PATH]!;
    if (offset === 0) return undefined;
    const at = this.#length + offset;
    if (at + 2 > this.#bytes.length) throw damaged();
    const length = this.#bytes.readUInt16LE(at);
    if (at + 2 + length > this.#bytes.length) throw damaged();
    return this.#bytes.toString('latin1', at + 2, at + 2 + length);
  }

  /** A symlink's target. EIO for anything else. */
  readlink(nid: number): ByteString {
    if ((this.mode(nid) & S_IFMT) !== S_IFLNK) throw damaged();
    const size = this.#words[nid * 8 + 2]!;
    const at =
      this.#layout(nid) === INLINE
        ? this.#xattrsAt(nid) + this.#xattrBytes(nid)
        : this.#words[nid * 8 + 4]! * BLOCK;
    if (size > PATH_MAX || at + size > this.#length) throw damaged();
    return this.#bytes.toString('latin1', at, at + size);
  }

  /** Visits the xattrs of an inode as they are stored, marks among them. */
  xattrs(nid: number, visit: XattrVisitor): void {
    if (!this.#isInode(nid)) throw damaged();
    const size = this.#xattrBytes(nid);
    if (size === 0) return;
    const start = this.#xattrsAt(nid);
    const end = start + size;
    if (size < XATTR_HEADER || end > this.#length) throw damaged();
    const shared = this.#bytes[start + 4]!;
    let at = start + XATTR_HEADER + shared * 4;
    if (at > end) throw damaged();
    for (let k = 0; k < shared; k++) {
      const id = this.#words[(start + XATTR_HEADER) / 4 + k]!;
      this.#visitXattr(this.#sharedAt + id * 4, this.#length, visit);
    }
    while (at < end) at = this.#visitXattr(at, end, visit);
  }

  /** True if there is any xattr, marks included. */
  hasXattrs(nid: number): boolean {
    return this.#isInode(nid) && this.#xattrBytes(nid) > 0;
  }

  #visitXattr(at: number, end: number, visit: XattrVisitor): number {
    if (at + 4 > end) throw damaged();
    const name = this.#bytes[at]!;
    const prefix = XATTR_PREFIXES[this.#bytes[at + 1]!];
    const size = this.#bytes.readUInt16LE(at + 2);
    const valueAt = at + 4 + name;
    if (prefix === undefined || prefix === '' || valueAt + size > end) throw damaged();
    visit(
      prefix + this.#bytes.toString('latin1', at + 4, valueAt),
      this.#bytes.subarray(valueAt, valueAt + size),
    );
    return Math.ceil((valueAt + size) / 4) * 4;
  }

  /** Only extended inodes are ours. */
  #isInode(nid: number): boolean {
    return (
      Number.isInteger(nid) &&
      nid * SLOT > SUPERBLOCK &&
      nid * SLOT + INODE <= this.#length &&
      (this.#halves[nid * 16]! & 1) === 1
    );
  }

  #layout(nid: number): number {
    return (this.#halves[nid * 16]! >>> 1) & 7;
  }

  #xattrsAt(nid: number): number {
    return nid * SLOT + INODE;
  }

  #xattrBytes(nid: number): number {
    const units = this.#halves[nid * 16 + 1]!;
    return units === 0 ? 0 : XATTR_HEADER + (units - 1) * 4;
  }

  /** The word at which the side record of an inode begins. */
  #side(nid: number): number {
    if (!this.#isInode(nid)) throw damaged();
    const at = this.#length + this.#words[nid * 8 + 5]! * SIDE_RECORD;
    if (at + SIDE_RECORD > this.#bytes.length) throw damaged();
    return at / 4;
  }

  #signed(word: number): number {
    return this.#words[word]! + (this.#words[word + 1]! | 0) * WORD;
  }

  /** Notes where the blocks of a folder are; false if it is none or they do not lie in the image. */
  #openFolder(nid: number): boolean {
    if (!this.isFolder(nid)) return false;
    const word = nid * 8;
    const size = this.#words[word + 2]!;
    const layout = this.#layout(nid);
    if ((layout !== INLINE && layout !== PLAIN) || this.#words[word + 3] !== 0 || size > MAX_BLOCKS)
      return false;
    this.#tail = layout === INLINE ? size % BLOCK : 0;
    this.#full = layout === INLINE ? (size - this.#tail) / BLOCK : Math.ceil(size / BLOCK);
    this.#data = this.#words[word + 4]! * BLOCK;
    this.#tailAt = this.#xattrsAt(nid) + this.#xattrBytes(nid);
    return this.#tailAt + this.#tail <= this.#length && this.#data + this.#full * BLOCK <= this.#length;
  }

  #blockAt(i: number): number {
    return i < this.#full ? this.#data + i * BLOCK : this.#tailAt;
  }

  #sizeOf(i: number): number {
    return i < this.#full ? BLOCK : this.#tail;
  }

  /** The number of entries in a block; 0 if it makes no sense. */
  #countAt(base: number, size: number): number {
    if (size < DIRENT) return 0;
    const first = this.#halves[base / 2 + 4]!;
    return first % DIRENT === 0 && first <= size ? first / DIRENT : 0;
  }

  #lookupIn(base: number, size: number, name: ByteString): number {
    const count = this.#countAt(base, size);
    let low = 0;
    let high = count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(base, size, count, middle, name);
      if (order === 0) {
        this.nameAt = base + this.#halves[base / 2 + middle * 6 + 4]!;
        this.nameLength = name.length;
        return this.#nidAt(base, middle);
      }
      if (order < 0) high = middle - 1;
      else low = middle + 1;
    }
    return 0;
  }

  #nidAt(base: number, i: number): number {
    const word = base / 4 + i * 3;
    return this.#words[word]! + this.#words[word + 1]! * WORD;
  }

  /** The end of name `i`: the next one's start; the last ends with the block or at a NUL. */
  #nameEnd(base: number, size: number, count: number, i: number): number {
    if (i + 1 < count) return Math.min(base + this.#halves[base / 2 + (i + 1) * 6 + 4]!, base + size);
    const start = base + this.#halves[base / 2 + i * 6 + 4]!;
    let end = start;
    while (end < base + size && this.#bytes[end] !== 0) end++;
    return end;
  }

  /** Below 0 if `name` sorts before name `i` of the block, 0 if it is that name. */
  #compare(base: number, size: number, count: number, i: number, name: ByteString): number {
    const start = base + this.#halves[base / 2 + i * 6 + 4]!;
    const length = this.#nameEnd(base, size, count, i) - start;
    const common = Math.min(length, name.length);
    for (let k = 0; k < common; k++) {
      const difference = name.charCodeAt(k) - this.#bytes[start + k]!;
      if (difference !== 0) return difference;
    }
    return name.length - length;
  }

  #isDots(start: number, length: number): boolean {
    const bytes = this.#bytes;
    return bytes[start] === DOT && (length === 1 || (length === 2 && bytes[start + 1] === DOT));
  }

  /** One component of a path. */
  #isName(start: number, length: number): boolean {
    if (length < 1 || length > NAME_MAX) return false;
    for (let at = start; at < start + length; at++) if (this.#bytes[at] === SLASH) return false;
    return true;
  }

  #listBlock(base: number, size: number, visit: EntryVisitor): void {
    const count = this.#countAt(base, size);
    if (count === 0) throw damaged();
    for (let i = 0; i < count; i++) {
      const start = base + this.#halves[base / 2 + i * 6 + 4]!;
      const end = this.#nameEnd(base, size, count, i);
      const name = this.#bytes.toString('latin1', start, Math.max(start, end));
      if (name === '.' || name === '..') continue;
      const type = DIRENT_TYPES[this.#bytes[base + i * DIRENT + 10]!];
      const nid = this.#nidAt(base, i);
      if (name === '' || name.includes('/') || type === undefined || !this.#isInode(nid)) throw damaged();
      visit(name, type, nid);
    }
  }
}

function damaged(): FsError {
  return new FsError(EIO, 'tree index');
}
