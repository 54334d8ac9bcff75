// One object of a real folder, held by an O_PATH descriptor: it stays the same object when its name is moved or
// removed. Writing keeps two promises: what users set never becomes a mark, and what an ordinary user may not
// store on the object itself goes into override_stat (stand-ins) and is shown as if it had been stored.

import { EEXIST, EINVAL, ENODATA, EOPNOTSUPP, EPERM, FsError, isErrno } from '../errno.js';
import { Attr, type Timestamp, XATTR_CREATE } from '../filesystem.js';
import { devMajor, devMinor, isFolder, isRegular, isSymlink, PERMISSION_BITS, S_IFMT } from '../mode.js';
import { type ByteString, fromBytes, toBytes } from '../name.js';
import {
  chmodFd,
  chownFd,
  closeFd,
  duplicate,
  fileHandle,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  readAt,
  readlinkFd,
  reopen,
  statFd,
  utimesFd,
  XATTRS,
  XATTRS_OF_OPEN,
  type XattrAccess,
} from '../sys/index.js';
import { DirFile } from './dir-file.js';
import { holdsCopies, type LayerRules, readMarks, readOverride, showAttributes } from './dir-marks.js';
import type { LayerEntry, LayerFile, LayerNode, RangesMark, WritableFile, WritableNode } from './layer.js';
import {
  escapeXattr,
  formatOverride,
  IMPURE,
  isReservedXattr,
  METACOPY,
  MICA_INO,
  MICA_RANGES,
  MICA_TIMES,
  markName,
  markOf,
  OPAQUE,
  ORIGIN,
  OVERRIDE_STAT,
  type Override,
  originValue,
  overriddenXattr,
  overrideXattr,
  REDIRECT,
  rangesValue,
  timesValue,
  unescapeXattr,
} from './marks.js';
import { DEFAULT_ACL, ownerBits, type UpperRules } from './upper-rules.js';
import { withoutWhiteoutFiles } from './whiteout-file.js';

/** The names that an object shows which stores these: without marks, and as they were before they were escaped. */
export function shownXattrs(
  { prefixes, overrides }: LayerRules,
  stored: readonly ByteString[],
): readonly ByteString[] {
  if (stored.length === 0) return stored;
  const names = new Set<ByteString>();
  for (const name of stored) {
    const shown = unescapeXattr(prefixes, name) ?? (overrides ? overriddenXattr(name) : undefined);
    if (shown !== undefined) names.add(shown);
  }
  return [...names];
}

export class DirNode implements LayerNode {
  readonly fd: number;
  protected readonly rules: LayerRules;
  protected readonly xattrs: XattrAccess;

  /** Takes the descriptor over: an O_PATH one, unless `xattrs` is for one that is open. */
  constructor(fd: number, rules: LayerRules, xattrs = XATTRS) {
    this.fd = fd;
    this.rules = rules;
    this.xattrs = xattrs;
  }

  stat(out: LayerEntry): void {
    statFd(this.fd, out.attr);
    readMarks(this.rules, this.fd, undefined, out);
  }

  attributes(out: Attr): void {
    statFd(this.fd, out);
    showAttributes(this.rules, this.fd, out);
  }

  readlink(): ByteString {
    if (!this.rules.overrides) return readlinkFd(this.fd);
    const attr = new Attr();
    statFd(this.fd, attr);
    return isRegular(attr.mode) ? this.#standInTarget(attr.size) : readlinkFd(this.fd);
  }

  getxattr(name: ByteString): Uint8Array | undefined {
    if (isReservedXattr(name)) return undefined;
    if (this.rules.overrides) {
      const kept = this.xattrs.get(this.fd, overrideXattr(name));
      if (kept !== undefined) return kept;
    }
    return this.xattrs.get(this.fd, escapeXattr(this.rules.prefixes, name));
  }

  listxattr(): readonly ByteString[] {
    return shownXattrs(this.rules, this.xattrs.list(this.fd));
  }

  open(): LayerFile {
    return new DirFile(reopen(this.fd, O_RDONLY | O_NONBLOCK), this.rules);
  }

  release(): void {
    closeFd(this.fd);
  }

  origin(): Uint8Array | undefined {
    const handle = fileHandle(this.fd);
    return handle === undefined ? undefined : originValue(handle.type, handle.bytes, this.rules.uuid);
  }

