// The failures of a filesystem: an errno and nothing else. Numbers are Linux's on every platform, because
// they are what the FUSE protocol carries; `fs/sys` translates where libc's differ. Absence that is looked
// for (a lookup, a missing xattr) is a value (`undefined`), not an exception: a throw costs ten times as much.

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const ETXTBSY = 26;
export const EFBIG = 27;
export const ENOSPC = 28;
export const ESPIPE = 29;
export const EROFS = 30;
export const EMLINK = 31;
export const EPIPE = 32;
export const ERANGE = 34;
export const ENAMETOOLONG = 36;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENODATA = 61;
export const EPROTO = 71;
export const EOVERFLOW = 75;
export const EOPNOTSUPP = 95;
export const ECONNABORTED = 103;
export const ENOTCONN = 107;
export const ESTALE = 116;
export const EDQUOT = 122;

const NAMES: Readonly<Record<number, readonly [code: string, text: string]>> = {
  [EPERM]: ['EPERM', 'operation not permitted'],
  [ENOENT]: ['ENOENT', 'no such file or directory'],
  [EINTR]: ['EINTR', 'interrupted system call'],
  [EIO]: ['EIO', 'input/output error'],
  [ENXIO]: ['ENXIO', 'no such device or address'],
  [E2BIG]: ['E2BIG', 'argument list too long'],
  [EBADF]: ['EBADF', 'bad file descriptor'],
  [EAGAIN]: ['EAGAIN', 'resource temporarily unavailable'],
  [ENOMEM]: ['ENOMEM', 'cannot allocate memory'],
  [EACCES]: ['EACCES', 'permission denied'],
  [EBUSY]: ['EBUSY', 'device or resource busy'],
  [EEXIST]: ['EEXIST', 'file exists'],
  [EXDEV]: ['EXDEV', 'invalid cross-device link'],
  [ENODEV]: ['ENODEV', 'no such device'],
  [ENOTDIR]: ['ENOTDIR', 'not a directory'],
  [EISDIR]: ['EISDIR', 'is a directory'],
  [EINVAL]: ['EINVAL', 'invalid argument'],
  [ENFILE]: ['ENFILE', 'too many open files in system'],
  [EMFILE]: ['EMFILE', 'too many open files'],
  [ENOTTY]: ['ENOTTY', 'inappropriate ioctl for device'],
  [ETXTBSY]: ['ETXTBSY', 'text file busy'],
  [EFBIG]: ['EFBIG', 'file too large'],
  [ENOSPC]: ['ENOSPC', 'no space left on device'],
  [ESPIPE]: ['ESPIPE', 'illegal seek'],
  [EROFS]: ['EROFS', 'read-only file system'],
  [EMLINK]: ['EMLINK', 'too many links'],
  [EPIPE]: ['EPIPE', 'broken pipe'],
  [ERANGE]: ['ERANGE', 'numerical result out of range'],
  [ENAMETOOLONG]: ['ENAMETOOLONG', 'file name too long'],
  [ENOSYS]: ['ENOSYS', 'function not implemented'],
  [ENOTEMPTY]: ['ENOTEMPTY', 'directory not empty'],
  [ELOOP]: ['ELOOP', 'too many levels of symbolic links'],
  [ENODATA]: ['ENODATA', 'no data available'],
  [EPROTO]: ['EPROTO', 'protocol error'],
  [EOVERFLOW]: ['EOVERFLOW', 'value too large for defined data type'],
  [EOPNOTSUPP]: ['EOPNOTSUPP', 'operation not supported'],
  [ECONNABORTED]: ['ECONNABORTED', 'connection aborted'],
  [ENOTCONN]: ['ENOTCONN', 'transport endpoint is not connected'],
  [ESTALE]: ['ESTALE', 'stale file handle'],
  [EDQUOT]: ['EDQUOT', 'disk quota exceeded'],
};

/** The symbolic name of an errno (`ENOENT`), or `errno N` for one that this file does not list. */
export function errnoCode(errno: number): string {
  return NAMES[errno]?.[0] ?? `errno ${errno}`;
}

/** What an errno means, in the words of strerror(3), lower case. */
export function errnoText(errno: number): string {
  return NAMES[errno]?.[1] ?? `error ${errno}`;
}

/** A filesystem operation failed with `errno` (positive, Linux numbering). `what` says which step, for logs. */
export class FsError extends Error {
  readonly errno: number;
  readonly code: string;

  constructor(errno: number, what?: string, options?: ErrorOptions) {
    super(what === undefined ? errnoText(errno) : `${what}: ${errnoText(errno)}`, options);
    this.name = 'FsError';
    this.errno = errno;
    this.code = errnoCode(errno);
  }
}

/**
 * Does what may fail without anybody's harm, like clearing up after something that is done; true if it did not
 * fail. Only an FsError is a failure: a bug is thrown all the same.
 */
export function attempt(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    return false;
  }
}

/** What `act` returns, or `otherwise` where this process may not do it (EACCES). */
export function ifAllowed<T>(act: () => T, otherwise: T): T {
  try {
    return act();
  } catch (error) {
    if (isErrno(error, EACCES)) return otherwise;
    throw error;
  }
}

/** True if `error` is an FsError with this errno. */
export function isErrno(error: unknown, errno: number): error is FsError {
  return error instanceof FsError && error.errno === errno;
}
