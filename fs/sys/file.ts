// Files by descriptor: opening beneath a folder, attributes, data. Every call names its object as (folder
// descriptor, one name) or as a descriptor, and follows no symlink. Absence is a value where a caller looks for
// something (ENOENT, ENOTDIR); all else is an FsError. Buffers of hot calls are reused: nothing here is kept.

import { EAGAIN, EINTR, EIO, ELOOP, ENOENT, ENOTDIR, ENXIO, EOPNOTSUPP, FsError } from '../errno.js';
import type { Attr, StatFs, Timestamp } from '../filesystem.js';
import { makeDev } from '../mode.js';
import type { ByteString } from '../name.js';
import { hasFeature } from './features.js';
import { fileNumber } from './file-number.js';
import {
  AT_FDCWD,
  addressOf,
  type CFunction,
  cPath,
  declare,
  declareSyscall,
  errno,
  fail,
  SYSCALLS,
  syscallNumber,
} from './libc.js';
import { closing, opened } from './noted-files.js';

const arm = process.arch === 'arm64';

// open(2) flags; those that differ between architectures stand here and nowhere else.
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_NONBLOCK = 0o4000;
export const O_DIRECT = arm ? 0o200000 : 0o40000;
export const O_DIRECTORY = arm ? 0o40000 : 0o200000;
export const O_NOFOLLOW = arm ? 0o100000 : 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const O_TMPFILE = 0o20000000 | O_DIRECTORY;

export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const STATX_BASIC_STATS_BTIME = 0xfff;
const STATX_MNT_ID_UNIQUE = 0x4000;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

interface Calls {
  readonly openat: CFunction;
  readonly openat2: CFunction;
  readonly close: CFunction;
  readonly statx: CFunction;
  readonly pread: CFunction;
  readonly pwrite: CFunction;
  readonly preadv2: CFunction;
  readonly readlinkat: CFunction;
  readonly fchownat: CFunction;
  readonly fchmodat: CFunction;
  readonly fchmodat2: CFunction;
  readonly utimensat: CFunction;
  readonly ftruncate: CFunction;
  readonly fallocate: CFunction;
  readonly lseek: CFunction;
  readonly copyFileRange: CFunction;
  readonly fsync: CFunction;
  readonly fdatasync: CFunction;
  readonly syncfs: CFunction;
  readonly syncFileRange: CFunction;
  readonly fstatvfs: CFunction;
  readonly fstatfs: CFunction;
  readonly flock: CFunction;
  readonly fcntl: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    openat: declare('int', 'openat', ['int', 'void *', 'int', 'uint']),
    openat2: declareSyscall(SYSCALLS.openat2, ['long', 'void *', 'void *', 'long']),
    close: declare('int', 'close', ['int']),
    statx: declare('long', 'syscall', ['long', 'long', 'void *', 'long', 'long', 'void *']),
    pread: declare('long', 'pread', ['int', 'void *', 'size_t', 'int64']),
    pwrite: declare('long', 'pwrite', ['int', 'void *', 'size_t', 'int64']),
    preadv2: declareSyscall(SYSCALLS.preadv2, ['long', 'void *', 'long', 'int64', 'int64', 'long']),
    readlinkat: declare('long', 'readlinkat', ['int', 'void *', 'void *', 'size_t']),
    fchownat: declare('int', 'fchownat', ['int', 'void *', 'uint', 'uint', 'int']),
    fchmodat: declare('int', 'fchmodat', ['int', 'void *', 'uint', 'int']),
    fchmodat2: declareSyscall(SYSCALLS.fchmodat2, ['long', 'void *', 'long', 'long']),
    utimensat: declare('int', 'utimensat', ['int', 'void *', 'void *', 'int']),
    ftruncate: declare('int', 'ftruncate', ['int', 'int64']),
    fallocate: declare('int', 'fallocate', ['int', 'int', 'int64', 'int64']),
    lseek: declare('int64', 'lseek', ['int', 'int64', 'int']),
    copyFileRange: declareSyscall(SYSCALLS.copyFileRange, [
      'long',
      'void *',
      'long',
      'void *',
      'size_t',
      'uint',
    ]),
    fsync: declare('int', 'fsync', ['int']),
    fdatasync: declare('int', 'fdatasync', ['int']),
    syncfs: declare('int', 'syncfs', ['int']),
    syncFileRange: declare('int', 'sync_file_range', ['int', 'int64', 'int64', 'uint']),
    fstatvfs: declare('int', 'fstatvfs', ['int', 'void *']),
    fstatfs: declare('int', 'fstatfs', ['int', 'void *']),
    flock: declare('int', 'flock', ['int', 'int']),
    fcntl: declare('int', 'fcntl', ['int', 'int', 'long']),
  };
  return calls;
}

