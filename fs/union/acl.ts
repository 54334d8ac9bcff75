// POSIX ACLs as the xattrs `system.posix_acl_access` and `system.posix_acl_default` carry them
// (linux/posix_acl_xattr.h): a version, then entries of tag, permission and id, little-endian. What acl(5)
// demands of a filesystem: access ACL and mode bits always agree, and a default ACL is inherited in place of
// the umask.

import { EINVAL, FsError } from '../errno.js';

export const ACL_ACCESS = 'system.posix_acl_access';
export const ACL_DEFAULT = 'system.posix_acl_default';

const VERSION = 2;
const HEADER = 4;
const ENTRY = 8;
const USER_OBJ = 0x01;
const USER = 0x02;
const GROUP_OBJ = 0x04;
const GROUP = 0x08;
const MASK = 0x10;
const OTHER = 0x20;

interface AclEntry {
  readonly tag: number;
  readonly perm: number;
  readonly id: number;
}

type Acl = readonly AclEntry[];

/** EINVAL for bytes that are not a valid ACL. */
function parse(value: Uint8Array): Acl {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const bad = value.length < HEADER || (value.length - HEADER) % ENTRY !== 0;
  if (bad || view.getUint32(0, true) !== VERSION) throw new FsError(EINVAL, 'acl');
  const acl: AclEntry[] = [];
  for (let at = HEADER; at < value.length; at += ENTRY) {
    acl.push({
      tag: view.getUint16(at, true),
      perm: view.getUint16(at + 2, true),
      id: view.getUint32(at + 4, true),
    });
  }
  if (acl.length > 0) assertValid(acl);
  return acl;
}

/** The rules of posix_acl_valid: each base entry once, in order, and a mask where there are named entries. */
function assertValid(acl: Acl): void {
  const count = (tag: number) => acl.filter((entry) => entry.tag === tag).length;
  const named = count(USER) + count(GROUP);
  const sorted = acl.every((entry, i) => i === 0 || acl[i - 1]!.tag <= entry.tag);
  const known = acl.every(({ tag, perm }) => (tag & (tag - 1)) === 0 && tag <= OTHER && tag > 0 && perm <= 7);
  const base = count(USER_OBJ) === 1 && count(GROUP_OBJ) === 1 && count(OTHER) === 1;
  if (!sorted || !known || !base || count(MASK) > 1 || (named > 0 && count(MASK) === 0)) {
    throw new FsError(EINVAL, 'acl');
  }
}

function format(acl: Acl): Uint8Array {
  const value = new Uint8Array(HEADER + acl.length * ENTRY);
  const view = new DataView(value.buffer);
  view.setUint32(0, VERSION, true);
  acl.forEach(({ tag, perm, id }, i) => {
    view.setUint16(HEADER + i * ENTRY, tag, true);
    view.setUint16(HEADER + i * ENTRY + 2, perm, true);
    view.setUint32(HEADER + i * ENTRY + 4, id, true);
  });
  return value;
}

/** Which entry the group bits of the mode stand for. */
function groupTag(acl: Acl): number {
  return acl.some((entry) => entry.tag === MASK) ? MASK : GROUP_OBJ;
}

function permissionOf(acl: Acl, tag: number): number {
  return acl.find((entry) => entry.tag === tag)?.perm ?? 0;
}

function withBits(acl: Acl, bits: number): Acl {
  const group = groupTag(acl);
  return acl.map((entry) => {
    if (entry.tag === USER_OBJ) return { ...entry, perm: (bits >> 6) & 7 };
    if (entry.tag === group) return { ...entry, perm: (bits >> 3) & 7 };
    return entry.tag === OTHER ? { ...entry, perm: bits & 7 } : entry;
  });
}

function bitsOf(acl: Acl): number {
  return (
    (permissionOf(acl, USER_OBJ) << 6) | (permissionOf(acl, groupTag(acl)) << 3) | permissionOf(acl, OTHER)
  );
}

/** The access ACL after chmod: `mode` moves into its base entries and mask. */
export function aclAfterChmod(access: Uint8Array, mode: number): Uint8Array {
  return format(withBits(parse(access), mode));
}

/**
 * An access ACL that is being set, split into the mode's nine bits and what must be stored beside them;
 * `stored` is undefined if the bits say it all. No entries at all means that the ACL goes: `bits` is undefined.
 */
export function splitAccessAcl(value: Uint8Array): {
  bits: number | undefined;
  stored: Uint8Array | undefined;
} {
  const acl = parse(value);
  if (acl.length === 0) return { bits: undefined, stored: undefined };
  return { bits: bitsOf(acl), stored: acl.length > 3 ? value : undefined };
}

/** A default ACL that is being set; undefined if it has no entries, which removes it. EINVAL as setfacl(1). */
export function checkedDefaultAcl(value: Uint8Array): Uint8Array | undefined {
  return parse(value).length === 0 ? undefined : value;
}

/** What a new file gets from its folder's default ACL: mode bits reduced by it, and an access ACL if they do not say it all. */
export function inheritAcl(
  defaultAcl: Uint8Array,
  mode: number,
): { mode: number; access: Uint8Array | undefined } {
  const acl = parse(defaultAcl);
  const bits = mode & bitsOf(acl) & 0o777;
  const access = withBits(acl, bits);
  return { mode: (mode & ~0o777) | bits, access: acl.length > 3 ? format(access) : undefined };
}
