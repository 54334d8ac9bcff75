// One request as it was read from the device: checked reading of numbers, names and data out of a buffer that
// is used again for the next request. Nothing is read beyond the length of the message; a message that is too
// short or without its NULs fails with EINVAL, which answers that one request.

import { Buffer } from 'node:buffer';
import { EFBIG, EINVAL, FsError } from '../errno.js';
import type { Caller } from '../filesystem.js';
import { assertName, type ByteString } from '../name.js';
import { groupsOf } from '../sys/process.js';
import { fuse_in_header } from './abi.js';

const HEADER = fuse_in_header.size;
const TWO_32 = 4294967296;

export class Request {
  /** What read(2) fills. */
  readonly bytes: Uint8Array;
  readonly #buffer: Buffer;
  readonly #words: Uint32Array;
  readonly #ints: Int32Array;
  /** Bytes of the message in `bytes`. */
  #length = 0;
  /** Body offset after the last name that was read. */
  #next = 0;
  readonly #caller = {
    uid: 0,
    gid: 0,
    pid: 0,
    umask: 0,
    isMember: (gid: number) => groupsOf(this.#caller.pid).includes(gid),
  };

  /** @param size of the buffer in bytes; the kernel wants max_write and a page for headers, 8192 at least */
  constructor(size: number) {
    const memory = new ArrayBuffer((size + 7) & ~7);
    this.bytes = new Uint8Array(memory);
    this.#buffer = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
    this.#ints = new Int32Array(memory);
  }

  /** Takes the message that was read; false if it is no message (shorter than a header, or of another length than it says). */
  begin(length: number): boolean {
    this.#length = length;
    return length >= HEADER && this.#words[fuse_in_header.len >> 2] === length;
  }

  /** The whole message, to be put back by `restore`. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.#length);
  }

  restore(message: Uint8Array): void {
    this.bytes.set(message);
    this.#length = message.length;
  }

  /** Bytes after the header. */
  get bodyLength(): number {
    return this.#length - HEADER;
  }

  get opcode(): number {
    return this.#words[fuse_in_header.opcode >> 2]!;
  }

  get uniqueLow(): number {
    return this.#words[fuse_in_header.unique >> 2]!;
  }

  get uniqueHigh(): number {
    return this.#words[(fuse_in_header.unique >> 2) + 1]!;
  }

  get node(): number {
    return this.u64(fuse_in_header.nodeid - HEADER);
  }

  get uid(): number {
    return this.#words[fuse_in_header.uid >> 2]!;
  }

  /** 0 where the kernel has no number of the asker for us. */
  get pid(): number {
    return this.#words[fuse_in_header.pid >> 2]!;
  }

  /** Who asks; filled anew for each request, so that it must not be kept. */
  caller(umask: number): Caller {
    this.#caller.uid = this.uid;
    this.#caller.gid = this.#words[fuse_in_header.gid >> 2]!;
    this.#caller.pid = this.pid;
    this.#caller.umask = umask;
    return this.#caller;
  }

  u32(at: number): number {
    return this.#words[this.#within(at, 4) >> 2]!;
  }

  /** EINVAL above 2^53, which no file number, cookie or handle of ours reaches. */
  u64(at: number): number {
    const word = this.#within(at, 8) >> 2;
    const high = this.#words[word + 1]!;
    if (high > 0x1fffff) throw new FsError(EINVAL, '64-bit number in request');
    return high * TWO_32 + this.#words[word]!;
  }

  /** Where a file is to be written or to end: EINVAL before its beginning, EFBIG above 2^53. */
  offset64(at: number): number {
    const word = this.#within(at, 8) >> 2;
    const high = this.#words[word + 1]!;
    if (high > 0x1fffff) throw new FsError(high >> 31 === 0 ? EFBIG : EINVAL, 'file size in request');
    return high * TWO_32 + this.#words[word]!;
  }

  /** Where to read: EINVAL before the beginning; above 2^53, where there is nothing, the largest number. */
  position64(at: number): number {
    const length = this.length64(at);
    if (this.#ints[((HEADER + at) >> 2) + 1]! < 0) throw new FsError(EINVAL, 'position in request');
    return length;
  }

  /** As u64, but what is too large is the largest number: for lengths, which are cut to what there is. */
  length64(at: number): number {
    const word = this.#within(at, 8) >> 2;
    const high = this.#words[word + 1]!;
    return high > 0x1fffff ? Number.MAX_SAFE_INTEGER : high * TWO_32 + this.#words[word]!;
  }

  /** Seconds before or after 1970. */
  s64(at: number): number {
    const word = this.#within(at, 8) >> 2;
    return this.#ints[word + 1]! * TWO_32 + this.#words[word]!;
  }

  /** The bytes at `at`, not copied: valid until the next request is read. */
  data(at: number, length: number): Uint8Array {
    const start = this.#within(at, length);
    return this.bytes.subarray(start, start + length);
  }

  /** A NUL-terminated string at `at`. */
  string(at: number): ByteString {
    const start = this.#within(at, 1);
    const end = this.#buffer.indexOf(0, start);
    if (end < 0 || end >= this.#length) throw new FsError(EINVAL, 'string without end in request');
    this.#next = end + 1 - HEADER;
    return this.#buffer.toString('latin1', start, end);
  }

  /** A string that is one component of a path: EINVAL or ENAMETOOLONG otherwise. */
  name(at: number): ByteString {
    const name = this.string(at);
    assertName(name);
    return name;
  }

  /** Where the body goes on after the last string. */
  get next(): number {
    return this.#next;
  }

  #within(at: number, length: number): number {
    const start = HEADER + at;
    if (start + length > this.#length) throw new FsError(EINVAL, 'short request');
    return start;
  }
}
