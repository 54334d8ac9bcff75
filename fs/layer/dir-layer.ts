// A layer that is a real folder. Every name is reached as (descriptor of its folder, one component) beneath the
// layer's root, so no symlink of the layer is followed and no path is walked twice. How marks are spelled is
// known to marks.ts and dir-marks.ts; the writable side is dir-upper.ts.

import { EACCES, EINVAL, ENOENT, EPERM, FsError, isErrno } from '../errno.js';
import type { Attr, StatFs } from '../filesystem.js';
import { S_IFCHR, S_IFDIR, S_IFMT, S_IFREG } from '../mode.js';
import { type ByteString, fromBytes, toText } from '../name.js';
import {
  AT_FDCWD,
  closeFd,
  deviceOf,
  filesystemUuid,
  listXattrsAt,
  mayUseTrustedXattrs,
  O_DIRECTORY,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  openAt,
  readlinkAt,
  reopen,
  statAt,
  statFd,
  statfsFd,
} from '../sys/index.js';
import { DirFile } from './dir-file.js';
import { listMarked } from './dir-list.js';
import { clearMarks, holdsCopies, type LayerRules, readMarks } from './dir-marks.js';
import { DirNode, shownXattrs } from './dir-node.js';
import { FolderCache } from './folder-cache.js';
import type { Dialect, LayerEntry, LayerFile, LayerVisitor, MarkPrefix, ReadLayer } from './layer.js';
import { isMarkFile, mayHaveWhiteoutFile, WH_PREFIX } from './marks.js';
import type { Numbering } from './real-ids.js';
import { blocksTell, comesFromAfar, countsSubfolders, hasOverrides, idsOf } from './upper-rules.js';

export interface LowerDirOptions {
  /** The layer's name in events; the path if absent. */
  readonly id?: string;
  readonly dialect?: Dialect;
  /** Prefixes of the marks to be read; what this process can read if absent. */
  readonly marks?: readonly MarkPrefix[];
  /** Of the user namespace in which the layer was made; absent: owners are as this process sees them. */
  readonly numbering?: Numbering;
  /** Of this process's user namespace, from who opens many layers at a time; it is looked up if absent. */
  readonly here?: Numbering;
  /** See ReadLayer. */
  readonly changes?: boolean;
  /** Every file may be one without data, whatever its blocks and its folder say (`mayBeMarked`). */
  readonly anyMayLackData?: boolean;
}

/** Prefixes under which a process finds marks that it can read: `trusted.` ones are invisible to ordinary users. */
export function readablePrefixes(dialect: Dialect): readonly MarkPrefix[] {
  if (!mayUseTrustedXattrs()) return ['user'];
  return dialect === 'wh' ? ['trusted', 'user'] : ['trusted'];
}

/**
 * Opens a folder as a layer that is only read. ENOENT or ENOTDIR if `path` is no folder; `path` itself may be
 * or contain a symlink.
 */
export function openLowerDir(path: ByteString, options: LowerDirOptions = {}): ReadLayer {
  const dialect = options.dialect ?? 'overlay';
  const prefixes = options.marks ?? readablePrefixes(dialect);
  const root = openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  try {
    const rules = {
      prefixes,
      dialect,
      uuid: filesystemUuid(root),
      ids: idsOf(options.numbering, options.here),
      overrides: hasOverrides(root),
      origins: false,
      impurity: 0,
      countsSubfolders: countsSubfolders(root),
      // Where others change the layer each file is asked itself: what its folder said a moment ago says nothing.
      blocksTell: options.anyMayLackData !== true && options.changes !== true && blocksTell(root),
    };
    return new DirLayer(root, options.id ?? toText(path), rules, options.changes);
  } catch (error) {
    closeFd(root);
    throw error;
  }
}

/** Folders of which is remembered whether they hold copies. */
const KNOWN_FOLDERS = 4096;

