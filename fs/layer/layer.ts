// A layer: one folder tree of a stack, as it lies on disk (or in memory), with its marks told apart from its
// content. The union above decides what several layers mean together; a layer only says what it holds.
//
// Places are named (dir, name): `dir` is a path from the layer's root without leading or trailing slash ('' for
// the root), `name` one component, or '.' for the folder itself. No symlink of the layer is ever followed.
// A layer that is read only never changes while it is open, unless it says so (`changes`). A WriteLayer is changed
// by its one owner alone.
//
// Marks are overlayfs's own and have one meaning each (Documentation/filesystems/overlayfs.rst):
//   whiteout  the name does not exist, whatever layers below hold
//   opaque    layers below are not looked at inside this folder
//   redirect  the folder's lower part, or a file's data, lies at another path: absolute ('/a/b', from the root of
//             the stack) or a sibling's name; it speaks of the layers below this one
//   metacopy  the file has its attributes and its size alone; its data lies below, at the redirect or the same name
//   ranges    with metacopy: some of the file's data is its own after all; which, a sidecar of the upper says
//   origin    the file number that a copied-up file had before, so that st_ino stays the same
// How a mark is spelled (device 0:0, `trusted.overlay.opaque`, `user.overlay.opaque`, `.wh.` files) is the
// layer's own affair; marks never show up in listxattr, and marked names never as ordinary entries.

import type { Attr, StatFs, Timestamp } from '../filesystem.js';
import type { ByteString } from '../name.js';

/** Which spelling of xattr marks a layer uses: `trusted.overlay.` (root) or `user.overlay.` (everybody else). */
export type MarkPrefix = 'trusted' | 'user';

/** `overlay`: only devices and xattrs are marks. `wh`: files named `.wh.*` are marks as well, as in a layer tar. */
export type Dialect = 'overlay' | 'wh';

/** What the mark `ranges` says. */
export interface RangesMark {
  /** The name of the sidecar: 16 hexadecimal digits. */
  readonly key: string;
  /** Bytes of the file below that may show, from the start. */
  readonly lowerEnd: number;
}

/** What a layer holds at a name. Made once and filled many times. */
export class LayerEntry {
  /**
   * The layer's own attributes. `attr.ino` is the number on the layer's filesystem; `attr.nlink` of a folder is 2
   * and one for each folder in it, or 1 where the layer does not count them.
   */
  readonly attr: Attr;
  whiteout = false;
  /** Folders only. */
  opaque = false;
  /** Folders, and files with `metacopy`; undefined without a redirect. */
  redirect: ByteString | undefined = undefined;
  /** Regular files only. */
  metacopy = false;
  /** Of files of an upper. It means something with `metacopy` alone; else it is what a process that died left. */
  ranges: RangesMark | undefined = undefined;
  /** Real uppers: a process died while data came into the file; `attr` has the times that it had before (`keepTimes`). */
  interrupted = false;
  /** Uppers: the union's file number that was stored at copy-up; 0 if none was. */
  origin = 0;
  /** Not '' where `origin` is no number of the union but one of the filesystem with this UUID: overlayfs's own mark. */
  originUuid: ByteString = '';

  constructor(attr: Attr) {
    this.attr = attr;
  }

  /** It is what its attributes say, and has no marks. */
  unmarked(): void {
    this.whiteout = false;
    this.opaque = false;
    this.redirect = undefined;
    this.metacopy = false;
    this.ranges = undefined;
    this.origin = 0;
    this.originUuid = '';
    this.interrupted = false;
  }
}

/** Receives one entry of a folder: d_type, file number on the layer's filesystem, and whether it is a whiteout. */
export type LayerVisitor = (name: ByteString, type: number, ino: number, whiteout: boolean) => void;

/** Data of a regular file that is open. Offsets and lengths in bytes. */
export interface LayerFile {
  /** The descriptor where there is one (a real folder), for copying inside the kernel and for passthrough. */
  readonly fd: number | undefined;
  /** Reads up to into.length bytes; fewer only at the end. */
  read(offset: number, into: Uint8Array): number;
  /** As `read` of what is in memory; undefined where it might have to wait. Absent where reading never waits. */
  readNow?(offset: number, into: Uint8Array): number | undefined;
  stat(out: Attr): void;
  /** SEEK_DATA or SEEK_HOLE; undefined beyond the last data. */
  seek(offset: number, whence: number): number | undefined;
  close(): void;
}

