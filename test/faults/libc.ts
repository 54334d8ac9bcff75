// Stands between fs/sys and the C library, so that a test says what becomes of the n-th call: an errno, half of the
// bytes, or the end of the process. Nothing in the program knows of it: it replaces koffi's `load`, and so has to be
// imported before the first system call is made. A process that "was killed" is this one: from the fatal call on
// nothing reaches the kernel, and `bury` closes what the dead union had open, without changing a file.

import { createRequire } from 'node:module';
import { EINVAL, EPERM } from '../../fs/errno.js';
import { RENAME_WHITEOUT } from '../../fs/filesystem.js';
import { S_IFCHR, S_IFMT } from '../../fs/mode.js';
import { O_CREAT, O_TMPFILE } from '../../fs/sys/file.js';
import { SYSCALLS, type SyscallNumber } from '../../fs/sys/libc.js';

/** Whether a call changes the disk, opens a descriptor, or reads. All others are let through and not counted. */
export type CallKind = 'change' | 'open' | 'read';

export interface Call {
  /** Counts from 0 within the calls of an `arm`. */
  readonly at: number;
  readonly name: string;
  readonly kind: CallKind;
  /** How many bytes it is asked to write or copy; 0 for other calls. */
  readonly length: number;
  /** The name that statx(2) is asked for; '' for other calls. */
  readonly path: string;
}

/** An errno; `short`: half of the bytes; `kill`: neither this call nor any after it is made. */
export type Verdict = number | 'short' | 'kill' | undefined;

/** Thrown by every call of a process that is dead. */
export class Killed extends Error {}

type Native = (...args: unknown[]) => unknown;
interface Koffi {
  load(...args: unknown[]): { func(...args: unknown[]): Native };
  errno(...args: unknown[]): number;
}

const CHANGES = new Set(
  `mkdirat mknodat symlinkat linkat unlinkat renameat2 setxattr removexattr fsetxattr fremovexattr fchmodat fchmodat2 fchownat utimensat ftruncate
   fallocate pwrite copy_file_range fsync fdatasync`.split(/\s+/),
);
const READS = new Set(
  'statx getxattr fgetxattr lgetxattr listxattr flistxattr llistxattr getxattrat listxattrat getdents64 readlinkat pread lseek'.split(
    ' ',
  ),
);
/** FICLONE and FICLONERANGE. */
const CLONES = new Set([0x40049409, 0x4020940d]);
const F_DUPFD_CLOEXEC = 1030;

const numbers = new Map<unknown, string>(
  Object.entries(SYSCALLS).map(([name, number]: [string, SyscallNumber]) => [
    process.arch === 'arm64' ? number.arm64 : number.x64,
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  ]),
);

let plan: ((call: Call) => Verdict) | undefined;
let state: 'alive' | 'dead' | 'buried' = 'alive';
let onOverlay = false;
let calls: Call[] = [];
let pendingErrno: number | undefined;
const descriptors = new Set<number>();
let realClose: Native | undefined;

/** From now on no whiteout can be made but as a file: the disk is like an overlay, which keeps the device 0:0 for itself. */
export function refuseWhiteoutDevices(): void {
  onOverlay = true;
}

/** The errno of what an overlay refuses: mknod(2) of 0:0, RENAME_WHITEOUT. */
function refusal(name: string, args: readonly unknown[]): number | undefined {
  if (name === 'mknodat' && ((args[2] as number) & S_IFMT) === S_IFCHR && Number(args[3]) === 0) return EPERM;
  return name === 'renameat2' && ((args[4] as number) & RENAME_WHITEOUT) !== 0 ? EINVAL : undefined;
}

/** From now on `judge` decides over each call; the counting begins anew. */
export function arm(judge: (call: Call) => Verdict): void {
  plan = judge;
  calls = [];
}

/** Ends what `arm` began; returns the calls that were made since. */
export function disarm(): readonly Call[] {
  plan = undefined;
  return calls;
}

/** Runs `close`, which gives back what a killed union held, while nothing can be changed; closes what is left. */
export function bury(close: () => void): void {
  plan = undefined;
  state = 'buried';
  try {
    close();
  } finally {
    state = 'alive';
    for (const fd of descriptors) realClose?.(fd);
    descriptors.clear();
  }
}

/** How many descriptors were opened and not closed again. */
export function openDescriptors(): number {
  return descriptors.size;
}

function kindOf(name: string, args: readonly unknown[]): CallKind | undefined {
  if (name === 'openat') {
    const flags = args[2] as number;
    return (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE ? 'change' : 'open';
  }
  if (name === 'openat2' || (name === 'fcntl' && args[1] === F_DUPFD_CLOEXEC)) return 'open';
  if (name === 'ioctl') return CLONES.has(args[1] as number) ? 'change' : undefined;
  if (CHANGES.has(name)) return 'change';
  return READS.has(name) ? 'read' : undefined;
}

const LENGTH_AT: Readonly<Record<string, number>> = { pwrite: 2, copy_file_range: 4 };

function textOf(path: Uint8Array): string {
  return Buffer.from(path.buffer, path.byteOffset, path.indexOf(0)).toString('latin1');
}

function wrap(declared: string, native: Native): Native {
  if (declared === 'close') realClose = native;
  return (...given: unknown[]) => {
    const bySyscall = declared === 'syscall';
    const name = bySyscall ? (numbers.get(given[0]) ?? declared) : declared;
    const args = bySyscall ? given.slice(1) : given;
    if (state === 'dead') throw new Killed(name);
    pendingErrno = undefined;
    const kind = kindOf(name, args);
    if (state === 'buried' && kind === 'change') return 0;
    const lengthAt = LENGTH_AT[name];
    if (plan !== undefined && kind !== undefined) {
      const call: Call = {
        at: calls.length,
        name,
        kind,
        length: lengthAt === undefined ? 0 : (args[lengthAt] as number),
        path: name === 'statx' ? textOf(args[1] as Uint8Array) : '',
      };
      calls.push(call);
      const verdict = plan(call);
      if (verdict === 'kill') {
        state = 'dead';
        throw new Killed(name);
      }
      if (typeof verdict === 'number') {
        pendingErrno = verdict;
        return -1;
      }
      if (verdict === 'short' && lengthAt !== undefined) {
        const at = lengthAt + (bySyscall ? 1 : 0);
        given[at] = Math.max(1, (given[at] as number) >> 1);
      }
    }
    pendingErrno = onOverlay ? refusal(name, args) : undefined;
    if (pendingErrno !== undefined) return -1;
    const result = native(...given) as number;
    // At once, as fs/sys does.
    if (result < 0) pendingErrno = errno() as number;
    else {
      if (name === 'openat' || name === 'openat2' || (name === 'fcntl' && args[1] === F_DUPFD_CLOEXEC)) {
        descriptors.add(result);
      } else if (name === 'close') descriptors.delete(args[0] as number);
    }
    return result;
  };
}

const koffi = createRequire(import.meta.url)('koffi') as Koffi;
const { load, errno } = koffi;
koffi.load = (...names) => {
  const library = load(...names);
  return {
    func: (name: unknown, ...rest: unknown[]) => wrap(name as string, library.func(name, ...rest)),
  };
};
koffi.errno = (...args) => (args.length === 0 && pendingErrno !== undefined ? pendingErrno : errno(...args));
