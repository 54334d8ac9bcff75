// Requests that make, move and remove names in folders.

import { EINVAL, FsError } from '../errno.js';
import { O_EXCL, O_RDWR, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../filesystem.js';
import { S_IFDIR, S_IFMT, S_IFREG } from '../mode.js';
import {
  fuse_entry_out,
  fuse_link_in,
  fuse_mkdir_in,
  fuse_mknod_in,
  fuse_rename_in,
  fuse_rename2_in,
} from './abi.js';
import type { Conversation, Outcome } from './conversation.js';

const RENAME_FLAGS = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;

/** A regular file where opens are not asked for is one that is written to next: it is made open. */
export function mknod(talk: Conversation): Outcome {
  const { filesystem, request, reply, entry } = talk;
  const name = request.name(fuse_mknod_in.size);
  const mode = request.u32(fuse_mknod_in.mode);
  const rdev = request.u32(fuse_mknod_in.rdev);
  const caller = request.caller(request.u32(fuse_mknod_in.umask));
  if (talk.opensUnasked && (mode & S_IFMT) === S_IFREG) {
    const handle = filesystem.create(request.node, name, mode, O_RDWR | O_EXCL, caller, entry);
    talk.implicit.adopt(entry.node, handle);
  } else filesystem.mknod(request.node, name, mode, rdev, caller, entry);
  reply.entry(0, entry);
  return fuse_entry_out.size;
}

/** The mode of MKDIR comes without its type. */
export function mkdir({ filesystem, request, reply, entry }: Conversation): Outcome {
  const name = request.name(fuse_mkdir_in.size);
  const mode = (request.u32(fuse_mkdir_in.mode) & ~S_IFMT) | S_IFDIR;
  filesystem.mkdir(request.node, name, mode, request.caller(request.u32(fuse_mkdir_in.umask)), entry);
  reply.entry(0, entry);
  return fuse_entry_out.size;
}

export function symlink({ filesystem, request, reply, entry }: Conversation): Outcome {
  const name = request.name(0);
  const target = request.string(request.next);
  filesystem.symlink(request.node, name, target, request.caller(0), entry);
  reply.entry(0, entry);
  return fuse_entry_out.size;
}

/** The node of the request is the new parent. */
export function link({ filesystem, request, reply, entry }: Conversation): Outcome {
  const name = request.name(fuse_link_in.size);
  filesystem.link(request.u64(fuse_link_in.oldnodeid), request.node, name, entry);
  reply.entry(0, entry);
  return fuse_entry_out.size;
}

export function unlink({ filesystem, request }: Conversation): Outcome {
  filesystem.unlink(request.node, request.name(0));
  return 0;
}

export function rmdir({ filesystem, request }: Conversation): Outcome {
  filesystem.rmdir(request.node, request.name(0));
  return 0;
}

export function rename(talk: Conversation): Outcome {
  return renameWith(talk, fuse_rename_in.newdir, fuse_rename_in.size, 0);
}

export function rename2(talk: Conversation): Outcome {
  const flags = talk.request.u32(fuse_rename2_in.flags);
  if ((flags & ~RENAME_FLAGS) !== 0) throw new FsError(EINVAL, 'rename flags');
  return renameWith(talk, fuse_rename2_in.newdir, fuse_rename2_in.size, flags);
}

function renameWith(
  { filesystem, request, stale }: Conversation,
  newParentAt: number,
  namesAt: number,
  flags: number,
): Outcome {
  const newParent = request.u64(newParentAt);
  const name = request.name(namesAt);
  const newName = request.name(request.next);
  const moved = filesystem.rename(request.node, name, newParent, newName, flags);
  // The kernel keeps listings, and drops that of a moved folder for no change but those within it.
  for (const node of moved) stale.push(node);
  return 0;
}
