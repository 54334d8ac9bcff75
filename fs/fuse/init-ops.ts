// INIT: what both sides agree on before anything else, and why each flag is asked for. The kernel offers
// flags; a flag that it does not offer is not answered.

import { EPROTO } from '../errno.js';
import { hasFeature, type KernelFeature } from '../sys/features.js';
import {
  FUSE_ABORT_ERROR,
  FUSE_ASYNC_DIO,
  FUSE_ASYNC_READ,
  FUSE_ATOMIC_O_TRUNC,
  FUSE_AUTO_INVAL_DATA,
  FUSE_BIG_WRITES,
  FUSE_CACHE_SYMLINKS,
  FUSE_DO_READDIRPLUS,
  FUSE_DONT_MASK,
  FUSE_HANDLE_KILLPRIV_V2,
  FUSE_INIT_EXT,
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  FUSE_MAX_PAGES,
  FUSE_NO_OPEN_SUPPORT,
  FUSE_NO_OPENDIR_SUPPORT,
  FUSE_OLDEST_MINOR,
  FUSE_PARALLEL_DIROPS,
  FUSE_PASSTHROUGH,
  FUSE_POSIX_ACL,
  FUSE_READDIRPLUS_AUTO,
  FUSE_SETXATTR_EXT,
  FUSE_WRITEBACK_CACHE,
  fuse_init_in,
  fuse_init_out,
  fuse_setxattr_in,
} from './abi.js';
import { type Caching, type Conversation, MAX_PAGES, MAX_WRITE, type Outcome } from './conversation.js';

/** Asked for in any case. */
const WANTED =
  // Readahead in parallel; large writes (without it every write is one page, even at minor 45).
  FUSE_ASYNC_READ |
  FUSE_ASYNC_DIO |
  FUSE_BIG_WRITES |
  // O_TRUNC comes with OPEN: a lower file is then copied up without its data, in one request.
  FUSE_ATOMIC_O_TRUNC |
  // The umask is applied by the filesystem, because a default ACL of the parent replaces it.
  FUSE_DONT_MASK |
  FUSE_POSIX_ACL |
  FUSE_ABORT_ERROR |
  FUSE_INIT_EXT;

/** Asked for unless switched off. */
const OPTIONAL: Partial<Record<KernelFeature, number>> = {
  'fuse-max-pages': FUSE_MAX_PAGES,
  // A listing brings the attributes along; at first and as long as they are looked at, where each takes system calls.
  'fuse-readdirplus': FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO,
  'fuse-parallel-dirops': FUSE_PARALLEL_DIROPS,
  'fuse-cache-symlinks': FUSE_CACHE_SYMLINKS,
  // Set-id bits and capabilities are cleared by us, durably, on write, truncate and chown.
  'fuse-killpriv-v2': FUSE_HANDLE_KILLPRIV_V2,
  'fuse-setxattr-ext': FUSE_SETXATTR_EXT,
};

const ZERO_MESSAGE_OPENS = FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT;

/** Requests that may wait in the kernel's queue, and from how many on it holds writers back. */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;

/**
 * Answers INIT. A newer major asks again after an answer with ours alone (fuse.h); EPROTO for a kernel that is
 * too old. Asked for only where it is wished: WRITEBACK_CACHE, with which the kernel owns sizes and times, and a
 * write that returned dies with the mount's server; AUTO_INVAL_DATA, where data does not change through the mount
 * only. Not asked for: POSIX_LOCKS and FLOCK_LOCKS, because the
 * kernel's own locks are right for one machine; EXPLICIT_INVAL_DATA, because a size that changed unexpectedly
 * should drop the cached data.
 */
