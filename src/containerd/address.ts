// How the socket of a server is typed, for who serves there and for who connects.

import { resolve } from 'node:path';
import { StoreError } from '../errors.js';
import { SOCKET_PATH_MAX } from '../mounts/unix-socket.js';

/**
 * The absolute path of a socket; `unix:` or `unix://` may stand before it, as containerd's tools write it. invalid-argument
 * for what cannot be the path of one.
 */
export function socketPath(address: string): string {
  const path = address.replace(/^unix:(\/\/)?/, '');
  const place = resolve(path);
  if (path !== '' && !path.includes('\0') && Buffer.byteLength(place) <= SOCKET_PATH_MAX) return place;
  const why = path === '' ? 'it is empty' : `the path of a socket has at most ${SOCKET_PATH_MAX} bytes`;
  throw new StoreError('invalid-argument', `cannot use --address ${address}`, why);
}
