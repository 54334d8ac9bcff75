// The union: ordered layers as one filesystem. Lowers never change; everything that changes goes to the upper,
// in overlayfs's own spelling of copies, whiteouts and marks. This class keeps the node and handle numbers and
// hands each operation to the file named for it. One step at a time, nothing is asynchronous, and every
// invariant holds between two operations.

import { EBADF, EINVAL, ENOENT, ENOTDIR, FsError } from '../errno.js';
import {
  type Attr,
  type AttrChange,
  type Backing,
  type Caller,
  type DirVisitor,
  type Entry,
  type Filesystem,
  type Handle,
  type NodeId,
  O_EXCL,
  O_TRUNC,
  ROOT_NODE,
  type Stale,
  type StatFs,
} from '../filesystem.js';
import type { ReadLayer, WriteLayer } from '../layer/layer.js';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../mode.js';
import type { ByteString } from '../name.js';
import { assertLiveFolder, readlink, stat } from './access.js';
import { syncFile, syncUpper } from './aside.js';
import { clearPrivileges, privilegesOf, restorePrivileges, setAttributes } from './attributes.js';
import { create, createFile, createNameless } from './create.js';
import type { EventStream } from './event-stream.js';
import { type Explanation, explain } from './explain.js';
import type { LayerNamer } from './explained-layer.js';
import type { HandedOver } from './hand-over.js';
import { link } from './hardlink.js';
import { lookupInIndex, statInIndex } from './index-walk.js';
import type { Inode } from './inode.js';
import { child, makeRoot } from './intern.js';
import type { LongWork } from './long-work.js';
import {
  allocateFile,
  backingOf,
  closeFile,
  copyRange,
  OpenFile,
  openFile,
  readFile,
  seekFile,
  writeFile,
} from './open-file.js';
import type { Place } from './place.js';
import { fillEntry, OpenFolder } from './readdir.js';
import { rename } from './rename.js';
import { namesToDrop, rollBack } from './rollback.js';
import { joinLinks, settle, settleAhead } from './settle.js';
import { Stack } from './stack.js';
import { switchUpper } from './switch-upper.js';
import { hideAllBelow, hideBelow } from './unpack.js';
import { rmdir, unlink } from './whiteout.js';
import { getXattr, listXattr, removeXattr, setXattr } from './xattr.js';

export interface UnionOptions {
  /** Topmost first. */
  readonly lowers: readonly ReadLayer[];
  /** Without one the union is read only. */
  readonly upper?: WriteLayer;
  /** Layers of data alone, topmost first: files without data find theirs there by an absolute redirect. */
  readonly data?: readonly ReadLayer[];
  readonly events?: EventStream;
}

/** What mknod(2) makes. */
const NODE_TYPES: ReadonlySet<number> = new Set([S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK]);

export class Union implements Filesystem {
  readonly #stack: Stack;
  readonly #handles = new Map<Handle, OpenFile | OpenFolder>();
  #lastHandle = 0;
  #ahead: Generator<void, void> | undefined;