export class DirLayer implements ReadLayer {
  readonly id: string;
  readonly device: string;
  readonly uuid: ByteString;
  readonly changes: boolean;
  readonly remote: boolean;
  protected readonly root: number;
  protected readonly folders: FolderCache;
  protected readonly rules: LayerRules;
  /** Listing leaves no trace: for the owner of a folder, and for who has CAP_FOWNER (open(2)). */
  #quiet = O_NOATIME;
  /** Which folders hold what was copied up; a layer that is read only does not change. */
  readonly #copies = new Map<ByteString, boolean>();
  #lastDir: ByteString | undefined;
  #lastHoldsCopies = false;
  #impuritySeen = 0;

  /** Takes `root`, a descriptor that is open for reading, over. */
  constructor(root: number, id: string, rules: LayerRules, changes = false) {
    this.root = root;
    this.id = id;
    this.device = deviceOf(root);
    this.uuid = fromBytes(rules.uuid);
    this.changes = changes;
    this.remote = comesFromAfar(root);
    this.folders = new FolderCache(root, !changes);
    this.rules = rules;
  }

  lookup(dir: ByteString, name: ByteString, out: LayerEntry): boolean {
    assertComponent(name);
    const folder = this.folders.get(dir);
    if (folder === undefined) return false;
    if (this.rules.dialect === 'wh') return this.#lookupWh(dir, folder, name, out);
    if (name === '.') return this.#lookupItself(folder, out);
    if (!statAt(folder, name, out.attr)) return false;
    readMarks(this.rules, folder, name, out, this.#holdsCopies(dir, folder, out.attr));
    return true;
  }

  /** A folder of others may be closed (mode 0700): what it is can then be seen, and '.' in it cannot. */
  #lookupItself(folder: number, out: LayerEntry): boolean {
    statFd(folder, out.attr);
    try {
      readMarks(this.rules, folder, '.', out);
    } catch (error) {
      if (!isErrno(error, EACCES)) throw error;
      statFd(folder, out.attr);
      readMarks(this.rules, folder, undefined, out);
    }
    return true;
  }

  stat(dir: ByteString, name: ByteString, out: LayerEntry): boolean {
    const { dialect, overrides } = this.rules;
    if (dialect === 'wh' || overrides) return this.lookup(dir, name, out);
    assertComponent(name);
    const folder = this.folders.get(dir);
    if (folder === undefined) return false;
    if (name === '.') statFd(folder, out.attr);
    else if (!statAt(folder, name, out.attr)) return false;
    clearMarks(this.rules, out);
    return true;
  }

  list(dir: ByteString, visit: LayerVisitor): void {
    this.#visit(dir, this.#openQuietly(dir), visit);
  }

  /** As `list`; the folder's time of access tells. */
  protected listAsRead(dir: ByteString, visit: LayerVisitor): void {
    this.#visit(dir, this.#openFolder(dir, O_RDONLY), visit);
  }

