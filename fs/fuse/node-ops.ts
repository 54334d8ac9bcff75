// Requests on nodes: finding and forgetting them, and their attributes.

import { EINVAL, FsError } from '../errno.js';
import type { AttrChange, Timestamp } from '../filesystem.js';
import { PERMISSION_BITS } from '../mode.js';
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_FH,
  FATTR_GID,
  FATTR_KILL_SUIDGID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  fuse_attr_out,
  fuse_batch_forget_in,
  fuse_entry_out,
  fuse_forget_one,
  fuse_kstatfs,
  fuse_setattr_in,
  fuse_statx_out,
} from './abi.js';
import { type Conversation, NO_REPLY, type Outcome } from './conversation.js';
import type { Request } from './request.js';

/** A name that is not there is answered as an entry without a node, which the kernel keeps (a plain ENOENT it does not). */
export function lookup({ filesystem, request, reply, entry }: Conversation): Outcome {
  if (filesystem.lookup(request.node, request.name(0), entry)) reply.entry(0, entry);
  else reply.negativeEntry(0);
  return fuse_entry_out.size;
}

export function forget(talk: Conversation): Outcome {
  talk.forget(talk.request.node, talk.request.u64(0));
  return NO_REPLY;
}

export function batchForget(talk: Conversation): Outcome {
  const { request } = talk;
  const count = request.u32(fuse_batch_forget_in.count);
  const fits = Math.floor((request.bodyLength - fuse_batch_forget_in.size) / fuse_forget_one.size);
  for (let i = 0, at: number = fuse_batch_forget_in.size; i < Math.min(count, fits); i++) {
    talk.forget(request.u64(at + fuse_forget_one.nodeid), request.u64(at + fuse_forget_one.nlookup));
    at += fuse_forget_one.size;
  }
  return NO_REPLY;
}

export function getattr({ filesystem, request, reply, entry, passthrough }: Conversation): Outcome {
  const { node } = request;
  // Asked before the attributes are read: they hold if nobody could change them any more by then.
  passthrough?.mayChange(node);
  filesystem.getattr(node, entry.attr);
  reply.attrOut(node, entry.attr);
  return fuse_attr_out.size;
}

export function statx({ filesystem, request, reply, entry, passthrough }: Conversation): Outcome {
  const { node } = request;
  passthrough?.mayChange(node);
  filesystem.getattr(node, entry.attr);
  reply.statx(node, entry.attr);
  return fuse_statx_out.size;
}

export function setattr(talk: Conversation): Outcome {
  const { filesystem, request, reply, entry, nodesAreHandles } = talk;
  const valid = request.u32(fuse_setattr_in.valid);
  const named = (valid & FATTR_FH) !== 0 && !nodesAreHandles;
  const handle = named ? request.u64(fuse_setattr_in.fh) : undefined;
  const change = changeOf(request, valid);
  filesystem.setattr(request.node, change, request.caller(0), entry.attr, handle);
  reply.attrOut(request.node, entry.attr);
  return fuse_attr_out.size;
}

function changeOf(request: Request, valid: number): AttrChange {
  const change: { -readonly [Key in keyof AttrChange]: AttrChange[Key] } = {};
  if ((valid & FATTR_MODE) !== 0) change.mode = request.u32(fuse_setattr_in.mode) & PERMISSION_BITS;
  if ((valid & FATTR_UID) !== 0) change.uid = request.u32(fuse_setattr_in.uid);
  if ((valid & FATTR_GID) !== 0) change.gid = request.u32(fuse_setattr_in.gid);
  if ((valid & FATTR_SIZE) !== 0) change.size = request.offset64(fuse_setattr_in.bytes);
  if ((valid & FATTR_ATIME) !== 0) {
    change.atime = (valid & FATTR_ATIME_NOW) !== 0 ? 'now' : timeAt(request, 'atime');
  }
  if ((valid & FATTR_MTIME) !== 0) {
    change.mtime = (valid & FATTR_MTIME_NOW) !== 0 ? 'now' : timeAt(request, 'mtime');
  }
  // Nothing at all is asked for before a write that must clear set-id bits (file_remove_privs with
  // HANDLE_KILLPRIV_V2); a writer with CAP_FSETID, root, keeps them.
  const clears = (valid & FATTR_KILL_SUIDGID) !== 0 || (valid === 0 && request.uid !== 0);
  if (clears) change.killPrivileges = true;
  return change;
}

function timeAt(request: Request, which: 'atime' | 'mtime'): Timestamp {
  const nsec = request.u32(fuse_setattr_in[`${which}nsec`]);
  if (nsec > 999_999_999) throw new FsError(EINVAL, 'nanoseconds in request');
  return { sec: request.s64(fuse_setattr_in[which]), nsec };
}

export function readlink({ filesystem, request, reply }: Conversation): Outcome {
  return reply.text(0, filesystem.readlink(request.node));
}

export function statfs({ filesystem, request, reply }: Conversation): Outcome {
  const facts = filesystem.statfs(request.node);
  reply.zero(0, fuse_kstatfs.size);
  reply.u64(fuse_kstatfs.blocks, facts.blocks);
  reply.u64(fuse_kstatfs.bfree, facts.bfree);
  reply.u64(fuse_kstatfs.bavail, facts.bavail);
  reply.u64(fuse_kstatfs.files, facts.files);
  reply.u64(fuse_kstatfs.ffree, facts.ffree);
  reply.u32(fuse_kstatfs.bsize, facts.bsize);
  reply.u32(fuse_kstatfs.namelen, facts.namelen);
  reply.u32(fuse_kstatfs.frsize, facts.frsize);
  return fuse_kstatfs.size;
}
