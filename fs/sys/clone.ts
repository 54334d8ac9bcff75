// Sharing extents between files (btrfs, XFS, bcachefs): ioctl FICLONE and FICLONERANGE (ioctl_ficlonerange(2)).

import { EINVAL, ENOTTY, EOPNOTSUPP, ETXTBSY, EXDEV, FsError } from '../errno.js';
import { hasFeature } from './features.js';
import { type CFunction, declare, errno } from './libc.js';

/** _IOW(0x94, 9, int) and _IOW(0x94, 13, struct file_clone_range). */
const FICLONE = 0x40049409;
const FICLONERANGE = 0x4020940d;

let cloneWhole: CFunction | undefined;
let cloneSome: CFunction | undefined;

/** What says "this pair of files cannot share", as opposed to a failure. */
const CANNOT: ReadonlySet<number> = new Set([EINVAL, EOPNOTSUPP, EXDEV, ENOTTY, ETXTBSY]);

function cloned(result: number): boolean {
  if (result >= 0) return true;
  const failure = errno();
  if (CANNOT.has(failure)) return false;
  throw new FsError(failure, 'clone');
}

/** `to` becomes a copy of `from` that shares its extents; false where the filesystem cannot. */
export function cloneFile(from: number, to: number): boolean {
  if (!hasFeature('reflink')) return false;
  cloneWhole ??= declare('int', 'ioctl', ['int', 'ulong', 'long']);
  return cloned(cloneWhole(to, FICLONE, from));
}

/** As `cloneFile` for a range; offsets must lie on blocks of the filesystem, else false. */
export function cloneRange(
  from: number,
  fromOffset: number,
  to: number,
  toOffset: number,
  length: number,
): boolean {
  if (!hasFeature('reflink')) return false;
  cloneSome ??= declare('int', 'ioctl', ['int', 'ulong', 'void *']);
  // struct file_clone_range { s64 src_fd; u64 src_offset, src_length, dest_offset; }
  const words = new Uint32Array(8);
  words[0] = from;
  [fromOffset, length, toOffset].forEach((value, i) => {
    words[2 + i * 2] = value % 4294967296;
    words[3 + i * 2] = Math.floor(value / 4294967296);
  });
  return cloned(cloneSome(to, FICLONERANGE, new Uint8Array(words.buffer)));
}