  constructor({ lowers, upper, data, events }: UnionOptions) {
    this.#stack = new Stack(lowers, upper, events, data);
    makeRoot(this.#stack);
  }

  get readOnly(): boolean {
    return this.#stack.readOnly;
  }

  /** True if what lies below the upper is one tree index: names and attributes take no system call there. */
  get indexed(): boolean {
    return this.#stack.indexed !== undefined;
  }

  /** From now on `work` does what takes long: operations may throw Later. */
  workAside(work: LongWork): void {
    this.#stack.work = work;
  }

  /** From now on nothing changes the upper any more: every change fails with EROFS. */
  freeze(): void {
    this.#stack.upper?.sync();
    this.#stack.frozen = true;
  }

  /** How many nodes are referred to: the root, what lookups count, what is open, and the folders above. */
  get nodeCount(): number {
    return this.#stack.table.size;
  }

  /** The path of a node, as it was last found; undefined for a node that is not known. */
  pathOf(node: NodeId): ByteString | undefined {
    const { table } = this.#stack;
    const inode = table.find(node);
    const path = inode && table.path(inode);
    if (inode !== undefined) table.tidy(inode);
    return path;
  }

  /** Fills `out` with the place of a node, as `pathOf`; the root for one that is not known. */
  locate(node: NodeId, out: Place): void {
    this.#stack.table.locateNode(node, out);
  }

  /** As that, of what a handle has open. */
  locateHandle(handle: Handle, out: Place): void {
    const open = this.#handles.get(handle);
    if (open === undefined) out.reset();
    else this.#stack.table.locate(open.inode, out);
  }

  /**
   * How a path resolves, layer by layer; `path` has no leading slash. Changes nothing. Its sentences call the layers as
   * `nameOf` does, which gets their ids.
   */
  explain(path: ByteString, nameOf: LayerNamer = String): Explanation {
    const { lowers, upper, data, frozen } = this.#stack;
    if (lowers.every(({ layers }) => layers === undefined)) {
      return explain(this.#stack, path, this.#get(ROOT_NODE), nameOf);
    }
    // A flattened chain knows the answer and not the way to it, so its layers are asked one by one.
    const single = new Stack(
      lowers.flatMap((layer) => layer.layers ?? [layer]),
      upper,
      undefined,
      data,
    );
    single.frozen = frozen;
    return explain(single, path, makeRoot(single), nameOf);
  }

  /**
   * Makes the upper plain, so that the kernel's overlayfs shows the same tree: data that lies below is fetched, all names
   * of hard links are made, folders under a `user.` redirect are copied up, then the guard goes. May be cut short and begun again.
   */
  settle(): boolean {
    return this.#atOnce(() => settle(this.#stack, this.#get(ROOT_NODE)));
  }

  /** What the upper takes and may take, where that is limited. */
  get space(): WriteLayer['space'] {
    return this.#stack.upper?.space;
  }

  /**
   * Does what takes longest of settling for some `budgetMs`, a step at least; false when there is nothing left of what there was when it
   * was first called. The union may be used in between.
   */
  settleAhead(budgetMs: number): boolean {
    if (this.readOnly) return false;
    this.#ahead ??= settleAhead(this.#stack, this.#get(ROOT_NODE));
    const ahead = this.#ahead;
    const deadline = performance.now() + budgetMs;
    try {
      return this.#atOnce(() => {
        do {
          if (ahead.next().done !== true) continue;
          this.#ahead = undefined;
          return false;
        } while (performance.now() < deadline);
        return true;
      });
    } catch (error) {
      this.#ahead = undefined;
      throw error;
    }
  }