// ---- opening ----

/** openat(2), always close-on-exec. `path` is one name, or an absolute path with AT_FDCWD. */
export function openAt(dir: number, path: ByteString, flags: number, mode = 0): number {
  const fd = libc().openat(dir, cPath(path), flags | O_CLOEXEC, mode);
  return fd < 0 ? fail('open') : opened(fd);
}

/** As `openAt`; undefined if there is nothing of that name. */
export function openAtIfAny(dir: number, path: ByteString, flags: number): number | undefined {
  const fd = libc().openat(dir, cPath(path), flags | O_CLOEXEC, 0);
  if (fd >= 0) return opened(fd);
  const failure = errno();
  if (failure === ENOENT || failure === ENOTDIR) return undefined;
  throw new FsError(failure, 'open');
}

// struct open_how { u64 flags, mode, resolve; }
const howWords = new Uint32Array(6);
const how = new Uint8Array(howWords.buffer);

/**
 * openat2(2) beneath `dir`: neither '..' nor a symlink leads out. undefined if there is nothing, or something
 * on the way is no folder (a symlink counts as no folder).
 */
export function openBeneath(dir: number, path: ByteString, flags: number): number | undefined {
  howWords[0] = flags | O_CLOEXEC;
  howWords[4] = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    const fd = libc().openat2(dir, cPath(path), how, how.length);
    if (fd >= 0) return opened(fd);
    const failure = errno();
    if (failure === ENOENT || failure === ENOTDIR || failure === ELOOP) return undefined;
    // EAGAIN: a rename elsewhere on the machine raced with the walk (openat2(2)).
    if (failure !== EAGAIN && failure !== EINTR) throw new FsError(failure, 'open');
  }
}

/** The path under which /proc names a descriptor of this process: reaches what an O_PATH descriptor stands for. */
export function fdPath(fd: number): ByteString {
  return `/proc/self/fd/${fd}`;
}

/** Opens what another descriptor stands for once more, with its own flags and offset. */
export function reopen(fd: number, flags: number): number {
  return openAt(AT_FDCWD, fdPath(fd), flags);
}

/** Another descriptor of the same open file. */
export function duplicate(fd: number): number {
  const F_DUPFD_CLOEXEC = 1030;
  const copy = libc().fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? fail('fcntl') : opened(copy);
}

export function closeFd(fd: number): void {
  closing(fd);
  if (libc().close(fd) < 0) fail('close');
}

// ---- attributes ----

// struct statx of linux/stat.h, read as 32-bit words; both architectures are little-endian.
const statBytes = new Uint8Array(256);
const statWords = new Uint32Array(statBytes.buffer);
const statSigned = new Int32Array(statBytes.buffer);
const statModes = new Uint16Array(statBytes.buffer);
const HIGH_WORD = 4294967296;
let statxNumber = 0;

