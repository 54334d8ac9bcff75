// The kernel's own name for a file, which outlives renames: name_to_handle_at(2), and the UUID of a filesystem.
// overlayfs builds its origin marks and index keys from both.

import type { ByteString } from '../name.js';
import { hasFeature } from './features.js';
import { AT_EMPTY_PATH } from './file.js';
import { type CFunction, cPath, declare, declareSyscall, SYSCALLS } from './libc.js';

/** MAX_HANDLE_SZ of fcntl.h. */
const MAX_HANDLE_BYTES = 128;
/** _IOR(0x15, 0, struct fsuuid2), Linux 6.9. */
const FS_IOC_GETFSUUID = 0x80111500;

export interface FileHandle {
  /** fid type of linux/exportfs.h. */
  readonly type: number;
  readonly bytes: Uint8Array;
}

let nameToHandle: CFunction | undefined;
let ioctl: CFunction | undefined;

// struct file_handle { u32 bytes; s32 type; u8 handle[]; }
const handle = new Uint8Array(8 + MAX_HANDLE_BYTES);
const handleWords = new Int32Array(handle.buffer);
const mountId = new Uint8Array(4);
const EMPTY: ByteString = '';

/** The handle of what a descriptor (also O_PATH) stands for; undefined on a filesystem without handles. */
export function fileHandle(fd: number): FileHandle | undefined {
  if (!hasFeature('file-handles')) return undefined;
  nameToHandle ??= declareSyscall(SYSCALLS.nameToHandleAt, ['long', 'void *', 'void *', 'void *', 'long']);
  handleWords[0] = MAX_HANDLE_BYTES;
  if (nameToHandle(fd, cPath(EMPTY), handle, mountId, AT_EMPTY_PATH) < 0) return undefined;
  return { type: handleWords[1] as number, bytes: handle.slice(8, 8 + (handleWords[0] as number)) };
}

/** The UUID of the filesystem that an open file (not O_PATH) lies on; zeros where the kernel does not say. */
export function filesystemUuid(fd: number): Uint8Array {
  if (!hasFeature('filesystem-uuid')) return new Uint8Array(16);
  ioctl ??= declare('int', 'ioctl', ['int', 'ulong', 'void *']);
  // struct fsuuid2 { u8 len; u8 uuid[16]; }
  const answer = new Uint8Array(17);
  return ioctl(fd, FS_IOC_GETFSUUID, answer) < 0 || answer[0] !== 16 ? new Uint8Array(16) : answer.slice(1);
}