export interface WritableFile extends LayerFile {
  /** The object itself, as long as the file is open; it need not be released. Absent where it cannot be reached so. */
  readonly node?: WritableNode;
  /** Writes what there is room for, and fails where that is nothing; returns the count. */
  write(offset: number, data: Uint8Array): number;
  truncate(size: number): void;
  allocate(mode: number, offset: number, length: number): void;
  /**
   * Takes `length` bytes of another file to `toOffset` here: copied inside the kernel, which shares extents where it
   * can, else through memory. Returns the count, short only at the source's end. Holes are the caller's affair.
   */
  copyFrom(source: LayerFile, fromOffset: number, toOffset: number, length: number): number;
  /** Shares all of another file's extents (FICLONE); false where the filesystem cannot. */
  cloneFrom(source: LayerFile): boolean;
  sync(dataOnly: boolean): void;
  /**
   * So many bytes are about to be written by somebody who has the descriptor alone; 0: they are there, or will not come.
   * EDQUOT. Absent where nobody counts.
   */
  expect?(bytes: number): void;
}

/** One object of a layer, held: it stays reachable when its name is moved or removed, until `release`. */
export interface LayerNode {
  stat(out: LayerEntry): void;
  /** As `stat` without the marks, which are more work. */
  attributes(out: Attr): void;
  readlink(): ByteString;
  /** undefined if there is no such attribute. Names of marks answer undefined. */
  getxattr(name: ByteString): Uint8Array | undefined;
  /** Without marks. */
  listxattr(): readonly ByteString[];
  /** Opens a regular file for reading. */
  open(): LayerFile;
  /** The kernel's origin mark (a file handle) where the object lies on a real filesystem that has handles. */
  origin?(): Uint8Array | undefined;
  release(): void;
}

export interface WritableNode extends LayerNode {
  openWrite(): WritableFile;
  chown(uid: number, gid: number): void;
  /** Type and permission bits; on a symlink this does nothing. */
  chmod(mode: number): void;
  /** What is undefined stays as it is. */
  utimes(atime: Timestamp | 'now' | undefined, mtime: Timestamp | 'now' | undefined): void;
  /** `flags` as in setxattr(2). Escapes names that are spelled like marks (`trusted.overlay.overlay.x`). */
  setxattr(name: ByteString, value: Uint8Array, flags: number): void;
  /** ENODATA if there is none. */
  removexattr(name: ByteString): void;
  setOpaque(on: boolean): void;
  setRedirect(redirect: ByteString | undefined): void;
  /**
   * Regular files only. `openWrite` and `truncate` give the file its size. Where it has the mark it takes no space, or its
   * folder is marked impure, as overlayfs does: else readers need not look for it.
   */
  setMetacopy(on: boolean): void;
  setRanges(ranges: RangesMark | undefined): void;
  /** The times that whoever opens the layer after a crash finds, whatever was written into the object; undefined ends that. */
  keepTimes(times: Attr | undefined): void;
  /** Remembers the union's file number, and where both are on disk also the kernel's own origin of `source`, unless there is one. */
  setOrigin(ino: number, source: LayerNode | undefined): void;
  /** Tells readers of the parent folder that it contains entries with an origin (the kernel's `impure`). */
  setImpure(): void;
  /** True of a folder that tells so, whoever made it. */
  isImpure(): boolean;
}

/** What a new object is. */
export interface NewNode {
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Devices only. */
  readonly rdev?: number;
  /** Symlinks only. */
  readonly target?: ByteString;
}

/** A new object that has no name yet. Exactly one of `publish` and `discard` ends it. */
export interface Staged extends WritableNode {
  /** Makes a regular file so long, without data. */
  setSize(size: number): void;
  /**
   * Gives the object its name in one step. `replace` false: EEXIST if there is anything, also a whiteout.
   * `replace` true: whatever was at the name (a whiteout, a file, for a folder an empty folder) is gone with the
   * same step; for a folder over a whiteout or a whiteout over a folder the two change places, and what came
   * out is removed. Ends the stage: call `release` semantics are included.
   */
  publish(dir: ByteString, name: ByteString, replace: boolean): void;
  /**
   * As publish, and the object also becomes the entry `key` of the index of hard links, first, with `names` of its
   * names still to be counted. Returns the object, held.
   */
  publishIndexed(
    key: string,
    names: number,
    dir: ByteString,
    name: ByteString,
    replace: boolean,
  ): WritableNode;
  discard(): void;
}

/**
 * The objects of a layer that lie in an index, each with a number (its nid) that leads to it without a path; 0 is
 * none. Nothing of it changes, and nothing is allocated for an answer.
 */