function statx(dir: number, path: ByteString, flags: number): boolean {
  if (statxNumber === 0) statxNumber = syscallNumber(SYSCALLS.statx);
  const result = libc().statx(statxNumber, dir, cPath(path), flags, STATX_BASIC_STATS_BTIME, statBytes);
  if (result >= 0) return true;
  const failure = errno();
  if (failure === ENOENT || failure === ENOTDIR) return false;
  throw new FsError(failure, 'stat');
}

function word(at: number): number {
  return statWords[at] as number;
}

function signed64(at: number): number {
  return word(at) + (statSigned[at + 1] as number) * HIGH_WORD;
}

function unsigned64(at: number): number {
  return word(at) + word(at + 1) * HIGH_WORD;
}

function fillAttr(out: Attr): void {
  out.blksize = word(1);
  out.nlink = word(4);
  out.uid = word(5);
  out.gid = word(6);
  out.mode = statModes[14] as number;
  out.ino = fileNumber(word(8), word(9));
  out.size = unsigned64(10);
  out.blocks = unsigned64(12);
  out.atimeSec = signed64(16);
  out.atimeNsec = word(18);
  out.btimeSec = signed64(20);
  out.btimeNsec = word(22);
  out.ctimeSec = signed64(24);
  out.ctimeNsec = word(26);
  out.mtimeSec = signed64(28);
  out.mtimeNsec = word(30);
  out.rdev = makeDev(word(32), word(33));
}

/** Attributes of a name, a symlink itself; false if there is nothing (ENOENT, ENOTDIR). */
export function statAt(dir: number, name: ByteString, out: Attr): boolean {
  if (!statx(dir, name, AT_SYMLINK_NOFOLLOW)) return false;
  fillAttr(out);
  return true;
}

export function statFd(fd: number, out: Attr): void {
  if (!statx(fd, '', AT_EMPTY_PATH)) throw new FsError(ENOENT, 'stat');
  fillAttr(out);
}

/** The device of the filesystem of an open file, as `major:minor`. */
export function deviceOf(fd: number): string {
  if (!statx(fd, '', AT_EMPTY_PATH)) throw new FsError(ENOENT, 'stat');
  return `${word(34)}:${word(35)}`;
}

/**
 * Which mount of a filesystem an open file lies on, a number that is never given twice before the machine stops; '' where
 * the kernel does not say (before Linux 6.8).
 */
export function mountOf(fd: number): string {
  statxNumber ||= syscallNumber(SYSCALLS.statx);
  const result = libc().statx(statxNumber, fd, cPath(''), AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, statBytes);
  if (result < 0) fail('stat');
  return (word(0) & STATX_MNT_ID_UNIQUE) === 0 ? '' : `${word(37).toString(16)}.${word(36).toString(16)}`;
}

/** fchownat(2) of what a descriptor (also O_PATH) stands for. */
export function chownFd(fd: number, uid: number, gid: number): void {
  if (libc().fchownat(fd, cPath(''), uid, gid, AT_EMPTY_PATH) < 0) fail('chown');
}

/** Permission bits of what a descriptor (also O_PATH, but no symlink) stands for. */
export function chmodFd(fd: number, mode: number): void {
  const result = hasFeature('chmod-at')
    ? libc().fchmodat2(fd, cPath(''), mode, AT_EMPTY_PATH)
    : libc().fchmodat(AT_FDCWD, cPath(fdPath(fd)), mode, 0);
  if (result < 0) fail('chmod');
}

const timeWords = new Int32Array(8);
const timeBytes = new Uint8Array(timeWords.buffer);

function putTime(at: number, time: Timestamp | 'now' | undefined): void {
  const sec = typeof time === 'object' ? time.sec : 0;
  const high = Math.floor(sec / HIGH_WORD);
  timeWords[at] = sec - high * HIGH_WORD;
  timeWords[at + 1] = high;
  timeWords[at + 2] = typeof time === 'object' ? time.nsec : time === 'now' ? UTIME_NOW : UTIME_OMIT;
  timeWords[at + 3] = 0;
}

