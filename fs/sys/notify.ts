// Telling the service supervisor that started us how we are (sd_notify(3)): one datagram to a unix socket, which Node has
// no call for. Nobody answers, and a supervisor that is gone is no failure of ours.

import { type CFunction, declare } from './libc.js';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** struct sockaddr_un: the family, then the path. */
const PATH_AT = 2;
const PATH_MAX = 108;

interface Calls {
  readonly socket: CFunction;
  readonly sendto: CFunction;
  readonly close: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    socket: declare('int', 'socket', ['int', 'int', 'int']),
    sendto: declare('long', 'sendto', ['int', 'void *', 'size_t', 'int', 'void *', 'uint']),
    close: declare('int', 'close', ['int']),
  };
  return calls;
}

/**
 * Sends `text` (`READY=1`) to the socket of $NOTIFY_SOCKET, whose `@` at the beginning stands for the abstract name space.
 * False if that could not be done.
 */
export function sendNotice(socketPath: string, text: string): boolean {
  const path = Buffer.from(socketPath);
  if (path.length === 0 || path.length >= PATH_MAX) return false;
  if (path[0] === 0x40) path[0] = 0;
  const address = Buffer.alloc(PATH_AT + path.length);
  address.writeUInt16LE(AF_UNIX, 0);
  path.copy(address, PATH_AT);
  const fd = libc().socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return false;
  const bytes = Buffer.from(text);
  const sent = libc().sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length);
  libc().close(fd);
  return sent === bytes.length;
}
