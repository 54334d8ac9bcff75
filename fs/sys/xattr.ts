// Extended attributes as bytes, of what a descriptor stands for (also O_PATH and symlinks) or of a name in a
// folder. Descriptors go through /proc/self/fd, because the f*xattr calls refuse O_PATH ones. Names go through
// getxattrat(2) and listxattrat(2), three times as fast, and through /proc before Linux 6.13.
// A filesystem without xattrs has none.

import { ENODATA, EOPNOTSUPP, ERANGE, FsError } from '../errno.js';
import type { ByteString } from '../name.js';
import { hasFeature } from './features.js';
import { AT_SYMLINK_NOFOLLOW, fdPath } from './file.js';
import {
  addressOf,
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
  readonly getxattr: CFunction;
  readonly fgetxattr: CFunction;
  readonly flistxattr: CFunction;
  readonly fsetxattr: CFunction;
  readonly fremovexattr: CFunction;
  readonly lgetxattr: CFunction;
  readonly listxattr: CFunction;
  readonly llistxattr: CFunction;
  readonly setxattr: CFunction;
  readonly removexattr: CFunction;
  readonly getxattrat: CFunction;
  readonly listxattrat: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    getxattr: declare('long', 'getxattr', ['void *', 'void *', 'void *', 'size_t']),
    fgetxattr: declare('long', 'fgetxattr', ['int', 'void *', 'void *', 'size_t']),
    flistxattr: declare('long', 'flistxattr', ['int', 'void *', 'size_t']),
    fsetxattr: declare('int', 'fsetxattr', ['int', 'void *', 'void *', 'size_t', 'int']),
    fremovexattr: declare('int', 'fremovexattr', ['int', 'void *']),
    lgetxattr: declare('long', 'lgetxattr', ['void *', 'void *', 'void *', 'size_t']),
    listxattr: declare('long', 'listxattr', ['void *', 'void *', 'size_t']),
    llistxattr: declare('long', 'llistxattr', ['void *', 'void *', 'size_t']),
    setxattr: declare('int', 'setxattr', ['void *', 'void *', 'void *', 'size_t', 'int']),
    removexattr: declare('int', 'removexattr', ['void *', 'void *']),
    getxattrat: declareSyscall(SYSCALLS.getxattrat, ['long', 'void *', 'long', 'void *', 'void *', 'long']),
    listxattrat: declare('long', 'syscall', ['long', 'long', 'void *', 'long', 'void *', 'long']),
  };
  return calls;
}

/** A buffer for results and its address, as struct xattr_args { u64 value; u32 size, flags; } holds it. */
interface Scratch {
  readonly bytes: Buffer;
  readonly args: Uint8Array;
}

function makeScratch(size: number): Scratch {
  const bytes = Buffer.allocUnsafeSlow(size);
  const args = new DataView(new ArrayBuffer(16));
  args.setBigUint64(0, addressOf(bytes), true);
  args.setUint32(8, size, true);
  return { bytes, args: new Uint8Array(args.buffer) };
}

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h. The kernel allocates what it is offered, so less comes first. */
const LARGEST = 65536;
const USUAL = 1024;
let usual: Scratch | undefined;
let largest: Scratch | undefined;
const NOTHING: readonly ByteString[] = [];

/** Calls with the small buffer, and once more with the large one if that was too small. */
function withScratch<T>(call: (into: Scratch) => number, result: (length: number, from: Buffer) => T): T {
  usual ??= makeScratch(USUAL);
  const length = call(usual);
  if (length >= 0 || errno() !== ERANGE) return result(length, usual.bytes);
  largest ??= makeScratch(LARGEST);
  return result(call(largest), largest.bytes);
}

function value(length: number, from: Buffer): Uint8Array | undefined {
  if (length >= 0) return new Uint8Array(from.subarray(0, length));
  const failure = errno();
  if (failure === ENODATA || failure === EOPNOTSUPP) return undefined;
  throw new FsError(failure, 'getxattr');
}

function names(length: number, from: Buffer): readonly ByteString[] {
  if (length === 0) return NOTHING;
  if (length > 0) return from.toString('latin1', 0, length - 1).split('\0');
  const failure = errno();
  if (failure === EOPNOTSUPP) return NOTHING;
  throw new FsError(failure, 'listxattr');
}

