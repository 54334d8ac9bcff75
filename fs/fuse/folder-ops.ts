// Requests on open folders.

import { ENOSYS } from '../errno.js';
import type { DirVisitor } from '../filesystem.js';
import {
  FOPEN_CACHE_DIR,
  FOPEN_KEEP_CACHE,
  FUSE_FSYNC_FDATASYNC,
  fuse_fsync_in,
  fuse_open_out,
  fuse_read_in,
  fuse_release_in,
} from './abi.js';
import type { Conversation, Outcome } from './conversation.js';
import { openOut } from './file-ops.js';

/** The kernel keeps the listing and drops it when a request of its own changes the folder. */
export function opendir(talk: Conversation): Outcome {
  if (talk.opensUnasked) return -ENOSYS;
  const { filesystem, request, reply } = talk;
  openOut(reply, 0, filesystem.opendir(request.node), FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR);
  return fuse_open_out.size;
}

export function readdir(talk: Conversation): Outcome {
  const { filesystem, request, reply } = talk;
  reply.beginListing(request.u32(fuse_read_in.bytes));
  const handle = talk.folderHandle(fuse_read_in.fh);
  const visit: DirVisitor = reply.dirent;
  filesystem.readdir(handle, request.u64(fuse_read_in.offset), visit);
  return reply.listed;
}

export function readdirPlus(talk: Conversation): Outcome {
  const { filesystem, request, reply, entry } = talk;
  reply.beginListing(request.u32(fuse_read_in.bytes));
  const handle = talk.folderHandle(fuse_read_in.fh);
  const from = request.u64(fuse_read_in.offset);
  try {
    filesystem.readdirPlus(handle, from, entry, talk.visitPlus);
  } catch (error) {
    // The entries so far will not reach the kernel, so their lookups do not count.
    reply.eachListedNode(reply.listed, (node) => talk.forget(node, 1));
    throw error;
  }
  return reply.listed;
}

export function releasedir({ filesystem, request }: Conversation): Outcome {
  filesystem.releasedir(request.u64(fuse_release_in.fh));
  return 0;
}

export function fsyncdir(talk: Conversation): Outcome {
  const { filesystem, request } = talk;
  const dataOnly = (request.u32(fuse_fsync_in.fsync_flags) & FUSE_FSYNC_FDATASYNC) !== 0;
  filesystem.fsyncdir(talk.folderHandle(fuse_fsync_in.fh), dataOnly);
  return 0;
}
