// Requests on regular files and their data.

import { EINVAL, ENOSYS, FsError } from '../errno.js';
import { O_ACCMODE, O_APPEND, O_EXCL, O_RDWR, O_TRUNC } from '../filesystem.js';
import {
  FOPEN_DIRECT_IO,
  FOPEN_KEEP_CACHE,
  FOPEN_PASSTHROUGH,
  FUSE_FSYNC_FDATASYNC,
  FUSE_OPEN_KILL_SUIDGID,
  FUSE_WRITE_CACHE,
  FUSE_WRITE_KILL_SUIDGID,
  fuse_copy_file_range_in,
  fuse_create_in,
  fuse_entry_out,
  fuse_fallocate_in,
  fuse_fsync_in,
  fuse_lseek_in,
  fuse_open_in,
  fuse_open_out,
  fuse_read_in,
  fuse_release_in,
  fuse_write_in,
  fuse_write_out,
} from './abi.js';
import type { Conversation, Outcome } from './conversation.js';
import type { Reply } from './reply.js';

/**
 * What the filesystem is told of open(2)'s flags. O_APPEND is left to the kernel, which knows the size because
 * only the mount changes it, and sends offsets: a dirty page of a shared mapping may be written through any
 * writable handle, and must then land at its own offset.
 */
const OPEN_FLAGS = O_ACCMODE | O_EXCL | O_TRUNC;

export function open(talk: Conversation): Outcome {
  if (talk.nodesAreHandles) return openNode(talk);
  const { filesystem, request, reply, entry } = talk;
  const node = request.node;
  const flags = request.u32(fuse_open_in.flags) & OPEN_FLAGS;
  const handle = filesystem.open(node, flags);
  const asked = (request.u32(fuse_open_in.open_flags) & FUSE_OPEN_KILL_SUIDGID) !== 0;
  const implied = talk.truncatingOpensClear && (flags & O_TRUNC) !== 0 && request.uid !== 0;
  if (asked || implied) {
    try {
      filesystem.setattr(node, { killPrivileges: true }, request.caller(0), entry.attr, handle);
    } catch (error) {
      filesystem.release(handle);
      throw error;
    }
  }
  openOut(reply, 0, handle, FOPEN_KEEP_CACHE);
  return fuse_open_out.size;
}

/** Nothing is opened: the first request that needs it does. O_TRUNC comes as SETATTR. */
function openNode(talk: Conversation): Outcome {
  const { request, reply, passthrough } = talk;
  if (passthrough === undefined) return -ENOSYS;
  if (passthrough.givesUp()) {
    talk.endPassthrough();
    return -ENOSYS;
  }
  const { node } = request;
  const flags = request.u32(fuse_open_in.flags);
  const changed = passthrough.written.has(node);
  const id = passthrough.open(node, flags);
  // Before the reply, because after it the file may change at once.
  if (!changed && passthrough.written.has(node)) talk.dropAttributes(node);
  openOut(reply, 0, 0, openFlags(id, flags), id);
  return fuse_open_out.size;
}

/** Of a file with a backing id or without one; `flags` are those of open(2). See passthrough.ts for O_APPEND. */
function openFlags(id: number, flags: number): number {
  if (id === 0) return FOPEN_KEEP_CACHE;
  return (flags & O_APPEND) === 0 ? FOPEN_PASSTHROUGH : FOPEN_PASSTHROUGH | FOPEN_DIRECT_IO;
}

/** fuse_open_out. */
export function openOut(reply: Reply, at: number, handle: number, flags: number, backing = 0): void {
  reply.u64(at + fuse_open_out.fh, handle);
  reply.u32(at + fuse_open_out.open_flags, flags);
  reply.u32(at + fuse_open_out.backing_id, backing);
}

/**
 * Where opens are not asked for, new files are asked for by MKNOD, and that is what ENOSYS says: the open after it tells
 * the kernel at the first file that there is nothing to release.
 */
export function create(talk: Conversation): Outcome {
  if (talk.opensUnasked) return -ENOSYS;
  const { filesystem, request, entry } = talk;
  const name = request.name(fuse_create_in.size);
  const mode = request.u32(fuse_create_in.mode);
  const flags = createFlags(talk);
  const caller = request.caller(request.u32(fuse_create_in.umask));
  const handle = filesystem.create(request.node, name, mode, flags, caller, entry);
  return createOut(talk, handle, request.u32(fuse_create_in.flags));
}

/** A handle that stands for all later opens of the node is good for both ways. */
function createFlags({ request, nodesAreHandles }: Conversation): number {
  const flags = request.u32(fuse_create_in.flags) & OPEN_FLAGS;
  return nodesAreHandles ? (flags & ~O_ACCMODE) | O_RDWR : flags;
}

/** Laid out as CREATE; the name is always '/', and there is none. */
export function tmpfile(talk: Conversation): Outcome {
  const { filesystem, request, entry } = talk;
  const mode = request.u32(fuse_create_in.mode);
  const flags = createFlags(talk);
  const caller = request.caller(request.u32(fuse_create_in.umask));
  const handle = filesystem.tmpfile(request.node, mode, flags, caller, entry);
  return createOut(talk, handle, request.u32(fuse_create_in.flags));
}

