// One reply, filled in place in a buffer that is used again: numbers, attributes, entries and listings behind
// fuse_out_header. Offsets count from the end of that header. Numbers are split into words without BigInt, and
// nothing is allocated for an entry.

import { Buffer } from 'node:buffer';
import { EIO, FsError } from '../errno.js';
import type { Attr, Entry, NodeId, Timestamp } from '../filesystem.js';
import { devMajor, devMinor, direntType, isFolder } from '../mode.js';
import type { ByteString } from '../name.js';
import {
  FUSE_NOTIFY_INVAL_INODE,
  fuse_attr,
  fuse_attr_out,
  fuse_dirent,
  fuse_entry_out,
  fuse_notify_inval_inode_out,
  fuse_out_header,
  fuse_statx_out,
  STATX_BASIC_STATS,
  STATX_BTIME,
} from './abi.js';
import type { Request } from './request.js';

const HEADER = fuse_out_header.size;
const TWO_32 = 4294967296;

/**
 * How long the kernel may believe names and attributes: for ever (68 years), because nobody but the mount
 * changes its upper and nobody changes a lower, and the kernel drops what a request of its own changed.
 */
export const FOR_EVER: Timestamp = { sec: 0x7fffffff, nsec: 0 };
/** Where lowers change: what is older than half a second is asked for again. */
export const BRIEFLY: Timestamp = { sec: 0, nsec: 500_000_000 };
/** What may have changed when it arrives. */
const NOT_AT_ALL: Timestamp = { sec: 0, nsec: 0 };

/** See `Reply.changing`. */
export const NONE: ReadonlySet<NodeId> = new Set();

export class Reply {
  /** What write(2) takes. */
  readonly bytes: Uint8Array;
  /** Nodes whose attributes may change without a request: the kernel is to keep none of them. */
  changing: ReadonlySet<NodeId> = NONE;
  /** Bytes that the body may have. */
  readonly capacity: number;
  readonly #buffer: Buffer;
  readonly #words: Uint32Array;
  /** Listings: bytes written so far, the size that the caller asked for, and what is added to cookies. */
  #used = 0;
  #limit = 0;
  #base = 0;
  #full = false;
  readonly #valid: Timestamp;
  readonly #folderLinks: boolean;

  /** `valid` is how long names and attributes hold; without `folderLinks` each folder has one link. */
  constructor(capacity: number, valid: Timestamp, folderLinks = true) {
    this.#valid = valid;
    this.#folderLinks = folderLinks;
    this.capacity = (capacity + 7) & ~7;
    const memory = new ArrayBuffer(HEADER + this.capacity);
    this.bytes = new Uint8Array(memory);
    this.#buffer = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
  }

  /** Writes the header; `error` is 0 or a negative errno. Returns the length of the whole reply. */
  finish(request: Request, error: number, bodyLength: number): number {
    const length = HEADER + bodyLength;
    this.#words[fuse_out_header.len >> 2] = length;
    this.#words[fuse_out_header.error >> 2] = error;
    this.#words[fuse_out_header.unique >> 2] = request.uniqueLow;
    this.#words[(fuse_out_header.unique >> 2) + 1] = request.uniqueHigh;
    return length;
  }

  /** A notification of its own: the kernel is to drop data, listing and attributes of a node. Returns its length. */
  invalidation(node: NodeId): number {
    const length = HEADER + fuse_notify_inval_inode_out.size;
    this.zero(0, fuse_notify_inval_inode_out.size);
    this.u64(fuse_notify_inval_inode_out.ino, node);
    this.#words[fuse_out_header.len >> 2] = length;
    this.#words[fuse_out_header.error >> 2] = FUSE_NOTIFY_INVAL_INODE;
    // What answers no request has none.
    this.#words[fuse_out_header.unique >> 2] = 0;
    this.#words[(fuse_out_header.unique >> 2) + 1] = 0;
    return length;
  }

  /** As `invalidation`, of attributes alone. */
  attrInvalidation(node: NodeId): number {
    const length = this.invalidation(node);
    this.u64(fuse_notify_inval_inode_out.off, -1);
    return length;
  }

  u32(at: number, value: number): void {
    this.#words[(HEADER + at) >> 2] = value;
  }

