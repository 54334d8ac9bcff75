// Sharing extents between files (btrfs, XFS, bcachefs): ioctl FICLONE (ioctl_ficlone(2)).

import { EINVAL, ENOTTY, EOPNOTSUPP, ETXTBSY, EXDEV, FsError } from '../errno.js';
import { hasFeature } from './features.js';
import { type CFunction, declare, errno } from './libc.js';

/** _IOW(0x94, 9, int). */
const FICLONE = 0x40049409;

let ioctl: CFunction | undefined;

/** What says "this pair of files cannot share", as opposed to a failure. */
const CANNOT: ReadonlySet<number> = new Set([EINVAL, EOPNOTSUPP, EXDEV, ENOTTY, ETXTBSY]);

/** `to` becomes a copy of `from` that shares its extents; false where the filesystem cannot. */
export function cloneFile(from: number, to: number): boolean {
  if (!hasFeature('reflink')) return false;
  ioctl ??= declare('int', 'ioctl', ['int', 'ulong', 'long']);
  if (ioctl(to, FICLONE, from) >= 0) return true;
  const failure = errno();
  if (CANNOT.has(failure)) return false;
  throw new FsError(failure, 'clone');
}
