// Objects of an upper whose space is limited: each passes on what it is asked, and the account hears what it takes
// afterwards. Data is refused before it is written: a write gets what fits, everything else comes whole or not at all.
// The blocks that a filesystem needs for itself (of extents, of extended attributes) are counted when they are there.

import { EDQUOT, FsError } from '../errno.js';
import { Attr, FALLOC_PUNCH_HOLE, SEEK_DATA, SEEK_HOLE, type Timestamp } from '../filesystem.js';
import type { ByteString } from '../name.js';
import type {
  LayerEntry,
  LayerFile,
  LayerNode,
  RangesMark,
  Staged,
  WritableFile,
  WritableNode,
} from './layer.js';
import type { SpaceAccount } from './space-account.js';

/** What most filesystems allocate at a time; where it is more, the disk is full a little before the limit is reached. */
const BLOCK = 4096;
const SECTOR = 512;

const attr = new Attr();

/** The object itself, of any layer. */
export function bare<N extends LayerNode>(node: N): N {
  return node instanceof LimitedNode ? (node.inner as LayerNode as N) : node;
}

export class LimitedNode implements WritableNode {
  readonly inner: WritableNode;
  readonly ino: number;
  protected readonly account: SpaceAccount;

  /** `isHeld` false: whoever has the object open keeps it. */
  constructor(inner: WritableNode, account: SpaceAccount, isHeld = true) {
    this.inner = inner;
    this.account = account;
    inner.attributes(attr);
    this.ino = attr.ino;
    if (isHeld) account.hold(this.ino);
  }

  stat(out: LayerEntry): void {
    this.inner.stat(out);
  }

  attributes(out: Attr): void {
    this.inner.attributes(out);
  }

  readlink(): ByteString {
    return this.inner.readlink();
  }

  getxattr(name: ByteString): Uint8Array | undefined {
    return this.inner.getxattr(name);
  }

  listxattr(): readonly ByteString[] {
    return this.inner.listxattr();
  }

  open(): LayerFile {
    return new LimitedReader(this.inner.open(), this.account);
  }

  openWrite(): WritableFile {
    return new LimitedFile(this.inner.openWrite(), this.account);
  }

  chown(uid: number, gid: number): void {
    this.#change(() => this.inner.chown(uid, gid));
  }

  chmod(mode: number): void {
    this.#change(() => this.inner.chmod(mode));
  }

  utimes(atime: Timestamp | 'now' | undefined, mtime: Timestamp | 'now' | undefined): void {
    this.inner.utimes(atime, mtime);
  }

  setxattr(name: ByteString, value: Uint8Array, flags: number): void {
    this.account.assertBytes(value.length);
    this.#change(() => this.inner.setxattr(name, value, flags));
  }

  removexattr(name: ByteString): void {
    this.#change(() => this.inner.removexattr(name));
  }

  setOpaque(on: boolean): void {
    this.#change(() => this.inner.setOpaque(on));
  }

  setRedirect(redirect: ByteString | undefined): void {
    this.#change(() => this.inner.setRedirect(redirect));
  }

  setMetacopy(on: boolean): void {
    this.#change(() => this.inner.setMetacopy(on));
  }

  setRanges(ranges: RangesMark | undefined): void {
    this.#change(() => this.inner.setRanges(ranges));
  }

  keepTimes(times: Attr | undefined): void {
    this.#change(() => this.inner.keepTimes(times));
  }

  setOrigin(ino: number, source: LayerNode | undefined): void {
    this.#change(() => this.inner.setOrigin(ino, source === undefined ? undefined : bare(source)));
  }

  setImpure(): void {
    this.#change(() => this.inner.setImpure());
  }

  isImpure(): boolean {
    return this.inner.isImpure();
  }

  origin(): Uint8Array | undefined {
    return this.inner.origin?.();
  }

  release(): void {
    this.inner.release();
    this.account.letGo(this.ino);
  }