/** undefined until the first call. */
let hasXattrAt: boolean | undefined;
let listxattratNumber = 0;

function knowsXattrAt(): boolean {
  if (hasXattrAt === undefined) {
    listxattratNumber = syscallNumber(SYSCALLS.listxattrat);
    hasXattrAt = hasFeature('xattr-at');
  }
  return hasXattrAt;
}

/** undefined if there is no such attribute. */
export function getXattr(fd: number, name: ByteString): Uint8Array | undefined {
  return withScratch(
    (into) => libc().getxattr(cPath(fdPath(fd)), cPath2(name), into.bytes, into.bytes.length),
    value,
  );
}

/** As `getXattr` for a name in a folder; a symlink itself. */
export function getXattrAt(dir: number, file: ByteString, name: ByteString): Uint8Array | undefined {
  const c = libc();
  if (knowsXattrAt()) {
    return withScratch(
      (into) =>
        c.getxattrat(dir, cPath(file), AT_SYMLINK_NOFOLLOW, cPath2(name), into.args, into.args.length),
      value,
    );
  }
  return withScratch(
    (into) => c.lgetxattr(cPath(`${fdPath(dir)}/${file}`), cPath2(name), into.bytes, into.bytes.length),
    value,
  );
}

/** The names of all attributes that this process may see. */
export function listXattrs(fd: number): readonly ByteString[] {
  return withScratch((into) => libc().listxattr(cPath(fdPath(fd)), into.bytes, into.bytes.length), names);
}

/** As `listXattrs` for a name in a folder; a symlink itself. */
export function listXattrsAt(dir: number, file: ByteString): readonly ByteString[] {
  const c = libc();
  if (!knowsXattrAt()) {
    return withScratch(
      (into) => c.llistxattr(cPath(`${fdPath(dir)}/${file}`), into.bytes, into.bytes.length),
      names,
    );
  }
  // On the way of every lookup, and nearly always empty: no closure is made for that.
  usual ??= makeScratch(USUAL);
  const length = c.listxattrat(listxattratNumber, dir, cPath(file), AT_SYMLINK_NOFOLLOW, usual.bytes, USUAL);
  if (length === 0) return NOTHING;
  if (length > 0 || errno() !== ERANGE) return names(length, usual.bytes);
  largest ??= makeScratch(LARGEST);
  const all = c.listxattrat(listxattratNumber, dir, cPath(file), AT_SYMLINK_NOFOLLOW, largest.bytes, LARGEST);
  return names(all, largest.bytes);
}

/** `flags`: XATTR_CREATE (EEXIST), XATTR_REPLACE (ENODATA), 0 for either. */
export function setXattr(fd: number, name: ByteString, bytes: Uint8Array, flags: number): void {
  if (libc().setxattr(cPath(fdPath(fd)), cPath2(name), bytes, bytes.length, flags) < 0) fail('setxattr');
}

/** ENODATA if there is none. */
export function removeXattr(fd: number, name: ByteString): void {
  if (libc().removexattr(cPath(fdPath(fd)), cPath2(name)) < 0) fail('removexattr');
}

/** How to reach the xattrs of what a descriptor stands for. */
export interface XattrAccess {
  readonly get: typeof getXattr;
  readonly list: typeof listXattrs;
  readonly set: typeof setXattr;
  readonly remove: typeof removeXattr;
}

/** For any descriptor. */
export const XATTRS: XattrAccess = {
  get: getXattr,
  list: listXattrs,
  set: setXattr,
  remove: removeXattr,
};

/** For one that is open for reading or writing: without a walk through /proc. */
export const XATTRS_OF_OPEN: XattrAccess = {
  get: (fd, name) =>
    withScratch((into) => libc().fgetxattr(fd, cPath(name), into.bytes, into.bytes.length), value),
  list: (fd) => withScratch((into) => libc().flistxattr(fd, into.bytes, into.bytes.length), names),
  set(fd, name, bytes, flags) {
    if (libc().fsetxattr(fd, cPath(name), bytes, bytes.length, flags) < 0) fail('setxattr');
  },
  remove(fd, name) {
    if (libc().fremovexattr(fd, cPath(name)) < 0) fail('removexattr');
  },
};
