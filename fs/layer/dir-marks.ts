// What the marks on a real object say. The object is named (folder descriptor, name), or by its own descriptor
// with no name. Most objects have no xattr at all and cost one system call here.

import { EACCES, EIO, FsError, isErrno } from '../errno.js';
import type { Attr } from '../filesystem.js';
import { Attr as AttrRecord } from '../filesystem.js';
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../mode.js';
import { type ByteString, fromBytes } from '../name.js';
import { getXattr, getXattrAt, listXattrs, listXattrsAt, statAt } from '../sys/index.js';
import type { Dialect, LayerEntry, MarkPrefix, RangesMark } from './layer.js';
import {
  FUSE_OVERLAYFS_OPAQUE,
  IMPURE,
  isReservedXattr,
  METACOPY,
  MICA_INO,
  MICA_RANGES,
  MICA_TIMES,
  markName,
  markOf,
  mayHaveWhiteoutFile,
  OPAQUE,
  ORIGIN,
  OVERRIDE_NAMES,
  type Override,
  originIno,
  originUuid,
  parseOverride,
  parseRanges,
  parseTimes,
  REDIRECT,
  WH_OPAQUE,
  WH_PREFIX,
  WHITEOUT,
} from './marks.js';
import type { RealIds } from './real-ids.js';

/** What all objects of a layer have in common. */
export interface LayerRules {
  readonly prefixes: readonly MarkPrefix[];
  readonly dialect: Dialect;
  /** Of the layer's filesystem; zeros where the kernel does not say. Part of the kernel's origin marks. */
  readonly uuid: Uint8Array;
  /** Owners of real objects mean others in this layer than the kernel says; undefined where they do not. */
  readonly ids: RealIds | undefined;
  /** Owners and types may stand in override_stat: set from the layer's root, as fuse-overlayfs does. */
  overrides: boolean;
  /** Whether origins are read: an upper's are needed to keep file numbers, a lower's nobody asks for. */
  readonly origins: boolean;
  /** Counts changes of which folders hold copies. */
  impurity: number;
  /** st_nlink of the filesystem's folders is 2 and one for each subfolder. */
  readonly countsSubfolders: boolean;
  /** A file that no program copied up has blocks for its data: one with as many as its size takes is not without. */
  readonly blocksTell: boolean;
}

const probe = new AttrRecord();

function bytesOf(fd: number, name: ByteString | undefined, xattr: ByteString): Uint8Array | undefined {
  return name === undefined ? getXattr(fd, xattr) : getXattrAt(fd, name, xattr);
}

function textOf(fd: number, name: ByteString | undefined, xattr: ByteString): ByteString {
  const value = bytesOf(fd, name, xattr);
  return value === undefined ? '' : fromBytes(value);
}

/**
 * Fills the marks of `out`, whose `attr` is filled already, and puts override_stat's truth into `attr`. `copies`:
 * the folder may hold files without data (`holdsCopies`).
 */
export function readMarks(
  rules: LayerRules,
  fd: number,
  name: ByteString | undefined,
  out: LayerEntry,
  copies = true,
): void {
  const attr = out.attr;
  const type = attr.mode & S_IFMT;
  clearMarks(rules, out);
  if (out.whiteout) return;
  if (type === S_IFDIR && rules.dialect === 'wh') out.opaque = hasOpaqueFile(fd, name);
  if (!mayBeMarked(rules, type, attr, copies)) return;
  const names = name === undefined ? listXattrs(fd) : listXattrsAt(fd, name);
  if (names.length === 0) return;
  for (const stored of names) {
    const mark = markOf(rules.prefixes, stored);
    if (mark !== undefined) readMark(rules, mark, fd, name, stored, out);
    else if (stored === FUSE_OVERLAYFS_OPAQUE && rules.dialect === 'wh') out.opaque ||= type === S_IFDIR;
  }
  // A file that got its data after all keeps its redirect (ovl_copy_up_meta_inode_data), which then says nothing.
  if (type === S_IFREG && !out.metacopy) out.redirect = undefined;
  if (rules.overrides && names.some(isReservedXattr)) {
    const override = readOverride(fd, name);
    if (override !== undefined) applyOverride(override, attr);
  }
}

/** The marks of an object without xattrs. */
export function clearMarks(rules: LayerRules, out: LayerEntry): void {
  showReal(rules, out.attr);
  out.unmarked();
  out.whiteout = (out.attr.mode & S_IFMT) === S_IFCHR && out.attr.rdev === 0;
}

/** Turns what the kernel says of a real object into what the layer says of it. */
function showReal(rules: LayerRules, attr: Attr): void {
  rules.ids?.show(attr);
  if (!rules.countsSubfolders && (attr.mode & S_IFMT) === S_IFDIR) attr.nlink = 1;
}

/** Whether an xattr of such an object can matter here: each look costs as much as the object's attributes. */
function mayBeMarked(
  rules: LayerRules,
  type: number,
  { size, blocks, nlink }: Attr,
  copies: boolean,
): boolean {
  if (type === S_IFDIR) return true;
  // user.* attributes exist on files and folders only (xattr(7)).
  const mayCarry = type === S_IFREG || rules.prefixes.includes('trusted');
  // Overlayfs without its index takes the word of a folder back in which only hard links have an origin
  // (ovl_dir_read_impure), and another folder may keep it: all names of a file must show one number.
  if (rules.overrides || (rules.origins && (copies || nlink > 1))) return mayCarry;
  // A whiteout that is spelled as an xattr is an empty file; a file without data has no blocks but those of xattrs.
  return type === S_IFREG && (size === 0 || copies || blocks * SECTOR < size);
}