export function init(talk: Conversation): Outcome {
  const { request, reply } = talk;
  const major = request.u32(fuse_init_in.major);
  const minor = request.u32(fuse_init_in.minor);
  reply.zero(0, fuse_init_out.size);
  reply.u32(fuse_init_out.major, FUSE_KERNEL_VERSION);
  reply.u32(fuse_init_out.minor, FUSE_KERNEL_MINOR_VERSION);
  if (major > FUSE_KERNEL_VERSION) return fuse_init_out.size;
  if (major < FUSE_KERNEL_VERSION || minor < FUSE_OLDEST_MINOR) return -EPROTO;

  const offered = request.u32(fuse_init_in.flags);
  // Opening without asking keeps listings, which must not be where others change them.
  talk.nodesAreHandles =
    (offered & ZERO_MESSAGE_OPENS) === ZERO_MESSAGE_OPENS &&
    hasFeature('fuse-no-open') &&
    talk.caching.briefly !== true;
  // O_TRUNC of an open that is not asked for comes as SETATTR, which is one request as well.
  const agreed = offered & wanted(talk.caching) & ~(talk.nodesAreHandles ? FUSE_ATOMIC_O_TRUNC : 0);
  talk.truncatingOpensClear =
    (agreed & FUSE_ATOMIC_O_TRUNC) !== 0 && (agreed & FUSE_HANDLE_KILLPRIV_V2) === 0;
  talk.minor = Math.min(minor, FUSE_KERNEL_MINOR_VERSION);
  const extended = (agreed & FUSE_SETXATTR_EXT) !== 0;
  talk.setxattrBytes = extended ? fuse_setxattr_in.size : fuse_setxattr_in.compat_size;

  reply.u32(fuse_init_out.minor, talk.minor);
  reply.u32(fuse_init_out.max_readahead, request.u32(fuse_init_in.max_readahead));
  reply.u32(fuse_init_out.flags, agreed);
  reply.u32(fuse_init_out.max_background, MAX_BACKGROUND | (CONGESTION_THRESHOLD << 16));
  reply.u32(fuse_init_out.max_write, MAX_WRITE);
  reply.u32(fuse_init_out.time_gran, 1);
  reply.u32(fuse_init_out.max_pages, MAX_PAGES);
  if (passes(talk, agreed)) {
    reply.u32(fuse_init_out.flags2, FUSE_PASSTHROUGH);
    reply.u32(fuse_init_out.max_stack_depth, STACK_DEPTH);
  }
  return fuse_init_out.size;
}

/** Files may lie on a filesystem that stacks on none, and one may stack on the mount (FILESYSTEM_MAX_STACK_DEPTH is 2). */
const STACK_DEPTH = 1;

/** Begins passthrough where it is wished, and the kernel has it: nothing but a try tells whether it also allows it. */
function passes(talk: Conversation, agreed: number): boolean {
  const { request, caching } = talk;
  const device = caching.passthrough;
  if (device === undefined || !talk.nodesAreHandles || !hasFeature('fuse-passthrough')) return false;
  if ((agreed & FUSE_INIT_EXT) === 0 || (request.u32(fuse_init_in.flags2) & FUSE_PASSTHROUGH) === 0)
    return false;
  talk.beginPassthrough(device);
  return true;
}

function wanted({ briefly, writeback, freeAttributes, acls, xattrs }: Caching): number {
  let flags = WANTED;
  for (const [name, bits] of Object.entries(OPTIONAL)) {
    if (hasFeature(name as keyof typeof OPTIONAL)) flags |= bits;
  }
  // Data is dropped when an attribute says that it changed; targets of symlinks would be kept all the same.
  if (briefly === true) flags = (flags | FUSE_AUTO_INVAL_DATA) & ~FUSE_CACHE_SYMLINKS;
  // The kernel would go on without attributes before anybody had the time to look at those of a large folder.
  if (freeAttributes === true) flags &= ~FUSE_READDIRPLUS_AUTO;
  if (writeback === true) flags |= FUSE_WRITEBACK_CACHE;
  if (acls === false || xattrs === false) flags &= ~FUSE_POSIX_ACL;
  return flags;
}
