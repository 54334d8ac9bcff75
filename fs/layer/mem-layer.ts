// A layer that lives in memory, lower or upper: for tests, for teaching in a browser, and as the reference for
// what the contract of layer.ts means. It knows marks as fields, so no name and no attribute is special in it.
// File numbers count up and are never used twice. `capacity` makes it run full like a disk.

import { EEXIST, EINVAL, EISDIR, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, FsError } from '../errno.js';
import { Attr, type StatFs, type Timestamp } from '../filesystem.js';
import { direntType, isFolder, S_IFCHR, S_IFDIR, S_IFREG } from '../mode.js';
import { type ByteString, NAME_MAX } from '../name.js';
import {
  type Dialect,
  LayerEntry,
  type LayerFile,
  type LayerNode,
  type LayerVisitor,
  type MarkPrefix,
  type NewNode,
  type Staged,
  type WritableFile,
  type WritableNode,
  type WriteLayer,
} from './layer.js';
import { type Clock, MemNode, MemObject, MemStaged, openObject } from './mem-node.js';

export interface MemLayerOptions {
  readonly id?: string;
  /** Layers of one device have file numbers of one space, which the layers then share through `numbers`. */
  readonly device?: string;
  readonly numbers?: { last: number };
  readonly marks?: MarkPrefix;
  readonly dialect?: Dialect;
  /** False: st_nlink of folders is always 1, as on filesystems that do not count subfolders. */
  readonly countsSubfolders?: boolean;
  /** Bytes of data that fit; more is ENOSPC. */
  readonly capacity?: number;
  readonly now?: Clock;
  /** See WriteLayer. */
  readonly partsFrom?: number;
}

const WHITEOUT: NewNode = { mode: S_IFCHR, uid: 0, gid: 0 };

function wallClock(): Timestamp {
  const ms = performance.timeOrigin + performance.now();
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) };
}

export class MemLayer implements WriteLayer {
  /** Whoever made the layer may call it something else when it becomes something else. */
  id: string;
  readonly device: string;
  readonly marks: MarkPrefix;
  readonly dialect: Dialect;
  readonly volatile = true;
  readonly partsFrom: number;
  /** Tests change it, as a power cut does. */
  epoch = 'memory';
  readonly #capacity: number;
  readonly #now: Clock;
  readonly #counts: boolean;
  readonly #numbers: { last: number };
  readonly #root: MemObject;
  readonly #index = new Map<string, { readonly object: MemObject; names: number }>();
  readonly #lost = new Map<string, { readonly names: number; readonly last: ByteString | undefined }>();
  readonly #ranges = new Map<string, MemObject>();
  #lastRanges = 0;
  #used = 0;
  #guarded = false;

  constructor(options: MemLayerOptions = {}) {
    this.id = options.id ?? 'memory';
    this.device = options.device ?? this.id;
    this.marks = options.marks ?? 'trusted';
    this.dialect = options.dialect ?? 'overlay';
    this.partsFrom = options.partsFrom ?? Number.POSITIVE_INFINITY;
    this.#capacity = options.capacity ?? 2 ** 40;
    this.#now = options.now ?? wallClock;
    this.#counts = options.countsSubfolders ?? true;
    this.#numbers = options.numbers ?? { last: 0 };
    this.#root = this.#create({ mode: S_IFDIR | 0o755, uid: 0, gid: 0 });
    this.#root.nlink = 1;
  }

  get privileged(): boolean {
    return this.marks === 'trusted';
  }

  get redirectsArePlain(): boolean {
    return this.marks === 'trusted' && this.dialect === 'overlay';
  }

  lookup(dir: ByteString, name: ByteString, out: LayerEntry): boolean {
    const object = this.#at(dir, name);
    object?.fillEntry(out);
    return object !== undefined;
  }

  list(dir: ByteString, visit: LayerVisitor): void {
    for (const [name, object] of this.#children(dir)) {
      visit(name, direntType(object.mode), object.ino, object.whiteout);
    }
  }

  read(dir: ByteString, visit: LayerVisitor): void {
    this.list(dir, visit);
  }

