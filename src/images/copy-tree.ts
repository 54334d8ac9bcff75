// A tree of a Filesystem copied out to plain files, without a mount: data with its holes, names of one file as
// hard links, devices, xattrs, owners and times. Everything is made beneath descriptors of folders that the copy
// itself has made, so no symlink is ever followed. What an ordinary user may not do (owners, devices, file
// capabilities) is left out and counted; set-id bits without their owner would be a hole and go with it.

import { setImmediate } from 'node:timers/promises';
import {
  type Attr,
  type ByteString,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EOPNOTSUPP,
  EPERM,
  type Filesystem,
  FsError,
  fromText,
  isErrno,
  isFolder,
  isRegular,
  isSymlink,
  joinPath,
  type NodeId,
  O_RDONLY,
  PERMISSION_BITS,
  S_IFMT,
  S_ISGID,
  S_ISUID,
  SEEK_DATA,
  SEEK_HOLE,
  sys,
} from '../../fs/index.js';
import { lookUp, namesIn, nodeAt } from '../diff/tree-walk.js';
import { StoreError } from '../errors.js';
import { assertGoesOn } from './failure.js';

export interface CopyTreeOptions {
  readonly signal?: AbortSignal;
}

export interface CopiedTree {
  /** The root of the copy included. */
  readonly entries: number;
  /** One line for a person about what could not be kept; undefined if all was. */
  readonly warning: string | undefined;
}

/** How long the copy may hold the thread before others get a turn. */
const TURN_MS = 30;
const CHUNK = 1 << 20;
const O_HOLD = sys.O_PATH | sys.O_NOFOLLOW;
const O_LIST = sys.O_RDONLY | sys.O_DIRECTORY | sys.O_NOFOLLOW;
const O_MAKE = sys.O_WRONLY | sys.O_CREAT | sys.O_EXCL | sys.O_NOFOLLOW;

/**
 * Copies what is at `path` in `from` ('' is the root) to `dest`, which must not exist, or be an empty folder if a
 * folder is copied. not-found if there is nothing at `path`, already-exists for `dest`, canceled by the signal,
 * failed if a system call fails; what was copied until then is left there. `what` begins the errors.
 */
export async function copyTree(
  from: Filesystem,
  path: ByteString,
  dest: string,
  what: string,
  options: CopyTreeOptions = {},
): Promise<CopiedTree> {
  const source = nodeAt(from, path);
  if (source === undefined) throw new StoreError('not-found', what, 'no such file or folder');
  const copy = new TreeCopy(from);
  let turnEnds = performance.now() + TURN_MS;
  try {
    for (const _step of copy.run(source.node, source.attr, fromText(dest))) {
      if (performance.now() < turnEnds) continue;
      await setImmediate();
      assertGoesOn(options.signal, what);
      turnEnds = performance.now() + TURN_MS;
    }
  } catch (error) {
    throw asStoreError(error, what, dest);
  } finally {
    if (path !== '') from.forget(source.node, 1);
  }
  return { entries: copy.entries, warning: copy.warning() };
}

class TreeCopy {
  entries = 0;
  readonly #from: Filesystem;
  readonly #buffer = new Uint8Array(CHUNK);
  /** The first path, below the root of the copy, of each file with several names. */
  readonly #links = new Map<number, ByteString>();
  #root = sys.AT_FDCWD;
  readonly #lost = new Map<string, number>();

  constructor(from: Filesystem) {
    this.#from = from;
  }