/** utimensat(2) of what a descriptor (also O_PATH, also a symlink) stands for; undefined leaves a time as it is. */
export function utimesFd(
  fd: number,
  atime: Timestamp | 'now' | undefined,
  mtime: Timestamp | 'now' | undefined,
): void {
  putTime(0, atime);
  putTime(4, mtime);
  if (libc().utimensat(fd, cPath(''), timeBytes, AT_EMPTY_PATH) < 0) fail('utimes');
}

const linkBuffer = Buffer.alloc(4096);

/** The target of a symlink that an O_PATH descriptor stands for. */
export function readlinkFd(fd: number): ByteString {
  return readlinkAt(fd, '');
}

/** readlinkat(2); EINVAL if it is no symlink. */
export function readlinkAt(dir: number, name: ByteString): ByteString {
  const length = libc().readlinkat(dir, cPath(name), linkBuffer, linkBuffer.length);
  return length < 0 ? fail('readlink') : linkBuffer.toString('latin1', 0, length);
}

const statfsBytes = new Uint8Array(256);

/** statvfs(3) of the filesystem that an open file lies on. */
export function statfsFd(fd: number): StatFs {
  if (libc().fstatvfs(fd, statfsBytes) < 0) fail('statfs');
  const words = new DataView(statfsBytes.buffer);
  const value = (at: number): number =>
    words.getUint32(at * 8, true) + words.getUint32(at * 8 + 4, true) * HIGH_WORD;
  // struct statvfs: bsize frsize blocks bfree bavail files ffree favail fsid flag namemax
  return {
    bsize: value(0),
    frsize: value(1),
    blocks: value(2),
    bfree: value(3),
    bavail: value(4),
    files: value(5),
    ffree: value(6),
    namelen: value(10),
  };
}

/** The kind of filesystem that an open file lies on: a magic number of linux/magic.h. */
export function filesystemMagic(fd: number): number {
  // struct statfs: f_type comes first, in a word of 64 bits.
  if (libc().fstatfs(fd, statfsBytes) < 0) fail('statfs');
  return new DataView(statfsBytes.buffer).getUint32(0, true);
}

// ---- data ----

/** Reads up to into.length bytes; fewer only at the end of the file. */
export function readAt(fd: number, offset: number, into: Uint8Array): number {
  let done = 0;
  while (done < into.length) {
    const part = done === 0 ? into : into.subarray(done);
    const count = libc().pread(fd, part, part.length, offset + done);
    if (count === 0) break;
    if (count > 0) done += count;
    else if (errno() !== EINTR) fail('read');
  }
  return done;
}

const RWF_NOWAIT = 8;
// struct iovec { void *base; size_t length; }
const vector = new BigUint64Array(2);
const vectorBytes = new Uint8Array(vector.buffer);

/** As `readAt` of what is in the page cache; undefined where it would wait, or the filesystem does not say. */
export function readAtNow(fd: number, offset: number, into: Uint8Array): number | undefined {
  if (!hasFeature('read-now')) return undefined;
  const address = addressOf(into);
  for (let done = 0; ; ) {
    vector[0] = address + BigInt(done);
    vector[1] = BigInt(into.length - done);
    // The position is one word where words have 64 bits; the higher half is then not looked at (preadv2(2)).
    const count = libc().preadv2(fd, vectorBytes, 1, offset + done, 0, RWF_NOWAIT);
    if (count < 0) {
      const failure = errno();
      if (failure === EINTR) continue;
      // All else is said again by a reading that waits.
      return undefined;
    }
    done += count;
    // Short where the rest is not there, or at the end.
    if (count === 0 || done === into.length) return done;
  }
}

/** Writes what there is room for, as write(2) does: fails only where not a byte of `data` can be written. */
export function writeAt(fd: number, offset: number, data: Uint8Array): number {
  let done = 0;
  while (done < data.length) {
    const part = done === 0 ? data : data.subarray(done);
    const count = libc().pwrite(fd, part, part.length, offset + done);
    if (count > 0) done += count;
    else if (count === 0) throw new FsError(EIO, 'write');
    else if (errno() !== EINTR) return done > 0 ? done : fail('write');
  }
  return done;
}