  open(dir: ByteString, name: ByteString): LayerFile {
    return openObject(this.#existing(dir, name));
  }

  hold(dir: ByteString, name: ByteString): WritableNode {
    return new MemNode(this.#existing(dir, name));
  }

  statfs(): StatFs {
    const free = Math.floor((this.#capacity - this.#used) / 4096);
    return {
      blocks: Math.floor(this.#capacity / 4096),
      bfree: free,
      bavail: free,
      files: 2 ** 32,
      ffree: 2 ** 32 - this.#numbers.last,
      bsize: 4096,
      frsize: 4096,
      namelen: NAME_MAX,
    };
  }

  close(): void {
    // Nothing is held outside memory.
  }

  make(dir: ByteString, name: ByteString, what: NewNode): void {
    this.#publish(this.#create(what), dir, name, false);
  }

  makeFile(dir: ByteString, name: ByteString, what: NewNode): WritableFile {
    const object = this.#create(what);
    this.#publish(object, dir, name, false);
    return openObject(object);
  }

  stage(what: NewNode): Staged {
    return new MemStaged(this.#create(what), {
      publish: (object, dir, name, replace) => this.#publish(object, dir, name, replace),
      index: (object, key, names) => {
        if (this.#index.has(key)) throw new FsError(EEXIST, 'index');
        object.nlink++;
        object.indexKey = key;
        this.#index.set(key, { object, names });
      },
      unindex: (key) => this.unindex(key),
    });
  }

  whiteout(dir: ByteString, name: ByteString): void {
    this.#publish(this.#createWhiteout(), dir, name, true);
  }

  unlink(dir: ByteString, name: ByteString): void {
    const object = this.#atName(dir, name);
    if (object === undefined) throw new FsError(ENOENT, 'unlink');
    if (object.children !== undefined) throw new FsError(EISDIR, 'unlink');
    this.#removeName(dir, name, object);
  }

  rmdir(dir: ByteString, name: ByteString): void {
    const object = this.#atName(dir, name);
    if (object === undefined) throw new FsError(ENOENT, 'rmdir');
    if (object.children === undefined) throw new FsError(ENOTDIR, 'rmdir');
    assertBare(object);
    this.#removeName(dir, name, object);
  }

  rename(
    dir: ByteString,
    name: ByteString,
    newDir: ByteString,
    newName: ByteString,
    leaveWhiteout: boolean,
  ): void {
    const object = this.#existing(dir, name);
    if (dir === newDir && name === newName) return;
    this.#publish(object, newDir, newName, true);
    this.#removeName(dir, name, object);
    if (leaveWhiteout) this.whiteout(dir, name);
  }

  exchange(dir: ByteString, name: ByteString, otherDir: ByteString, otherName: ByteString): void {
    const one = this.#existing(dir, name);
    const other = this.#existing(otherDir, otherName);
    const folder = this.#folder(dir);
    const otherFolder = this.#folder(otherDir);
    folder.children?.set(name, other);
    folder.countSubfolder(one, -1);
    folder.countSubfolder(other, 1);
    otherFolder.children?.set(otherName, one);
    otherFolder.countSubfolder(other, -1);
    otherFolder.countSubfolder(one, 1);
    for (const object of [one, other]) object.changed();
    folder.touch();
    otherFolder.touch();
  }

  link(node: WritableNode, dir: ByteString, name: ByteString, replace: boolean): void {
    if (!(node instanceof MemNode)) throw new TypeError('cannot link: the node is of another layer');
    this.#publish(node.object, dir, name, replace);
  }

  indexKey(source: LayerNode): string {
    if (source instanceof MemNode) return `${source.object.device}:${source.object.ino}`;
    const entry = new LayerEntry(new Attr());
    source.stat(entry);
    return `other:${entry.attr.ino}`;
  }

  indexed(key: string): WritableNode | undefined {
    const found = this.#index.get(key);
    return found && new MemNode(found.object);
  }

  indexNames(key: string): number {
    return this.#index.get(key)?.names ?? 0;
  }

  setIndexNames(key: string, names: number): void {
    const found = this.#index.get(key);
    if (found === undefined) throw new FsError(ENOENT, 'index');
    found.names = names;
  }

  pinIndexNames(key: string): number {
    return this.indexNames(key);
  }

  linkIndexed(key: string, dir: ByteString, name: ByteString): void {
    const found = this.#index.get(key);
    if (found === undefined) throw new FsError(ENOENT, 'index');
    this.#publish(found.object, dir, name, false);
    found.names--;
  }

  indexedKey(node: WritableNode): string | undefined {
    return node instanceof MemNode ? node.object.indexKey : undefined;
  }

  unindex(key: string): void {
    const found = this.#index.get(key);
    if (found === undefined) return;
    this.#index.delete(key);
    found.object.indexKey = undefined;
    found.object.nlink--;
    found.object.tidy();
  }

  eachIndexed(visit: (attr: Attr, key: string) => void): void {
    const attr = new Attr();
    for (const [key, { object }] of this.#index) {
      object.fill(attr);
      visit(attr, key);
    }
  }

  lostNames(key: string): number {
    const lost = this.#lost.get(key);
    if (lost === undefined) return 0;
    const { names, last } = lost;
    return last === undefined || this.#atPath(last) !== undefined ? names : names - 1;
  }

  setLostNames(key: string, names: number, last?: ByteString): void {
    this.#lost.set(key, { names, last });
  }

  get hasIndexed(): boolean {
    return this.#index.size > 0;
  }

  get knowsLinks(): boolean {
    return this.hasIndexed || this.#lost.size > 0;
  }

  makeRanges(): { readonly key: string; readonly file: WritableFile } {
    const key = (++this.#lastRanges).toString(16).padStart(16, '0');
    const object = this.#create({ mode: S_IFREG | 0o600, uid: 0, gid: 0 });
    object.nlink = 1;
    this.#ranges.set(key, object);
    return { key, file: openObject(object) };
  }

  openRanges(key: string): WritableFile | undefined {
    const object = this.#ranges.get(key);
    return object && openObject(object);
  }

  dropRanges(key: string): void {
    const object = this.#ranges.get(key);
    if (object === undefined) return;
    this.#ranges.delete(key);
    object.nlink = 0;
    object.tidy();
  }

  get hasRanges(): boolean {
    return this.#ranges.size > 0;
  }

  get guarded(): boolean {
    return this.#guarded;
  }

  setGuard(on: boolean): void {
    this.#guarded = on;
    if (!on) for (const key of [...this.#ranges.keys()]) this.dropRanges(key);
  }

  becomeLower(): void {
    // Nobody else could have it.
  }

  sync(): void {
    // Memory is as durable as it gets.
  }

  #create(what: NewNode): MemObject {
    return this.#newObject(what, false);
  }

  #createWhiteout(): MemObject {
    return this.#newObject(WHITEOUT, true);
  }

  #newObject(what: NewNode, whiteout: boolean): MemObject {
    const reserve = (bytes: number) => {
      if (bytes > 0 && this.#used + bytes > this.#capacity) throw new FsError(ENOSPC, 'memory layer');
      this.#used += bytes;
    };
    return new MemObject(++this.#numbers.last, this.device, what, {
      whiteout,
      now: this.#now,
      reserve,
      counts: this.#counts,
    });
  }

  /** The folder at a path; undefined if there is none. */
  #find(dir: ByteString): MemObject | undefined {
    let object: MemObject | undefined = this.#root;
    if (dir === '') return object;
    for (const name of dir.split('/')) {
      object = object.children?.get(name);
      if (object === undefined) return undefined;
    }
    return object;
  }

  #atPath(path: ByteString): MemObject | undefined {
    const slash = path.lastIndexOf('/');
    return this.#at(path.slice(0, Math.max(slash, 0)), path.slice(slash + 1));
  }

  #folder(dir: ByteString): MemObject {
    const folder = this.#find(dir);
    if (folder === undefined) throw new FsError(ENOENT, 'folder');
    return folder;
  }

  #children(dir: ByteString): Map<ByteString, MemObject> {
    const { children } = this.#folder(dir);
    if (children === undefined) throw new FsError(ENOTDIR, 'folder');
    return children;
  }

  #at(dir: ByteString, name: ByteString): MemObject | undefined {
    const folder = this.#find(dir);
    if (folder?.children === undefined) return undefined;
    return name === '.' ? folder : folder.children.get(name);
  }

