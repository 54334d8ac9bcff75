// The inode table: what the union knows of each file that somebody refers to. An inode is found by its node id
// (the kernel's word for it) and by its st_ino, so that two names of one file meet in one inode. It lives while
// lookups, open handles or child inodes refer to it. Where it lies is kept as parent and name, never as a path,
// because renaming a folder moves everything below it.

import { ESTALE, FsError } from '../errno.js';
import { type NodeId, ROOT_NODE } from '../filesystem.js';
import type { LayerFile, ReadLayer, Staged, WritableFile, WritableNode } from '../layer/layer.js';
import { isFolder, S_IFDIR, S_IFMT } from '../mode.js';
import { type ByteString, joinPath } from '../name.js';
import { FIRST_OTHER_NODE, type IndexedNodes } from './indexed-nodes.js';
import type { LowerNames } from './lower-names.js';
import type { OwnBlocks } from './own-blocks.js';
import type { Place } from './place.js';
import type { PreparedCopy } from './prepared-copy.js';

/** A lower folder that is part of a merged one: which lower (0 is the topmost) and the folder's path in it. */
export interface LowerFolder {
  readonly depth: number;
  readonly path: ByteString;
}

/** Where a lower file that is no folder lies; never changes, because lowers do not. */
export interface LowerPlace {
  readonly layer: ReadLayer;
  readonly dir: ByteString;
  readonly name: ByteString;
}

/** Where the data of a file lies whose topmost object has its attributes alone (overlayfs's metacopy). */
export interface DataBelow {
  /** undefined if no layer has the data: the stack is not the one that the file was copied up from. */
  readonly place: LowerPlace | undefined;
  /** st_blocks there, which is what the union shows. */
  readonly blocks: number;
  /** Its path in the union of the lowers alone, which is what a redirect says. */
  readonly lowerPath: ByteString;
  /** The upper object says that path itself: the data is found whatever the file's name. Set by data-below.ts. */
  pinned: boolean;
  /** Set where some of the data is in the upper object after all. */
  readonly own: OwnBlocks | undefined;
}

/** What a folder gives to new files in it, from its mode and its default ACL. */
export interface Inheritance {
  /** Set for a set-group-ID folder. */
  readonly gid: number | undefined;
  readonly defaultAcl: Uint8Array | undefined;
}

export class Inode {
  readonly node: NodeId;
  /** st_ino: the number of the origin, see `Stack`. A rollback gives it back to the origin. */
  ino: number;
  /** The type bits of st_mode. */
  readonly type: number;
  /** Where the lower object lies in the tree index, if the lowers are one and have it whole; else 0. */
  nid = 0;
  /** Counted by the operations that fill an Entry, given back by forget; of a node in the index IndexedNodes has the count. */
  lookups = 0;
  /** Handles. */
  opens = 0;
  /** Child inodes whose parent this is, and steps under way. */
  pins = 0;
  /** With `name`: one name of this inode that exists. Stale for a file with further names while `held` is set. */
  parent: Inode | undefined;
  name: ByteString = '';
  /** True once the object is in the upper: made there or copied up. Set by copy-up.ts, last. */
  upper = false;
  /** The number on the upper's filesystem, while `upper`. */
  upperIno = 0;
  /** Set where no name leads to the upper object, or none that is known. Replaces parent and name. */
  held: WritableNode | undefined;
  /** `held` as an object that never had a name (O_TMPFILE, a copy-up after unlink): discarded instead of released. */
  staged: Staged | undefined;
  /** Files only, and only where one lies below. */
  lower: LowerPlace | undefined;
  /** Set while the data does not lie in the topmost object. Emptied by copy-up.ts and data-below.ts. */
  dataBelow: DataBelow | undefined;
  /** Folders only: the lower parts, topmost first. Empty for a folder of the upper alone. */
  folders: readonly LowerFolder[] = [];
  /** Folders: how many folders are in it, once they were counted; kept by listing.ts. Unset where the layer's own count is the truth. */
  subfolders: number | undefined;
  /** Folders with lower parts: their path in the union of the lowers alone, which is what a redirect says. */
  lowerPath: ByteString = '';
  /** Folders of several lower parts: which of them have which names. A memo, kept by NameShelf alone. */
  lowerNames: LowerNames | undefined;
  /** How often lower parts were asked for a name that they do not have, while there is no memo. */
  askedInVain = 0;
  /** The upper object's entry in the index of hard links. */
  indexKey: string | undefined;
  /** The last name is gone. */
  removed = false;
  /** Set for a file of O_TMPFILE without O_EXCL until it has a name: the only removed inode that link takes. */
  linkable = false;
  /** Data that is open; shared by all handles, so a copy-up moves all of them at once. */
  reader: LayerFile | undefined;
  writer: WritableFile | undefined;
  /** Its copy with data that is made aside, kept by prepared-copy.ts. */
  prepared: PreparedCopy | undefined;
  /** Bytes written through this union since they were last made durable. */
  unsynced = 0;
  /** st_blocks when they were. */
  syncedBlocks = 0;
  /** Set while it is known that a write has no set-id bits and no capability to clear. */
  unprivileged = false;
  /** Set while it is known to have no `security.capability`: the kernel asks for it before every write and chown. */
  withoutCapability = false;
  /** Set while it is known to have no access ACL. */
  withoutAccessAcl = false;
  /** Known inheritance of a folder; dropped when mode, owner or ACL change. */
  inheritance: Inheritance | undefined;
  /** The upper folder carries the mark `impure`. */
  impure = false;
  /** `path` as of `pathEpoch`; kept by InodeTable. */
  path: ByteString = '';
  pathEpoch = -1;

