// The contract between whatever speaks for a caller (the FUSE session, the in-process commands, a test) and
// whatever holds files (the union). Operations are on nodes, as in the kernel's VFS, and synchronous.
//
// Life of a node: every operation that fills an `Entry` (lookup, create, mkdir, ... and each entry that
// readdirPlus hands out) adds one to the node's lookup count; `forget` gives counts back; at zero the node id
// may be used again with another generation. The root (ROOT_NODE) is never forgotten. A node that was
// unlinked stays usable while its lookup count or an open handle keeps it.
//
// Permission: the caller of this interface has already checked modes (the kernel does, `default_permissions`).
// What an operation itself must do with the caller's identity (owner of a new file, set-id rules) it does.
//
// Absence is a value, failure an FsError. Where somebody does what takes long, an operation may throw Later (later.ts).

import type { ByteString } from './name.js';

export type NodeId = number;
export const ROOT_NODE: NodeId = 1;

/** An open file or folder, chosen by the filesystem; valid until `release` or `releasedir`. */
export type Handle = number;

/** What somebody was told before and is not so any more. */
export interface Stale {
  /** Names in folders. */
  readonly names: readonly { readonly folder: NodeId; readonly name: ByteString }[];
  /** Attributes, and what is in folders. */
  readonly nodes: readonly NodeId[];
}

/** See `Filesystem.backing`. */
export interface Backing {
  readonly fd: number;
  close(): void;
}

/** Attributes of a file. Made once and filled many times; times are split because ns do not fit a number. */
export class Attr {
  /** st_ino: the same for a file across copy-up, rename and a remount of the same layers. */
  ino = 0;
  /** Bytes. */
  size = 0;
  /** Allocated space in units of 512 bytes. */
  blocks = 0;
  /** Type and permission bits. */
  mode = 0;
  /** Folders: 2 and one for each subfolder, 1 where these cannot be counted, 0 for a removed one. */
  nlink = 0;
  uid = 0;
  gid = 0;
  /** Device number as `makeDev` of mode.ts spells it. */
  rdev = 0;
  blksize = 4096;
  /** Seconds since the epoch, negative before 1970; the nsec part is always 0 to 999,999,999. */
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  /** Birth time; 0 where the layer's filesystem has none. */
  btimeSec = 0;
  btimeNsec = 0;
}

/** What a lookup found. Made once and filled many times. */
export class Entry {
  node: NodeId = 0;
  /** Differs between two lives of one node id. */
  generation = 0;
  readonly attr = new Attr();
}

export interface Timestamp {
  readonly sec: number;
  /** 0 to 999,999,999. */
  readonly nsec: number;
}

/** A change of attributes, as setattr(2)'s family asks for it; what is absent stays as it is. */
export interface AttrChange {
  /** Permission bits only (PERMISSION_BITS). */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: Timestamp | 'now';
  readonly mtime?: Timestamp | 'now';
  /** Clear set-user-id, set-group-id (where group execute is set) and file capabilities as a write would. */
  readonly killPrivileges?: boolean;
}

/** Who asks. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  /** 0 where unknown. */
  readonly pid: number;
  /** Applied by the filesystem to new files, unless the parent has a default ACL. */
  readonly umask: number;
  /** True for a group that is one of the caller's further ones; absent where nobody can say. */
  readonly isMember?: (gid: number) => boolean;
}

/** The caller of in-process work: the owner of the process, with nothing masked. */
export const SYSTEM_CALLER: Caller = { uid: 0, gid: 0, pid: 0, umask: 0 };

// Open flags: the values of Linux, which are the same on all architectures for these.
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_ACCMODE = 3;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;

export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

export const FALLOC_KEEP_SIZE = 0x01;
export const FALLOC_PUNCH_HOLE = 0x02;
export const FALLOC_COLLAPSE_RANGE = 0x08;
export const FALLOC_ZERO_RANGE = 0x10;
export const FALLOC_INSERT_RANGE = 0x20;

/** statfs(2): counts of blocks are in units of `frsize` bytes. */
export interface StatFs {
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly bsize: number;
  readonly frsize: number;
  readonly namelen: number;
}

/** As libfuse's FUSE_UNKNOWN_INO: 0 would be no entry to some programs. */
export const UNKNOWN_INO = 0xffffffff;

/**
 * Receives one directory entry: `type` is d_type, `ino` equals the entry's st_ino (UNKNOWN_INO where it cannot be told),
 * `next` is the cookie at which reading goes on after this entry (never 0). Returns false if the entry did not fit: it
 * was not taken, and the reading stops before it.
 */
export type DirVisitor = (name: ByteString, ino: number, type: number, next: number) => boolean;

export interface Filesystem {
  /** True if no operation of this mount can change anything, so that callers may cache for ever. */
  readonly readOnly: boolean;

  /** Finds `name` in a folder and fills `out`, counting one lookup; false if there is no such name. '.' and '..' are not asked for. */
  lookup(parent: NodeId, name: ByteString, out: Entry): boolean;
  /** Gives back `count` lookups of a node. */
  forget(node: NodeId, count: number): void;
  getattr(node: NodeId, out: Attr): void;
  /** Changes attributes, and fills `out` with those after the change. `handle` is set where an open file was named. */
  setattr(node: NodeId, change: AttrChange, caller: Caller, out: Attr, handle?: Handle): void;
  readlink(node: NodeId): ByteString;

