// What the first process of a container does to itself and its namespaces: another root, a host name, fewer
// capabilities, and waiting for children that are not its own. All of it holds for the calling process alone, which is
// to have mount, UTS and pid namespaces of its own (namespaces(7)).

import { closeSync, constants, openSync } from 'node:fs';
import { EINVAL, ENOSYS, FsError } from '../errno.js';
import { type ByteString, toText } from '../name.js';
import {
  type CFunction,
  cPath,
  cPath2,
  cString,
  declare,
  declareSyscall,
  errno,
  fail,
  SYSCALLS,
} from './libc.js';
import { MNT_DETACH, makeTreeReadOnly, unmount } from './mount.js';

const O_PATH = 0o10000000;

/** waitid(2) and prctl(2). */
const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x01000000;
const PR_CAPBSET_DROP = 24;
/** Where siginfo_t has si_pid, on systems of 64 bits. */
const SI_PID_AT = 16;
const SIGINFO_SIZE = 128;

interface Calls {
  readonly pivotRoot: CFunction;
  readonly fchdir: CFunction;
  readonly sethostname: CFunction;
  readonly prctl: CFunction;
  readonly waitid: CFunction;
  readonly waitpid: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    pivotRoot: declareSyscall(SYSCALLS.pivotRoot, ['void *', 'void *']),
    fchdir: declare('int', 'fchdir', ['int']),
    sethostname: declare('int', 'sethostname', ['void *', 'size_t']),
    prctl: declare('int', 'prctl', ['int', 'ulong', 'ulong', 'ulong', 'ulong']),
    waitid: declare('int', 'waitid', ['int', 'uint', 'void *', 'int']),
    waitpid: declare('int', 'waitpid', ['int', 'void *', 'int']),
  };
  return calls;
}

/** Declares all of it now, for who cannot load anything any more when it is needed. */
export function loadRootCalls(): void {
  libc();
}

/**
 * Makes the mount at `path` the root of this process's mount namespace, and takes the old root with everything below it
 * out of the namespace (pivot_root(2), `pivot_root(".", ".")`). What is still open of it can be read, not written.
 */
export function changeRoot(path: ByteString): void {
  const flags = O_PATH | constants.O_DIRECTORY;
  const next = openSync(toText(path), flags);
  const old = openSync('/', flags);
  try {
    if (libc().fchdir(next) < 0) fail(`enter ${toText(path)}`);
    if (libc().pivotRoot(cPath('.'), cPath2('.')) < 0) fail(`make ${toText(path)} the root`);
    // The old root lies over the new one now, and is reached by its descriptor.
    if (libc().fchdir(old) < 0) fail('enter the old root');
    readOnlyWherePossible(old);
    unmount('.', MNT_DETACH);
    process.chdir('/');
  } finally {
    closeSync(next);
    closeSync(old);
  }
}

/** The program that runs here is a file of the old root, which /proc shows to whoever is in the new one. */
function readOnlyWherePossible(root: number): void {
  try {
    makeTreeReadOnly(root);
  } catch (error) {
    if (!(error instanceof FsError) || error.errno !== ENOSYS) throw error;
  }
}

/** Of the UTS namespace; at most 64 bytes. */
export function setHostName(name: ByteString): void {
  if (libc().sethostname(cString(name), name.length) < 0) fail(`set the host name ${toText(name)}`);
}

/**
 * Takes all capabilities but `kept` (bits of capabilities(7)) out of what children of this thread can ever have.
 * Capabilities that the kernel does not know are passed over.
 */
export function boundCapabilities(kept: ReadonlySet<number>): void {
  for (let bit = 0; bit < 64; bit++) {
    if (kept.has(bit)) continue;
    if (libc().prctl(PR_CAPBSET_DROP, bit, 0, 0, 0) >= 0) continue;
    if (errno() === EINVAL) return;
    fail(`drop capability ${bit}`);
  }
}

/** Waits for children that have ended, other than `own`, for which the caller waits by other means. */
export function reapOthers(own: number): void {
  const info = new Uint8Array(SIGINFO_SIZE);
  const view = new DataView(info.buffer);
  for (;;) {
    info.fill(0);
    if (libc().waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT) < 0) return;
    const pid = view.getInt32(SI_PID_AT, true);
    if (pid === 0 || pid === own) return;
    libc().waitpid(pid, null, WNOHANG);
  }
}