  /** 0 to 2^53, and negative numbers of seconds. */
  u64(at: number, value: number): void {
    const word = (HEADER + at) >> 2;
    this.#words[word] = value;
    this.#words[word + 1] = Math.floor(value / TWO_32);
  }

  /** What was written at `at`. */
  readU64(at: number): number {
    const word = (HEADER + at) >> 2;
    return this.#words[word + 1]! * TWO_32 + this.#words[word]!;
  }

  zero(at: number, length: number): void {
    this.bytes.fill(0, HEADER + at, HEADER + at + length);
  }

  /** A part of the body to be filled by a read. EIO if the caller asks for more than a reply can have. */
  space(length: number): Uint8Array {
    if (length > this.capacity) throw new FsError(EIO, 'reply larger than its buffer');
    return this.bytes.subarray(HEADER, HEADER + length);
  }

  copy(at: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, HEADER + at);
  }

  /** Writes the bytes of a string without a NUL and returns their count. */
  text(at: number, text: ByteString): number {
    return this.#buffer.write(text, HEADER + at, 'latin1');
  }

  /** fuse_attr. */
  attr(at: number, attr: Attr): void {
    this.u64(at + fuse_attr.ino, attr.ino);
    this.u64(at + fuse_attr.bytes, attr.size);
    this.u64(at + fuse_attr.blocks, attr.blocks);
    this.u64(at + fuse_attr.atime, attr.atimeSec);
    this.u64(at + fuse_attr.mtime, attr.mtimeSec);
    this.u64(at + fuse_attr.ctime, attr.ctimeSec);
    this.u32(at + fuse_attr.atimensec, attr.atimeNsec);
    this.u32(at + fuse_attr.mtimensec, attr.mtimeNsec);
    this.u32(at + fuse_attr.ctimensec, attr.ctimeNsec);
    this.u32(at + fuse_attr.mode, attr.mode);
    this.u32(at + fuse_attr.nlink, this.#links(attr));
    this.u32(at + fuse_attr.uid, attr.uid);
    this.u32(at + fuse_attr.gid, attr.gid);
    this.u32(at + fuse_attr.rdev, attr.rdev);
    this.u32(at + fuse_attr.blksize, attr.blksize);
    this.u32(at + fuse_attr.flags, 0);
  }

  /** fuse_attr_out. */
  attrOut(node: NodeId, attr: Attr): void {
    const valid = this.#validOf(node);
    this.zero(0, fuse_attr_out.attr);
    this.u64(fuse_attr_out.attr_valid, valid.sec);
    this.u32(fuse_attr_out.attr_valid_nsec, valid.nsec);
    this.attr(fuse_attr_out.attr, attr);
  }

  #links(attr: Attr): number {
    return this.#folderLinks || !isFolder(attr.mode) ? attr.nlink : 1;
  }

  /** How long attributes of a node hold. */
  #validOf(node: NodeId): Timestamp {
    return this.changing.size > 0 && this.changing.has(node) ? NOT_AT_ALL : this.#valid;
  }

  /** fuse_entry_out. */
  entry(at: number, entry: Entry): void {
    const valid = this.#validOf(entry.node);
    this.u64(at + fuse_entry_out.nodeid, entry.node);
    this.u64(at + fuse_entry_out.generation, entry.generation);
    this.u64(at + fuse_entry_out.entry_valid, this.#valid.sec);
    this.u64(at + fuse_entry_out.attr_valid, valid.sec);
    this.u32(at + fuse_entry_out.entry_valid_nsec, this.#valid.nsec);
    this.u32(at + fuse_entry_out.attr_valid_nsec, valid.nsec);
    this.attr(at + fuse_entry_out.attr, entry.attr);
  }

  /** fuse_entry_out that says, for as long as names hold: there is no such name. */
  negativeEntry(at: number): void {
    this.zero(at, fuse_entry_out.size);
    this.u64(at + fuse_entry_out.entry_valid, this.#valid.sec);
    this.u32(at + fuse_entry_out.entry_valid_nsec, this.#valid.nsec);
  }

  /** fuse_statx_out with all that an Attr holds. */
  statx(node: NodeId, attr: Attr): void {
    const valid = this.#validOf(node);
    this.zero(0, fuse_statx_out.size);
    this.u64(fuse_statx_out.attr_valid, valid.sec);
    this.u32(fuse_statx_out.attr_valid_nsec, valid.nsec);
    const born = attr.btimeSec !== 0 || attr.btimeNsec !== 0;
    this.u32(fuse_statx_out.mask, born ? STATX_BASIC_STATS | STATX_BTIME : STATX_BASIC_STATS);
    this.u32(fuse_statx_out.blksize, attr.blksize);
    this.u32(fuse_statx_out.nlink, this.#links(attr));
    this.u32(fuse_statx_out.uid, attr.uid);
    this.u32(fuse_statx_out.gid, attr.gid);
    this.u32(fuse_statx_out.mode, attr.mode & 0xffff);
    this.u64(fuse_statx_out.ino, attr.ino);
    this.u64(fuse_statx_out.bytes, attr.size);
    this.u64(fuse_statx_out.blocks, attr.blocks);
    this.#time(fuse_statx_out.atime, attr.atimeSec, attr.atimeNsec);
    this.#time(fuse_statx_out.btime, attr.btimeSec, attr.btimeNsec);
    this.#time(fuse_statx_out.ctime, attr.ctimeSec, attr.ctimeNsec);
    this.#time(fuse_statx_out.mtime, attr.mtimeSec, attr.mtimeNsec);
    this.u32(fuse_statx_out.rdev_major, devMajor(attr.rdev));
    this.u32(fuse_statx_out.rdev_minor, devMinor(attr.rdev));
  }

  /** Begins a listing of at most `size` bytes, to whose cookies `base` is added. */
  beginListing(size: number, base: number): void {
    this.#used = 0;
    this.#base = base;
    this.#full = false;
    this.#limit = Math.min(size, this.capacity);
  }

  /** Bytes of the listing. */
  get listed(): number {
    return this.#used;
  }

  /** True once an entry of the listing did not fit. */
  get full(): boolean {
    return this.#full;
  }

  /** A DirVisitor: adds one fuse_dirent; false if it does not fit. */
  readonly dirent = (name: ByteString, ino: number, type: number, next: number): boolean => {
    const end = this.#used + ((fuse_dirent.head + name.length + 7) & ~7);
    if (end > this.#limit) return this.#refuse();
    this.#putDirent(this.#used, end, name, ino, type, next);
    this.#used = end;
    return true;
  };

  /** A DirVisitor over `entry`: adds one fuse_direntplus; false if it does not fit. */
  direntPlus(entry: Entry): (name: ByteString, ino: number, type: number, next: number) => boolean {
    return (name, ino, type, next) => {
      const at = this.#used;
      const end = at + ((fuse_entry_out.size + fuse_dirent.head + name.length + 7) & ~7);
      if (end > this.#limit) return this.#refuse();
      // A nodeid of 0 makes the entry a name only; the rest is not looked at.
      if (entry.node === 0) this.zero(at, fuse_entry_out.size);
      else this.entry(at, entry);
      const kind = entry.node === 0 ? type : direntType(entry.attr.mode);
      this.#putDirent(at + fuse_entry_out.size, end, name, ino, kind, next);
      this.#used = end;
      return true;
    };
  }

  /** Calls `visit` with the nodeid of each entry of a READDIRPLUS body of `length` bytes that counts a lookup. */
  eachListedNode(length: number, visit: (node: number) => void): void {
    for (let at = 0; at < length; ) {
      const node = this.readU64(at + fuse_entry_out.nodeid);
      if (node !== 0) visit(node);
      const name = this.#words[(HEADER + at + fuse_entry_out.size + fuse_dirent.namelen) >> 2]!;
      at += (fuse_entry_out.size + fuse_dirent.head + name + 7) & ~7;
    }
  }

  #refuse(): false {
    this.#full = true;
    return false;
  }

  #putDirent(at: number, end: number, name: ByteString, ino: number, type: number, next: number): void {
    this.u64(at + fuse_dirent.ino, ino);
    this.u64(at + fuse_dirent.off, this.#base + next);
    this.u32(at + fuse_dirent.namelen, name.length);
    this.u32(at + fuse_dirent.type, type);
    const tail = at + fuse_dirent.name + this.text(at + fuse_dirent.name, name);
    this.zero(tail, end - tail);
  }

  #time(at: number, sec: Timestamp['sec'], nsec: Timestamp['nsec']): void {
    this.u64(at, sec);
    this.u32(at + 8, nsec);
  }
}
