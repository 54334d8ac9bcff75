// Extended attributes as bytes, of what a descriptor stands for (also O_PATH and symlinks) or of a name in a
// folder. They are reached through /proc/self/fd, because the f*xattr calls refuse O_PATH descriptors and
// getxattrat(2) is younger than the kernels that this program runs on. A filesystem without xattrs has none.

import { ENODATA, EOPNOTSUPP, FsError } from '../errno.js';
import type { ByteString } from '../name.js';
import { fdPath } from './file.js';
import { type CFunction, cPath, cPath2, declare, errno, fail } from './libc.js';

interface Calls {
  readonly getxattr: CFunction;
  readonly lgetxattr: CFunction;
  readonly listxattr: CFunction;
  readonly llistxattr: CFunction;
  readonly setxattr: CFunction;
  readonly removexattr: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    getxattr: declare('long', 'getxattr', ['void *', 'void *', 'void *', 'size_t']),
    lgetxattr: declare('long', 'lgetxattr', ['void *', 'void *', 'void *', 'size_t']),
    listxattr: declare('long', 'listxattr', ['void *', 'void *', 'size_t']),
    llistxattr: declare('long', 'llistxattr', ['void *', 'void *', 'size_t']),
    setxattr: declare('int', 'setxattr', ['void *', 'void *', 'void *', 'size_t', 'int']),
    removexattr: declare('int', 'removexattr', ['void *', 'void *']),
  };
  return calls;
}

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h. */
const LARGEST = 65536;
let buffer: Buffer | undefined;
const NOTHING: readonly ByteString[] = [];

function scratch(): Buffer {
  buffer ??= Buffer.allocUnsafeSlow(LARGEST);
  return buffer;
}

function value(length: number): Uint8Array | undefined {
  if (length >= 0) return new Uint8Array(scratch().subarray(0, length));
  const failure = errno();
  if (failure === ENODATA || failure === EOPNOTSUPP) return undefined;
  throw new FsError(failure, 'getxattr');
}

function names(length: number): readonly ByteString[] {
  if (length === 0) return NOTHING;
  if (length > 0)
    return scratch()
      .toString('latin1', 0, length - 1)
      .split('\0');
  const failure = errno();
  if (failure === EOPNOTSUPP) return NOTHING;
  throw new FsError(failure, 'listxattr');
}

/** undefined if there is no such attribute. */
export function getXattr(fd: number, name: ByteString): Uint8Array | undefined {
  const into = scratch();
  return value(libc().getxattr(cPath(fdPath(fd)), cPath2(name), into, into.length));
}

/** As `getXattr` for a name in a folder; a symlink itself. */
export function getXattrAt(dir: number, file: ByteString, name: ByteString): Uint8Array | undefined {
  const into = scratch();
  return value(libc().lgetxattr(cPath(`/proc/self/fd/${dir}/${file}`), cPath2(name), into, into.length));
}

/** The names of all attributes that this process may see. */
export function listXattrs(fd: number): readonly ByteString[] {
  const into = scratch();
  return names(libc().listxattr(cPath(fdPath(fd)), into, into.length));
}

/** As `listXattrs` for a name in a folder; a symlink itself. */
export function listXattrsAt(dir: number, file: ByteString): readonly ByteString[] {
  const into = scratch();
  return names(libc().llistxattr(cPath(`/proc/self/fd/${dir}/${file}`), into, into.length));
}

/** `flags`: XATTR_CREATE (EEXIST), XATTR_REPLACE (ENODATA), 0 for either. */
export function setXattr(fd: number, name: ByteString, bytes: Uint8Array, flags: number): void {
  if (libc().setxattr(cPath(fdPath(fd)), cPath2(name), bytes, bytes.length, flags) < 0) fail('setxattr');
}

/** ENODATA if there is none. */
export function removeXattr(fd: number, name: ByteString): void {
  if (libc().removexattr(cPath(fdPath(fd)), cPath2(name)) < 0) fail('removexattr');
}
