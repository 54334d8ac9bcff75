// The table of operations: for each opcode its name, how long its body is at least, and who handles it. Opcodes
// that are not here are answered ENOSYS.

import { ENOSYS, ENOTTY } from '../errno.js';
import { hasFeature, type KernelFeature } from '../sys/features.js';
import * as abi from './abi.js';
import { type Conversation, NO_REPLY, type Outcome } from './conversation.js';
import * as files from './file-ops.js';
import * as folders from './folder-ops.js';
import { init } from './init-ops.js';
import * as names from './name-ops.js';
import * as nodes from './node-ops.js';
import * as xattrs from './xattr-ops.js';

type Handler = (talk: Conversation) => Outcome;

export interface Operation {
  readonly name: string;
  /** Bytes that the body has at least: the fixed struct, and a NUL for each name. */
  readonly body: number;
  readonly handle: Handler;
  /** The kernel expects no reply, not even of a failure. */
  readonly silent?: true;
  /** Unknown where this is switched off: the kernel then does without. */
  readonly feature?: KernelFeature;
}

const done: Handler = () => 0;
const nothing: Handler = () => NO_REPLY;
/** The kernel then does it by itself, and does not ask again. */
const unknown: Handler = () => -ENOSYS;

function operation(name: string, body: number, handle: Handler): Operation {
  return { name, body, handle };
}

function optional(feature: KernelFeature, name: string, body: number, handle: Handler): Operation {
  return { name, body, handle, feature };
}

function silent(name: string, body: number, handle: Handler): Operation {
  return { name, body, handle, silent: true };
}

function syncfs({ filesystem }: Conversation): Outcome {
  filesystem.sync();
  return 0;
}

export const OPERATIONS: Readonly<Record<number, Operation>> = {
  [abi.FUSE_INIT]: operation('init', abi.fuse_init_in.size, init),
  [abi.FUSE_DESTROY]: operation('destroy', 0, done),
  // The dispatcher's: only requests that wait there can be interrupted.
  [abi.FUSE_INTERRUPT]: silent('interrupt', 8, nothing),
  [abi.FUSE_NOTIFY_REPLY]: silent('notify-reply', 0, nothing),

  [abi.FUSE_LOOKUP]: operation('lookup', 1, nodes.lookup),
  [abi.FUSE_FORGET]: silent('forget', 8, nodes.forget),
  [abi.FUSE_BATCH_FORGET]: silent('batch-forget', abi.fuse_batch_forget_in.size, nodes.batchForget),
  [abi.FUSE_GETATTR]: operation('getattr', 16, nodes.getattr),
  [abi.FUSE_STATX]: optional('fuse-statx', 'statx', 24, nodes.statx),
  [abi.FUSE_SETATTR]: operation('setattr', abi.fuse_setattr_in.size, nodes.setattr),
  [abi.FUSE_READLINK]: operation('readlink', 0, nodes.readlink),
  [abi.FUSE_STATFS]: operation('statfs', 0, nodes.statfs),

  [abi.FUSE_MKNOD]: operation('mknod', abi.fuse_mknod_in.size + 1, names.mknod),
  [abi.FUSE_MKDIR]: operation('mkdir', abi.fuse_mkdir_in.size + 1, names.mkdir),
  [abi.FUSE_SYMLINK]: operation('symlink', 2, names.symlink),
  [abi.FUSE_LINK]: operation('link', abi.fuse_link_in.size + 1, names.link),
  [abi.FUSE_UNLINK]: operation('unlink', 1, names.unlink),
  [abi.FUSE_RMDIR]: operation('rmdir', 1, names.rmdir),
  [abi.FUSE_RENAME]: operation('rename', abi.fuse_rename_in.size + 2, names.rename),
  [abi.FUSE_RENAME2]: operation('rename', abi.fuse_rename2_in.size + 2, names.rename2),

  [abi.FUSE_OPEN]: operation('open', abi.fuse_open_in.size, files.open),
  [abi.FUSE_CREATE]: operation('create', abi.fuse_create_in.size + 1, files.create),
  [abi.FUSE_TMPFILE]: optional('fuse-tmpfile', 'tmpfile', abi.fuse_create_in.size + 2, files.tmpfile),
  [abi.FUSE_READ]: operation('read', abi.fuse_read_in.size, files.read),
  [abi.FUSE_WRITE]: operation('write', abi.fuse_write_in.size, files.write),
  [abi.FUSE_FLUSH]: operation('flush', abi.fuse_release_in.size, files.flush),
  [abi.FUSE_RELEASE]: operation('release', abi.fuse_release_in.size, files.release),
  [abi.FUSE_FSYNC]: operation('fsync', abi.fuse_fsync_in.size, files.fsync),
  [abi.FUSE_LSEEK]: operation('lseek', abi.fuse_lseek_in.size, files.lseek),
  [abi.FUSE_FALLOCATE]: operation('fallocate', abi.fuse_fallocate_in.size, files.fallocate),
  [abi.FUSE_COPY_FILE_RANGE]: optional(
    'fuse-copy-range',
    'copy-file-range',
    abi.fuse_copy_file_range_in.size,
    files.copyFileRange,
  ),
  [abi.FUSE_COPY_FILE_RANGE_64]: optional(
    'fuse-copy-range-64',
    'copy-file-range',
    abi.fuse_copy_file_range_in.size,
    files.copyFileRange64,
  ),
  [abi.FUSE_SYNCFS]: operation('syncfs', 8, syncfs),
  [abi.FUSE_IOCTL]: operation('ioctl', 0, () => -ENOTTY),

  [abi.FUSE_OPENDIR]: operation('opendir', abi.fuse_open_in.size, folders.opendir),
  [abi.FUSE_READDIR]: operation('readdir', abi.fuse_read_in.size, folders.readdir),
  [abi.FUSE_READDIRPLUS]: operation('readdirplus', abi.fuse_read_in.size, folders.readdirPlus),
  [abi.FUSE_RELEASEDIR]: operation('releasedir', abi.fuse_release_in.size, folders.releasedir),
  [abi.FUSE_FSYNCDIR]: operation('fsyncdir', abi.fuse_fsync_in.size, folders.fsyncdir),

  [abi.FUSE_GETXATTR]: operation('getxattr', abi.fuse_getxattr_in.size + 1, xattrs.getxattr),
  [abi.FUSE_LISTXATTR]: operation('listxattr', abi.fuse_getxattr_in.size, xattrs.listxattr),
  [abi.FUSE_SETXATTR]: operation('setxattr', abi.fuse_setxattr_in.compat_size + 1, xattrs.setxattr),
  [abi.FUSE_REMOVEXATTR]: operation('removexattr', 1, xattrs.removexattr),

  [abi.FUSE_ACCESS]: operation('access', 0, unknown),
  [abi.FUSE_GETLK]: operation('lock', 0, unknown),
  [abi.FUSE_SETLK]: operation('lock', 0, unknown),
  [abi.FUSE_SETLKW]: operation('lock', 0, unknown),
  [abi.FUSE_BMAP]: operation('bmap', 0, unknown),
  [abi.FUSE_POLL]: operation('poll', 0, unknown),
};

/** The operation of an opcode; undefined for one that nobody knows and one that is switched off. */
export function operationOf(opcode: number): Operation | undefined {
  const found = OPERATIONS[opcode];
  return found?.feature === undefined || hasFeature(found.feature) ? found : undefined;
}