  /** New nodes. Fails with EEXIST if the name exists, ENOENT if the parent was removed. */
  mknod(parent: NodeId, name: ByteString, mode: number, rdev: number, caller: Caller, out: Entry): void;
  mkdir(parent: NodeId, name: ByteString, mode: number, caller: Caller, out: Entry): void;
  symlink(parent: NodeId, name: ByteString, target: ByteString, caller: Caller, out: Entry): void;
  link(node: NodeId, newParent: NodeId, newName: ByteString, out: Entry): void;
  unlink(parent: NodeId, name: ByteString): void;
  rmdir(parent: NodeId, name: ByteString): void;
  /**
   * rename(2) and renameat2(2); EINVAL for flags other than RENAME_*, and for a folder moved into itself. Returns the
   * folders that are in another folder now: what was listed of them says '..' of the old one.
   */
  rename(
    parent: NodeId,
    name: ByteString,
    newParent: NodeId,
    newName: ByteString,
    flags: number,
  ): readonly NodeId[];

  /** Creates (or, without O_EXCL, opens) a regular file; both the entry and the handle count. */
  create(parent: NodeId, name: ByteString, mode: number, flags: number, caller: Caller, out: Entry): Handle;
  /** A regular file without a name in the folder's filesystem (O_TMPFILE); O_EXCL in `flags` forbids linking it later. */
  tmpfile(parent: NodeId, mode: number, flags: number, caller: Caller, out: Entry): Handle;
  /** Opens a regular file. O_TRUNC truncates. A handle opened before a copy-up reads what is written after it. */
  open(node: NodeId, flags: number): Handle;
  /**
   * The object in which all data of a regular file lies, and stays as long as the filesystem is there, open, if there
   * is one and it has `atLeast` bytes: who may, reads and writes it past this filesystem. Never one whose place a
   * copy-up may take. To be closed before the next operation.
   */
  backing(node: NodeId, atLeast: number): Backing | undefined;
  /** Reads up to `into.length` bytes at `offset`; fewer only at the end of the file. Returns the count. */
  read(handle: Handle, offset: number, into: Uint8Array): number;
  /**
   * Writes `data` at `offset` (at the end, for O_APPEND handles), or as much of it as there is room for; fails where that
   * is nothing. Returns the count.
   */
  write(handle: Handle, offset: number, data: Uint8Array, killPrivileges: boolean): number;
  /**
   * Pages that a shared mapping has changed, all of them or it fails: nobody would write the rest. They take no set-id
   * bit and no capability, unlike a write(2) of them.
   */
  writeMapped(handle: Handle, offset: number, data: Uint8Array): number;
  /** lseek(2) with SEEK_DATA or SEEK_HOLE; ENXIO beyond the end. */
  lseek(handle: Handle, offset: number, whence: number): number;
  /** fallocate(2); EOPNOTSUPP for modes that the layer's filesystem does not know. */
  fallocate(handle: Handle, mode: number, offset: number, length: number): void;
  copyFileRange(from: Handle, fromOffset: number, to: Handle, toOffset: number, length: number): number;
  /** What close(2) must report; called once for each closed descriptor. */
  flush(handle: Handle): void;
  fsync(handle: Handle, dataOnly: boolean): void;
  release(handle: Handle): void;

  /** The listing is taken when it is first read and again when read from cookie 0. */
  opendir(node: NodeId): Handle;
  /** Visits '.', '..' and the entries from cookie `from` on (0: the beginning) until the visitor refuses one. */
  readdir(handle: Handle, from: number, visit: DirVisitor): void;
  /**
   * As readdir; before each visit `out` holds the entry, whose lookup counts if the visitor took it. Node 0: a name
   * alone, as '.' and '..' are, and what cannot be looked up: the error is that of its own lookup.
   */
  readdirPlus(handle: Handle, from: number, out: Entry, visit: DirVisitor): void;
  fsyncdir(handle: Handle, dataOnly: boolean): void;
  releasedir(handle: Handle): void;

  /** The value of an extended attribute, or undefined if there is none. Internal marks are never shown. */
  getxattr(node: NodeId, name: ByteString): Uint8Array | undefined;
  /** `flags`: XATTR_CREATE (EEXIST), XATTR_REPLACE (ENODATA). `clearSgid`: an ACL was set by a caller outside the group. */
  setxattr(node: NodeId, name: ByteString, value: Uint8Array, flags: number, clearSgid: boolean): void;
  listxattr(node: NodeId): readonly ByteString[];
  /** ENODATA if there is none; a POSIX ACL that is not there is as good as removed. */
  removexattr(node: NodeId, name: ByteString): void;

  statfs(node: NodeId): StatFs;
  /** Makes everything acknowledged so far durable (syncfs). */
  sync(): void;
  /** Ends the filesystem: handles and layers are closed. Nothing may be called afterwards. */
  destroy(): void;
}
