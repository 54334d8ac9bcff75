// An upper that may take so much of its disk and no more: a WriteLayer around another one. What it has is measured when
// it is opened, in one walk; after that each change is counted where it is made, and EDQUOT comes before what would
// exceed the limit. Counted are the objects of the tree and those that the index of hard links keeps without a name in
// it; not whiteouts, which share one object, nor the sidecars of files in part, 1 bit for 4 KiB. A folder that grows by a
// block with a new name is counted afterwards.

import { EACCES, isErrno } from '../errno.js';
import { Attr, type StatFs } from '../filesystem.js';
import { isFolder, isSymlink } from '../mode.js';
import { type ByteString, joinPath } from '../name.js';
import {
  LayerEntry,
  type LayerFile,
  type LayerNode,
  type LayerVisitor,
  type NewNode,
  type ReadLayer,
  type SpaceLimit,
  type SpaceUse,
  type Staged,
  type WritableFile,
  type WritableNode,
  type WriteLayer,
} from './layer.js';
import { bare, LimitedFile, LimitedNode, LimitedStaged, limitedReader } from './limited-node.js';
import { SpaceAccount } from './space-account.js';

/** What a new folder or a long symlink takes where it takes anything. */
const BLOCK = 4096;
/** Shorter targets lie in the inode (ext4: below 60 bytes). */
const LONG_TARGET = 60;

/** Counts what a layer has, as LimitedUpper counts it. */
export function measureSpace(layer: WriteLayer): SpaceUse {
  const account = new SpaceAccount({ bytes: 0 });
  countAll(layer, account);
  return account.use;
}

export class LimitedUpper implements WriteLayer {
  readonly uuid?: ByteString;
  readonly fd?: number;
  readonly #inner: WriteLayer;
  readonly #account: SpaceAccount;
  /** What a new folder takes at first. */
  readonly #folderBytes: number;
  readonly #attr = new Attr();
  readonly #entry = new LayerEntry(new Attr());

