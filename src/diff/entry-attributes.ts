// Gives a node the attributes of an archive's entry: owner before mode, because chown(2) clears set-id bits, both
// before xattrs, because it clears capabilities too, and times last. What holds already is not set again.

import {
  type Attr,
  type ByteString,
  EOPNOTSUPP,
  EPERM,
  type Filesystem,
  isErrno,
  type NodeId,
  PERMISSION_BITS,
  SYSTEM_CALLER,
  type Timestamp,
} from '../../fs/index.js';
import type { TarEntry } from './tar-entry.js';

export interface Times {
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
}

/** An access time is set even if the archive has none, so that unpacking twice gives the same tree. */
export function timesOf({ atime, mtime }: TarEntry): Times {
  return { atime: atime ?? mtime, mtime };
}

/**
 * Sets what differs. `attr` holds the node's attributes and is used up. A folder's times are left alone: they
 * change with every entry in it. Returns how many xattrs the layer's filesystem did not take.
 */
export function setAttributes(target: Filesystem, node: NodeId, attr: Attr, entry: TarEntry): number {
  const { uid, gid, mode, xattrs, type } = entry;
  if (attr.uid !== uid || attr.gid !== gid) target.setattr(node, { uid, gid }, SYSTEM_CALLER, attr);
  let skipped = 0;
  for (const [name, value] of xattrs) if (!setXattr(target, node, name, value)) skipped++;
  // An ACL changes mode bits; the archive's mode is the last word.
  const setMode = type !== 'symlink' && (xattrs.size > 0 || (attr.mode & PERMISSION_BITS) !== mode);
  const times = type === 'folder' ? undefined : timesOf(entry);
  if (setMode || times !== undefined) {
    target.setattr(node, { ...(setMode ? { mode } : {}), ...times }, SYSTEM_CALLER, attr);
  }
  return skipped;
}

/** Removes xattrs that the entry does not have: old ones of a folder, or an ACL that a folder above gave. */
export function removeOtherXattrs(target: Filesystem, node: NodeId, entry: TarEntry): void {
  for (const name of target.listxattr(node)) {
    // The kernel labels every file by itself.
    if (!entry.xattrs.has(name) && name !== 'security.selinux') target.removexattr(node, name);
  }
}

/** False for an xattr that is of no kind known here, or that may not be set; containerd goes on likewise. */
function setXattr(target: Filesystem, node: NodeId, name: ByteString, value: Uint8Array): boolean {
  try {
    target.setxattr(node, name, value, 0, false);
    return true;
  } catch (error) {
    if (!isErrno(error, EOPNOTSUPP) && !isErrno(error, EPERM)) throw error;
    return false;
  }
}