  /** A regular file that stands in for a symlink holds the target (containers/storage). */
  #standInTarget(size: number): ByteString {
    const override = readOverride(this.fd, undefined);
    if (override === undefined || !isSymlink(override.type)) throw new FsError(EINVAL, 'readlink');
    const file = reopen(this.fd, O_RDONLY | O_NONBLOCK);
    try {
      const target = new Uint8Array(Math.min(size, 4095));
      return fromBytes(target, 0, readAt(file, 0, target));
    } finally {
      closeFd(file);
    }
  }
}

const YES = Uint8Array.of(0x79);
const NO_BYTES = new Uint8Array(0);

export class UpperNode extends DirNode implements WritableNode {
  declare protected readonly rules: UpperRules;

  override stat(out: LayerEntry): void {
    super.stat(out);
    if (!out.interrupted) return;
    this.utimes(...timesOf(out.attr));
    this.keepTimes(undefined);
  }

  openWrite(): WritableFile {
    return new UpperFile(reopen(this.fd, O_RDWR | O_NONBLOCK), this.rules);
  }

  chown(uid: number, gid: number): void {
    if (this.#overrideIfAny() !== undefined) {
      this.#override({ uid, gid });
      return;
    }
    const { ids } = this.rules;
    const real = {
      uid: ids === undefined ? uid : ids.uidHere(uid),
      gid: ids === undefined ? gid : ids.gidHere(gid),
    };
    if (real.uid === undefined || real.gid === undefined) {
      this.#override({ uid, gid });
      return;
    }
    try {
      chownFd(this.fd, real.uid, real.gid);
    } catch (error) {
      // EINVAL: an id that this user namespace does not map.
      if (this.rules.privileged || !(isErrno(error, EPERM) || isErrno(error, EINVAL))) throw error;
      this.#override({ uid, gid });
    }
  }

  chmod(mode: number): void {
    const type = mode & S_IFMT;
    if (isSymlink(type)) return;
    if (isFolder(type)) this.rules.inheritance++;
    const bits = mode & PERMISSION_BITS;
    const known = this.#overrideIfAny();
    const kept = this.rules.keptBits(type);
    if (known !== undefined || (bits & kept) !== kept) {
      chmodFd(this.fd, (bits & 0o777) | ownerBits(type));
      this.#override({ mode: bits });
      return;
    }
    chmodFd(this.fd, bits);
  }

  utimes(atime: Timestamp | 'now' | undefined, mtime: Timestamp | 'now' | undefined): void {
    utimesFd(this.fd, atime, mtime);
  }