/** Writes all of `data` or fails. */
export function writeAllAt(fd: number, offset: number, data: Uint8Array): void {
  for (let done = 0; done < data.length; ) done += writeAt(fd, offset + done, data.subarray(done));
}

export function truncateFd(fd: number, size: number): void {
  if (libc().ftruncate(fd, size) < 0) fail('truncate');
}

/** fallocate(2); EOPNOTSUPP for modes that the filesystem does not know. */
export function allocateFd(fd: number, mode: number, offset: number, length: number): void {
  if (libc().fallocate(fd, mode, offset, length) < 0) fail('fallocate');
}

/** lseek(2) with SEEK_DATA or SEEK_HOLE; undefined beyond the last data (ENXIO). */
export function seekFd(fd: number, offset: number, whence: number): number | undefined {
  const found = libc().lseek(fd, offset, whence);
  if (found >= 0) return found;
  if (errno() === ENXIO) return undefined;
  return fail('seek');
}

const fromOffsetWords = new Uint32Array(2);
const toOffsetWords = new Uint32Array(2);
const fromOffsetBytes = new Uint8Array(fromOffsetWords.buffer);
const toOffsetBytes = new Uint8Array(toOffsetWords.buffer);

function putOffset(words: Uint32Array, offset: number): void {
  words[0] = offset % HIGH_WORD;
  words[1] = Math.floor(offset / HIGH_WORD);
}

/** One copy_file_range(2): the count (0 at the end of the source), or the negative errno; EOPNOTSUPP if switched off. */
export function copyRange(
  from: number,
  fromOffset: number,
  to: number,
  toOffset: number,
  length: number,
): number {
  if (!hasFeature('copy-range')) return -EOPNOTSUPP;
  putOffset(fromOffsetWords, fromOffset);
  putOffset(toOffsetWords, toOffset);
  // The kernel copies at most MAX_RW_COUNT at a time anyway.
  const count = Math.min(length, 0x7ffff000);
  const copied = libc().copyFileRange(from, fromOffsetBytes, to, toOffsetBytes, count, 0);
  return copied < 0 ? -errno() : copied;
}

export function syncFd(fd: number, dataOnly: boolean): void {
  if ((dataOnly ? libc().fdatasync(fd) : libc().fsync(fd)) < 0) fail('fsync');
}

/**
 * Sends what was written to a part of an open file on its way to the disk and waits for nothing (sync_file_range(2)), so
 * that a sync has less to do. A hint: where it is not taken, the sync does all of it, and tells what fails.
 */
export function beginSync(fd: number, offset: number, length: number): void {
  const SYNC_FILE_RANGE_WRITE = 2;
  libc().syncFileRange(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

/** Makes everything written to the filesystem of an open file durable. */
export function syncFilesystem(fd: number): void {
  if (libc().syncfs(fd) < 0) fail('syncfs');
}

/** Takes an exclusive flock(2), and waits as long as somebody else holds one. */
export function lock(fd: number): void {
  const LOCK_EX = 2;
  while (libc().flock(fd, LOCK_EX) < 0) if (errno() !== EINTR) fail('flock');
}

/** Gives it back. */
export function unlock(fd: number): void {
  const LOCK_UN = 8;
  if (libc().flock(fd, LOCK_UN) < 0) fail('flock');
}

/** Takes an exclusive flock(2) without waiting; false if somebody else holds one. It ends with the descriptor. */
export function tryLock(fd: number): boolean {
  const LOCK_EX_NB = 2 | 4;
  if (libc().flock(fd, LOCK_EX_NB) >= 0) return true;
  if (errno() === EAGAIN) return false;
  return fail('flock');
}
