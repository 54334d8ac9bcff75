// The C library: loaded on the first call, so that importing this folder works where it cannot be used.
// Only synchronous calls are declared, without callbacks. Arguments are numbers and byte buffers; a ByteString
// is copied into a NUL-terminated buffer that lives until the next call, because C strings are bytes, not UTF-8.
// Calls that glibc 2.28 or musl do not wrap go through syscall(2) with the kernel's own numbers.

import { createRequire } from 'node:module';
import type Koffi from 'koffi';
import { EINVAL, ENAMETOOLONG, EOPNOTSUPP, FsError } from '../errno.js';
import type { ByteString } from '../name.js';

/** What a C function takes here: an integer, an address in `Uint8Array` form, or NULL. */
export type CArgument = number | Uint8Array | null;
/** A C function that returns an integer, -1 for a failure. */
export type CFunction = (...args: CArgument[]) => number;

/** The longest path that the kernel takes in one piece, without the NUL. */
export const PATH_MAX = 4095;
export const AT_FDCWD = -100;

interface Loaded {
  readonly koffi: typeof Koffi;
  readonly library: ReturnType<typeof Koffi.load>;
}

let loaded: Loaded | undefined;

function load(): Loaded {
  if (loaded !== undefined) return loaded;
  if (process.platform !== 'linux') {
    throw new FsError(EOPNOTSUPP, `system calls on ${process.platform}`);
  }
  const require = createRequire(import.meta.url);
  const koffi = require('koffi') as typeof Koffi;
  // null: what the process itself is linked with, so that glibc and musl need no name of a file.
  loaded = { koffi, library: koffi.load(null) };
  return loaded;
}

/** Loads the C library now, for who has time for it before the first call. FsError EOPNOTSUPP where that is not Linux. */
export function loadLibrary(): void {
  load();
}

let lastErrno = 0;

/** Declares a function of the C library: C types as koffi spells them (koffi.dev/primitives). */
export function declare(result: string, name: string, parameters: readonly string[]): CFunction {
  const { koffi, library } = load();
  const call = library.func(name, result, [...parameters]) as unknown as CFunction;
  // V8's own locks are futex(2) calls that set errno (since Node 24), and any function that is entered in JavaScript may be
  // the place where they are taken: errno is read before one is.
  return (...args) => {
    const returned = call(...args);
    if (returned < 0) lastErrno = koffi.errno();
    return returned;
  };
}

/** Declares one system call by number. Parameters that are no address are `long`, as the kernel takes them. */
export function declareSyscall(numbers: SyscallNumber, parameters: readonly string[]): CFunction {
  const number = syscallNumber(numbers);
  const syscall = declare('long', 'syscall', ['long', ...parameters]);
  return (...args) => syscall(number, ...args);
}

/** The number of a system call on this machine, for hot calls that declare syscall(2) themselves. */
export function syscallNumber(numbers: SyscallNumber): number {
  if (process.arch === 'arm64') return numbers.arm64;
  if (process.arch === 'x64') return numbers.x64;
  throw new FsError(EOPNOTSUPP, `system calls on ${process.arch}`);
}

export interface SyscallNumber {
  readonly x64: number;
  readonly arm64: number;
}

/** Numbers from arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. */
export const SYSCALLS = {
  getdents64: { x64: 217, arm64: 61 },
  mknodat: { x64: 259, arm64: 33 },
  preadv2: { x64: 327, arm64: 286 },
  nameToHandleAt: { x64: 303, arm64: 264 },
  renameat2: { x64: 316, arm64: 276 },
  copyFileRange: { x64: 326, arm64: 285 },
  statx: { x64: 332, arm64: 291 },
  pivotRoot: { x64: 155, arm64: 41 },
  openTree: { x64: 428, arm64: 428 },
  moveMount: { x64: 429, arm64: 429 },
  fsopen: { x64: 430, arm64: 430 },
  fsconfig: { x64: 431, arm64: 431 },
  fsmount: { x64: 432, arm64: 432 },
  openat2: { x64: 437, arm64: 437 },
  mountSetattr: { x64: 442, arm64: 442 },
  fchmodat2: { x64: 452, arm64: 452 },
  getxattrat: { x64: 464, arm64: 464 },
  listxattrat: { x64: 465, arm64: 465 },
} as const satisfies Record<string, SyscallNumber>;

/** errno of the last call that returned -1. */
export function errno(): number {
  return lastErrno;
}

/** Throws the FsError of the last call that returned -1. */
export function fail(what: string): never {
  throw new FsError(lastErrno, what);
}

/** The address of a buffer's first byte, for structs that hold pointers. The caller keeps the buffer alive. */
export function addressOf(bytes: Uint8Array): bigint {
  return load().koffi.address(bytes);
}

/** The memory at an address, not a copy of it. The caller sees to it that it stays there as long as it is read. */
export function bytesAt(address: number, length: number): Uint8Array {
  return new Uint8Array(load().koffi.view(BigInt(address), length));
}

const first = new Uint8Array(PATH_MAX + 1);
const second = new Uint8Array(PATH_MAX + 1);

function fill(buffer: Uint8Array, path: ByteString): Uint8Array {
  const length = path.length;
  if (length > PATH_MAX) throw new FsError(ENAMETOOLONG, 'path');
  for (let i = 0; i < length; i++) {
    const byte = path.charCodeAt(i);
    if (byte === 0 || byte > 0xff) throw new FsError(EINVAL, 'path');
    buffer[i] = byte;
  }
  buffer[length] = 0;
  return buffer;
}

/** A path as a C string, valid until the next call. ENAMETOOLONG over PATH_MAX, EINVAL for a NUL. */
export function cPath(path: ByteString): Uint8Array {
  return fill(first, path);
}

/** As `cPath`, for the second path of one call. */
export function cPath2(path: ByteString): Uint8Array {
  return fill(second, path);
}

/** Any other ByteString as a C string of its own. */
export function cString(text: ByteString): Uint8Array {
  return fill(new Uint8Array(text.length + 1), text);
}
