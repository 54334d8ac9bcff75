// Mounting FUSE as an ordinary user: the set-uid helper fusermount3 mounts and hands the /dev/fuse descriptor
// over a socket pair (libfuse, lib/mount.c). The helper runs to its end before this function returns; the
// message waits in the socket meanwhile.

import { spawnSync } from 'node:child_process';
import { EBUSY, EIO, ENOENT, EPERM, FsError } from '../errno.js';
import { type ByteString, toText } from '../name.js';
import { addressOf, type CFunction, declare, errno, fail } from './libc.js';

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;

interface Calls {
  readonly socketpair: CFunction;
  readonly recvmsg: CFunction;
  readonly close: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    socketpair: declare('int', 'socketpair', ['int', 'int', 'int', 'void *']),
    recvmsg: declare('long', 'recvmsg', ['int', 'void *', 'int']),
    close: declare('int', 'close', ['int']),
  };
  return calls;
}

/** Which helper this machine has; libfuse 2's is named without the 3. */
const HELPERS = ['fusermount3', 'fusermount'] as const;

/**
 * Mounts at `target` and returns the descriptor of /dev/fuse, already mounted, close-on-exec. `options` is the
 * text after `-o` (a comma inside a value is written `\,`). ENOENT if there is no helper; EPERM with the
 * helper's own words if it refuses.
 */
export function mountWithHelper(target: ByteString, options: ByteString): number {
  const pair = new Int32Array(2);
  if (libc().socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, new Uint8Array(pair.buffer)) < 0) fail('socketpair');
  const [ours, theirs] = pair as unknown as [number, number];
  try {
    let text: string;
    try {
      text = runHelper(['-o', toText(options), '--', toText(target)], theirs);
    } finally {
      // Before receiving: with our own copy open the stream would never end.
      libc().close(theirs);
    }
    const fd = receiveDescriptor(ours);
    if (fd === undefined) {
      throw new FsError(EPERM, `mount ${toText(target)}: ${text || 'fusermount3 sent no descriptor'}`);
    }
    return fd;
  } finally {
    libc().close(ours);
  }
}

/** Unmounts a FUSE mount of this user; `lazy` detaches it at once, however busy. */
export function unmountWithHelper(target: ByteString, lazy: boolean): void {
  const result = spawnHelper(
    lazy ? ['-u', '-z', '--', toText(target)] : ['-u', '--', toText(target)],
    'ignore',
  );
  if (result.status !== 0) {
    const why = result.stderr.trim();
    // Its only word of the errno is strerror(3)'s, in no language but this.
    throw new FsError(
      why.endsWith('Device or resource busy') ? EBUSY : EPERM,
      `unmount ${toText(target)}: ${why}`,
    );
  }
}

/** True if a helper is installed. */
export function hasHelper(): boolean {
  return HELPERS.some((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined);
}

/** Runs the helper with its end of the socket as descriptor 3; what it wrote to stderr comes back. */
function runHelper(args: readonly string[], socket: number): string {
  return spawnHelper(args, socket).stderr.trim();
}

function spawnHelper(
  args: readonly string[],
  third: number | 'ignore',
): { status: number | null; stderr: string } {
  for (const name of HELPERS) {
    const result = spawnSync(name, args, {
      stdio: ['ignore', 'ignore', 'pipe', third],
      env: { ...process.env, _FUSE_COMMFD: '3' },
      encoding: 'utf8',
    });
    if (result.error === undefined) return { status: result.status, stderr: result.stderr };
    if ((result.error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new FsError(EIO, `cannot run ${name}`, { cause: result.error });
    }
  }
  throw new FsError(ENOENT, 'fusermount3');
}

/** One recvmsg(2): the descriptor of its SCM_RIGHTS message; undefined at the end of the stream. */
function receiveDescriptor(socket: number): number | undefined {
  const data = new Uint8Array(4);
  const control = new DataView(new ArrayBuffer(64));
  const controlBytes = new Uint8Array(control.buffer);
  // struct iovec { void *base; size_t len; }
  const vector = new DataView(new ArrayBuffer(16));
  const vectorBytes = new Uint8Array(vector.buffer);
  vector.setBigUint64(0, addressOf(data), true);
  vector.setBigUint64(8, 1n, true);
  // struct msghdr: name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48
  const message = new DataView(new ArrayBuffer(56));
  message.setBigUint64(16, addressOf(vectorBytes), true);
  message.setBigUint64(24, 1n, true);
  message.setBigUint64(32, addressOf(controlBytes), true);
  message.setBigUint64(40, 64n, true);
  const count = libc().recvmsg(socket, new Uint8Array(message.buffer), MSG_CMSG_CLOEXEC);
  if (count < 0) throw new FsError(errno(), 'recvmsg');
  // Bytes that C wrote through an address are seen by reading the views afterwards.
  const length = Number(message.getBigUint64(40, true));
  if (count === 0 || length < 20 || data.length === 0) return undefined;
  const isRights = control.getInt32(8, true) === SOL_SOCKET && control.getInt32(12, true) === SCM_RIGHTS;
  return isRights ? control.getInt32(16, true) : undefined;
}
