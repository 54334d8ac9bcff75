// Names in folders: making, linking, moving, removing and listing them. All are (folder descriptor, one name)
// calls, so that a whole path is never looked up again; names are bytes in and out.

import { EINTR, ENOENT, FsError } from '../errno.js';
import { devMajor, devMinor } from '../mode.js';
import type { ByteString } from '../name.js';
import { AT_REMOVEDIR, AT_SYMLINK_FOLLOW, fdPath } from './file.js';
import { fileNumber } from './file-number.js';
import {
  AT_FDCWD,
  type CFunction,
  cPath,
  cPath2,
  declare,
  declareSyscall,
  errno,
  fail,
  SYSCALLS,
  syscallNumber,
} from './libc.js';

interface Calls {
  readonly mkdirat: CFunction;
  readonly mknodat: CFunction;
  readonly symlinkat: CFunction;
  readonly linkat: CFunction;
  readonly unlinkat: CFunction;
  readonly renameat2: CFunction;
  readonly getdents64: CFunction;
  readonly lseek: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    mkdirat: declare('int', 'mkdirat', ['int', 'void *', 'uint']),
    mknodat: declareSyscall(SYSCALLS.mknodat, ['long', 'void *', 'long', 'long']),
    symlinkat: declare('int', 'symlinkat', ['void *', 'int', 'void *']),
    linkat: declare('int', 'linkat', ['int', 'void *', 'int', 'void *', 'int']),
    unlinkat: declare('int', 'unlinkat', ['int', 'void *', 'int']),
    renameat2: declareSyscall(SYSCALLS.renameat2, ['long', 'void *', 'long', 'void *', 'long']),
    getdents64: declare('long', 'syscall', ['long', 'long', 'void *', 'long']),
    lseek: declare('int64', 'lseek', ['int', 'int64', 'int']),
  };
  return calls;
}

/** mkdirat(2); the process's umask applies. */
export function makeFolderAt(dir: number, name: ByteString, mode: number): void {
  if (libc().mkdirat(dir, cPath(name), mode) < 0) fail('mkdir');
}

/** mknodat(2); `rdev` as mode.ts spells it. Character device 0:0 (a whiteout) needs no privilege since Linux 5.8. */
export function makeNodeAt(dir: number, name: ByteString, mode: number, rdev: number): void {
  // new_encode_dev, which is what makeDev gives; taken apart to refuse nothing that fits 12 and 20 bits.
  const device = (devMinor(rdev) & 0xff) | (devMajor(rdev) << 8) | ((devMinor(rdev) & ~0xff) << 12);
  if (libc().mknodat(dir, cPath(name), mode, device >>> 0) < 0) fail('mknod');
}

export function makeSymlinkAt(dir: number, name: ByteString, target: ByteString): void {
  if (libc().symlinkat(cPath2(target), dir, cPath(name)) < 0) fail('symlink');
}

/** A further name for a named file. EEXIST if the new name is taken. */
export function linkAt(dir: number, name: ByteString, newDir: number, newName: ByteString): void {
  if (libc().linkat(dir, cPath(name), newDir, cPath2(newName), 0) < 0) fail('link');
}

/** As `linkAt`: 0, or the errno, for callers to whom EEXIST and EMLINK are no surprise. */
export function linkErrno(dir: number, name: ByteString, newDir: number, newName: ByteString): number {
  return libc().linkat(dir, cPath(name), newDir, cPath2(newName), 0) < 0 ? errno() : 0;
}

/**
 * A name for what a descriptor stands for (O_PATH or O_TMPFILE); through /proc, because AT_EMPTY_PATH asks for
 * CAP_DAC_READ_SEARCH (open(2), O_TMPFILE). ENOENT for a file whose last name was removed.
 */
export function linkFd(fd: number, dir: number, name: ByteString): void {
  if (libc().linkat(AT_FDCWD, cPath(fdPath(fd)), dir, cPath2(name), AT_SYMLINK_FOLLOW) < 0) fail('link');
}

