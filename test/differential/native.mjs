// Calls of the C library that neither Node nor the product makes: mappings, locks, times left out, attributes of
// symlinks, and direct I/O. Each throws an object with the errno where the call fails.

import fs from 'node:fs';
import { cPath, cString, declare, declareSyscall, errno } from '../../dist/fs/sys/libc.js';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 32;
const MS_SYNC = 4;
const LOCK_NB = 4;
/** fcntl(2) on open file descriptions: two descriptors of one process exclude each other. */
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const PAGE = 4096;
const ENXIO = 6;
const EFAULT = 14;

const declared = new Map();

/** `int64` stands for addresses too: they fit a number. */
function call(name, result, parameters, ...args) {
  if (!declared.has(name)) declared.set(name, declare(result, name, parameters));
  const value = Number(declared.get(name)(...args));
  if (value === -1) throw Object.assign(new Error(name), { errno: errno() });
  return value;
}

const CALLS = {
  setgroups: { x64: 116, arm64: 159 },
  setresuid: { x64: 117, arm64: 147 },
  setresgid: { x64: 119, arm64: 149 },
};

function system(name, ...args) {
  if (!declared.has(name)) declared.set(name, declareSyscall(CALLS[name], args.map(typeOf)));
  if (declared.get(name)(...args) < 0) throw Object.assign(new Error(name), { errno: errno() });
}

const typeOf = (arg) => (typeof arg === 'number' ? 'long' : 'void *');

/**
 * Changes the calling thread alone, which is what the kernel knows; the C library would change all of them, one
 * after another.
 */
export function become(id, groups) {
  if (id !== 0) {
    system('setgroups', groups.length, Buffer.from(Uint32Array.from(groups).buffer));
    system('setresgid', id, id, 0);
    system('setresuid', id, id, 0);
    return;
  }
  system('setresuid', 0, 0, 0);
  system('setresgid', 0, 0, 0);
  system('setgroups', 0, Buffer.alloc(4));
}

/** Maps the first `length` bytes for as long as `act` runs. */
function withMapping(fd, length, protection, flags, act) {
  const types = ['int64', 'size_t', 'int', 'int', 'int', 'int64'];
  const at = call('mmap', 'int64', types, 0, length, protection, flags, fd, 0);
  try {
    return act(at);
  } finally {
    call('munmap', 'int', ['int64', 'size_t'], at, length);
  }
}

const poke = (at, bytes) => call('memcpy', 'int64', ['int64', 'void *', 'size_t'], at, bytes, bytes.length);

let copies;

function copyOut(at, length) {
  try {
    return call('pwrite', 'long', ['int', 'int64', 'size_t', 'int64'], copies, at, length, 0);
  } catch (error) {
    if (error.errno === EFAULT) return 0;
    throw error;
  }
}

/**
 * What memory holds, up to where it cannot be read: beyond the end of a file a look at a mapping would be a SIGBUS,
 * but a system call ends early.
 */
function peek(at, length) {
  copies ??= call('memfd_create', 'int', ['void *', 'uint'], cString('copies'), 0);
  const count = copyOut(at, length);
  const into = Buffer.alloc(count);
  fs.readSync(copies, into, 0, count, 0);
  return into;
}

/** Writes through a shared mapping; what lies beyond the end of the file is left out, for it would be a SIGBUS. */
export function mapWrite(fd, bytes, offset) {
  const { size } = fs.fstatSync(fd);
  const length = Math.min(bytes.length, size - offset);
  if (length <= 0) throw Object.assign(new Error('beyond the end'), { errno: ENXIO });
  return withMapping(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED, (at) => {
    poke(at + offset, bytes.subarray(0, length));
    call('msync', 'int', ['int64', 'size_t', 'int'], at, size, MS_SYNC);
    return length;
  });
}

/** What a mapping shows before and after a private change of it. */
export function mapRead(fd, most) {
  const { size } = fs.fstatSync(fd);
  const length = Math.min(size, most);
  if (length === 0) return [];
  return withMapping(fd, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, (at) => {
    const before = peek(at, length);
    if (before.length === 0) return [''];
    poke(at, Buffer.from('!'));
    return [before.toString('latin1'), peek(at, 1).toString('latin1')];
  });
}

/** O_DIRECT wants memory at a multiple of the block size, which a mapping is. */
export function directWrite(fd, bytes, offset) {
  return withMapping(-1, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (at) => {
    poke(at, bytes.subarray(0, PAGE));
    return call('pwrite', 'long', ['int', 'int64', 'size_t', 'int64'], fd, at, PAGE, offset);
  });
}

/** `operation`: 1 shared, 2 exclusive, 8 unlock; never waits. */
export function lockFile(fd, operation) {
  call('flock', 'int', ['int', 'int'], fd, operation | LOCK_NB);
}

/** `type`: 0 read, 1 write, 2 unlock. Tells what lock is in the way of one, and then takes it. */
export function lockRange(fd, type, start, length) {
  const types = ['int', 'int', 'void *'];
  const flock = (asked) => {
    // struct flock: type and whence of 2 bytes, 4 of padding, start and length of 8, pid of 4.
    const bytes = Buffer.alloc(32);
    bytes.writeInt16LE(asked, 0);
    bytes.writeBigInt64LE(BigInt(start), 8);
    bytes.writeBigInt64LE(BigInt(length), 16);
    return bytes;
  };
  const told = flock(type === 2 ? 1 : type);
  call('fcntl', 'int', types, fd, F_OFD_GETLK, told);
  call('fcntl', 'int', types, fd, F_OFD_SETLK, flock(type));
  return [told.readInt16LE(0), Number(told.readBigInt64LE(8)), Number(told.readBigInt64LE(16))];
}

const UTIME_NOW = (1n << 30n) - 1n;
const UTIME_OMIT = (1n << 30n) - 2n;

/** Times are a bigint of ns, 'now' or 'omit'. The symlink itself, if that is what `path` is. */
export function setTimes(path, atime, mtime) {
  const bytes = Buffer.alloc(32);
  [atime, mtime].forEach((time, i) => {
    const nsec = time === 'now' ? UTIME_NOW : time === 'omit' ? UTIME_OMIT : time % 1_000_000_000n;
    bytes.writeBigInt64LE(typeof time === 'bigint' ? time / 1_000_000_000n : 0n, i * 16);
    bytes.writeBigInt64LE(nsec, i * 16 + 8);
  });
  // An open file is named by a link of /proc, which has to be followed.
  const flags = path.startsWith('/proc/') ? 0 : AT_SYMLINK_NOFOLLOW;
  call('utimensat', 'int', ['int', 'void *', 'void *', 'int'], AT_FDCWD, cPath(path), bytes, flags);
}

/** Of the symlink itself, if that is what `path` is. */
export function setXattrOf(path, name, value, flags) {
  const types = ['void *', 'void *', 'void *', 'size_t', 'int'];
  const which = path.startsWith('/proc/') ? 'setxattr' : 'lsetxattr';
  call(which, 'int', types, cPath(path), cString(name), value, value.length, flags);
}

export function removeXattrOf(path, name) {
  const which = path.startsWith('/proc/') ? 'removexattr' : 'lremovexattr';
  call(which, 'int', ['void *', 'void *'], cPath(path), cString(name));
}
