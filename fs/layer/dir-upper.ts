// The upper as a real folder. Every change is one step for whoever looks on: new objects are finished in the work
// folder and renamed or linked into place, whiteouts too. Owned by one process (flock on the work folder); what
// descriptors it keeps of folders is dropped when their names change.

import {
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EOPNOTSUPP,
  FsError,
  isErrno,
} from '../errno.js';
import { Attr, RENAME_EXCHANGE, RENAME_WHITEOUT } from '../filesystem.js';
import {
  isFolder,
  isRegular,
  isSymlink,
  PERMISSION_BITS,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  S_ISGID,
} from '../mode.js';
import { assertName, type ByteString, joinPath, toBytes, toText } from '../name.js';
import {
  AT_FDCWD,
  CAP_CHOWN,
  CAP_DAC_OVERRIDE,
  CAP_FOWNER,
  CAP_MKNOD,
  closeFd,
  deviceOf,
  effectiveGid,
  effectiveUid,
  filesystemUuid,
  hasCapability,
  inFirstUserNamespace,
  linkFd,
  listXattrsAt,
  makeFolderAt,
  makeNodeAt,
  makeSymlinkAt,
  mayUseTrustedXattrs,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  openAt,
  renameAt,
  renameErrno,
  reopen,
  setXattr,
  statAt,
  statFd,
  syncFilesystem,
  unlinkAt,
  unlinkAtIfAny,
  writeAt,
} from '../sys/index.js';
import { DirFile } from './dir-file.js';
import { DirLayer, hasOverrides } from './dir-layer.js';
import { DEFAULT_ACL, DirNode, ownerBits, UpperNode, type UpperRules } from './dir-node.js';
import { assertNoContent, putInPlace, takeFolderOut } from './dir-replace.js';
import { DirStaged, type StagePlaces } from './dir-staged.js';
import { IndexFolder } from './index-folder.js';
import type {
  Dialect,
  LayerNode,
  MarkPrefix,
  NewNode,
  Staged,
  WritableFile,
  WritableNode,
  WriteLayer,
} from './layer.js';
import { formatOverride, isMarkFile, OVERRIDE_STAT, WH_PREFIX } from './marks.js';
import { type Holder, WorkFolder } from './work-folder.js';

export interface UpperDirOptions {
  /** The prefix under which marks are written; `trusted` for who may, else `user`. */
  readonly marks?: MarkPrefix;
  /** The layer's name in events; the path if absent. */
  readonly id?: string;
  /** `wh`: `.wh.` files are read as marks too and cannot be made. Whiteouts are written as devices in any case. */
  readonly dialect?: Dialect;
  /** Where the upper is mounted, for the message that a second opener gets. */
  readonly mountPoint?: string;
  /** How long to wait for a holder that is ending. */
  readonly lockWaitMs?: number;
}

const LOCK_WAIT_MS = 10_000;
const PLAIN_FOLDERS = 1024;

/**
 * Opens `upperPath` for writing with `workPath` on the same filesystem; both must exist. EBUSY if another process
 * holds it, EXDEV for two filesystems, EINVAL if its work folder names an incompatible feature.
 */
export function openUpperDir(
  upperPath: ByteString,
  workPath: ByteString,
  options: UpperDirOptions = {},
): UpperDir {
  const root = openAt(AT_FDCWD, upperPath, O_RDONLY | O_DIRECTORY);
  try {
    const holder: Holder = {
      pid: process.pid,
      ...(options.mountPoint === undefined ? {} : { mountPoint: options.mountPoint }),
    };
    const wait = options.lockWaitMs ?? LOCK_WAIT_MS;
    const work = new WorkFolder(workPath, deviceOf(root), holder, wait);
    const marks = options.marks ?? (mayUseTrustedXattrs() ? 'trusted' : 'user');
    const dialect = options.dialect ?? 'overlay';
    const id = options.id ?? toText(upperPath);
    return new UpperDir(root, id, upperRules(root, marks, dialect), work);
  } catch (error) {
    closeFd(root);
    throw error;
  }
}

function upperRules(root: number, marks: MarkPrefix, dialect: Dialect): UpperRules {
  const privileged =
    inFirstUserNamespace() && [CAP_CHOWN, CAP_FOWNER, CAP_MKNOD].every((bit) => hasCapability(bit));
  const rules = {
    prefixes: [marks],
    marks,
    dialect,
    uuid: filesystemUuid(root),
    privileged,
    opensAll: hasCapability(CAP_DAC_OVERRIDE),
    overrides: hasOverrides(root),
    inheritance: 0,
    enableOverrides(): void {
      if (rules.overrides) return;
      // Readers believe override_stat of single files only where the root of the layer has it.
      const attr = new Attr();
      statFd(root, attr);
      const own = { uid: attr.uid, gid: attr.gid, mode: attr.mode & PERMISSION_BITS, type: S_IFDIR, rdev: 0 };
      setXattr(root, OVERRIDE_STAT, toBytes(formatOverride(own, 0, 0)), 0);
      rules.overrides = true;
    },
  };
  return rules;
}

