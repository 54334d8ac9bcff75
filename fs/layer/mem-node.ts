// One object of a layer in memory, and the three ways to hold it: as a node, as an open file, as an object
// that has no name yet. An object lives as long as a name or a holder keeps it; then its space is given back.

import { EEXIST, EINVAL, EISDIR, ENODATA, EOPNOTSUPP, FsError } from '../errno.js';
import {
  type Attr,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  type Timestamp,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../filesystem.js';
import { isFolder, isRegular, isSymlink, PERMISSION_BITS, S_IFMT } from '../mode.js';
import type { ByteString } from '../name.js';
import type {
  LayerEntry,
  LayerFile,
  LayerNode,
  NewNode,
  RangesMark,
  Staged,
  WritableFile,
  WritableNode,
} from './layer.js';
import { type Reserve, SparseBytes } from './mem-data.js';

export type Clock = () => Timestamp;

export class MemObject {
  readonly ino: number;
  /** Equal for objects of one number space; part of the key of a hard link. */
  readonly device: string;
  readonly now: Clock;
  readonly whiteout: boolean;
  readonly rdev: number;
  readonly target: ByteString;
  readonly bytes: SparseBytes | undefined;
  readonly children: Map<ByteString, MemObject> | undefined;
  readonly xattrs = new Map<ByteString, Uint8Array>();
  mode: number;
  uid: number;
  gid: number;
  /** Names in folders, and one for an entry of the index. A folder has one name; it shows 2 and its subfolders. */
  nlink = 0;
  /** Folders in this folder; -1 while the layer does not count them. */
  subfolders: number;
  holders = 0;
  atime: Timestamp;
  mtime: Timestamp;
  ctime: Timestamp;
  readonly btime: Timestamp;
  opaque = false;
  redirect: ByteString | undefined;
  metacopy = false;
  ranges: RangesMark | undefined;
  origin = 0;
  impure = false;
  indexKey: string | undefined;

  constructor(
    ino: number,
    device: string,
    what: NewNode,
    { whiteout, now, reserve, counts }: { whiteout: boolean; now: Clock; reserve: Reserve; counts: boolean },
  ) {
    this.ino = ino;
    this.device = device;
    this.now = now;
    this.whiteout = whiteout;
    this.mode = what.mode;
    this.uid = what.uid;
    this.gid = what.gid;
    this.rdev = what.rdev ?? 0;
    this.target = what.target ?? '';
    this.bytes = isRegular(what.mode) ? new SparseBytes(reserve) : undefined;
    this.children = isFolder(what.mode) ? new Map() : undefined;
    this.subfolders = counts ? 0 : -1;
    this.atime = this.mtime = this.ctime = this.btime = now();
  }

  /** The content changed: data of a file, names of a folder. */
  touch(): void {
    this.mtime = this.ctime = this.now();
  }

  /** A folder came into this one, or left it. */
  countSubfolder(child: MemObject, by: 1 | -1): void {
    if (child.children !== undefined && this.subfolders >= 0) this.subfolders += by;
  }

  changed(): void {
    this.ctime = this.now();
  }

  /** Gives the space back when nothing keeps the object any more. */
  tidy(): void {
    if (this.nlink === 0 && this.holders === 0) this.bytes?.clear();
  }

  fill(attr: Attr): void {
    attr.ino = this.ino;
    attr.size = this.bytes?.size ?? (isSymlink(this.mode) ? this.target.length : 0);
    attr.blocks = this.bytes?.sectors ?? 0;
    attr.mode = this.mode;
    attr.nlink = this.children === undefined || this.nlink === 0 ? this.nlink : 2 + this.subfolders;
    attr.uid = this.uid;
    attr.gid = this.gid;
    attr.rdev = this.rdev;
    attr.blksize = 4096;
    attr.atimeSec = this.atime.sec;
    attr.atimeNsec = this.atime.nsec;
    attr.mtimeSec = this.mtime.sec;
    attr.mtimeNsec = this.mtime.nsec;
    attr.ctimeSec = this.ctime.sec;
    attr.ctimeNsec = this.ctime.nsec;
    attr.btimeSec = this.btime.sec;
    attr.btimeNsec = this.btime.nsec;
  }

  fillEntry(out: LayerEntry): void {
    this.fill(out.attr);
    out.unmarked();
    out.whiteout = this.whiteout;
    out.opaque = this.opaque;
    out.redirect = this.children !== undefined || this.metacopy ? this.redirect : undefined;
    out.metacopy = this.metacopy;
    out.ranges = this.ranges;
    out.origin = this.origin;
  }
}

export class MemNode implements WritableNode {
  readonly object: MemObject;
  #released = false;

  constructor(object: MemObject) {
    this.object = object;
    object.holders++;
  }

  stat(out: LayerEntry): void {
    this.object.fillEntry(out);
  }

  attributes(out: Attr): void {
    this.object.fill(out);
  }

  readlink(): ByteString {
    if (!isSymlink(this.object.mode)) throw new FsError(EINVAL, 'readlink');
    return this.object.target;
  }

  getxattr(name: ByteString): Uint8Array | undefined {
    return this.object.xattrs.get(name)?.slice();
  }

  listxattr(): readonly ByteString[] {
    return [...this.object.xattrs.keys()];
  }

  open(): LayerFile {
    return this.openWrite();
  }

  openWrite(): WritableFile {
    return openObject(this.object);
  }

  chown(uid: number, gid: number): void {
    this.object.uid = uid;
    this.object.gid = gid;
    this.object.changed();
  }

  chmod(mode: number): void {
    if (isSymlink(this.object.mode)) return;
    this.object.mode = (this.object.mode & S_IFMT) | (mode & PERMISSION_BITS);
    this.object.changed();
  }

  utimes(atime: Timestamp | 'now' | undefined, mtime: Timestamp | 'now' | undefined): void {
    const { object } = this;
    if (atime !== undefined) object.atime = atime === 'now' ? object.now() : atime;
    if (mtime !== undefined) object.mtime = mtime === 'now' ? object.now() : mtime;
    object.changed();
  }

  setxattr(name: ByteString, value: Uint8Array, flags: number): void {
    const { xattrs } = this.object;
    if ((flags & XATTR_CREATE) !== 0 && xattrs.has(name)) throw new FsError(EEXIST, 'setxattr');
    if ((flags & XATTR_REPLACE) !== 0 && !xattrs.has(name)) throw new FsError(ENODATA, 'setxattr');
    xattrs.set(name, value.slice());
    this.object.changed();
  }

  removexattr(name: ByteString): void {
    if (!this.object.xattrs.delete(name)) throw new FsError(ENODATA, 'removexattr');
    this.object.changed();
  }

  setOpaque(on: boolean): void {
    this.object.opaque = on;
  }

  setRedirect(redirect: ByteString | undefined): void {
    this.object.redirect = redirect;
  }

  setMetacopy(on: boolean): void {
    this.object.metacopy = on;
  }

  setRanges(ranges: RangesMark | undefined): void {
    this.object.ranges = ranges;
  }

  keepTimes(_times: Attr | undefined): void {
    // Nobody opens memory after a crash.
  }

  setOrigin(ino: number, _source: LayerNode | undefined): void {
    this.object.origin = ino;
  }

  setImpure(): void {
    this.object.impure = true;
  }

  isImpure(): boolean {
    return this.object.impure;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.object.holders--;
    this.object.tidy();
  }
}

/** What a staged object needs of its layer to get a name. */
export interface Publisher {
  publish(object: MemObject, dir: ByteString, name: ByteString, replace: boolean): void;
  index(object: MemObject, key: string, names: number): void;
  unindex(key: string): void;
}

export class MemStaged extends MemNode implements Staged {
  readonly #publisher: Publisher;

  constructor(object: MemObject, publisher: Publisher) {
    super(object);
    this.#publisher = publisher;
  }

  setSize(size: number): void {
    const file = openObject(this.object);
    file.truncate(size);
    file.close();
  }

  publish(dir: ByteString, name: ByteString, replace: boolean): void {
    this.#publisher.publish(this.object, dir, name, replace);
    this.release();
  }

  publishIndexed(
    key: string,
    names: number,
    dir: ByteString,
    name: ByteString,
    replace: boolean,
  ): WritableNode {
    this.#publisher.index(this.object, key, names);
    try {
      this.#publisher.publish(this.object, dir, name, replace);
    } catch (error) {
      this.#publisher.unindex(key);
      throw error;
    }
    const held = new MemNode(this.object);
    this.release();
    return held;
  }

  discard(): void {
    this.release();
  }
}

/** Opens the data of a regular file: EISDIR for a folder, EINVAL for what has no data. */
export function openObject(object: MemObject): WritableFile {
  if (object.bytes === undefined) throw new FsError(isFolder(object.mode) ? EISDIR : EINVAL, 'open');
  return new MemFile(object, object.bytes);
}

class MemFile implements WritableFile {
  readonly fd = undefined;
  readonly #object: MemObject;
  readonly #bytes: SparseBytes;
  #closed = false;

  constructor(object: MemObject, bytes: SparseBytes) {
    this.#object = object;
    this.#bytes = bytes;
    object.holders++;
  }

  read(offset: number, into: Uint8Array): number {
    return this.#bytes.read(offset, into);
  }

  stat(out: Attr): void {
    this.#object.fill(out);
  }

  seek(offset: number, whence: number): number | undefined {
    return this.#bytes.seek(offset, whence);
  }

  write(offset: number, data: Uint8Array): number {
    this.#bytes.write(offset, data);
    this.#object.touch();
    return data.length;
  }

  truncate(size: number): void {
    this.#bytes.truncate(size);
    this.#object.touch();
  }

  allocate(mode: number, offset: number, length: number): void {
    const punch = (mode & FALLOC_PUNCH_HOLE) !== 0;
    const zero = (mode & FALLOC_ZERO_RANGE) !== 0;
    const known = FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE;
    if ((mode & ~known) !== 0 || (punch && zero) || (punch && (mode & FALLOC_KEEP_SIZE) === 0)) {
      throw new FsError(EOPNOTSUPP, 'fallocate');
    }
    if (punch || zero) this.#bytes.punch(offset, length);
    if (!punch) this.#bytes.allocate(offset, length);
    if ((mode & FALLOC_KEEP_SIZE) === 0 && offset + length > this.#bytes.size) {
      this.#bytes.truncate(offset + length);
    }
    this.#object.touch();
  }

  copyFrom(source: LayerFile, fromOffset: number, toOffset: number, length: number): number {
    const chunk = new Uint8Array(Math.min(length, 65536));
    let done = 0;
    while (done < length) {
      const part = chunk.subarray(0, Math.min(chunk.length, length - done));
      const count = source.read(fromOffset + done, part);
      if (count === 0) break;
      this.write(toOffset + done, part.subarray(0, count));
      done += count;
    }
    return done;
  }

  /** Memory has no extents to share. */
  cloneFrom(_source: LayerFile): boolean {
    return false;
  }

  sync(_dataOnly: boolean): void {
    // Memory is as durable as it gets.
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#object.holders--;
    this.#object.tidy();
  }
}
