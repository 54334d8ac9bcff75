// Requests on open folders.

import { EINVAL, ENOSYS } from '../errno.js';
import { FUSE_FSYNC_FDATASYNC, fuse_fsync_in, fuse_open_out, fuse_read_in, fuse_release_in } from './abi.js';
import type { Conversation, Outcome } from './conversation.js';
import { openOut } from './file-ops.js';
import type { Place } from './implicit-handles.js';
import type { Reply } from './reply.js';

/** The kernel is not to keep the listing: its cookies mean something to this handle alone, and it would read on by another. */
export function opendir(talk: Conversation): Outcome {
  if (talk.nodesAreHandles) return -ENOSYS;
  const { filesystem, request, reply } = talk;
  openOut(reply, 0, filesystem.opendir(request.node), 0);
  return fuse_open_out.size;
}

export function readdir(talk: Conversation): Outcome {
  const { handle, from, base } = placeOf(talk);
  talk.reply.beginListing(talk.request.u32(fuse_read_in.bytes), base);
  talk.filesystem.readdir(handle, from, talk.reply.dirent);
  return listingOut(talk.reply);
}

export function readdirPlus(talk: Conversation): Outcome {
  const { filesystem, request, reply, entry } = talk;
  const { handle, from, base } = placeOf(talk);
  reply.beginListing(request.u32(fuse_read_in.bytes), base);
  try {
    filesystem.readdirPlus(handle, from, entry, talk.visitPlus);
  } catch (error) {
    // The entries so far will not reach the kernel, so their lookups do not count. What it has open of them, it knew before.
    reply.eachListedNode(reply.listed, (node) => filesystem.forget(node, 1));
    throw error;
  }
  return listingOut(reply);
}

/** Nothing at all would be the end of the folder (getdents(2): EINVAL for room that is too little for an entry). */
function listingOut({ listed, full }: Reply): Outcome {
  return listed === 0 && full ? -EINVAL : listed;
}

function placeOf({ request, implicit, nodesAreHandles }: Conversation): Place {
  const cookie = request.position64(fuse_read_in.offset);
  if (nodesAreHandles) return implicit.listing(request.node, cookie);
  return { handle: request.u64(fuse_read_in.fh), from: cookie, base: 0 };
}

export function releasedir({ filesystem, request, nodesAreHandles }: Conversation): Outcome {
  if (!nodesAreHandles) filesystem.releasedir(request.u64(fuse_release_in.fh));
  return 0;
}

export function fsyncdir({ filesystem, request, implicit, nodesAreHandles, caching }: Conversation): Outcome {
  if (caching.neverSynced === true) return -ENOSYS;
  const dataOnly = (request.u32(fuse_fsync_in.fsync_flags) & FUSE_FSYNC_FDATASYNC) !== 0;
  const handle = nodesAreHandles ? implicit.listing(request.node, 0).handle : request.u64(fuse_fsync_in.fh);
  filesystem.fsyncdir(handle, dataOnly);
  return 0;
}
