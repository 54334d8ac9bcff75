// Making objects of an upper, complete with owner and mode: in one call at their place where that is enough, else
// staged in the work folder. What a folder hands down (set-group-id bit, default ACL) is the union's affair, so
// objects are made where nothing is handed down.

import { EINVAL, EISDIR, EOPNOTSUPP, EPERM, isErrno } from '../errno.js';
import { Attr } from '../filesystem.js';
import {
  isFolder,
  isRegular,
  isSymlink,
  PERMISSION_BITS,
  S_IFBLK,
  S_IFCHR,
  S_IFMT,
  S_IFREG,
  S_ISGID,
} from '../mode.js';
import { type ByteString, toBytes } from '../name.js';
import {
  currentUmask,
  effectiveGid,
  effectiveUid,
  hasFeature,
  listXattrsAt,
  makeFolderAt,
  makeNodeAt,
  makeSymlinkAt,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDWR,
  O_TMPFILE,
  openAt,
  statAt,
  writeAllAt,
} from '../sys/index.js';
import { DirStaged, type StagePlaces } from './dir-staged.js';
import type { NewNode } from './layer.js';
import { DEFAULT_ACL, type UpperRules } from './upper-rules.js';

const PLAIN_FOLDERS = 1024;

export class ObjectMaker {
  readonly #rules: UpperRules;
  readonly #places: StagePlaces;
  /** Whom an object belongs to that is just made, as the layer numbers owners. */
  readonly #uid: number;
  readonly #gid: number;
  readonly #umask = currentUmask();
  readonly #attr = new Attr();
  #canTmpfile = hasFeature('tmpfile');
  /** Whether folders hand nothing down to new entries, by path; good while `rules.inheritance` is what was seen. */
  readonly #plainFolders = new Map<ByteString, boolean>();
  #inheritanceSeen = 0;

  constructor(rules: UpperRules, places: StagePlaces) {
    this.#rules = rules;
    this.#uid = rules.ids?.uidOf(effectiveUid()) ?? effectiveUid();
    this.#gid = rules.ids?.gidOf(effectiveGid()) ?? effectiveGid();
    this.#places = places;
  }

  /** An object without a name. What cannot be made or owned as it should is stood in for by a regular file. */
  stage(what: NewNode): DirStaged {
    try {
      return this.#stageReal(what);
    } catch (error) {
      // EINVAL: an owner that this user namespace does not map. Regular files and folders carry their own mark.
      const cannot = isErrno(error, EPERM) || isErrno(error, EINVAL);
      if (this.#rules.privileged || !cannot || isRegular(what.mode) || isFolder(what.mode)) throw error;
      return this.#stageStandIn(what);
    }
  }

  /** True if `makeAt` and `makeFileAt` make the object complete in this folder; else it must be staged. */
  canMakeAt(dir: ByteString, to: number, what: NewNode): boolean {
    if (what.uid !== this.#uid || what.gid !== this.#gid) return false;
    if (!isSymlink(what.mode) && this.#modeIsLeft(what)) return false;
    if (!this.#rules.privileged && isDevice(what.mode)) return false;
    return this.#handsNothingDown(dir, to);
  }

  /** Makes what is no regular file at a free name; EEXIST. */
  makeAt(to: number, name: ByteString, what: NewNode): void {
    const bits = this.#firstBits(what);
    if (isFolder(what.mode)) makeFolderAt(to, name, bits);
    else if (isSymlink(what.mode)) makeSymlinkAt(to, name, what.target ?? '');
    else makeNodeAt(to, name, (what.mode & S_IFMT) | bits, what.rdev ?? 0);
  }

  /** Makes a regular file at a free name and returns its descriptor, open for reading and writing; EEXIST. */
  makeFileAt(to: number, name: ByteString, what: NewNode): number {
    return openAt(to, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, this.#firstBits(what));
  }

  /** Folders have moved or gone. */
  forgetFolders(): void {
    this.#plainFolders.clear();
  }

  /** Whether making the object left permission bits undone: set-id bits, what the umask took, what only root could open. */
  #modeIsLeft(what: NewNode): boolean {
    if ((what.mode & (0o7000 | this.#umask)) !== 0) return true;
    const kept = this.#rules.keptBits(what.mode);
    return (what.mode & kept) !== kept;
  }

  /** Makes an object of this process's own in `work/`; its descriptor, and its name if it has one. */
  #create(what: NewNode): [fd: number, temp: ByteString | undefined] {
    const work = this.#places.work;
    if (isRegular(what.mode) && this.#canTmpfile) {
      try {
        return [openAt(work.fd, '.', O_TMPFILE | O_RDWR, this.#firstBits(what)), undefined];
      } catch (error) {
        // Filesystems without O_TMPFILE (open(2)).
        if (!isErrno(error, EOPNOTSUPP) && !isErrno(error, EISDIR)) throw error;
        this.#canTmpfile = false;
      }
    }
    const temp = work.freeName();
    if (isRegular(what.mode)) return [this.makeFileAt(work.fd, temp, what), temp];
    this.makeAt(work.fd, temp, what);
    try {
      return [openAt(work.fd, temp, O_PATH | O_NOFOLLOW), temp];
    } catch (error) {
      work.drop(temp);
      throw error;
    }
  }

  /** Permission bits to make an object with; what else its mode says comes later (`#modeIsLeft`). */
  #firstBits(what: NewNode): number {
    return (what.mode & 0o777) | this.#rules.keptBits(what.mode);
  }

  #handsNothingDown(dir: ByteString, fd: number): boolean {
    if (this.#inheritanceSeen !== this.#rules.inheritance) {
      this.#inheritanceSeen = this.#rules.inheritance;
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

  #stageReal(what: NewNode): DirStaged {
    const [fd, temp] = this.#create(what);
    const staged = new DirStaged(fd, this.#rules, this.#places, temp, isRegular(what.mode));
    try {
      if (what.uid !== this.#uid || what.gid !== this.#gid) staged.chown(what.uid, what.gid);
      if (!isSymlink(what.mode) && this.#modeIsLeft(what)) staged.chmod(what.mode);
    } catch (error) {
      staged.discard();
      throw error;
    }
    return staged;
  }

  /** A regular file that carries in override_stat what it stands for; a symlink's content is its target. */
  #stageStandIn(what: NewNode): DirStaged {
    const [fd, temp] = this.#create({ mode: S_IFREG | 0o600, uid: this.#uid, gid: this.#gid });
    const staged = new DirStaged(fd, this.#rules, this.#places, temp, true);
    try {
      if (what.target !== undefined) writeAllAt(fd, 0, toBytes(what.target));
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
}

function isDevice(mode: number): boolean {
  const type = mode & S_IFMT;
  return type === S_IFCHR || type === S_IFBLK;
}
