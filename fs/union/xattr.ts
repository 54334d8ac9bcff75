// Extended attributes of the union. Marks never appear here, the layers keep them apart. What is special are
// the POSIX ACLs: an access ACL and the mode bits are two views of one thing, and change together.

import { EACCES, EEXIST, ENODATA, FsError } from '../errno.js';
import { XATTR_CREATE, XATTR_REPLACE } from '../filesystem.js';
import type { WritableNode } from '../layer/layer.js';
import { S_ISGID } from '../mode.js';
import type { ByteString } from '../name.js';
import { withNode, withUpper } from './access.js';
import { ACL_ACCESS, ACL_DEFAULT, checkedDefaultAcl, splitAccessAcl } from './acl.js';
import { ensureData, ensureUpper, ensureUpperWithoutCapability } from './copy-up.js';
import type { Inode } from './inode.js';
import type { Stack } from './stack.js';
import { CAPABILITY } from './xattr-names.js';

export function getXattr(stack: Stack, inode: Inode, name: ByteString): Uint8Array | undefined {
  if (inode.withoutCapability && name === CAPABILITY) return undefined;
  if (inode.withoutAccessAcl && name === ACL_ACCESS) return undefined;
  const value = withNode(stack, inode, (node) => node.getxattr(name));
  if (value === undefined && (inode.upper || !stack.lowersChange)) {
    if (name === CAPABILITY) inode.withoutCapability = true;
    else if (name === ACL_ACCESS) inode.withoutAccessAcl = true;
  }
  return value;
}

export function listXattr(stack: Stack, inode: Inode): readonly ByteString[] {
  return withNode(stack, inode, (node) => node.listxattr());
}

/** See Filesystem.setxattr. Flags are checked first, so that a refusal copies nothing up. */
export function setXattr(
  stack: Stack,
  inode: Inode,
  name: ByteString,
  value: Uint8Array,
  flags: number,
  clearSgid: boolean,
): void {
  stack.writable();
  if (flags !== 0) {
    const there = getXattr(stack, inode, name) !== undefined;
    if ((flags & XATTR_CREATE) !== 0 && there) throw new FsError(EEXIST, 'setxattr');
    if ((flags & XATTR_REPLACE) !== 0 && !there) throw new FsError(ENODATA, 'setxattr');
  }
  if (name === CAPABILITY) inode.withoutCapability = false;
  if (name === ACL_ACCESS) inode.withoutAccessAcl = false;
  if (name === ACL_ACCESS) setAccessAcl(stack, inode, value, clearSgid);
  else if (name === ACL_DEFAULT) setDefaultAcl(stack, inode, value);
  else {
    // A later write of the data would clear the capability (see data-below.ts).
    if (name === CAPABILITY) ensureData(stack, inode);
    else ensureUpper(stack, inode);
    withUpper(stack, inode, (node) => node.setxattr(name, value, flags));
  }
  changed(inode);
}

/** See Filesystem.removexattr. No ACL is an ACL that says nothing more than the mode: removing it changes nothing. */
export function removeXattr(stack: Stack, inode: Inode, name: ByteString): void {
  stack.writable();
  if (getXattr(stack, inode, name) === undefined) {
    if (name === ACL_ACCESS || name === ACL_DEFAULT) return;
    throw new FsError(ENODATA, 'removexattr');
  }
  if (name === CAPABILITY) ensureUpperWithoutCapability(stack, inode);
  else {
    ensureUpper(stack, inode);
    withUpper(stack, inode, (node) => node.removexattr(name));
  }
  changed(inode);
}

function changed(inode: Inode): void {
  inode.inheritance = undefined;
  inode.unprivileged = false;
}

function setAccessAcl(stack: Stack, inode: Inode, value: Uint8Array, clearSgid: boolean): void {
  const { bits, stored } = splitAccessAcl(value);
  ensureUpper(stack, inode);
  withUpper(stack, inode, (node) => {
    if (stored === undefined) removeIfThere(node, ACL_ACCESS);
    else node.setxattr(ACL_ACCESS, stored, 0);
    node.stat(stack.scratch);
    const { mode } = stack.scratch.attr;
    let wanted = bits === undefined ? mode : (mode & ~0o777) | bits;
    if (clearSgid) wanted &= ~S_ISGID;
    if (wanted !== mode) node.chmod(wanted);
  });
}

function setDefaultAcl(stack: Stack, inode: Inode, value: Uint8Array): void {
  if (!inode.isFolder) throw new FsError(EACCES, 'default acl');
  const checked = checkedDefaultAcl(value);
  ensureUpper(stack, inode);
  withUpper(stack, inode, (node) => {
    if (checked === undefined) removeIfThere(node, ACL_DEFAULT);
    else node.setxattr(ACL_DEFAULT, checked, 0);
  });
}

function removeIfThere(node: WritableNode, name: ByteString): void {
  if (node.getxattr(name) !== undefined) node.removexattr(name);
}