  constructor(node: NodeId, ino: number, type: number) {
    this.node = node;
    this.ino = ino;
    this.type = type;
  }

  get isFolder(): boolean {
    return this.type === S_IFDIR;
  }
}

export class InodeTable {
  readonly #byNode = new Map<NodeId, Inode>();
  readonly #byIno = new Map<number, Inode>();
  /**
   * st_ino by upperIno, of copies that may not tell it: those that are not regular, which carry no marks under `user.`,
   * and hard links. Kept until the last name goes: the kernel remembers numbers of what it has forgotten (cached listings).
   */
  readonly #copies = new Map<number, number>();
  readonly #indexed: IndexedNodes | undefined;
  /** Which lower the index is. */
  indexedDepth = 0;
  #lastNode: NodeId;
  #pathEpoch = 0;

  /** `indexed`: the nodes that need no inode in the table. */
  constructor(indexed?: IndexedNodes) {
    this.#indexed = indexed;
    this.#lastNode = indexed === undefined ? ROOT_NODE : FIRST_OTHER_NODE;
  }

  addRoot(ino: number): Inode {
    return this.#add(new Inode(ROOT_NODE, ino, S_IFDIR));
  }

  /**
   * An inode for the object at `nid` of the index, or with 0 for one that is not in it: then its node id is one that
   * was never used, so that the generation stays 0.
   */
  add(ino: number, type: number, parent: Inode, name: ByteString, nid = 0): Inode {
    const indexed = nid === 0 ? 0 : (this.#indexed?.nodeOf(nid) ?? 0);
    const own = indexed !== 0 && !this.#byNode.has(indexed);
    const inode = this.#add(new Inode(own ? indexed : ++this.#lastNode, ino, type));
    this.place(inode, parent, name);
    if (own) {
      inode.nid = nid;
      if (this.#indexed!.isKept(nid)) this.#letGo(nid);
    }
    return inode;
  }

  /** An inode without a name (O_TMPFILE): not found by number until it is linked. */
  addNameless(ino: number, type: number): Inode {
    const inode = new Inode(++this.#lastNode, ino, type);
    inode.removed = true;
    this.#byNode.set(inode.node, inode);
    return inode;
  }

  #add(inode: Inode): Inode {
    this.#byNode.set(inode.node, inode);
    this.#byIno.set(inode.ino, inode);
    return inode;
  }

  /** The inode of a node; one in the index gets one until `tidy`. */
  find(node: NodeId): Inode | undefined {
    const known = this.#byNode.get(node);
    if (known !== undefined || this.#indexed === undefined) return known;
    return this.#revive(node, this.#indexed);
  }

  #revive(node: NodeId, indexed: IndexedNodes): Inode | undefined {
    const nid = indexed.nidOf(node);
    if (nid === 0 || node === ROOT_NODE || !indexed.isKept(nid)) return undefined;
    const name = indexed.nameOf(nid);
    const parent = this.get(indexed.parentOf(nid));
    const inode = this.#add(new Inode(node, indexed.number(nid), indexed.tree.mode(nid) & S_IFMT));
    inode.nid = nid;
    this.place(inode, parent, name);
    indexed.letGo(nid);
    const dir = parent.folders.at(-1)?.path ?? '';
    if (inode.isFolder) {
      inode.lowerPath = joinPath(parent.lowerPath, name);
      inode.folders = [{ depth: this.indexedDepth, path: joinPath(dir, name) }];
      if (indexed.tree.nlink(nid) === 2) inode.subfolders = 0;
    } else inode.lower = { layer: indexed.layer, dir, name };
    return inode;
  }

  /** What the index says of these inodes is not all that there is to be said, for good; nor of what is in such folders. */
  leaveIndex(isOf: (inode: Inode) => boolean): void {
    const indexed = this.#indexed;
    if (indexed === undefined) return;
    const leaving = [...this.#byNode.values()].filter((inode) => inode.nid !== 0 && isOf(inode));
    const folders = new Set(leaving.map(({ node }) => node));
    for (const nid of indexed.keptIn(folders)) this.find(indexed.nodeOf(nid));
    for (const inode of leaving) {
      if (inode.node !== ROOT_NODE) {
        inode.lookups = indexed.lookups(inode.nid);
        indexed.forget(inode.nid, inode.lookups);
      }
      inode.nid = 0;
    }
  }

  /** The place of a folder in the index, if that is all that there is to the folder; else 0. */
  folderInIndex(node: NodeId): number {
    if (this.#indexed === undefined) return 0;
    const inode = this.#byNode.get(node);
    const nid = inode === undefined ? this.#indexed.nidOf(node) : inode.nid;
    if (nid === 0 || inode?.upper === true || inode?.removed === true) return 0;
    if (inode === undefined && !this.#indexed.isKept(nid)) return 0;
    return isFolder(this.#indexed.tree.mode(nid)) ? nid : 0;
  }

  /** True if there is an inode for the node. */
  has(node: NodeId): boolean {
    return this.#byNode.has(node);
  }

  /** How many lookups of it are not given back. */
  lookupsOf(inode: Inode): number {
    return this.#inIndex(inode)?.lookups(inode.nid) ?? inode.lookups;
  }

  /** Counts a lookup. */
  count(inode: Inode): void {
    const indexed = this.#inIndex(inode);
    if (indexed === undefined) inode.lookups++;
    else indexed.count(inode.nid);
  }

  /** The root is not counted. */
  #inIndex({ nid, node }: Inode): IndexedNodes | undefined {
    return nid !== 0 && node !== ROOT_NODE ? this.#indexed : undefined;
  }

  /** ESTALE for a node that is not known. */
  get(node: NodeId): Inode {
    const inode = this.find(node);
    if (inode === undefined) throw new FsError(ESTALE, `node ${node}`);
    return inode;
  }

  byIno(ino: number): Inode | undefined {
    return this.#byIno.get(ino);
  }

  /** Afterwards `numberOfCopy` knows the inode's number, whatever its upper object says of itself. */
  noteCopy({ upperIno, ino }: Inode): void {
    this.#copies.set(upperIno, ino);
  }

  /** The inode's upper object gave its place to another, which has this number: its own may come to be any file's. */
  replaceUpper(inode: Inode, upperIno: number): void {
    const known = this.#copies.get(inode.upperIno);
    this.#copies.delete(inode.upperIno);
    if (known !== undefined) this.#copies.set(upperIno, known);
    inode.upperIno = upperIno;
  }

  /** The st_ino of a copy in the upper that cannot tell it. */
  numberOfCopy(upperIno: number): number | undefined {
    return this.#copies.get(upperIno);
  }

  get size(): number {
    return this.#byNode.size;
  }

  values(): IterableIterator<Inode> {
    return this.#byNode.values();
  }

  /** Makes (parent, name) the place where the inode is known to be. */
  place(inode: Inode, parent: Inode, name: ByteString): void {
    if (inode.parent === parent && inode.name === name) return;
    if (inode.parent !== parent) {
      parent.pins++;
      const old = inode.parent;
      inode.parent = parent;
      if (old !== undefined) this.unpin(old);
    }
    inode.name = name;
    // Whose path was never asked for has nobody below whose path could be stale.
    if (inode.pathEpoch >= 0) this.#pathEpoch++;
  }

  /** The path from the root, as parent and name say. */
  path(inode: Inode): ByteString {
    if (inode.parent === undefined) return '';
    if (!inode.isFolder) return joinPath(this.path(inode.parent), inode.name);
    if (inode.pathEpoch !== this.#pathEpoch) this.#takePath(inode);
    return inode.path;
  }

  /** A folder's path anew, from the nearest one above it that is known. */
  #takePath(folder: Inode): void {
    const stale: Inode[] = [];
    let above: Inode = folder;
    for (; above.parent !== undefined && above.pathEpoch !== this.#pathEpoch; above = above.parent)
      stale.push(above);
    let path = above.parent === undefined ? '' : above.path;
    for (let inode = stale.pop(); inode !== undefined; inode = stale.pop()) {
      path = joinPath(path, inode.name);
      inode.path = path;
      inode.pathEpoch = this.#pathEpoch;
    }
  }

  /** As `path`, in two parts. */
  locate(inode: Inode, out: Place): void {
    if (inode.isFolder || inode.parent === undefined) {
      out.dir = this.path(inode);
      out.name = '';
    } else {
      out.dir = this.path(inode.parent);
      out.name = inode.name;
    }
  }

  /** Where a node was last found, without an inode being made for it; the root for a node that is not known. */
  locateNode(node: NodeId, out: Place): void {
    const inode = this.#byNode.get(node);
    const nid = inode === undefined && node !== ROOT_NODE ? (this.#indexed?.nidOf(node) ?? 0) : 0;
    if (inode !== undefined) this.locate(inode, out);
    else if (nid === 0 || this.#indexed?.isKept(nid) !== true) out.reset();
    else {
      this.locateNode(this.#indexed.parentOf(nid), out);
      out.enter(this.#indexed.nameOf(nid));
    }
  }

  /** The last name is gone: the number may come to mean another file. */
  orphan(inode: Inode): void {
    inode.removed = true;
    this.#dropNumber(inode);
    if (inode.upper) this.#copies.delete(inode.upperIno);
  }

  #dropNumber(inode: Inode): void {
    if (this.#byIno.get(inode.ino) === inode) this.#byIno.delete(inode.ino);
  }

  /** A nameless inode got a name. */
  adopt(inode: Inode, parent: Inode, name: ByteString): void {
    inode.removed = false;
    inode.linkable = false;
    this.#byIno.set(inode.ino, inode);
    this.place(inode, parent, name);
  }

  forget(node: NodeId, count: number): void {
    if (node === ROOT_NODE) return;
    const inode = this.#byNode.get(node);
    const nid = inode?.nid ?? this.#indexed?.nidOf(node) ?? 0;
    if (this.#indexed !== undefined && nid !== 0) this.#indexed.forget(nid, count);
    else if (inode !== undefined) inode.lookups = Math.max(0, inode.lookups - count);
    if (inode !== undefined) this.tidy(inode);
    else if (nid !== 0) this.#tidyKept(nid);
  }

  unpin(inode: Inode): void {
    inode.pins--;
    this.tidy(inode);
  }

  /** Drops the inode if nothing refers to it; its parent may follow, and all above. */
  tidy(inode: Inode): void {
    for (let at: Inode | undefined = inode; at !== undefined; ) {
      if (!this.#isDropped(at)) return;
      const { parent }: Inode = at;
      at.parent = undefined;
      if (parent !== undefined) parent.pins--;
      at = parent;
    }
  }

  /** Drops the inode, but for what it says of its parent; false if something refers to it. */
  #isDropped(inode: Inode): boolean {
    if (inode.opens > 0 || inode.pins > 0 || inode.node === ROOT_NODE) return false;
    const indexed = this.#inIndex(inode);
    const isReferred = indexed === undefined ? inode.lookups > 0 : indexed.isReferred(inode.nid);
    if (isReferred && indexed?.keep(inode) !== true) return false;
    if (!this.#byNode.delete(inode.node)) return false;
    this.#dropNumber(inode);
    letGoOfObjects(inode);
    return true;
  }

  /** As `tidy`, for a node without an inode. */
  #tidyKept(nid: number): void {
    const indexed = this.#indexed!;
    if (indexed.isKept(nid) && !indexed.isReferred(nid)) this.#letGo(nid);
  }

  /** A node is kept no longer: it has an inode, or nothing refers to it. Its folder may follow. */
  #letGo(nid: number): void {
    const indexed = this.#indexed!;
    const parent = indexed.parentOf(nid);
    indexed.letGo(nid);
    const folder = this.#byNode.get(parent);
    if (folder !== undefined) this.tidy(folder);
    else this.#tidyKept(indexed.nidOf(parent));
  }

  clear(): void {
    for (const inode of this.#byNode.values()) letGoOfObjects(inode);
    this.#byNode.clear();
    this.#byIno.clear();
    this.#copies.clear();
  }
}

function letGoOfObjects(inode: Inode): void {
  closeData(inode);
  releaseHeld(inode);
  inode.lowerNames?.release();
}

/** Closes the data that the inode has open. */
export function closeData(inode: Inode): void {
  const { reader, writer } = inode;
  inode.reader = undefined;
  inode.writer = undefined;
  reader?.close();
  writer?.close();
}

/** All handles go over to data that was opened for writing; without any it is closed. */
export function switchData(inode: Inode, writer: WritableFile): void {
  closeData(inode);
  if (inode.opens > 0) inode.writer = writer;
  else writer.close();
}

export function releaseHeld(inode: Inode): void {
  const { held, staged } = inode;
  inode.held = undefined;
  inode.staged = undefined;
  if (staged !== undefined) staged.discard();
  else held?.release();
}