  setxattr(name: ByteString, value: Uint8Array, flags: number): void {
    if (isReservedXattr(name)) throw new FsError(EPERM, 'setxattr');
    if (name === DEFAULT_ACL) this.rules.inheritance++;
    try {
      this.xattrs.set(this.fd, escapeXattr(this.rules.prefixes, name), value, flags);
    } catch (error) {
      if (!this.#isForeign(name) || !isErrno(error, EPERM)) throw error;
      this.rules.enableOverrides();
      this.xattrs.set(this.fd, overrideXattr(name), value, flags);
    }
  }

  removexattr(name: ByteString): void {
    if (isReservedXattr(name)) throw new FsError(ENODATA, 'removexattr');
    if (this.rules.overrides && this.xattrs.get(this.fd, overrideXattr(name)) !== undefined) {
      this.xattrs.remove(this.fd, overrideXattr(name));
      return;
    }
    this.xattrs.remove(this.fd, escapeXattr(this.rules.prefixes, name));
  }

  setOpaque(on: boolean): void {
    if (on) withoutWhiteoutFiles(this.rules, this.fd, () => this.#setMark(OPAQUE, YES));
    else this.#setMark(OPAQUE, undefined);
  }

  setRedirect(redirect: ByteString | undefined): void {
    this.#setMark(REDIRECT, redirect === undefined ? undefined : toBytes(redirect));
  }

  setMetacopy(on: boolean): void {
    this.#setMark(METACOPY, on ? NO_BYTES : undefined);
  }

  setRanges(ranges: RangesMark | undefined): void {
    this.#setMark(MICA_RANGES, ranges === undefined ? undefined : toBytes(rangesValue(ranges)));
  }

  keepTimes(times: Attr | undefined): void {
    if (times === undefined) this.#setMark(MICA_TIMES, undefined);
    else {
      const [atime, mtime] = timesOf(times);
      this.#setMark(MICA_TIMES, toBytes(timesValue({ atime, mtime })));
    }
  }

  setOrigin(ino: number, source: LayerNode | undefined): void {
    this.#setHint(MICA_INO, toBytes(String(ino)));
    const origin = source?.origin?.();
    if (origin === undefined) return;
    try {
      this.#setHint(ORIGIN, origin, XATTR_CREATE);
    } catch (error) {
      // The kernel copied it up, and knows better of which of several layers.
      if (!isErrno(error, EEXIST)) throw error;
    }
  }

  setImpure(): void {
    this.rules.impurity++;
    this.#setHint(IMPURE, YES);
  }

  isImpure(): boolean {
    return holdsCopies(this.rules, this.fd);
  }

  /** A mark of the index: text under a mark's name. */
  setMarkText(mark: string, text: string): void {
    this.#setHint(mark, toBytes(text));
  }

  markText(mark: string): string | undefined {
    const value = this.xattrs.get(this.fd, markName(this.rules.marks, mark));
    return value === undefined ? undefined : fromBytes(value);
  }

  /** Makes the object what `override` says, for those that this process could not make. */
  standFor(override: Override): void {
    this.rules.enableOverrides();
    const text = formatOverride(override, devMajor(override.rdev), devMinor(override.rdev));
    this.xattrs.set(this.fd, OVERRIDE_STAT, toBytes(text), 0);
  }

  /** Names that only a privileged process may set. */
  #isForeign(name: ByteString): boolean {
    const foreign = name.startsWith('security.') || name.startsWith('trusted.');
    return !this.rules.privileged && foreign && markOf(this.rules.prefixes, name) === undefined;
  }

  #overrideIfAny(): Override | undefined {
    return this.rules.overrides ? readOverride(this.fd, undefined) : undefined;
  }

  /** Owner and mode are written together: one without the other would be read as 0. */
  #override(change: { readonly uid?: number; readonly gid?: number; readonly mode?: number }): void {
    const attr = new Attr();
    statFd(this.fd, attr);
    this.rules.ids?.show(attr);
    const known = this.#overrideIfAny();
    this.standFor({
      uid: change.uid ?? known?.uid ?? attr.uid,
      gid: change.gid ?? known?.gid ?? attr.gid,
      mode: change.mode ?? known?.mode ?? attr.mode & PERMISSION_BITS,
      type: known?.type || attr.mode & S_IFMT,
      rdev: known?.rdev ?? attr.rdev,
    });
  }

  #setMark(mark: string, value: Uint8Array | undefined, flags = 0): void {
    const name = markName(this.rules.marks, mark);
    if (value !== undefined) this.xattrs.set(this.fd, name, value, flags);
    else if (this.xattrs.get(this.fd, name) !== undefined) this.xattrs.remove(this.fd, name);
  }

  /** A mark that may be missing: user.* cannot be stored on symlinks and devices, nor on some filesystems. */
  #setHint(mark: string, value: Uint8Array, flags = 0): void {
    try {
      this.#setMark(mark, value, flags);
    } catch (error) {
      if (!isErrno(error, EPERM) && !isErrno(error, EOPNOTSUPP)) throw error;
    }
  }
}

function timesOf(attr: Attr): [atime: Timestamp, mtime: Timestamp] {
  return [
    { sec: attr.atimeSec, nsec: attr.atimeNsec },
    { sec: attr.mtimeSec, nsec: attr.mtimeNsec },
  ];
}

/** The object of an open file, whose descriptor it borrows: there is nothing to release. */
class OpenNode extends UpperNode {
  constructor(fd: number, rules: UpperRules) {
    super(fd, rules, XATTRS_OF_OPEN);
  }

  override openWrite(): WritableFile {
    return new UpperFile(duplicate(this.fd), this.rules);
  }

  override release(): void {
    // The file's to close.
  }
}

/** Data of an upper that is open for reading and writing. */
export class UpperFile extends DirFile {
  readonly node: WritableNode;

  constructor(fd: number, rules: UpperRules) {
    super(fd, rules);
    this.node = new OpenNode(fd, rules);
  }
}