export interface IndexedTree {
  readonly root: number;
  /** How many there are. */
  readonly objects: number;
  /** 0 to `objects` - 1, for tables beside the index. */
  ordinal(nid: number): number;
  /** The object at a path, which need not be there. */
  find(dir: ByteString, name: ByteString): number;
  /** The object of a name in a folder; `nameAt` and `nameLength` say where the name lies. */
  lookup(folder: number, name: ByteString): number;
  /**
   * Visits the entries of a folder but '.' and '..', from number `from` on, in an order that is always the same, until
   * the visitor answers false. The name of each lies at `nameAt` until anything else is asked.
   */
  entries(
    folder: number,
    from: number,
    visit: (nid: number, type: number, position: number) => boolean,
  ): void;
  /** Of the entry that was looked up or visited last. */
  readonly nameAt: number;
  /** Bytes. */
  readonly nameLength: number;
  text(at: number, length: number): ByteString;
  /** True if all of the object is in the layer: attributes, and for a file its data. */
  isComplete(nid: number): boolean;
  /** st_mode; 0 for what is no object. */
  mode(nid: number): number;
  nlink(nid: number): number;
  /** As LayerEntry.attr.ino. */
  ino(nid: number): number;
  stat(nid: number, out: Attr): void;
  /** What was read of it need not stay in memory; it is there again once it is asked for. */
  letGo(): void;
}

export interface ReadLayer {
  /** How events and `explain` name this layer. */
  readonly id: string;
  /** Distinguishes the filesystems that layers lie on: equal exactly if file numbers are from one number space. */
  readonly device: string;
  /** The UUID of the layer's filesystem, 16 bytes; absent or all zeros where it has none or it is not known. */
  readonly uuid?: ByteString;
  /** Others may change the layer while it is open, so nothing of it is to be remembered. Absent: it never changes. */
  readonly changes?: boolean;
  /** Its files come over a network or from a program: reading them is slow until it was seen not to be. */
  readonly remote?: boolean;
  /** The layers, topmost first, whose union this one shows by itself (a flattened chain). Absent for all others. */
  readonly layers?: readonly ReadLayer[];
  /** Set where every object of the layer is in one index and none has a mark. */
  readonly tree?: IndexedTree;
  /** Fills `out` with what is at (dir, name) and returns true; false if there is nothing, not even a whiteout. `dir` must be a folder of this layer, else false. */
  lookup(dir: ByteString, name: ByteString, out: LayerEntry): boolean;
  /** As `lookup` of an object that is known to be there, for its attributes alone: the marks but `whiteout` may be left out. */
  stat?(dir: ByteString, name: ByteString, out: LayerEntry): boolean;
  /**
   * Visits every entry of a folder but '.' and '..', in any order. ENOENT or ENOTDIR if it is not a folder. Its time
   * of access stays as it was, where the process may have it so.
   */
  list(dir: ByteString, visit: LayerVisitor): void;
  /** Opens a regular file for reading, which is less work than holding it first; ENOENT. */
  open(dir: ByteString, name: ByteString): LayerFile;
  /** Holds an object; ENOENT if there is none. */
  hold(dir: ByteString, name: ByteString): LayerNode;
  /** As of the held object, where that is less work. */
  readlink?(dir: ByteString, name: ByteString): ByteString;
  listxattr?(dir: ByteString, name: ByteString): readonly ByteString[];
  statfs(): StatFs;
  close(): void;
}

/** What an upper may take. */
export interface SpaceLimit {
  readonly bytes: number;
  /** Objects: files of all kinds and folders. Absent: as many as the disk takes. */
  readonly inodes?: number;
}

/** What it takes. */
export interface SpaceUse {
  readonly bytes: number;
  readonly inodes: number;
}