export class UpperDir extends DirLayer implements WriteLayer {
  declare protected readonly rules: UpperRules;
  readonly #work: WorkFolder;
  readonly #index: IndexFolder;
  readonly #places: StagePlaces;
  readonly #uid = effectiveUid();
  readonly #gid = effectiveGid();
  readonly #umask = process.umask();
  readonly #attr = new Attr();
  #canTmpfile = true;
  /** Whether folders hand nothing down to new entries, by path; good while `rules.inheritance` is what was seen. */
  readonly #plainFolders = new Map<ByteString, boolean>();
  #inheritanceSeen = 0;

  constructor(root: number, id: string, rules: UpperRules, work: WorkFolder) {
    super(root, id, rules);
    this.#work = work;
    this.#index = new IndexFolder(work, rules);
    this.#places = {
      work,
      index: this.#index,
      folder: (dir) => this.folder(dir),
      claim: (to, name, replace) => this.#claim(to, name, replace),
      settle: (to, dir, name, replaced) => this.#settle(to, dir, name, replaced),
    };
  }

  get marks(): MarkPrefix {
    return this.rules.marks;
  }

  /** True if owners, modes or devices stand in override_stat: kernel overlayfs would show other ones. */
  get standIns(): boolean {
    return this.rules.overrides;
  }

  override hold(dir: ByteString, name: ByteString): UpperNode {
    return new UpperNode(this.holdFd(dir, name), this.rules);
  }

  make(dir: ByteString, name: ByteString, what: NewNode): void {
    const direct = this.#folderForDirect(dir, name, what);
    if (direct !== undefined && !isRegular(what.mode)) {
      this.#createNamed(direct, name, what);
      return;
    }
    this.#publishNew(this.stage(what), dir, name);
  }

  makeFile(dir: ByteString, name: ByteString, what: NewNode): WritableFile {
    const direct = this.#folderForDirect(dir, name, what);
    if (direct !== undefined) {
      const bits = what.mode & PERMISSION_BITS;
      return new DirFile(openAt(direct, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, bits));
    }
    const staged = this.stage(what);
    const fd = reopen(staged.fd, O_RDWR);
    try {
      this.#publishNew(staged, dir, name);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    return new DirFile(fd);
  }

  stage(what: NewNode): DirStaged {
    const owned = what.uid === this.#uid && what.gid === this.#gid;
    if (!this.rules.privileged && needsStandIn(what, owned)) return this.#stageStandIn(what);
    const [fd, temp] = this.#create(what);
    const staged = new DirStaged(fd, this.rules, this.#places, temp);
    try {
      if (!owned) staged.chown(what.uid, what.gid);
      if (!isSymlink(what.mode) && this.#modeIsLeft(what)) staged.chmod(what.mode & PERMISSION_BITS);
    } catch (error) {
      staged.discard();
      throw error;
    }
    return staged;
  }

  whiteout(dir: ByteString, name: ByteString): void {
    const to = this.folder(dir);
    this.#claim(to, name, true);
    const temp = this.#work.makeWhiteout();
    try {
      putInPlace(this.rules, this.#work, temp, to, name);
    } catch (error) {
      this.#work.remove(temp);
      throw error;
    }
    // A name that is a whiteout of the same inode already makes rename(2) do nothing and leave `temp`.
    unlinkAtIfAny(this.#work.fd, temp);
    this.#settle(to, dir, name, true);
  }

  unlink(dir: ByteString, name: ByteString): void {
    assertName(name);
    const from = this.folder(dir);
    const file = this.rules.dialect === 'wh' && unlinkAtIfAny(from, WH_PREFIX + name);
    if (!unlinkAtIfAny(from, name) && !file) throw new FsError(ENOENT, 'unlink');
  }

  rmdir(dir: ByteString, name: ByteString): void {
    assertName(name);
    const from = this.folder(dir);
    takeFolderOut(this.rules, this.#work, from, name);
    this.#settle(from, dir, name, true);
  }

  rename(
    dir: ByteString,
    name: ByteString,
    newDir: ByteString,
    newName: ByteString,
    leaveWhiteout: boolean,
  ): void {
    assertName(name);
    const from = this.folder(dir);
    const to = this.folder(newDir);
    this.#claim(to, newName, true);
    this.#renameInOneStep(from, name, to, newName, leaveWhiteout);
    this.#forget(joinPath(dir, name));
    this.#settle(to, newDir, newName, true);
  }

  exchange(dir: ByteString, name: ByteString, otherDir: ByteString, otherName: ByteString): void {
    assertName(name);
    assertName(otherName);
    renameAt(this.folder(dir), name, this.folder(otherDir), otherName, RENAME_EXCHANGE);
    this.#forget(joinPath(dir, name));
    this.#forget(joinPath(otherDir, otherName));
  }

  link(node: WritableNode, dir: ByteString, name: ByteString, replace: boolean): void {
    if (!(node instanceof DirNode)) throw new Error('link of an object of another layer');
    const to = this.folder(dir);
    this.#claim(to, name, replace);
    if (!replace) linkFd(node.fd, to, name);
    else {
      const temp = this.#work.freeName();
      linkFd(node.fd, this.#work.fd, temp);
      try {
        putInPlace(this.rules, this.#work, temp, to, name);
      } finally {
        // Also where the name was a link of this object already and rename(2) did nothing.
        unlinkAtIfAny(this.#work.fd, temp);
      }
    }
    this.#settle(to, dir, name, replace);
  }

  indexKey(source: LayerNode): string {
    return this.#index.keyOfSource(source);
  }

  indexed(key: string): WritableNode | undefined {
    return this.#index.hold(key);
  }

  indexNames(key: string): number {
    return this.#index.names(key);
  }

  setIndexNames(key: string, names: number): void {
    this.#index.setNames(key, names);
  }

  indexedKey(node: WritableNode): string | undefined {
    return node instanceof DirNode ? this.#index.keyOf(node) : undefined;
  }

  unindex(key: string): void {
    this.#index.remove(key);
  }

  get guarded(): boolean {
    return this.#work.guarded;
  }

  setGuard(on: boolean): void {
    this.#work.setGuard(on);
  }

  sync(): void {
    syncFilesystem(this.root);
  }

  override close(): void {
    this.#work.close();
    super.close();
  }

  #publishNew(staged: Staged, dir: ByteString, name: ByteString): void {
    try {
      staged.publish(dir, name, false);
    } catch (error) {
      staged.discard();
      throw error;
    }
  }

  /** Whether making the object left permission bits undone: set-id bits, what the umask took, what only root could open. */
  #modeIsLeft(what: NewNode): boolean {
    if ((what.mode & (0o7000 | this.#umask)) !== 0) return true;
    const needed = ownerBits(what.mode);
    return !this.rules.opensAll && (what.mode & needed) !== needed;
  }

  /** Makes an object of this process's own in `work/`; its descriptor, and its name if it has one. */
  #create(what: NewNode): [fd: number, temp: ByteString | undefined] {
    const work = this.#work.fd;
    const bits = this.#firstBits(what);
    if (isRegular(what.mode) && this.#canTmpfile) {
      try {
        return [openAt(work, '.', O_TMPFILE | O_RDWR, bits), undefined];
      } catch (error) {
        // Filesystems without O_TMPFILE (open(2)).
        if (!isErrno(error, EOPNOTSUPP) && !isErrno(error, EISDIR)) throw error;
        this.#canTmpfile = false;
      }
    }
    const temp = this.#work.freeName();
    if (isRegular(what.mode)) {
      return [openAt(work, temp, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, bits), temp];
    }
    this.#createNamed(work, temp, what);
    return [openAt(work, temp, O_PATH | O_NOFOLLOW), temp];
  }

  /** Permission bits to make an object with; what else its mode says comes later (`#modeIsLeft`). */
  #firstBits(what: NewNode): number {
    return (what.mode & 0o777) | (this.rules.opensAll ? 0 : ownerBits(what.mode));
  }

  /** Makes what is no regular file at a free name, with the permission bits that the umask leaves. */
  #createNamed(dir: number, name: ByteString, what: NewNode): void {
    const bits = this.#firstBits(what);
    if (isFolder(what.mode)) makeFolderAt(dir, name, bits);
    else if (isSymlink(what.mode)) makeSymlinkAt(dir, name, what.target ?? '');
    else makeNodeAt(dir, name, (what.mode & S_IFMT) | bits, what.rdev ?? 0);
  }

  /**
   * The descriptor of the folder, if one system call makes the new object complete there: it is this process's
   * own, nothing of its mode is left to do, and the folder hands nothing down. undefined: stage it.
   */
  #folderForDirect(dir: ByteString, name: ByteString, what: NewNode): number | undefined {
    if (what.uid !== this.#uid || what.gid !== this.#gid) return undefined;
    if (!isSymlink(what.mode) && this.#modeIsLeft(what)) return undefined;
    if (!this.rules.privileged && needsStandIn(what, true)) return undefined;
    const to = this.folder(dir);
    this.#claim(to, name, false);
    return this.#handsNothingDown(dir, to) ? to : undefined;
  }

  #handsNothingDown(dir: ByteString, fd: number): boolean {
    if (this.#inheritanceSeen !== this.rules.inheritance) {
      this.#inheritanceSeen = this.rules.inheritance;
      this.#plainFolders.clear();
    }
    const known = this.#plainFolders.get(dir);
    if (known !== undefined) return known;
    statAt(fd, '.', this.#attr);
    const plain = (this.#attr.mode & S_ISGID) === 0 && !listXattrsAt(fd, '.').includes(DEFAULT_ACL);
    if (this.#plainFolders.size >= PLAIN_FOLDERS) this.#plainFolders.clear();
    this.#plainFolders.set(dir, plain);
    return plain;
  }

  /** Folders have moved or gone from this path. */
  #forget(path: ByteString): void {
    this.folders.forget(path);
    this.#plainFolders.clear();
  }

  /** A regular file that carries in override_stat what it stands for; a symlink's content is its target. */
  #stageStandIn(what: NewNode): DirStaged {
    const [fd, temp] = this.#create({ mode: S_IFREG | 0o600, uid: this.#uid, gid: this.#gid });
    const staged = new DirStaged(fd, this.rules, this.#places, temp);
    try {
      if (what.target !== undefined) writeAt(fd, 0, toBytes(what.target));
      staged.standFor({
        uid: what.uid,
        gid: what.gid,
        mode: what.mode & PERMISSION_BITS,
        type: what.mode & S_IFMT,
        rdev: what.rdev ?? 0,
      });
    } catch (error) {
      staged.discard();
      throw error;
    }
    return staged;
  }

  #claim(to: number, name: ByteString, replace: boolean): void {
    assertName(name);
    if (this.rules.dialect !== 'wh') return;
    if (isMarkFile('wh', name)) throw new FsError(EINVAL, 'name of a whiteout file');
    if (!replace && statAt(to, WH_PREFIX + name, this.#attr)) throw new FsError(EEXIST, 'publish');
  }

  #settle(to: number, dir: ByteString, name: ByteString, replaced: boolean): void {
    if (!replaced) return;
    if (this.rules.dialect === 'wh') unlinkAtIfAny(to, WH_PREFIX + name);
    this.#forget(joinPath(dir, name));
  }

  #renameInOneStep(from: number, name: ByteString, to: number, newName: ByteString, leave: boolean): void {
    const flags = leave ? RENAME_WHITEOUT : 0;
    let failure = renameErrno(from, name, to, newName, flags);
    if (failure === ENOTEMPTY || failure === EEXIST) {
      this.#clearFolder(to, newName);
      failure = renameErrno(from, name, to, newName, flags);
    }
    if (failure === ENOTDIR && this.#isWhiteout(to, newName)) {
      // A folder over a whiteout: they change places, and the whiteout is where one is wanted, or is removed.
      renameAt(from, name, to, newName, RENAME_EXCHANGE);
      if (!leave) unlinkAt(from, name);
      return;
    }
    if (failure === EINVAL && leave) {
      // A filesystem without RENAME_WHITEOUT; a folder moved into itself fails once more here.
      renameAt(from, name, to, newName, 0);
      const temp = this.#work.makeWhiteout();
      putInPlace(this.rules, this.#work, temp, from, name);
      return;
    }
    if (failure !== 0) throw new FsError(failure, 'rename');
  }

  /** Puts an empty opaque folder in the place of one that holds whiteouts, so that rename(2) can replace it (ovl_clear_empty). */
  #clearFolder(dir: number, name: ByteString): void {
    assertNoContent(this.rules, dir, name);
    statAt(dir, name, this.#attr);
    const { mode, uid, gid } = this.#attr;
    const [fd, temp] = this.#create({ mode, uid, gid });
    const empty = new UpperNode(fd, this.rules);
    try {
      empty.setOpaque(true);
      renameAt(this.#work.fd, temp as ByteString, dir, name, RENAME_EXCHANGE);
    } finally {
      empty.release();
    }
    this.#work.remove(temp as ByteString);
  }

  #isWhiteout(dir: number, name: ByteString): boolean {
    return statAt(dir, name, this.#attr) && (this.#attr.mode & S_IFMT) === S_IFCHR && this.#attr.rdev === 0;
  }
}

/** What an ordinary user cannot make: devices at all, and objects of others that can carry no user.* attribute. */
function needsStandIn(what: NewNode, owned: boolean): boolean {
  const type = what.mode & S_IFMT;
  if (type === S_IFCHR || type === S_IFBLK) return true;
  return !owned && type !== S_IFREG && type !== S_IFDIR;
}