  #change(act: () => void): void {
    this.inner.attributes(attr);
    this.account.before(this.ino, attr.blocks);
    try {
      act();
    } finally {
      this.inner.attributes(attr);
      this.account.changed(this.ino, attr.blocks);
    }
  }
}

/** The object of an open file, which is the file's to close. */
class OpenNode extends LimitedNode {
  constructor(inner: WritableNode, account: SpaceAccount) {
    super(inner, account, false);
  }

  override release(): void {
    this.inner.release();
  }
}

/** What a new object needs of the account's owner to get a name. */
export interface Publishing {
  /** Runs `act`, which puts an object at a name: what was there, if anything, is gone, and the folder changes. */
  putting<T>(dir: ByteString, name: ByteString, act: () => T): T;
}

export class LimitedStaged extends LimitedNode implements Staged {
  declare readonly inner: Staged;
  readonly #publishing: Publishing;
  /** Links of an object that has no name yet: 0, or those of a temporary one. */
  readonly #ownLinks: number;

  constructor(inner: Staged, account: SpaceAccount, publishing: Publishing) {
    super(inner, account);
    this.#publishing = publishing;
    inner.attributes(attr);
    this.#ownLinks = attr.nlink;
    account.made(this.ino, attr.blocks);
  }

  setSize(size: number): void {
    this.inner.setSize(size);
  }

  publish(dir: ByteString, name: ByteString, replace: boolean): void {
    this.#publishing.putting(dir, name, () => this.inner.publish(dir, name, replace));
    this.account.letGo(this.ino);
  }