  /**
   * Commits what has changed so far: the upper, settled, becomes the topmost lower, and `fresh`, which is empty and lies on
   * the same filesystem, the upper. Everything that is open goes on, and numbers stay. The objects of `kept` remain those
   * of their nodes, and the old upper gets copies, which `decide` is told; when it returns, there is no way back.
   */
  switchUpper(
    fresh: WriteLayer,
    kept: readonly NodeId[],
    decide: (handedOver: readonly HandedOver[]) => void,
  ): void {
    this.#atOnce(() => {
      const stack = this.#stack;
      settle(stack, this.#get(ROOT_NODE));
      const inodes = kept.map((node) => this.#get(node)).filter(({ upper, removed }) => upper && !removed);
      switchUpper(stack, this.#get(ROOT_NODE), fresh, { kept: inodes, decide });
    });
  }

  /**
   * Throws away what has changed: `fresh`, which is empty, becomes the upper in place of the one that there is. What is open
   * of it goes on without a name. When `decide` returns, there is no way back. What comes back is no longer so.
   */
  rollBack(fresh: WriteLayer, decide: () => void): Stale {
    return this.#atOnce(() => rollBack(this.#stack, this.#get(ROOT_NODE), fresh, decide));
  }

  /** Names that are to be dropped before a rollback: what nobody has in use of them need not be held then. */
  namesToDrop(): Stale {
    return namesToDrop(this.#stack);
  }

  /** Makes the names of hard links that only the index knows, so that the upper reads right as a lower of others. */
  joinLinks(): void {
    this.#atOnce(() => joinLinks(this.#stack, this.#get(ROOT_NODE)));
  }

  /** The layers below show nothing at a name any more; what the upper itself has there stays. For unpacking a layer. */
  hideBelow(parent: NodeId, name: ByteString): void {
    hideBelow(this.#stack, this.#get(parent), name);
  }

  /** The layers below show nothing in a folder any more; what the upper itself has in it stays. */
  makeOpaque(folder: NodeId): void {
    hideAllBelow(this.#stack, this.#get(folder));
  }

  /** True if the upper has the node: it was made there or copied up. */
  isUpper(node: NodeId): boolean {
    return this.#get(node).upper;
  }

  lookup(parent: NodeId, name: ByteString, out: Entry): boolean {
    const known = lookupInIndex(this.#stack, parent, name, out);
    if (known !== undefined) return known;
    const folder = this.#get(parent);
    if (!folder.isFolder) throw new FsError(ENOTDIR, 'lookup');
    const inode = child(this.#stack, folder, name);
    if (inode === undefined) {
      this.#stack.noteAbsent(folder, name);
      return false;
    }
    this.#count(inode, out);
    return true;
  }

  forget(node: NodeId, count: number): void {
    this.#stack.table.forget(node, count);
  }

  getattr(node: NodeId, out: Attr): void {
    if (statInIndex(this.#stack, node, out)) return;
    this.#look(node, (inode) => stat(this.#stack, inode, out));
  }

  setattr(node: NodeId, change: AttrChange, caller: Caller, out: Attr, _handle?: Handle): void {
    setAttributes(this.#stack, this.#get(node), change, caller, out);
  }

  readlink(node: NodeId): ByteString {
    return this.#look(node, (inode) => {
      if (inode.type !== S_IFLNK) throw new FsError(EINVAL, 'readlink');
      return readlink(this.#stack, inode);
    });
  }

  mknod(parent: NodeId, name: ByteString, mode: number, rdev: number, caller: Caller, out: Entry): void {
    if (!NODE_TYPES.has(mode & S_IFMT)) throw new FsError(EINVAL, 'mknod');
    this.#count(create(this.#stack, this.#get(parent), name, { mode, rdev }, caller), out);
  }

  mkdir(parent: NodeId, name: ByteString, mode: number, caller: Caller, out: Entry): void {
    const wanted = { mode: S_IFDIR | (mode & ~S_IFMT) };
    this.#count(create(this.#stack, this.#get(parent), name, wanted, caller), out);
  }

  symlink(parent: NodeId, name: ByteString, target: ByteString, caller: Caller, out: Entry): void {
    const wanted = { mode: S_IFLNK | 0o777, target };
    this.#count(create(this.#stack, this.#get(parent), name, wanted, caller), out);
  }

  link(node: NodeId, newParent: NodeId, newName: ByteString, out: Entry): void {
    const inode = this.#get(node);
    link(this.#stack, inode, this.#get(newParent), newName);
    this.#fresh(inode, out);
  }

  unlink(parent: NodeId, name: ByteString): void {
    unlink(this.#stack, this.#get(parent), name);
  }

  rmdir(parent: NodeId, name: ByteString): void {
    rmdir(this.#stack, this.#get(parent), name);
  }

  rename(
    parent: NodeId,
    name: ByteString,
    newParent: NodeId,
    newName: ByteString,
    flags: number,
  ): readonly NodeId[] {
    return rename(this.#stack, this.#get(parent), name, this.#get(newParent), newName, flags);
  }

  create(parent: NodeId, name: ByteString, mode: number, flags: number, caller: Caller, out: Entry): Handle {
    const stack = this.#stack;
    const folder = this.#get(parent);
    assertLiveFolder(folder);
    const absent = (flags & O_EXCL) !== 0 || stack.whereAbsent(folder, name) !== undefined;
    const known = absent ? undefined : child(stack, folder, name);
    if (known === undefined) {
      const inode = createFile(stack, folder, name, mode, caller);
      this.#count(inode, out);
      return this.#handle(new OpenFile(inode, flags));
    }
    known.pins++;
    try {
      const file = openFile(stack, known, flags);
      try {
        // A file that came meanwhile is truncated as open(2) does it, in the name of the caller.
        if ((flags & O_TRUNC) !== 0 && caller.uid !== 0) clearPrivileges(stack, known, caller);
        this.#fresh(known, out);
        return this.#handle(file);
      } catch (error) {
        closeFile(stack, file);
        throw error;
      }
    } finally {
      stack.table.unpin(known);
    }
  }

  tmpfile(parent: NodeId, mode: number, flags: number, caller: Caller, out: Entry): Handle {
    const inode = createNameless(this.#stack, this.#get(parent), mode, flags, caller);
    this.#fresh(inode, out);
    return this.#handle(new OpenFile(inode, flags));
  }

  open(node: NodeId, flags: number): Handle {
    return this.#handle(openFile(this.#stack, this.#get(node), flags));
  }

  backing(node: NodeId, atLeast: number): Backing | undefined {
    const { attr, upper } = this.#stack;
    // What the index alone knows is asked for with every open, and gets no inode for that.
    if (statInIndex(this.#stack, node, attr) && (upper !== undefined || attr.size < atLeast))
      return undefined;
    return this.#look(node, (inode) => backingOf(this.#stack, inode, atLeast));
  }

  read(handle: Handle, offset: number, into: Uint8Array): number {
    return readFile(this.#stack, this.#file(handle), offset, into);
  }

  write(handle: Handle, offset: number, data: Uint8Array, killPrivileges: boolean): number {
    const file = this.#file(handle);
    const count = writeFile(this.#stack, file, offset, data);
    if (killPrivileges) clearPrivileges(this.#stack, file.inode);
    return count;
  }

  writeMapped(handle: Handle, offset: number, data: Uint8Array): number {
    const file = this.#file(handle);
    const privileges = privilegesOf(this.#stack, file.inode);
    let count = 0;
    while (count < data.length) {
      const rest = count === 0 ? data : data.subarray(count);
      count += writeFile(this.#stack, file, offset + count, rest);
    }
    if (privileges !== undefined) restorePrivileges(this.#stack, file.inode, privileges);
    return count;
  }

  lseek(handle: Handle, offset: number, whence: number): number {
    return seekFile(this.#stack, this.#file(handle), offset, whence);
  }

  fallocate(handle: Handle, mode: number, offset: number, length: number): void {
    allocateFile(this.#stack, this.#file(handle), mode, offset, length);
  }

  copyFileRange(from: Handle, fromOffset: number, to: Handle, toOffset: number, length: number): number {
    return copyRange(this.#stack, this.#file(from), fromOffset, this.#file(to), toOffset, length);
  }

  flush(handle: Handle): void {
    // Every write was handed to the layer when it was made: close(2) has nothing left to report.
    this.#file(handle);
  }

  fsync(handle: Handle, dataOnly: boolean): void {
    syncFile(this.#stack, this.#file(handle).inode, dataOnly);
  }

  release(handle: Handle): void {
    const file = this.#file(handle);
    this.#handles.delete(handle);
    closeFile(this.#stack, file);
  }

  opendir(node: NodeId): Handle {
    const inode = this.#get(node);
    if (!inode.isFolder) throw new FsError(ENOTDIR, 'opendir');
    inode.opens++;
    return this.#handle(new OpenFolder(inode));
  }

  readdir(handle: Handle, from: number, visit: DirVisitor): void {
    this.#folder(handle).read(this.#stack, from, visit);
  }

  readdirPlus(handle: Handle, from: number, out: Entry, visit: DirVisitor): void {
    this.#folder(handle).readPlus(this.#stack, from, out, visit);
  }

  fsyncdir(handle: Handle, _dataOnly: boolean): void {
    this.#folder(handle);
    syncUpper(this.#stack);
  }

  releasedir(handle: Handle): void {
    const { inode } = this.#folder(handle);
    this.#handles.delete(handle);
    inode.opens--;
    this.#stack.table.tidy(inode);
  }

  getxattr(node: NodeId, name: ByteString): Uint8Array | undefined {
    return this.#look(node, (inode) => getXattr(this.#stack, inode, name));
  }

  setxattr(node: NodeId, name: ByteString, value: Uint8Array, flags: number, clearSgid: boolean): void {
    setXattr(this.#stack, this.#get(node), name, value, flags, clearSgid);
  }

  listxattr(node: NodeId): readonly ByteString[] {
    return this.#look(node, (inode) => listXattr(this.#stack, inode));
  }

  removexattr(node: NodeId, name: ByteString): void {
    removeXattr(this.#stack, this.#get(node), name);
  }

  statfs(_node: NodeId): StatFs {
    const layer = this.#stack.upper ?? this.#stack.lowers[0];
    if (layer === undefined) throw new FsError(ENOENT, 'layer');
    return layer.statfs();
  }

  sync(): void {
    if (!this.#stack.frozen) this.#stack.upper?.sync();
  }

  destroy(): void {
    this.#handles.clear();
    this.#stack.table.clear();
    this.#stack.upper?.close();
    for (const layer of [...this.#stack.lowers, ...this.#stack.data]) layer.close();
  }

  /**
   * The node at a path (no leading slash; '' is the root), counted as by lookup, without following a symlink;
   * false if there is none.
   */
  resolvePath(path: ByteString, out: Entry): boolean {
    let node = ROOT_NODE;
    if (path === '') {
      this.#fresh(this.#get(ROOT_NODE), out);
      return true;
    }
    for (const name of path.split('/')) {
      const folder = this.#get(node);
      const found = folder.isFolder && this.lookup(node, name, out);
      if (node !== ROOT_NODE) this.forget(node, 1);
      if (!found) return false;
      node = out.node;
    }
    return true;
  }

  /**
   * What has nobody to wait for it but its caller does all of its work itself. Whoever asked for it, it adds nothing to
   * what users made, so no quota is in its way.
   */
  #atOnce<T>(act: () => T): T {
    const { work, upper } = this.#stack;
    this.#stack.work = undefined;
    try {
      return upper?.unlimited === undefined ? act() : upper.unlimited(act);
    } finally {
      this.#stack.work = work;
    }
  }

  /** Asks a node for something; an inode that was made for it goes again. */
  #look<T>(node: NodeId, ask: (inode: Inode) => T): T {
    const inode = this.#get(node);
    try {
      return ask(inode);
    } finally {
      this.#stack.table.tidy(inode);
    }
  }

  #get(node: NodeId): Inode {
    return this.#stack.table.get(node);
  }

  /** Fills `out` for what `child` has just found, and counts it. */
  #count(inode: Inode, out: Entry): void {
    fillEntry(this.#stack, inode, out);
    this.#stack.table.count(inode);
  }

  /** As #count, where what `child` saw may have changed since. */
  #fresh(inode: Inode, out: Entry): void {
    out.node = inode.node;
    out.generation = 0;
    stat(this.#stack, inode, out.attr);
    this.#stack.table.count(inode);
  }

  #handle(open: OpenFile | OpenFolder): Handle {
    const handle = ++this.#lastHandle;
    this.#handles.set(handle, open);
    return handle;
  }

  #file(handle: Handle): OpenFile {
    const open = this.#handles.get(handle);
    if (!(open instanceof OpenFile)) throw new FsError(EBADF, 'handle');
    return open;
  }

  #folder(handle: Handle): OpenFolder {
    const open = this.#handles.get(handle);
    if (!(open instanceof OpenFolder)) throw new FsError(EBADF, 'handle');
    return open;
  }
}
