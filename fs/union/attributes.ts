// Changing attributes: chmod, chown, truncate, utimes in one, and the clearing of set-id bits and capabilities
// that a write by somebody without privilege brings. A layer's chown may clear set-id bits by itself; here they
// go only when the caller asks for it, so that work in the process's own name can restore a file exactly.

import { EINVAL, EISDIR, FsError } from '../errno.js';
import type { Attr, AttrChange, Caller } from '../filesystem.js';
import type { WritableNode } from '../layer/layer.js';
import { PERMISSION_BITS, S_IFDIR, S_IFLNK, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from '../mode.js';
import { assertOffset, stat, statLayer, withUpper } from './access.js';
import { ACL_ACCESS, aclAfterChmod } from './acl.js';
import {
  changeUpper,
  ensureData,
  ensureUpper,
  ensureUpperWithoutCapability,
  ensureWritable,
} from './copy-up.js';
import type { Inode } from './inode.js';
import { truncateData } from './open-file.js';
import type { Stack } from './stack.js';
import { getXattr } from './xattr.js';
import { CAPABILITY } from './xattr-names.js';

/** See Filesystem.setattr. A change that changes nothing copies nothing up. */
export function setAttributes(
  stack: Stack,
  inode: Inode,
  change: AttrChange,
  caller: Caller,
  out: Attr,
): void {
  const { size, mode, uid, gid, atime, mtime } = change;
  if (size !== undefined) {
    if (inode.type === S_IFDIR) throw new FsError(EISDIR, 'truncate');
    if (inode.type !== S_IFREG) throw new FsError(EINVAL, 'truncate');
    assertOffset(size);
    if (!ensureWritable(stack, inode, size)) truncateData(stack, inode, size);
  }
  const owner = uid !== undefined || gid !== undefined;
  const times = atime !== undefined || mtime !== undefined;
  if (change.killPrivileges === true) clearPrivileges(stack, inode, caller);
  if (mode !== undefined || owner || times) {
    stack.writable();
    if (mode !== undefined && losesSetId(stack, mode)) ensureData(stack, inode);
    changeUpper(stack, inode, (node) => {
      if (owner) changeOwner(stack, inode, node, uid, gid);
      if (mode !== undefined && inode.type !== S_IFLNK) changeMode(inode, node, mode);
      if (times) node.utimes(atime, mtime);
    });
    if (mode !== undefined || owner) inode.inheritance = undefined;
    // Neither a new owner nor new times bring a privilege.
    if (mode !== undefined && (mode & (S_ISUID | S_ISGID)) !== 0) inode.unprivileged = false;
  }
  stat(stack, inode, out);
}

/** A later write of the data would clear what an ordinary user has set (see data-below.ts). */
function losesSetId(stack: Stack, mode: number): boolean {
  return (mode & (S_ISUID | S_ISGID)) !== 0 && !stack.writable().privileged;
}

function changeOwner(
  stack: Stack,
  inode: Inode,
  node: WritableNode,
  uid: number | undefined,
  gid: number | undefined,
): void {
  if (inode.unprivileged && uid !== undefined && gid !== undefined) {
    node.chown(uid, gid);
    return;
  }
  const { attr } = statLayer(stack, inode);
  const { mode } = attr;
  node.chown(uid ?? attr.uid, gid ?? attr.gid);
  const setId = (mode & (S_ISUID | S_ISGID)) !== 0;
  if (setId && !inode.isFolder) node.chmod(mode);
}

/** Also moves the group bits into the mask of an access ACL, where a filesystem has not done so itself. */
function changeMode(inode: Inode, node: WritableNode, mode: number): void {
  node.chmod(inode.type | (mode & PERMISSION_BITS));
  if (inode.withoutAccessAcl) return;
  const access = node.getxattr(ACL_ACCESS);
  inode.withoutAccessAcl = access === undefined;
  if (access === undefined) return;
  const wanted = aclAfterChmod(access, mode);
  if (wanted.some((byte, i) => byte !== access[i])) node.setxattr(ACL_ACCESS, wanted, 0);
}

/**
 * What a write, a truncation or a new owner takes away: set-user-ID; set-group-ID where the group may execute, or
 * where the `caller` is of another group; and file capabilities (file_remove_privs, setattr_should_drop_sgid of the
 * kernel). Where nobody knows the further groups of a caller, their member loses a bit that the kernel would leave.
 */
export function clearPrivileges(stack: Stack, inode: Inode, caller?: Caller): void {
  if (inode.unprivileged || inode.isFolder || inode.type === S_IFLNK) return;
  stat(stack, inode, stack.attr);
  const { mode, gid } = stack.attr;
  const kept = withoutSetId(mode, gid, caller);
  const capability = getXattr(stack, inode, CAPABILITY);
  if (kept !== mode || capability !== undefined) {
    if (capability === undefined) ensureUpper(stack, inode);
    else ensureUpperWithoutCapability(stack, inode);
    if (kept !== mode) withUpper(stack, inode, (upper) => upper.chmod(kept));
  }
  inode.unprivileged = (kept & S_ISGID) === 0;
}

interface Privileges {
  readonly mode: number;
  readonly capability: Uint8Array | undefined;
}

/** What `clearPrivileges` might take away; undefined if there is nothing. */
export function privilegesOf(stack: Stack, inode: Inode): Privileges | undefined {
  if (inode.unprivileged || inode.type !== S_IFREG) return undefined;
  stat(stack, inode, stack.attr);
  const { mode } = stack.attr;
  const capability = getXattr(stack, inode, CAPABILITY);
  if ((mode & (S_ISUID | S_ISGID)) !== 0 || capability !== undefined) return { mode, capability };
  inode.unprivileged = true;
  return undefined;
}

/**
 * Puts back what the layer's filesystem took at a write: it always takes a capability, and the set-id bits where the
 * process has no CAP_FSETID outside of user namespaces (file_remove_privs of the kernel).
 */
export function restorePrivileges(stack: Stack, inode: Inode, { mode, capability }: Privileges): void {
  withUpper(stack, inode, (upper) => {
    upper.stat(stack.scratch);
    if (stack.scratch.attr.mode !== mode) upper.chmod(mode);
    if (capability !== undefined && upper.getxattr(CAPABILITY) === undefined)
      upper.setxattr(CAPABILITY, capability, 0);
  });
}

function withoutSetId(mode: number, gid: number, caller: Caller | undefined): number {
  const group = (mode & S_IXGRP) !== 0 || ((mode & S_ISGID) !== 0 && isOutsider(gid, caller)) ? S_ISGID : 0;
  return mode & ~(S_ISUID | group);
}

function isOutsider(gid: number, caller: Caller | undefined): boolean {
  if (caller === undefined || caller.uid === 0 || caller.gid === gid) return false;
  return caller.isMember?.(gid) !== true;
}
