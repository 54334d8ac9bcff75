// How overlayfs's marks are spelled in xattrs and file names, without touching a file: names, escapes, and the
// values of origin, nlink and override_stat. Sources: fs/overlayfs/overlayfs.h of Linux, containers/storage
// (pkg/idtools, override_stat), fuse-overlayfs (.wh. files). What is hidden from users is decided here alone.

import type { Timestamp } from '../filesystem.js';
import { makeDev, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../mode.js';
import { type ByteString, fromBytes } from '../name.js';
import type { Dialect, MarkPrefix, RangesMark } from './layer.js';

/** Marks as they follow `trusted.overlay.` or `user.overlay.`. */
export const OPAQUE = 'opaque';
export const REDIRECT = 'redirect';
export const ORIGIN = 'origin';
export const IMPURE = 'impure';
export const NLINK = 'nlink';
export const WHITEOUT = 'whiteout';
/** The file's data lies at its redirect. */
export const METACOPY = 'metacopy';
/** Ours, in an index alone: the file is one of METACOPY in its layer, and this is its redirect; empty if it has none. */
export const MICA_BELOW = 'mica.below';
/** Ours: which sidecar says what of a file without its own data is its own after all, and where the data below ends. */
export const MICA_RANGES = 'mica.ranges';
/** Ours: the times of a file into which data is coming. */
export const MICA_TIMES = 'mica.times';
/** Ours: the union's file number in decimal, where the kernel's origin (a file handle) cannot say it. */
export const MICA_INO = 'mica.ino';

/** Files of the dialect `wh`: a whiteout of NAME is `.wh.NAME`; names after `.wh..wh.` are AUFS's own. */
export const WH_PREFIX = '.wh.';
/** The longest name that a file `.wh.NAME` can speak of: names have up to 255 bytes (NAME_MAX). */
const WH_NAME_MAX = 255 - WH_PREFIX.length;
export const WH_OPAQUE = '.wh..wh..opq';

export const OVERRIDE_STAT = 'user.containers.override_stat';
const OVERRIDE_PREFIX = 'user.containers.override_';
const FUSE_OVERLAYFS_PREFIX = 'user.fuseoverlayfs.';
const FUSE_OVERLAYFS_SECURITY = 'security.fuseoverlayfs.';
/** Where an object's true owner, mode and device may stand, in the order in which they are believed. */
export const OVERRIDE_NAMES: readonly ByteString[] = [
  OVERRIDE_STAT,
  'user.fuseoverlayfs.override_stat',
  'security.fuseoverlayfs.override_stat',
];
export const FUSE_OVERLAYFS_OPAQUE = 'user.fuseoverlayfs.opaque';

/** The full name of a mark. */
export function markName(prefix: MarkPrefix, mark: string): ByteString {
  return `${prefix}.overlay.${mark}`;
}

/** True if a file of this name cannot be an ordinary one. */
export function isMarkFile(dialect: Dialect, name: ByteString): boolean {
  return dialect === 'wh' && name.startsWith(WH_PREFIX);
}

/** True if a whiteout of this name may lie beside it as a file `.wh.NAME`; the kernel refuses a longer name. */
export function mayHaveWhiteoutFile(dialect: Dialect, name: ByteString): boolean {
  return dialect === 'wh' && name.length <= WH_NAME_MAX;
}

/** The mark that an xattr of a layer spells, or undefined if it is an ordinary (or escaped) one. */
export function markOf(prefixes: readonly MarkPrefix[], stored: ByteString): string | undefined {
  for (const prefix of prefixes) {
    const start = markName(prefix, '');
    if (stored.startsWith(start) && !stored.startsWith('overlay.', start.length)) {
      return stored.slice(start.length);
    }
  }
  return undefined;
}

/** True for what containers/storage and fuse-overlayfs keep to themselves. Never shown and never set by users. */
export function isReservedXattr(name: ByteString): boolean {
  return (
    name.startsWith(OVERRIDE_PREFIX) ||
    name.startsWith(FUSE_OVERLAYFS_PREFIX) ||
    name.startsWith(FUSE_OVERLAYFS_SECURITY)
  );
}

/** How a user's xattr is stored: names spelled like marks get one more `overlay.` (ovl_xattr_escape_name). */
export function escapeXattr(prefixes: readonly MarkPrefix[], name: ByteString): ByteString {
  for (const prefix of prefixes) {
    const start = markName(prefix, '');
    if (name.startsWith(start)) return `${start}overlay.${name.slice(start.length)}`;
  }
  return name;
}

/** The user's name of a stored xattr; undefined for a mark. */
export function unescapeXattr(prefixes: readonly MarkPrefix[], stored: ByteString): ByteString | undefined {
  if (isReservedXattr(stored)) return undefined;
  for (const prefix of prefixes) {
    const start = markName(prefix, '');
    if (!stored.startsWith(start)) continue;
    const escaped = `${start}overlay.`;
    return stored.startsWith(escaped) ? start + stored.slice(escaped.length) : undefined;
  }
  return stored;
}

/** Where an xattr that the process may not set (security.*, trusted.*) is kept instead. */
export function overrideXattr(name: ByteString): ByteString {
  return OVERRIDE_PREFIX + name;
}

/** The user's name of what `overrideXattr` stored; undefined for other names and for override_stat itself. */
export function overriddenXattr(stored: ByteString): ByteString | undefined {
  if (!stored.startsWith(OVERRIDE_PREFIX) || stored === OVERRIDE_STAT) return undefined;
  const name = stored.slice(OVERRIDE_PREFIX.length);
  return name.includes('.') ? name : undefined;
}

// ---- origin: struct ovl_fb of fs/overlayfs/overlayfs.h ----

const OVL_FH_VERSION = 0;
const OVL_FH_MAGIC = 0xfb;
const OVL_FH_FLAG_BIG_ENDIAN = 1;
const OVL_FH_HEADER = 21;
const FILEID_INO32_GEN = 1;
const FILEID_INO32_GEN_PARENT = 2;
const FILEID_BTRFS_WITHOUT_PARENT = 0x4d;
const XFS_FILEID_INO64_GEN = 0x81;

/** The kernel's origin mark of a lower object: its file handle and its filesystem's UUID. */
export function originValue(type: number, handle: Uint8Array, uuid: Uint8Array): Uint8Array {
  const value = new Uint8Array(OVL_FH_HEADER + handle.length);
  value.set([OVL_FH_VERSION, OVL_FH_MAGIC, value.length, 0, type]);
  value.set(uuid.subarray(0, 16), 5);
  value.set(handle, OVL_FH_HEADER);
  return value;
}

/** The UUID of the filesystem in a kernel's origin mark that has a file number. */
export function originUuid(value: Uint8Array): ByteString {
  return fromBytes(value, 5, OVL_FH_HEADER);
}

/** The file number in a kernel's origin mark; 0 if it is empty or of a filesystem whose handles say no number. */
export function originIno(value: Uint8Array): number {
  if (value.length < OVL_FH_HEADER + 8 || value[0] !== OVL_FH_VERSION || value[1] !== OVL_FH_MAGIC) return 0;
  if (((value[3] as number) & OVL_FH_FLAG_BIG_ENDIAN) !== 0) return 0;
  const words = new DataView(value.buffer, value.byteOffset + OVL_FH_HEADER, value.length - OVL_FH_HEADER);
  const low = words.getUint32(0, true);
  switch (value[4]) {
    case FILEID_INO32_GEN:
      // tmpfs spells {generation, ino low, ino high} with the same type (shmem_encode_fh).
      if (words.byteLength === 12) return words.getUint32(4, true) + words.getUint32(8, true) * 4294967296;
      return low;
    case FILEID_INO32_GEN_PARENT:
      return low;
    case FILEID_BTRFS_WITHOUT_PARENT:
    case XFS_FILEID_INO64_GEN:
      return low + words.getUint32(4, true) * 4294967296;
    default:
      return 0;
  }
}

/** The name of an index entry: the whole origin value in hex (ovl_get_index_name_fh). */
export function hexName(value: Uint8Array): ByteString {
  let text = '';
  for (const byte of value) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** The value that `hexName` spelled; empty for what is no name of an index entry. */
export function bytesOfHex(name: ByteString): Uint8Array {
  if (!/^(?:[0-9a-f]{2})+$/.test(name)) return new Uint8Array(0);
  return Uint8Array.from(name.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

// ---- nlink of an indexed object (ovl_get_nlink) ----

/** Ours: `N` names are shown, however many links the object has; while one of them is being made. */
export function nlinkTotal(names: number): string {
  return `=${names}`;
}

/** `U+N`: names shown = links of the upper object (the index's one among them) + N. */
export function nlinkValue(names: number): string {
  const difference = names - 1;
  return `U${difference < 0 ? '-' : '+'}${Math.abs(difference)}`;
}

/**
 * How many names are still to be counted for an object with `links` links, the index's one among them; undefined
 * for the form that is relative to the lower object (`L`).
 */
export function parseNlink(text: string, links: number): number | undefined {
  if (/^=\d+$/.test(text)) return Number(text.slice(1)) - (links - 1);
  const match = /^U([+-])(\d+)$/.exec(text);
  if (match === null) return undefined;
  return (match[1] === '-' ? -Number(match[2]) : Number(match[2])) + 1;
}

// ---- times of a file into which data is coming ----

interface Times {
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
}

export function timesValue({ atime, mtime }: Times): string {
  return `${atime.sec}.${atime.nsec} ${mtime.sec}.${mtime.nsec}`;
}

/** undefined for what `timesValue` did not write. */
export function parseTimes(text: string): Times | undefined {
  const match = /^(-?\d+)\.(\d+) (-?\d+)\.(\d+)$/.exec(text);
  if (match === null) return undefined;
  const [atimeSec, atimeNsec, mtimeSec, mtimeNsec] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { atime: { sec: atimeSec, nsec: atimeNsec }, mtime: { sec: mtimeSec, nsec: mtimeNsec } };
}

// ---- files that have some of their data ----

export function rangesValue({ key, lowerEnd }: RangesMark): string {
  return `${key} ${lowerEnd}`;
}

/** undefined for what `rangesValue` did not write. */
export function parseRanges(text: string): RangesMark | undefined {
  const match = /^([0-9a-f]{16}) (\d+)$/.exec(text);
  const lowerEnd = Number(match?.[2]);
  return Number.isSafeInteger(lowerEnd) ? { key: match![1]!, lowerEnd } : undefined;
}

// ---- override_stat ----

/** What override_stat says of an object. */
export interface Override {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  /** Type bits; 0 where it names none, so that the object's own type holds. */
  readonly type: number;
  readonly rdev: number;
}

const TYPES: Readonly<Record<string, number>> = {
  file: S_IFREG,
  dir: S_IFDIR,
  symlink: S_IFLNK,
  pipe: S_IFIFO,
  socket: S_IFSOCK,
  block: S_IFBLK,
  char: S_IFCHR,
};

/** Reads `uid:gid:mode[:type[-major-minor]]`, mode in octal with or without type bits; undefined if it is damaged. */
export function parseOverride(text: string): Override | undefined {
  const match = /^(\d+):(\d+):([0-7]+)(?::([a-z]+)(?:-(\d+)-(\d+))?.*)?$/.exec(text);
  if (match === null) return undefined;
  const mode = Number.parseInt(match[3] as string, 8);
  return {
    uid: Number(match[1]),
    gid: Number(match[2]),
    mode: mode & 0o7777,
    type: match[4] === undefined ? mode & S_IFMT : (TYPES[match[4]] ?? 0),
    rdev: match[5] === undefined ? 0 : makeDev(Number(match[5]), Number(match[6])),
  };
}

/** The value of override_stat as containers/storage writes it. */
export function formatOverride(override: Override, major: number, minor: number): string {
  const name = Object.keys(TYPES).find((key) => TYPES[key] === override.type);
  const device = override.type === S_IFBLK || override.type === S_IFCHR ? `-${major}-${minor}` : '';
  const mode = override.mode.toString(8).padStart(4, '0');
  const kind = name === undefined ? '' : `:${name}${device}`;
  return `${override.uid}:${override.gid}:${mode}${kind}`;
}
