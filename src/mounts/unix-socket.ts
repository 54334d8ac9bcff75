// Unix sockets by path: listening, connecting, and the lines that come over one. The path of a unix socket has room for 107
// bytes, so a longer one is reached through its folder's descriptor.

import { closeSync, openSync } from 'node:fs';
import { createConnection, type Server, type Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { createInterface, type Interface } from 'node:readline';

/** sizeof(sockaddr_un.sun_path) is 108 with its NUL (unix(7)). */
export const SOCKET_PATH_MAX = 107;

/** Resolves when `server` listens at `path`, where nothing is. */
export function listenAt(server: Server, path: string): Promise<void> {
  return withShortPath(path, (short) => listening(server, short));
}

/** Connects to whoever listens at `path`; ENOENT or ECONNREFUSED if nobody does. */
export function connectTo(path: string): Promise<Socket> {
  return withShortPath(path, connected);
}

/**
 * The lines that come over `socket`, as `line` events. readline emits the failures of its input as its own: a peer that goes
 * away with something unread is one (ECONNRESET), which the listeners of the socket hear.
 */
export function linesOf(socket: Socket): Interface {
  return createInterface({ input: socket }).on('error', () => undefined);
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path, () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

async function withShortPath<T>(path: string, use: (short: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAX || process.platform !== 'linux') return use(path);
  const folder = openSync(dirname(path), 'r');
  try {
    return await use(`/proc/self/fd/${folder}/${basename(path)}`);
  } finally {
    closeSync(folder);
  }
}
