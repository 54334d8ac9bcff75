// Who is on the other end of a unix socket (SO_PEERCRED, unix(7)): the process that connected or listened, as the kernel
// noted it down then, in the numbers of this process's namespaces.

import { type CFunction, declare, fail } from './libc.js';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

let getsockopt: CFunction | undefined;

/** The peer of a connected unix socket, by its descriptor. */
export function peerOf(socket: number): Peer {
  getsockopt ??= declare('int', 'getsockopt', ['int', 'int', 'int', 'void *', 'void *']);
  // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
  const credentials = new Int32Array(3);
  const length = new Int32Array([credentials.byteLength]);
  const into = new Uint8Array(credentials.buffer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, into, new Uint8Array(length.buffer)) < 0)
    fail('getsockopt');
  const [pid = 0, uid = 0, gid = 0] = credentials;
  return { pid, uid: uid >>> 0, gid: gid >>> 0 };
}