/** fuse_entry_out and fuse_open_out of a file that was just made; `flags` are those of open(2). */
function createOut(talk: Conversation, handle: number, flags: number): Outcome {
  const { reply, entry, nodesAreHandles } = talk;
  const id = nodesAreHandles ? giveToNode(talk, handle, flags) : 0;
  reply.entry(0, entry);
  openOut(reply, fuse_entry_out.size, nodesAreHandles ? 0 : handle, openFlags(id, flags), id);
  return fuse_entry_out.size + fuse_open_out.size;
}

/**
 * The handle of a file that was just made is the node's, also where its data passes by us: chmod and the like, which
 * often follow, reach it without its name.
 */
function giveToNode(talk: Conversation, handle: number, flags: number): number {
  const { entry, implicit, passthrough } = talk;
  try {
    implicit.adopt(entry.node, handle);
    return passthrough?.open(entry.node, flags) ?? 0;
  } catch (error) {
    talk.forget(entry.node, 1);
    throw error;
  }
}

export function read(talk: Conversation): Outcome {
  const { request, reply } = talk;
  const handle = talk.reader(fuse_read_in.fh);
  const into = reply.space(request.u32(fuse_read_in.bytes));
  return talk.filesystem.read(handle, request.position64(fuse_read_in.offset), into);
}

export function write(talk: Conversation): Outcome {
  const { filesystem, request, reply } = talk;
  const data = request.data(fuse_write_in.size, request.u32(fuse_write_in.bytes));
  const flags = request.u32(fuse_write_in.write_flags);
  const kill = (flags & FUSE_WRITE_KILL_SUIDGID) !== 0;
  const offset = request.offset64(fuse_write_in.offset);
  const handle = talk.writer(fuse_write_in.fh);
  const mapped = !kill && (flags & FUSE_WRITE_CACHE) !== 0;
  const count = mapped
    ? filesystem.writeMapped(handle, offset, data)
    : filesystem.write(handle, offset, data, kill);
  return countOut(reply, count);
}

/** fuse_write_out. */
function countOut(reply: Reply, count: number): Outcome {
  reply.u32(0, count);
  reply.u32(4, 0);
  return fuse_write_out.size;
}

/**
 * close(2) has nothing to report: each write was answered when it was done. ENOSYS tells the kernel not to ask
 * again, which saves a round trip with every close.
 */
export function flush(): Outcome {
  return -ENOSYS;
}

export function release({ filesystem, request, nodesAreHandles, passthrough }: Conversation): Outcome {
  if (!nodesAreHandles) filesystem.release(request.u64(fuse_release_in.fh));
  else passthrough?.release(request.node, request.u32(fuse_release_in.flags));
  return 0;
}

export function fsync(talk: Conversation): Outcome {
  const { filesystem, request, caching } = talk;
  // The kernel does not ask again, and tells its callers that all is well.
  if (caching.neverSynced === true) return -ENOSYS;
  const dataOnly = (request.u32(fuse_fsync_in.fsync_flags) & FUSE_FSYNC_FDATASYNC) !== 0;
  filesystem.fsync(talk.reader(fuse_fsync_in.fh), dataOnly);
  return 0;
}

export function lseek(talk: Conversation): Outcome {
  const { filesystem, request, reply, caching } = talk;
  // What the kernel has not handed over yet would be a hole; for ENOSYS it says that all of a file is data.
  if (caching.writeback === true) return -ENOSYS;
  const handle = talk.reader(fuse_lseek_in.fh);
  const whence = request.u32(fuse_lseek_in.whence);
  // Where a number ends there is no file any more, and what is before its beginning the filesystem refuses.
  const offset = Math.min(request.s64(fuse_lseek_in.offset), Number.MAX_SAFE_INTEGER);
  reply.u64(0, filesystem.lseek(handle, offset, whence));
  return 8;
}

export function fallocate(talk: Conversation): Outcome {
  const { filesystem, request } = talk;
  filesystem.fallocate(
    talk.writer(fuse_fallocate_in.fh),
    request.u32(fuse_fallocate_in.mode),
    request.offset64(fuse_fallocate_in.offset),
    request.offset64(fuse_fallocate_in.length),
  );
  return 0;
}

/** The largest piece that is copied in one request, so that other requests get their turn within milliseconds. */
const MAX_COPY = 4 * 1024 * 1024;

export function copyFileRange(talk: Conversation): Outcome {
  return countOut(talk.reply, copy(talk));
}

export function copyFileRange64(talk: Conversation): Outcome {
  talk.reply.u64(0, copy(talk));
  return 8;
}

function copy(talk: Conversation): number {
  const { filesystem, request, implicit, nodesAreHandles } = talk;
  if (request.u32(fuse_copy_file_range_in.flags) !== 0) throw new FsError(EINVAL, 'copy_file_range flags');
  // The target first: where it is the same file, opening it for writing replaces the handle for reading.
  const to = nodesAreHandles
    ? implicit.writer(request.u64(fuse_copy_file_range_in.nodeid_out))
    : request.u64(fuse_copy_file_range_in.fh_out);
  return filesystem.copyFileRange(
    talk.reader(fuse_copy_file_range_in.fh_in),
    request.position64(fuse_copy_file_range_in.off_in),
    to,
    request.offset64(fuse_copy_file_range_in.off_out),
    Math.min(request.length64(fuse_copy_file_range_in.len), MAX_COPY),
  );
}