/** The upper: the one layer of a stack that changes. Its owner holds it exclusively while it is open. */
export interface WriteLayer extends ReadLayer {
  /** Whoever else reads this upper follows its redirects: kernel overlayfs those under `trusted.`, fuse-overlayfs none. */
  readonly redirectsArePlain: boolean;
  /** What is copied into it need not be whole after a power cut. */
  readonly volatile: boolean;
  /** Its owner reads every file below, and writing into a file takes no set-id bits from it. */
  readonly privileged: boolean;
  hold(dir: ByteString, name: ByteString): WritableNode;
  /** As `list` on behalf of somebody who reads the folder, which its time of access tells. */
  read(dir: ByteString, visit: LayerVisitor): void;
  /** Makes an object at a free name, complete with owner and mode; EEXIST if there is anything, also a whiteout. */
  make(dir: ByteString, name: ByteString, what: NewNode): void;
  /** As `make` for a regular file, open. */
  makeFile(dir: ByteString, name: ByteString, what: NewNode): WritableFile;
  /** Makes an object without a name (a regular file, folder, symlink, device...). */
  stage(what: NewNode): Staged;
  /** Puts a whiteout at a name, in place of whatever is there (for a folder: whose own entries are whiteouts at most). */
  whiteout(dir: ByteString, name: ByteString): void;
  /** Removes a name that is no folder (also a whiteout). */
  unlink(dir: ByteString, name: ByteString): void;
  /** Removes a folder that is empty but for whiteouts, which go with it. ENOTEMPTY otherwise. */
  rmdir(dir: ByteString, name: ByteString): void;
  /**
   * Moves a name. What was at the new name (nothing, a file, a whiteout, a folder empty but for whiteouts) is
   * replaced in one step; `leaveWhiteout` puts a whiteout at the old name in the same step.
   */
  rename(
    dir: ByteString,
    name: ByteString,
    newDir: ByteString,
    newName: ByteString,
    leaveWhiteout: boolean,
  ): void;
  /** Both names exist; they change places in one step. */
  exchange(dir: ByteString, name: ByteString, otherDir: ByteString, otherName: ByteString): void;
  /** A further name for a held object (also one without a name). Whatever was at the name, if `replace`, is gone in the same step. */
  link(node: WritableNode, dir: ByteString, name: ByteString, replace: boolean): void;

  /** The key under which a lower object with several names is found in the index (the kernel's: its handle in hex). */
  indexKey(source: LayerNode): string;
  /** The copied-up object of an index key, held; undefined if none of its names was copied up yet. */
  indexed(key: string): WritableNode | undefined;
  /** Names of the indexed object that are still to be counted: nlink shown = upper nlink - 1 (the index's own) + `names`. */
  indexNames(key: string): number;
  setIndexNames(key: string, names: number): void;
  /** As `indexNames`, before names of the object come or go in this layer: what is stored stays right when they do. */
  pinIndexNames(key: string): number;
  /** Makes one of the names that are still to be counted; EEXIST. The names shown are as many at every moment. */
  linkIndexed(key: string, dir: ByteString, name: ByteString): void;
  /** The index key of a held object of this layer that is in the index, whichever of its names led to it; else undefined. */
  indexedKey(node: WritableNode): string | undefined;
  /** Drops an entry of the index. */
  unindex(key: string): void;
  /** Visits the objects of the index, some of which may have no name in the tree, with their keys. */
  eachIndexed(visit: (attr: Attr, key: string) => void): void;
  /** How many names of a lower object went that was not copied up, because this process may not read it. */
  lostNames(key: string): number;
  /** `last`: the last of them goes in a moment, and counts from when something lies at this path of the layer. */
  setLostNames(key: string, names: number, last?: ByteString): void;
  /** The index has entries: there may be files that changed through names which this layer does not hold. */
  readonly hasIndexed: boolean;
  /** It may know something under the key of a lower object (`indexed`, `lostNames`): else a key need not be made. */
  readonly knowsLinks: boolean;

  /**
   * The size from which on a file that is changed gets only what is written (fs/union/in-part.ts); Infinity where none does,
   * because somebody else reads this upper, or its filesystem does not say where data lies after a power cut.
   */
  readonly partsFrom: number;
  /** Another one whenever what was written and not synced may be lost: names this mount of the filesystem since the start of the machine. */
  readonly epoch: string;
  /** A new, empty sidecar. */
  makeRanges(): { readonly key: string; readonly file: WritableFile };
  /** undefined if there is none. */
  openRanges(key: string): WritableFile | undefined;
  /** Removes a sidecar, which need not be there. All go with the guard. */
  dropRanges(key: string): void;
  /** There are sidecars: some files may be in part their own. */
  readonly hasRanges: boolean;

  /** Other programs (kernel overlayfs) must not read this upper as it is: `work/work/incompat/mica` stands. */
  readonly guarded: boolean;
  setGuard(on: boolean): void;

  /**
   * From now on the layer is only read, as a lower, and its owner lets go of the work folder: another one may have it. What
   * is held of it may be changed all the same where it has no name.
   */
  becomeLower(): void;

  /** All changes so far are durable (syncfs). */
  sync(): void;
  /** Of an upper that may take so much and no more: beyond that every change fails with EDQUOT. */
  readonly space?: { readonly limit: SpaceLimit; readonly use: SpaceUse };
  /** Runs `act`, which is not refused for want of space. Absent where nothing is. */
  unlimited?<T>(act: () => T): T;
  /** Open on the upper's filesystem, where it is a real one, for who syncs it in another way. */
  readonly fd?: number;
}
