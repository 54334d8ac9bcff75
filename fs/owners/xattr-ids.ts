// Ids inside the values of extended attributes: the named users and groups of a POSIX ACL
// (linux/posix_acl_xattr.h), and the root user of the namespace that a file capability is for (struct
// vfs_ns_cap_data of linux/capability.h). Values that are no such thing pass as they are: whoever takes them next
// refuses them.

import { EINVAL, FsError } from '../errno.js';
import type { IdMap } from './id-map.js';

type Translate = (map: IdMap, id: number) => number;

const shown: Translate = (map, id) => map.shown(id);

/** EINVAL as the kernel has it for an id that a user namespace does not map (posix_acl_from_xattr). */
export const stored: Translate = (map, id) => {
  const found = map.stored(id);
  if (found === undefined) throw new FsError(EINVAL, 'an owner outside of the map');
  return found;
};

// ---- POSIX ACLs ----

const ACL_VERSION = 2;
const ACL_HEADER = 4;
const ACL_ENTRY = 8;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;

/** Of entries that come to speak of one owner the first is shown: an ACL with two would not be valid. */
export function shownAcl(value: Uint8Array, uids: IdMap, gids: IdMap): Uint8Array {
  return translateAcl(value, uids, gids, shown);
}

export function storedAcl(value: Uint8Array, uids: IdMap, gids: IdMap): Uint8Array {
  return translateAcl(value, uids, gids, stored);
}

function translateAcl(value: Uint8Array, uids: IdMap, gids: IdMap, translate: Translate): Uint8Array {
  const from = viewOf(value);
  const entries = (value.length - ACL_HEADER) / ACL_ENTRY;
  if (!Number.isInteger(entries) || entries < 0 || from.getUint32(0, true) !== ACL_VERSION) return value;
  const out = new Uint8Array(value.length);
  const to = viewOf(out);
  to.setUint32(0, ACL_VERSION, true);
  const named = new Set<number>();
  let end = ACL_HEADER;
  for (let at = ACL_HEADER; at < value.length; at += ACL_ENTRY) {
    const tag = from.getUint16(at, true);
    let id = from.getUint32(at + 4, true);
    if (tag === ACL_USER || tag === ACL_GROUP) {
      id = translate(tag === ACL_USER ? uids : gids, id);
      const name = tag * 4294967296 + id;
      if (named.has(name)) continue;
      named.add(name);
    }
    to.setUint16(end, tag, true);
    to.setUint16(end + 2, from.getUint16(at + 2, true), true);
    to.setUint32(end + 4, id, true);
    end += ACL_ENTRY;
  }
  return out.subarray(0, end);
}

// ---- file capabilities ----

const CAP_REVISION_MASK = 0xff000000;
const CAP_REVISION_2 = 0x02000000;
const CAP_REVISION_3 = 0x03000000;
const CAP_SIZE_2 = 20;
const CAP_SIZE_3 = 24;

/** Revision 2 is for the namespace of id 0, so it is shown as revision 3 where 0 is shown as another id. */
export function shownCapability(value: Uint8Array, uids: IdMap): Uint8Array {
  const root = capabilityRoot(value);
  return root === undefined ? value : withRoot(value, uids.shown(root));
}

/** Revision 2 comes from who may give capabilities on the whole machine, and is stored as given where the map has no 0. */
export function storedCapability(value: Uint8Array, uids: IdMap): Uint8Array {
  const root = capabilityRoot(value);
  if (root === undefined) return value;
  if (value.length === CAP_SIZE_2 && uids.stored(root) === undefined) return value;
  return withRoot(value, stored(uids, root));
}

function capabilityRoot(value: Uint8Array): number | undefined {
  if (value.length < CAP_SIZE_2) return undefined;
  const view = viewOf(value);
  const revision = (view.getUint32(0, true) & CAP_REVISION_MASK) >>> 0;
  if (revision === CAP_REVISION_2 && value.length === CAP_SIZE_2) return 0;
  if (revision === CAP_REVISION_3 && value.length === CAP_SIZE_3) return view.getUint32(CAP_SIZE_2, true);
  return undefined;
}

function withRoot(value: Uint8Array, root: number): Uint8Array {
  const out = new Uint8Array(root === 0 ? CAP_SIZE_2 : CAP_SIZE_3);
  out.set(value.subarray(0, CAP_SIZE_2));
  const view = viewOf(out);
  const flags = (view.getUint32(0, true) & ~CAP_REVISION_MASK) >>> 0;
  view.setUint32(0, (root === 0 ? CAP_REVISION_2 : CAP_REVISION_3) + flags, true);
  if (root !== 0) view.setUint32(CAP_SIZE_2, root, true);
  return out;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