  #visit(dir: ByteString, fd: number, visit: LayerVisitor): void {
    try {
      listMarked(this.rules, fd, visit);
    } finally {
      // Names that were listed are often looked up next.
      if (dir === '' || !this.folders.keep(dir, fd)) closeFd(fd);
    }
  }

  open(dir: ByteString, name: ByteString): LayerFile {
    return new DirFile(this.#openName(dir, name, O_RDONLY | O_NONBLOCK), this.rules);
  }

  hold(dir: ByteString, name: ByteString): DirNode {
    return new DirNode(this.holdFd(dir, name), this.rules);
  }

  readlink(dir: ByteString, name: ByteString): ByteString {
    assertComponent(name);
    if (!this.rules.overrides) return readlinkAt(this.folder(dir), name);
    const node = this.hold(dir, name);
    try {
      return node.readlink();
    } finally {
      node.release();
    }
  }

  listxattr(dir: ByteString, name: ByteString): readonly ByteString[] {
    assertComponent(name);
    return shownXattrs(this.rules, listXattrsAt(this.folder(dir), name));
  }

  statfs(): StatFs {
    return statfsFd(this.root);
  }

  close(): void {
    this.folders.close();
    closeFd(this.root);
  }

  /** The descriptor of a folder that must exist; ENOENT. */
  protected folder(dir: ByteString): number {
    const fd = this.folders.get(dir);
    if (fd === undefined) throw new FsError(ENOENT, 'folder');
    return fd;
  }

  protected holdFd(dir: ByteString, name: ByteString): number {
    try {
      return this.#openName(dir, name, O_PATH);
    } catch (error) {
      if (name !== '.' || !isErrno(error, EACCES)) throw error;
      return this.#openFolder(dir, O_PATH);
    }
  }

  #openName(dir: ByteString, name: ByteString, flags: number): number {
    assertComponent(name);
    if (isMarkFile(this.rules.dialect, name)) throw new FsError(ENOENT, 'open');
    return openAt(this.folder(dir), name, flags | O_NOFOLLOW);
  }

  /** A new open file each time: a listing has a position, and the visitor may list the same folder. */
  #openFolder(dir: ByteString, flags: number): number {
    if (dir === '') return reopen(this.root, flags);
    const fd = this.folders.open(dir, flags | O_DIRECTORY);
    if (fd === undefined) throw new FsError(ENOENT, 'folder');
    return fd;
  }

  #openQuietly(dir: ByteString): number {
    try {
      return this.#openFolder(dir, O_RDONLY | this.#quiet);
    } catch (error) {
      if (this.#quiet === 0 || !isErrno(error, EPERM)) throw error;
      this.#quiet = 0;
      return this.#openFolder(dir, O_RDONLY);
    }
  }

  /** Folders have come, gone or moved, or hold copies now. */
  protected forgetCopies(): void {
    this.#copies.clear();
    this.#lastDir = undefined;
  }

  /** Asked once a folder, and only for files that it matters for: in an upper all that may have an origin. */
  #holdsCopies(dir: ByteString, folder: number, { mode, size }: Attr): boolean {
    const { blocksTell, origins, impurity } = this.rules;
    if (!blocksTell) return true;
    const type = mode & S_IFMT;
    if (type === S_IFDIR || (!origins && (type !== S_IFREG || size === 0))) return false;
    if (impurity !== this.#impuritySeen) {
      this.#impuritySeen = impurity;
      this.forgetCopies();
    }
    if (dir === this.#lastDir) return this.#lastHoldsCopies;
    let known = this.#copies.get(dir);
    if (known === undefined) {
      known = holdsCopies(this.rules, folder);
      if (this.#copies.size >= KNOWN_FOLDERS) this.#copies.clear();
      this.#copies.set(dir, known);
    }
    this.#lastDir = dir;
    this.#lastHoldsCopies = known;
    return known;
  }

  #lookupWh(dir: ByteString, folder: number, name: ByteString, out: LayerEntry): boolean {
    if (isMarkFile('wh', name)) return false;
    if (statAt(folder, name, out.attr)) {
      readMarks(this.rules, folder, name, out, this.#holdsCopies(dir, folder, out.attr));
      // Among the subfolders of a branch of AUFS are its own, which are not shown.
      if (name === '.' && folder === this.root) out.attr.nlink = 1;
      return true;
    }
    if (name === '.' || !mayHaveWhiteoutFile('wh', name)) return false;
    if (!statAt(folder, WH_PREFIX + name, out.attr)) return false;
    // Whatever its spelling, a whiteout shows the attributes of one.
    out.attr.mode = S_IFCHR | (out.attr.mode & ~S_IFMT);
    out.attr.rdev = 0;
    out.unmarked();
    out.whiteout = true;
    return true;
  }
}

/** '.' is a place here; what would leave the folder or cross a symlink on its way is a fault of the caller. */
function assertComponent(name: ByteString): void {
  if (name === '..' || name === '' || name.includes('/')) throw new FsError(EINVAL, 'name');
}
