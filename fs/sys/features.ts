// Every optional feature of the kernel that this library uses, one line each, and whether it is there. Optional is
// what came after OLDEST_KERNEL, and what a filesystem, a filter of system calls or a FUSE implementation other
// than Linux's may not have. Each can be switched off by name (MICA_WITHOUT): what uses it asks `hasFeature`
// and then goes the other way, so that the ways of older kernels are tested on newer ones.

import { release } from 'node:os';
import { ENOSYS, EPERM } from '../errno.js';
import { cpuLatencyMissing } from './cpu-latency.js';
import { AT_FDCWD, cPath, declareSyscall, errno, SYSCALLS } from './libc.js';

/**
 * The oldest Linux that this program stands for: what has no other way is openat2(2) of 5.6, which resolves paths
 * beneath a layer, and whiteouts made by ordinary users, of 5.8.
 */
export const OLDEST_KERNEL = '5.8';

/** One line of a table of features. */
export interface FeatureRow {
  /** The oldest Linux that has it. */
  readonly since: string;
  readonly gives: string;
  /** What happens where it is missing or switched off. */
  readonly without: string;
  /** How one finds out. */
  readonly probedBy: string;
  /** Why it is missing; undefined if it is there. */
  readonly missing: () => string | undefined;
}

const TABLE = {
  'xattr-at': {
    since: '6.13',
    gives: 'xattrs of names in one system call',
    without: 'a walk through /proc/self/fd',
    probedBy: 'listxattrat(2)',
    missing: xattrAtMissing,
  },
  'chmod-at': {
    since: '6.6',
    gives: 'modes changed in one system call (fchmodat2)',
    without: 'a walk through /proc/self/fd',
    probedBy: 'fchmodat2(2)',
    missing: chmodAtMissing,
  },
  'filesystem-uuid': {
    since: '6.9',
    gives: 'origin marks that name their filesystem, as the kernel writes them',
    without: 'origin marks without it',
    probedBy: 'FS_IOC_GETFSUUID of each layer',
    missing: () => olderThan('6.9'),
  },
  index: {
    since: OLDEST_KERNEL,
    gives: 'committed chains looked up in one index, without a system call',
    without: 'a walk through the folders of all layers',
    probedBy: 'the digests of each index',
    missing: () => undefined,
  },
  'sub-file': {
    since: OLDEST_KERNEL,
    gives: 'large files changed without copying what is not written (mica mount)',
    without: 'a copy of the whole file before its first write',
    probedBy: 'the kind of filesystem of each upper',
    missing: () => undefined,
  },
  'cpu-latency': {
    since: OLDEST_KERNEL,
    gives: 'processors that stay awake while many requests come (as root, in a virtual machine)',
    without: 'processors that halt between two requests',
    probedBy: 'the driver of idle processors, and /dev/cpu_dma_latency',
    missing: cpuLatencyMissing,
  },
  reflink: onDisk('4.5', 'copies that share their extents (FICLONE)', 'copies of the data'),
  'copy-range': onDisk('4.5', 'copies made inside the kernel (copy_file_range)', 'reading and writing'),
  'read-now': onDisk('4.14', 'reads of what is in memory alone (RWF_NOWAIT)', 'reads that may wait'),
  tmpfile: onDisk('3.11', 'new files without a name until they are whole (O_TMPFILE)', 'names in work/'),
  'file-handles': onDisk(
    '2.6.39',
    'origin marks and index keys that the kernel reads too (name_to_handle_at)',
    'keys of device and file number',
  ),
  'rename-whiteout': onDisk(
    '3.18',
    'a moved file and the whiteout at its old name in one step (RENAME_WHITEOUT)',
    'two steps',
  ),
  'fuse-max-pages': negotiated('4.20', 'requests of 1 MiB', 'requests of 128 KiB'),
  'fuse-readdirplus': negotiated('3.9', 'listings that bring attributes along', 'a lookup for each entry'),
  'fuse-parallel-dirops': negotiated('4.7', 'lookups side by side in a folder', 'one after the other'),
  'fuse-cache-symlinks': negotiated('4.20', 'symlinks kept by the kernel', 'a request for each reading'),
  'fuse-no-open': negotiated('5.1', 'files and folders opened without a request', 'OPEN, OPENDIR, RELEASE'),
  'fuse-killpriv-v2': negotiated('5.11', 'set-id bits cleared in the request that asks for it', 'SETATTR'),
  'fuse-setxattr-ext': negotiated('5.13', 'ACLs that clear the set-group-id bit', 'a request of its own'),
  'fuse-tmpfile': negotiated('6.1', 'O_TMPFILE through the mount', 'EOPNOTSUPP, as on many filesystems'),
  'fuse-statx': negotiated('6.6', 'birth times through the mount', 'GETATTR'),
  'fuse-passthrough': negotiated(
    '6.9',
    'files read and written without the server (as root)',
    'READ and WRITE through the server',
  ),
  'fuse-copy-range': negotiated('4.20', 'copies inside the mount made by the server', 'reads and writes'),
  'fuse-copy-range-64': negotiated('6.18', 'copies of more than 4 GiB in one request', 'several requests'),
} as const satisfies Record<string, FeatureRow>;

