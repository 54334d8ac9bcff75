// Requests on extended attributes. A size of 0 asks how long the answer would be (listxattr(2)).

import { EINVAL, ENODATA, ENOSYS, EOPNOTSUPP, ERANGE, FsError } from '../errno.js';
import { XATTR_CREATE, XATTR_REPLACE } from '../filesystem.js';
import type { ByteString } from '../name.js';
import { FUSE_SETXATTR_ACL_KILL_SGID, fuse_getxattr_in, fuse_getxattr_out, fuse_setxattr_in } from './abi.js';
import type { Conversation, Outcome } from './conversation.js';
import type { Reply } from './reply.js';

const ACL_PREFIX = 'system.posix_acl_';

/** Long names are the VFS's affair (XATTR_NAME_MAX); they are no components of paths. */
export function getxattr(talk: Conversation): Outcome {
  const { filesystem, request, reply } = talk;
  const size = request.u32(fuse_getxattr_in.bytes);
  const name = request.string(fuse_getxattr_in.size);
  const refusal = refusalOf(talk, name);
  if (refusal !== 0) return refusal;
  const value = filesystem.getxattr(request.node, name);
  if (value === undefined) return -ENODATA;
  if (size === 0) return sizeOut(reply, value.length);
  if (value.length > size) return -ERANGE;
  reply.copy(0, value);
  return value.length;
}

/** Why a mount without ACLs, or without any xattrs, has none of this name; 0 if it may. Of ENOSYS the kernel asks no more. */
function refusalOf({ caching }: Conversation, name: ByteString): number {
  if (caching.xattrs === false) return -ENOSYS;
  return caching.acls === false && name.startsWith(ACL_PREFIX) ? -EOPNOTSUPP : 0;
}

/** `trusted.*` is for CAP_SYS_ADMIN (xattr(7)); FUSE leaves hiding it from others to the filesystem. */
export function listxattr({ filesystem, request, reply, caching }: Conversation): Outcome {
  if (caching.xattrs === false) return -ENOSYS;
  const size = request.u32(fuse_getxattr_in.bytes);
  const privileged = request.uid === 0;
  const visible = (name: ByteString) =>
    (privileged || !name.startsWith('trusted.')) && (caching.acls !== false || !name.startsWith(ACL_PREFIX));
  const names = filesystem.listxattr(request.node).filter(visible);
  const length = names.reduce((sum, name) => sum + name.length + 1, 0);
  if (size === 0) return sizeOut(reply, length);
  if (length > size) return -ERANGE;
  let at = 0;
  for (const name of names) at += reply.text(at, `${name}\0`);
  return length;
}

function sizeOut(reply: Reply, size: number): Outcome {
  reply.u32(0, size);
  reply.u32(4, 0);
  return fuse_getxattr_out.size;
}

export function setxattr(talk: Conversation): Outcome {
  const { filesystem, request } = talk;
  const name = request.string(talk.setxattrBytes);
  const refusal = refusalOf(talk, name);
  if (refusal !== 0) return refusal;
  // A copy: the filesystem may keep the value, and the buffer is the next request's.
  const value = request.data(request.next, request.u32(fuse_setxattr_in.bytes)).slice();
  const extended = talk.setxattrBytes === fuse_setxattr_in.size;
  const more = extended ? request.u32(fuse_setxattr_in.setxattr_flags) : 0;
  const clearSgid = (more & FUSE_SETXATTR_ACL_KILL_SGID) !== 0;
  const flags = request.u32(fuse_setxattr_in.flags);
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) throw new FsError(EINVAL, 'setxattr flags');
  filesystem.setxattr(request.node, name, value, flags, clearSgid);
  return 0;
}

export function removexattr(talk: Conversation): Outcome {
  const { filesystem, request } = talk;
  const name = request.string(0);
  const refusal = refusalOf(talk, name);
  if (refusal !== 0) return refusal;
  filesystem.removexattr(request.node, name);
  return 0;
}
