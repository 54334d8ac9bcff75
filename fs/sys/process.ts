// What this process is allowed to do: user, capabilities, user namespace, open files. Facts of the process
// are read once each time they are asked for, never cached: a caller may change them.

import { existsSync, readFileSync } from 'node:fs';
import { type CFunction, declare, fail } from './libc.js';

const RLIMIT_NOFILE = 7;

interface Calls {
  readonly geteuid: CFunction;
  readonly getegid: CFunction;
  readonly getrlimit: CFunction;
  readonly setrlimit: CFunction;
  readonly setsid: CFunction;
  readonly dup2: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    geteuid: declare('uint', 'geteuid', []),
    getegid: declare('uint', 'getegid', []),
    getrlimit: declare('int', 'getrlimit', ['int', 'void *']),
    setrlimit: declare('int', 'setrlimit', ['int', 'void *']),
    setsid: declare('int', 'setsid', []),
    dup2: declare('int', 'dup2', ['int', 'int']),
  };
  return calls;
}

/** Bits of capabilities(7). */
export const CAP_CHOWN = 0;
export const CAP_DAC_OVERRIDE = 1;
export const CAP_DAC_READ_SEARCH = 2;
export const CAP_FOWNER = 3;
export const CAP_SYS_ADMIN = 21;
export const CAP_MKNOD = 27;

export function effectiveUid(): number {
  return libc().geteuid();
}

export function effectiveGid(): number {
  return libc().getegid();
}

/** Leaves the terminal and the process group of whoever started this process. It must lead no group itself (EPERM). */
export function leaveSession(): void {
  if (libc().setsid() < 0) fail('setsid');
}

/** The descriptor `to` is what `from` is, from one moment to the next: other threads open files meanwhile. */
export function replaceDescriptor(to: number, from: number): void {
  if (libc().dup2(from, to) < 0) fail('dup2');
}

/** This thread's effective set, a bit each of capabilities(7). It counts in the thread's own user namespace. */
export function effectiveCapabilities(): bigint {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/thread-self/status', 'utf8'));
  return line?.[1] === undefined ? 0n : BigInt(`0x${line[1]}`);
}

/** True if the capability is in this thread's effective set. */
export function hasCapability(bit: number): boolean {
  return ((effectiveCapabilities() >> BigInt(bit)) & 1n) === 1n;
}

/** The umask, read without setting it for a moment, which other threads would notice (Linux 4.7). */
export function currentUmask(): number {
  const line = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/thread-self/status', 'utf8'));
  return line?.[1] === undefined ? 0o777 : Number.parseInt(line[1], 8);
}

/** What reading of a process fails with that has ended, or that /proc does not show to this user (`hidepid`, proc(5)). */
const UNSEEN: ReadonlySet<unknown> = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);

/** The supplementary groups of a process or thread; none where it is unknown (0), has ended or is not shown. */
export function groupsOf(pid: number): readonly number[] {
  const groups = /^Groups:[ \t]*([0-9 ]*)$/m.exec(statusOf(pid) ?? '')?.[1] ?? '';
  return groups.split(' ').filter(Boolean).map(Number);
}

/** True if a process or thread has a SIGKILL, into which the kernel turns what ends a process; false where it is unknown. */
export function isBeingKilled(pid: number): boolean {
  const pending = /^SigPnd:\s*([0-9a-f]+)$/m.exec(statusOf(pid) ?? '')?.[1] ?? '0';
  return (Number.parseInt(pending.slice(-3), 16) & SIGKILL_BIT) !== 0;
}

const SIGKILL_BIT = 1 << (9 - 1);

/** undefined where it is unknown (0), has ended or is not shown. */
function statusOf(pid: number): string | undefined {
  if (pid === 0) return undefined;
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && UNSEEN.has(error.code)) return undefined;
    throw error;
  }
}

/** `count` ids from `first` on, which are those from `outside` on in the namespace above. */
interface IdSpan {
  readonly first: number;
  readonly outside: number;
  readonly count: number;
}

/** The ids that this process's user namespace has numbers for (user_namespaces(7)); all where there are no namespaces. */
export function namespaceIds(kind: 'uid' | 'gid'): readonly IdSpan[] {
  const path = `/proc/self/${kind}_map`;
  if (!existsSync(path)) return [{ first: 0, outside: 0, count: 4294967295 }];
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [first = '', outside = '', count = ''] = line.trim().split(/\s+/);
    return { first: Number(first), outside: Number(outside), count: Number(count) };
  });
}

/** All ids of this process's user namespace. */
export function namespaceNumbering(): { readonly uids: readonly IdSpan[]; readonly gids: readonly IdSpan[] } {
  return { uids: namespaceIds('uid'), gids: namespaceIds('gid') };
}

/** Names the time since the machine started; '' where it is not known. */
export function bootId(): string {
  const path = '/proc/sys/kernel/random/boot_id';
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
}

/** True in the first user namespace, where capabilities count for the whole machine. */
export function inFirstUserNamespace(): boolean {
  const map = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/);
  return map.length === 3 && map[0] === '0' && map[1] === '0' && map[2] === '4294967295';
}

/** True if this process may read and write `trusted.*` xattrs: CAP_SYS_ADMIN in the first user namespace (xattr(7)). */
export function mayUseTrustedXattrs(): boolean {
  return inFirstUserNamespace() && hasCapability(CAP_SYS_ADMIN);
}

/** True if the kernel lets this process register files for FUSE passthrough (fuse_backing_open of the kernel). */
export function mayPassThrough(): boolean {
  return inFirstUserNamespace() && hasCapability(CAP_SYS_ADMIN);
}

/** How many files this process may have open (RLIMIT_NOFILE, the soft limit). */
export function openFilesLimit(): number {
  const limits = new BigUint64Array(2);
  if (libc().getrlimit(RLIMIT_NOFILE, new Uint8Array(limits.buffer)) < 0) fail('getrlimit');
  return Number(limits[0]);
}

/** Raises the soft limit of open files to the hard one; returns the limit that holds now. */
export function raiseOpenFiles(): number {
  const limits = new BigUint64Array(2);
  const bytes = new Uint8Array(limits.buffer);
  if (libc().getrlimit(RLIMIT_NOFILE, bytes) < 0) fail('getrlimit');
  limits[0] = limits[1] ?? 0n;
  if (libc().setrlimit(RLIMIT_NOFILE, bytes) < 0) fail('setrlimit');
  return Number(limits[0]);
}