  /** Takes the layer over, and measures it. */
  constructor(inner: WriteLayer, limit: SpaceLimit) {
    this.#inner = inner;
    if (inner.uuid !== undefined) this.uuid = inner.uuid;
    if (inner.fd !== undefined) this.fd = inner.fd;
    this.#account = new SpaceAccount(limit);
    countAll(inner, this.#account);
    statOf(inner, '', '.', this.#entry);
    this.#folderBytes = this.#entry.attr.blocks > 0 ? BLOCK : 0;
  }

  get space(): { readonly limit: SpaceLimit; readonly use: SpaceUse } {
    return { limit: this.#account.limit, use: this.#account.use };
  }

  unlimited<T>(act: () => T): T {
    return this.#account.unlimited(act);
  }

  get id(): string {
    return this.#inner.id;
  }

  get device(): string {
    return this.#inner.device;
  }

  get changes(): boolean {
    return this.#inner.changes === true;
  }

  get remote(): boolean {
    return this.#inner.remote === true;
  }

  get redirectsArePlain(): boolean {
    return this.#inner.redirectsArePlain;
  }

  get volatile(): boolean {
    return this.#inner.volatile;
  }

  get privileged(): boolean {
    return this.#inner.privileged;
  }

  lookup(dir: ByteString, name: ByteString, out: LayerEntry): boolean {
    return this.#inner.lookup(dir, name, out);
  }

  stat(dir: ByteString, name: ByteString, out: LayerEntry): boolean {
    return statOf(this.#inner, dir, name, out);
  }

  list(dir: ByteString, visit: LayerVisitor): void {
    this.#inner.list(dir, visit);
  }

  read(dir: ByteString, visit: LayerVisitor): void {
    this.#inner.read(dir, visit);
  }

  open(dir: ByteString, name: ByteString): LayerFile {
    return limitedReader(this.#inner.open(dir, name), this.#account);
  }

  hold(dir: ByteString, name: ByteString): WritableNode {
    return this.#held(this.#inner.hold(dir, name));
  }

  readlink(dir: ByteString, name: ByteString): ByteString {
    const { readlink } = this.#inner;
    if (readlink !== undefined) return readlink.call(this.#inner, dir, name);
    return this.#with(dir, name, (node) => node.readlink());
  }

  listxattr(dir: ByteString, name: ByteString): readonly ByteString[] {
    const { listxattr } = this.#inner;
    if (listxattr !== undefined) return listxattr.call(this.#inner, dir, name);
    return this.#with(dir, name, (node) => node.listxattr());
  }

  statfs(): StatFs {
    const all = this.#inner.statfs();
    const { limit, bytesLeft, inodesLeft } = this.#account;
    const left = Math.floor(bytesLeft / all.frsize);
    const used = Math.max(0, Math.floor(limit.bytes / all.frsize) - left);
    const bavail = Math.min(left, all.bavail);
    const inodes =
      limit.inodes === undefined ? {} : { files: limit.inodes, ffree: Math.min(inodesLeft, all.ffree) };
    return { ...all, ...inodes, blocks: used + left, bfree: Math.min(left, all.bfree), bavail };
  }

  becomeLower(): void {
    this.#inner.becomeLower();
  }

  close(): void {
    this.#inner.close();
  }

  make(dir: ByteString, name: ByteString, what: NewNode): void {
    this.#account.assertObject(this.#bytesOf(what));
    this.#names([dir], () => this.#inner.make(dir, name, what));
    statOf(this.#inner, dir, name, this.#entry);
    this.#account.made(this.#entry.attr.ino, this.#entry.attr.blocks);
  }

  makeFile(dir: ByteString, name: ByteString, what: NewNode): WritableFile {
    this.#account.assertObject(0);
    const file = this.#names([dir], () => this.#inner.makeFile(dir, name, what));
    file.stat(this.#attr);
    this.#account.made(this.#attr.ino, this.#attr.blocks);
    return new LimitedFile(file, this.#account);
  }

  stage(what: NewNode): Staged {
    this.#account.assertObject(this.#bytesOf(what));
    return new LimitedStaged(this.#inner.stage(what), this.#account, {
      putting: (dir, name, act) => this.#putting(dir, name, act),
    });
  }

  whiteout(dir: ByteString, name: ByteString): void {
    this.#putting(dir, name, () => this.#inner.whiteout(dir, name));
  }

  unlink(dir: ByteString, name: ByteString): void {
    this.#putting(dir, name, () => this.#inner.unlink(dir, name));
  }

  rmdir(dir: ByteString, name: ByteString): void {
    this.#putting(dir, name, () => this.#inner.rmdir(dir, name));
  }

  rename(
    dir: ByteString,
    name: ByteString,
    newDir: ByteString,
    newName: ByteString,
    leaveWhiteout: boolean,
  ): void {
    const rename = () => this.#inner.rename(dir, name, newDir, newName, leaveWhiteout);
    statOf(this.#inner, dir, name, this.#entry);
    const moved = this.#entry.attr.ino;
    this.#names([dir], () => this.#putting(newDir, newName, rename, moved));
  }

  exchange(dir: ByteString, name: ByteString, otherDir: ByteString, otherName: ByteString): void {
    this.#names([dir, otherDir], () => this.#inner.exchange(dir, name, otherDir, otherName));
  }

  link(node: WritableNode, dir: ByteString, name: ByteString, replace: boolean): void {
    node.attributes(this.#attr);
    this.#putting(dir, name, () => this.#inner.link(bare(node), dir, name, replace), this.#attr.ino);
  }

  indexKey(source: LayerNode): string {
    return this.#inner.indexKey(bare(source));
  }

  indexed(key: string): WritableNode | undefined {
    const node = this.#inner.indexed(key);
    return node && this.#held(node);
  }

  indexNames(key: string): number {
    return this.#inner.indexNames(key);
  }

  setIndexNames(key: string, names: number): void {
    this.#inner.setIndexNames(key, names);
  }

  pinIndexNames(key: string): number {
    return this.#inner.pinIndexNames(key);
  }

  linkIndexed(key: string, dir: ByteString, name: ByteString): void {
    this.#names([dir], () => this.#inner.linkIndexed(key, dir, name));
  }

  indexedKey(node: WritableNode): string | undefined {
    return this.#inner.indexedKey(bare(node));
  }

  unindex(key: string): void {
    const node = this.#inner.indexed(key);
    if (node === undefined) {
      this.#inner.unindex(key);
      return;
    }
    try {
      node.attributes(this.#attr);
      const { ino, nlink, blocks } = this.#attr;
      this.#inner.unindex(key);
      if (nlink === 1) this.#account.lostName(ino, blocks);
    } finally {
      node.release();
    }
  }

  eachIndexed(visit: (attr: Attr, key: string) => void): void {
    this.#inner.eachIndexed(visit);
  }

  lostNames(key: string): number {
    return this.#inner.lostNames(key);
  }

  setLostNames(key: string, names: number, last?: ByteString): void {
    this.#inner.setLostNames(key, names, last);
  }

  get hasIndexed(): boolean {
    return this.#inner.hasIndexed;
  }

  get knowsLinks(): boolean {
    return this.#inner.knowsLinks;
  }

  get partsFrom(): number {
    return this.#inner.partsFrom;
  }

  get epoch(): string {
    return this.#inner.epoch;
  }

  makeRanges(): { readonly key: string; readonly file: WritableFile } {
    return this.#inner.makeRanges();
  }

  openRanges(key: string): WritableFile | undefined {
    return this.#inner.openRanges(key);
  }

  dropRanges(key: string): void {
    this.#inner.dropRanges(key);
  }

  get hasRanges(): boolean {
    return this.#inner.hasRanges;
  }

  get guarded(): boolean {
    return this.#inner.guarded;
  }

  setGuard(on: boolean): void {
    this.#inner.setGuard(on);
  }

  sync(): void {
    this.#inner.sync();
  }

  #bytesOf({ mode, target = '' }: NewNode): number {
    if (isFolder(mode)) return this.#folderBytes;
    return isSymlink(mode) && target.length >= LONG_TARGET ? BLOCK : 0;
  }

  #held(node: WritableNode): WritableNode {
    return new LimitedNode(node, this.#account);
  }

  #with<T>(dir: ByteString, name: ByteString, use: (node: WritableNode) => T): T {
    const node = this.#inner.hold(dir, name);
    try {
      return use(node);
    } finally {
      node.release();
    }
  }

  /** Runs `act`, after which what was at a name is there no more, unless it is the object `moved`. */
  #putting<T>(dir: ByteString, name: ByteString, act: () => T, moved?: number): T {
    const { attr } = this.#entry;
    const there = statOf(this.#inner, dir, name, this.#entry) && !this.#entry.whiteout;
    const { ino, blocks } = attr;
    const isLast = there && ino !== moved && (isFolder(attr.mode) || attr.nlink === 1);
    const done = this.#names([dir], act);
    if (isLast) this.#account.lostName(ino, blocks);
    return done;
  }

  /** Runs `act`, which changes the names in these folders. */
  #names<T>(dirs: readonly ByteString[], act: () => T): T {
    for (const dir of dirs) {
      if (statOf(this.#inner, dir, '.', this.#entry)) {
        this.#account.before(this.#entry.attr.ino, this.#entry.attr.blocks);
      }
    }
    try {
      return act();
    } finally {
      for (const dir of dirs) {
        if (statOf(this.#inner, dir, '.', this.#entry)) {
          this.#account.changed(this.#entry.attr.ino, this.#entry.attr.blocks);
        }
      }
    }
  }
}

function statOf(layer: ReadLayer, dir: ByteString, name: ByteString, out: LayerEntry): boolean {
  return layer.stat === undefined ? layer.lookup(dir, name, out) : layer.stat(dir, name, out);
}

/** Every object of the layer once. A folder that may not be listed counts as itself. */
function countAll(layer: WriteLayer, account: SpaceAccount): void {
  const entry = new LayerEntry(new Attr());
  const { attr } = entry;
  const linked = new Set<number>();
  const count = (of: Attr): void => {
    if (!isFolder(of.mode) && of.nlink > 1) {
      if (linked.has(of.ino)) return;
      linked.add(of.ino);
    }
    account.found(of.blocks);
  };
  layer.eachIndexed((of) => {
    linked.add(of.ino);
    account.found(of.blocks);
  });
  if (statOf(layer, '', '.', entry)) count(attr);
  const folders: ByteString[] = [''];
  for (let dir = folders.pop(); dir !== undefined; dir = folders.pop()) {
    for (const name of namesIn(layer, dir)) {
      if (!statOf(layer, dir, name, entry)) continue;
      if (isFolder(attr.mode)) folders.push(joinPath(dir, name));
      count(attr);
    }
  }
}

function namesIn(layer: WriteLayer, dir: ByteString): readonly ByteString[] {
  const names: ByteString[] = [];
  try {
    layer.list(dir, (name, _type, _ino, whiteout) => {
      if (!whiteout) names.push(name);
    });
  } catch (error) {
    if (!isErrno(error, EACCES)) throw error;
  }
  return names;
}