  #atName(dir: ByteString, name: ByteString): MemObject | undefined {
    if (name === '.') throw new FsError(EINVAL, 'name');
    return this.#children(dir).get(name);
  }

  #existing(dir: ByteString, name: ByteString): MemObject {
    const object = this.#at(dir, name);
    if (object === undefined || object.whiteout) throw new FsError(ENOENT, 'layer');
    return object;
  }

  #publish(object: MemObject, dir: ByteString, name: ByteString, replace: boolean): void {
    if (this.dialect === 'wh' && name.startsWith('.wh.')) throw new FsError(EINVAL, 'name');
    const children = this.#children(dir);
    const old = children.get(name);
    if (old !== undefined) {
      if (!replace) throw new FsError(EEXIST, 'layer');
      if (old === object) return;
      if (old.children !== undefined) assertBare(old);
      this.#removeName(dir, name, old);
    }
    children.set(name, object);
    object.nlink++;
    object.changed();
    const folder = this.#folder(dir);
    folder.countSubfolder(object, 1);
    folder.touch();
  }

  #removeName(dir: ByteString, name: ByteString, object: MemObject): void {
    this.#children(dir).delete(name);
    object.nlink--;
    object.changed();
    object.tidy();
    const folder = this.#folder(dir);
    folder.countSubfolder(object, -1);
    folder.touch();
  }
}

/** A folder that goes away may hold whiteouts, which go with it, and nothing else. */
function assertBare(folder: MemObject): void {
  for (const child of folder.children?.values() ?? []) {
    if (!child.whiteout) throw new FsError(ENOTEMPTY, 'folder');
  }
  if (!isFolder(folder.mode)) throw new FsError(ENOTDIR, 'folder');
}