export type KernelFeature = keyof typeof TABLE;

/** The table of this library. */
export const KERNEL_FEATURES: Readonly<Record<KernelFeature, FeatureRow>> = TABLE;

const known = new Map<KernelFeature, boolean>();

/** True if the feature is not switched off and the kernel may have it. Found out once. */
export function hasFeature(name: KernelFeature): boolean {
  const found = known.get(name);
  if (found !== undefined) return found;
  const row: FeatureRow = TABLE[name];
  const there = !isSwitchedOff(name, switchedOff()) && row.missing() === undefined;
  known.set(name, there);
  return there;
}

/** The names in a list as MICA_WITHOUT has it: `a,b`; `all` stands for every name. */
export function switchedOff(list: string | undefined = process.env['MICA_WITHOUT']): ReadonlySet<string> {
  const names = (list ?? '').split(',').map((name) => name.trim());
  return new Set(names.filter((name) => name !== ''));
}

export function isSwitchedOff(name: string, without: ReadonlySet<string>): boolean {
  return without.has(name) || without.has('all');
}

/** True if this is Linux `since` (`major.minor`) or later. */
export function kernelAtLeast(since: string): boolean {
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const [wantMajor = 0, wantMinor = 0] = since.split('.').map(Number);
  return major > wantMajor || (major === wantMajor && minor >= wantMinor);
}

function olderThan(since: string): string | undefined {
  if (process.platform !== 'linux' || kernelAtLeast(since)) return undefined;
  return `Linux ${release()} is older`;
}

/** What filesystems have or not; each use finds out and goes the other way. */
function onDisk(since: string, gives: string, without: string): FeatureRow {
  return { since, gives, without, probedBy: 'use on each filesystem', missing: () => undefined };
}

/** What the other side of a FUSE connection offers or asks for, or not. */
function negotiated(since: string, gives: string, without: string): FeatureRow {
  return { since, gives, without, probedBy: 'INIT of each mount', missing: () => olderThan(since) };
}

/** EBADF says that it is there. */
function chmodAtMissing(): string | undefined {
  const chmod = declareSyscall(SYSCALLS.fchmodat2, ['long', 'void *', 'long', 'long']);
  if (chmod(-1, cPath(''), 0, AT_EMPTY_PATH) >= 0) return undefined;
  const failure = errno();
  if (failure === ENOSYS) return 'the kernel has no fchmodat2(2)';
  return failure === EPERM ? 'fchmodat2(2) is filtered' : undefined;
}

const AT_EMPTY_PATH = 0x1000;

/** A filter of system calls answers EPERM for those that it does not know. */
function xattrAtMissing(): string | undefined {
  const list = declareSyscall(SYSCALLS.listxattrat, ['long', 'void *', 'long', 'void *', 'long']);
  if (list(AT_FDCWD, cPath('/'), 0, new Uint8Array(1), 0) >= 0) return undefined;
  const failure = errno();
  if (failure === ENOSYS) return 'the kernel has no listxattrat(2)';
  return failure === EPERM ? 'listxattrat(2) is filtered' : undefined;
}