/** True if a folder holds what was copied up, so that also a file that seems to have data may have none. */
export function holdsCopies(rules: LayerRules, fd: number): boolean {
  return rules.prefixes.some((prefix) => getXattr(fd, markName(prefix, IMPURE)) !== undefined);
}

const SECTOR = 512;

function readMark(
  rules: LayerRules,
  mark: string,
  fd: number,
  name: ByteString | undefined,
  stored: ByteString,
  out: LayerEntry,
): void {
  const isDir = (out.attr.mode & S_IFMT) === S_IFDIR;
  switch (mark) {
    case OPAQUE:
      // "x" says only that xattr whiteouts lie inside.
      if (isDir && textOf(fd, name, stored) === 'y') out.opaque = true;
      break;
    case REDIRECT:
      if (isDir || (out.attr.mode & S_IFMT) === S_IFREG) out.redirect = textOf(fd, name, stored);
      break;
    case METACOPY:
      out.metacopy = (out.attr.mode & S_IFMT) === S_IFREG;
      if (out.metacopy && !rules.origins) assertMetacopy(bytesOf(fd, name, stored) ?? NO_BYTES);
      break;
    case MICA_RANGES:
      out.ranges = parseRanges(textOf(fd, name, stored)) ?? NO_RANGES;
      break;
    case MICA_TIMES:
      readKeptTimes(textOf(fd, name, stored), out);
      break;
    case WHITEOUT:
      out.whiteout = !isDir && out.attr.size === 0;
      break;
    case MICA_INO:
      out.origin = Number(textOf(fd, name, stored));
      out.originUuid = '';
      break;
    case ORIGIN:
      if (out.origin === 0) readOrigin(bytesOf(fd, name, stored) ?? NO_BYTES, out);
      break;
  }
}

/** Bytes of struct ovl_metacopy without a digest. */
const METACOPY_HEAD = 4;

/**
 * EIO for what overlayfs takes for no mark of its own (ovl_check_metacopy_xattr): it is empty, or may hold a digest of
 * the data (fs-verity). An upper's are not looked at: overlayfs or this program wrote them, and each look costs a call.
 */
function assertMetacopy({ length }: Uint8Array): void {
  if (length > 0 && length < METACOPY_HEAD) throw new FsError(EIO, 'mark metacopy');
}

function readKeptTimes(text: ByteString, out: LayerEntry): void {
  const kept = parseTimes(text);
  if (kept === undefined) return;
  out.interrupted = true;
  out.attr.atimeSec = kept.atime.sec;
  out.attr.atimeNsec = kept.atime.nsec;
  out.attr.mtimeSec = kept.mtime.sec;
  out.attr.mtimeNsec = kept.mtime.nsec;
}

/** Fills the origin of an entry that has none from a kernel's origin mark. */
export function readOrigin(value: Uint8Array, out: LayerEntry): void {
  out.origin = originIno(value);
  if (out.origin !== 0) out.originUuid = originUuid(value);
}

const NO_BYTES = new Uint8Array(0);
/** Of a mark that nobody wrote: no sidecar has this name. */
const NO_RANGES: RangesMark = { key: '', lowerEnd: 0 };

/** A whiteout file speaks of the layers below: a folder beside its own whiteout hides what they hold. */
function hasOpaqueFile(fd: number, name: ByteString | undefined): boolean {
  if (isInside(fd, name === undefined ? WH_OPAQUE : `${name}/${WH_OPAQUE}`)) return true;
  if (name === undefined) return false;
  return name !== '.' && mayHaveWhiteoutFile('wh', name) && statAt(fd, WH_PREFIX + name, probe);
}

/** False for a folder that this process may not look into: neither it nor what it would hide can be listed. */
function isInside(fd: number, path: ByteString): boolean {
  try {
    return statAt(fd, path, probe);
  } catch (error) {
    if (!isErrno(error, EACCES)) throw error;
    return false;
  }
}

/** True if xattr whiteouts lie inside the folder (opaque = "x"), so that its files must be looked at one by one. */
export function hasXattrWhiteouts(rules: LayerRules, fd: number): boolean {
  return listXattrsAt(fd, '.').some(
    (stored) => markOf(rules.prefixes, stored) === OPAQUE && textOf(fd, undefined, stored) === 'x',
  );
}

/** The first override_stat that can be read; undefined if there is none. */
export function readOverride(fd: number, name: ByteString | undefined): Override | undefined {
  for (const xattr of OVERRIDE_NAMES) {
    const value = bytesOf(fd, name, xattr);
    if (value !== undefined) return parseOverride(fromBytes(value));
  }
  return undefined;
}

/** As `readMarks` of an object that a descriptor stands for, for its attributes alone. */
export function showAttributes(rules: LayerRules, fd: number, attr: Attr): void {
  showReal(rules, attr);
  const override = rules.overrides ? readOverride(fd, undefined) : undefined;
  if (override !== undefined) applyOverride(override, attr);
}

function applyOverride(override: Override, attr: Attr): void {
  attr.uid = override.uid;
  attr.gid = override.gid;
  const real = attr.mode & S_IFMT;
  // Only a regular file stands in for something else.
  const type = real === S_IFREG && override.type !== 0 ? override.type : real;
  attr.mode = type | override.mode;
  if (type === real) return;
  attr.rdev = override.rdev;
  if (type !== S_IFLNK) attr.size = 0;
}