/** unlinkat(2) of what is no folder. */
export function unlinkAt(dir: number, name: ByteString): void {
  if (libc().unlinkat(dir, cPath(name), 0) < 0) fail('unlink');
}

/** As `unlinkAt`; false if there was nothing. */
export function unlinkAtIfAny(dir: number, name: ByteString): boolean {
  if (libc().unlinkat(dir, cPath(name), 0) >= 0) return true;
  if (errno() === ENOENT) return false;
  return fail('unlink');
}

export function removeFolderAt(dir: number, name: ByteString): void {
  if (libc().unlinkat(dir, cPath(name), AT_REMOVEDIR) < 0) fail('rmdir');
}

/** rmdir: 0, or the errno, for callers to whom ENOTEMPTY is no surprise. */
export function removeFolderErrno(dir: number, name: ByteString): number {
  return libc().unlinkat(dir, cPath(name), AT_REMOVEDIR) < 0 ? errno() : 0;
}

/** renameat2(2) with RENAME_* flags: 0, or the errno; what to do about EINVAL or ENOTEMPTY is the caller's. */
export function renameErrno(
  dir: number,
  name: ByteString,
  newDir: number,
  newName: ByteString,
  flags: number,
): number {
  return libc().renameat2(dir, cPath(name), newDir, cPath2(newName), flags) < 0 ? errno() : 0;
}

/** renameat2(2) with RENAME_* flags. */
export function renameAt(
  dir: number,
  name: ByteString,
  newDir: number,
  newName: ByteString,
  flags: number,
): void {
  const failure = renameErrno(dir, name, newDir, newName, flags);
  if (failure !== 0) throw new FsError(failure, 'rename');
}

/** Receives a name, its d_type (0: unknown) and its file number; true ends the listing. */
export type NameVisitor = (name: ByteString, type: number, ino: number) => boolean | undefined;

const LIST_BYTES = 65536;
let spareBuffer: Buffer | undefined;
let getdentsNumber = 0;

/**
 * Visits the entries of a folder that is open for reading, from its beginning, without '.' and '..'. The
 * visitor may list other folders. ENOENT is no error: a removed folder is empty.
 */
export function listFolder(fd: number, visit: NameVisitor): void {
  if (getdentsNumber === 0) getdentsNumber = syscallNumber(SYSCALLS.getdents64);
  const c = libc();
  // A nested listing finds no spare buffer and makes its own.
  const buffer = spareBuffer ?? Buffer.allocUnsafeSlow(LIST_BYTES);
  spareBuffer = undefined;
  try {
    if (c.lseek(fd, 0, 0) < 0) fail('list');
    for (;;) {
      const length = c.getdents64(getdentsNumber, fd, buffer, LIST_BYTES);
      if (length === 0) return;
      if (length < 0) {
        const failure = errno();
        if (failure === EINTR) continue;
        if (failure === ENOENT) return;
        throw new FsError(failure, 'list');
      }
      if (visitEntries(buffer, length, visit)) return;
    }
  } finally {
    spareBuffer = buffer;
  }
}

// struct linux_dirent64 { u64 ino; s64 off; u16 reclen; u8 type; char name[]; }
function visitEntries(buffer: Buffer, length: number, visit: NameVisitor): boolean {
  for (let at = 0; at < length; ) {
    const size = buffer.readUInt16LE(at + 16);
    const start = at + 19;
    // '.' and '..' end with a NUL in the second or third byte.
    const isDots =
      buffer[start] === 0x2e &&
      (buffer[start + 1] === 0 || (buffer[start + 1] === 0x2e && buffer[start + 2] === 0));
    if (!isDots) {
      let end = start + 1;
      while (buffer[end] !== 0) end++;
      const name = buffer.toString('latin1', start, end);
      const ino = fileNumber(buffer.readUInt32LE(at), buffer.readUInt32LE(at + 4));
      if (visit(name, buffer[at + 18] as number, ino) === true) return true;
    }
    at += size;
  }
  return false;
}