  publishIndexed(
    key: string,
    names: number,
    dir: ByteString,
    name: ByteString,
    replace: boolean,
  ): WritableNode {
    const publish = () => this.inner.publishIndexed(key, names, dir, name, replace);
    const held = new LimitedNode(this.#publishing.putting(dir, name, publish), this.account);
    this.account.letGo(this.ino);
    return held;
  }

  discard(): void {
    this.inner.attributes(attr);
    // It may have got a name by a link.
    if (attr.nlink <= this.#ownLinks) this.account.lostName(this.ino, attr.blocks);
    this.inner.discard();
    this.account.letGo(this.ino);
  }
}

/** An object that is open keeps its space. */
class LimitedReader<F extends LayerFile = LayerFile> implements LayerFile {
  readonly fd: number | undefined;
  readonly inner: F;
  protected readonly account: SpaceAccount;
  protected readonly ino: number;

  /** Takes the file over. */
  constructor(inner: F, account: SpaceAccount) {
    this.fd = inner.fd;
    this.inner = inner;
    this.account = account;
    inner.stat(attr);
    this.ino = attr.ino;
    account.hold(this.ino);
  }

  read(offset: number, into: Uint8Array): number {
    return this.inner.read(offset, into);
  }

  readNow(offset: number, into: Uint8Array): number | undefined {
    const { inner } = this;
    return inner.readNow === undefined ? inner.read(offset, into) : inner.readNow(offset, into);
  }

  stat(out: Attr): void {
    this.inner.stat(out);
  }

  seek(offset: number, whence: number): number | undefined {
    return this.inner.seek(offset, whence);
  }

  close(): void {
    this.inner.close();
    this.account.letGo(this.ino);
  }
}

export function limitedReader(inner: LayerFile, account: SpaceAccount): LayerFile {
  return new LimitedReader(inner, account);
}

export class LimitedFile extends LimitedReader<WritableFile> implements WritableFile {
  readonly node?: WritableNode;
  #expected = 0;

  constructor(inner: WritableFile, account: SpaceAccount) {
    super(inner, account);
    inner.stat(attr);
    account.before(this.ino, attr.blocks);
    if (inner.node !== undefined) this.node = new OpenNode(inner.node, account);
  }

  write(offset: number, data: Uint8Array): number {
    const fits = this.#fitting(offset, data.length);
    if (fits === 0 && data.length > 0) throw new FsError(EDQUOT, 'quota');
    return this.#change(() => this.inner.write(offset, fits < data.length ? data.subarray(0, fits) : data));
  }

  truncate(size: number): void {
    this.#change(() => this.inner.truncate(size));
    this.account.setAllocated(this.ino, roundUp(size), Number.POSITIVE_INFINITY, false);
  }

  allocate(mode: number, offset: number, length: number): void {
    const takes = (mode & FALLOC_PUNCH_HOLE) === 0;
    if (takes) this.#assertAllFits(offset, length);
    this.#change(() => this.inner.allocate(mode, offset, length));
    // A hole has what lies wholly in it, an allocation what it touches.
    const from = takes ? roundDown(offset) : roundUp(offset);
    const end = takes ? roundUp(offset + length) : roundDown(offset + length);
    if (from < end) this.account.setAllocated(this.ino, from, end, takes);
  }

  copyFrom(source: LayerFile, fromOffset: number, toOffset: number, length: number): number {
    source.stat(attr);
    this.#assertAllFits(toOffset, Math.min(length, Math.max(0, attr.size - fromOffset)));
    return this.#change(() => this.inner.copyFrom(bareFile(source), fromOffset, toOffset, length));
  }

  /** Shared extents count as any others do, as for du(1). */
  cloneFrom(source: LayerFile): boolean {
    source.stat(attr);
    const { blocks } = attr;
    this.inner.stat(attr);
    // Whether it could be done is not asked then: who copies instead is refused.
    if ((blocks - attr.blocks) * SECTOR > this.account.bytesLeft) return false;
    return this.#change(() => this.inner.cloneFrom(bareFile(source)));
  }

  sync(dataOnly: boolean): void {
    this.inner.sync(dataOnly);
  }

  expect(bytes: number): void {
    this.account.expect(-this.#expected);
    this.#expected = 0;
    this.#count();
    this.account.assertBytes(bytes);
    this.account.expect(bytes);
    this.#expected = bytes;
  }

  override close(): void {
    if (this.#expected > 0) this.expect(0);
    super.close();
  }

  /** How many bytes of a range may be written, from its start. */
  #fitting(offset: number, length: number): number {
    let left = this.account.bytesLeft;
    const end = offset + length;
    if (roundUp(end) - roundDown(offset) <= left) return length;
    const allocated = this.account.allocated(this.ino);
    for (let at = roundDown(offset); at < end; ) {
      const data = this.inner.seek(at, SEEK_DATA);
      const holeEnd = Math.min(data === undefined ? end : roundDown(data), end);
      while (at < holeEnd) {
        const allocatedEnd = allocated?.endOf(at);
        const stop = Math.min(holeEnd, allocated?.startAfter(at) ?? holeEnd);
        const missing = allocatedEnd === undefined ? roundUp(stop) - at : 0;
        if (missing > left) return Math.max(0, at + roundDown(left) - offset);
        left -= missing;
        at = allocatedEnd ?? roundUp(stop);
      }
      if (data === undefined || at >= end) break;
      at = roundUp(this.inner.seek(Math.max(data, at), SEEK_HOLE) ?? end);
    }
    return length;
  }

  #assertAllFits(offset: number, length: number): void {
    if (this.#fitting(offset, length) < length) throw new FsError(EDQUOT, 'quota');
  }

  #change<T>(act: () => T): T {
    try {
      return act();
    } finally {
      this.#count();
    }
  }

  #count(): void {
    this.inner.stat(attr);
    this.account.changed(this.ino, attr.blocks);
  }
}

function bareFile(file: LayerFile): LayerFile {
  return file instanceof LimitedReader ? file.inner : file;
}

function roundDown(offset: number): number {
  return Math.floor(offset / BLOCK) * BLOCK;
}

function roundUp(offset: number): number {
  return Math.ceil(offset / BLOCK) * BLOCK;
}