  /** A step an entry. */
  *run(node: NodeId, attr: Attr, dest: ByteString): Generator<void, void> {
    if (!isFolder(attr.mode)) {
      this.#leaf(node, attr, sys.AT_FDCWD, dest, '');
      return;
    }
    makeOrTakeEmpty(dest);
    this.#root = sys.openAt(sys.AT_FDCWD, dest, sys.O_RDONLY | sys.O_DIRECTORY);
    try {
      yield* this.#fill(node, attr, this.#root, '');
    } finally {
      sys.closeFd(this.#root);
    }
  }

  warning(): string | undefined {
    if (this.#lost.size === 0) return undefined;
    const parts = [...this.#lost].map(([what, count]) => `${what} of ${count}`);
    return `not permitted here, so not kept: ${parts.join(', ')} entries`;
  }

  /** Copies what is in a folder, and then the folder's own attributes: filling it changes its times. */
  *#fill(node: NodeId, attr: Attr, fd: number, path: ByteString): Generator<void, void> {
    this.entries++;
    for (const name of namesIn(this.#from, node)) {
      const entry = lookUp(this.#from, node, name);
      if (entry === undefined) continue;
      try {
        const below = joinPath(path, name);
        if (isFolder(entry.attr.mode)) {
          sys.makeFolderAt(fd, name, 0o700);
          yield* this.#folder(entry.node, entry.attr, fd, name, below);
        } else {
          this.#leaf(entry.node, entry.attr, fd, name, below);
        }
      } finally {
        this.#from.forget(entry.node, 1);
      }
      yield;
    }
    this.#attributes(node, attr, fd);
  }

  *#folder(node: NodeId, attr: Attr, dir: number, name: ByteString, path: ByteString): Generator<void, void> {
    const fd = sys.openAt(dir, name, O_LIST);
    try {
      yield* this.#fill(node, attr, fd, path);
    } finally {
      sys.closeFd(fd);
    }
  }

  #leaf(node: NodeId, attr: Attr, dir: number, name: ByteString, path: ByteString): void {
    const first = attr.nlink > 1 ? this.#links.get(attr.ino) : undefined;
    if (first !== undefined) {
      sys.linkAt(this.#root, first, dir, name);
      this.entries++;
      return;
    }
    const fd = this.#make(node, attr, dir, name);
    if (fd === undefined) return;
    this.entries++;
    try {
      this.#attributes(node, attr, fd);
    } finally {
      sys.closeFd(fd);
    }
    if (attr.nlink > 1) this.#links.set(attr.ino, path);
  }

  /** Makes an entry and returns a descriptor of it; undefined for a device that this user may not make. */
  #make(node: NodeId, attr: Attr, dir: number, name: ByteString): number | undefined {
    if (isRegular(attr.mode)) {
      const fd = sys.openAt(dir, name, O_MAKE, 0o600);
      try {
        this.#data(node, attr.size, fd);
      } finally {
        sys.closeFd(fd);
      }
    } else if (isSymlink(attr.mode)) {
      sys.makeSymlinkAt(dir, name, this.#from.readlink(node));
    } else {
      const type = attr.mode & S_IFMT;
      if (!this.#allowed('devices', () => sys.makeNodeAt(dir, name, type | 0o600, attr.rdev)))
        return undefined;
    }
    return sys.openAt(dir, name, O_HOLD);
  }

  #data(node: NodeId, size: number, to: number): void {
    if (size === 0) return;
    const from = this.#from;
    const handle = from.open(node, O_RDONLY);
    try {
      for (let at = 0; at < size; ) {
        const start = seek(from, handle, at, SEEK_DATA);
        if (start === undefined) break;
        const end = seek(from, handle, start, SEEK_HOLE) ?? size;
        for (at = start; at < end; ) {
          const want = this.#buffer.subarray(0, Math.min(CHUNK, end - at));
          const count = from.read(handle, at, want);
          if (count === 0) break;
          sys.writeAllAt(to, at, want.subarray(0, count));
          at += count;
        }
        at = Math.max(at, end);
      }
    } finally {
      from.release(handle);
    }
    sys.truncateFd(to, size);
  }

  #attributes(node: NodeId, attr: Attr, fd: number): void {
    const { mode, uid, gid } = attr;
    // A change of owner clears set-id bits and file capabilities, so both come after it.
    const owned = this.#allowed('owners', () => sys.chownFd(fd, uid, gid));
    for (const name of this.#from.listxattr(node)) {
      const value = this.#from.getxattr(node, name);
      if (value === undefined) continue;
      this.#allowed(`xattrs (${name.slice(0, name.indexOf('.'))}.*)`, () => sys.setXattr(fd, name, value, 0));
    }
    if (!isSymlink(mode)) sys.chmodFd(fd, mode & PERMISSION_BITS & (owned ? ~0 : ~(S_ISUID | S_ISGID)));
    const atime = { sec: attr.atimeSec, nsec: attr.atimeNsec };
    sys.utimesFd(fd, atime, { sec: attr.mtimeSec, nsec: attr.mtimeNsec });
  }

  /** False, and counted, where this user or the folder's filesystem does not allow it. */
  #allowed(what: string, act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      // EINVAL: an owner that has no number in this user namespace.
      if (!isErrno(error, EPERM) && !isErrno(error, EOPNOTSUPP) && !isErrno(error, EINVAL)) throw error;
      this.#lost.set(what, (this.#lost.get(what) ?? 0) + 1);
      return false;
    }
  }
}

function makeOrTakeEmpty(dest: ByteString): void {
  try {
    sys.makeFolderAt(sys.AT_FDCWD, dest, 0o700);
  } catch (error) {
    if (!isErrno(error, EEXIST)) throw error;
    const fd = sys.openAt(sys.AT_FDCWD, dest, sys.O_RDONLY | sys.O_DIRECTORY);
    try {
      sys.listFolder(fd, (entry) => {
        if (entry !== '.' && entry !== '..') throw new FsError(ENOTEMPTY, 'copy');
        return true;
      });
    } finally {
      sys.closeFd(fd);
    }
  }
}

/** undefined beyond the last data. */
function seek(from: Filesystem, handle: number, offset: number, whence: number): number | undefined {
  try {
    return from.lseek(handle, offset, whence);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ENXIO') return undefined;
    throw error;
  }
}

function asStoreError(error: unknown, what: string, dest: string): unknown {
  if (!(error instanceof FsError)) return error;
  const cause = { cause: error };
  switch (error.errno) {
    case EEXIST:
      return new StoreError('already-exists', what, `${dest} exists`, cause);
    case ENOTEMPTY:
      return new StoreError('already-exists', what, `${dest} is a folder that is not empty`, cause);
    case ENOENT:
      return new StoreError('not-found', what, `the folder of ${dest} does not exist`, cause);
    case ENOTDIR:
      return new StoreError('invalid-argument', what, `${dest} is not a folder`, cause);
    default:
      return new StoreError('failed', what, error.message, cause);
  }
}
