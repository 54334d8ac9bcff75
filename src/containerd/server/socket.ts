// The unix socket of a server: nobody but its owner may connect, one that a dead server left is replaced, and one that
// somebody serves is refused. A lock beside it (`<path>.lock`, which stays) decides between two that start at once.

import { chmodSync, chownSync, closeSync, constants, lstatSync, openSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { sys } from '../../../fs/index.js';
import { StoreError } from '../../errors.js';
import { SOCKET_PATH_MAX } from '../../mounts/unix-socket.js';

/** The first descriptor that systemd hands over (sd_listen_fds(3)). */
const LISTEN_FDS_START = 3;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface ListeningSocket {
  readonly server: Server;
  /** After the server has closed. */
  release(): void;
}

/**
 * Listens at `path` (absolute), for `owner` alone, by default the user of this process. failed-precondition while somebody
 * serves there, or if something else has that name.
 */
export async function listenAt(path: string, owner?: Owner): Promise<ListeningSocket> {
  const what = `cannot listen at ${path}`;
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    throw new StoreError(
      'invalid-argument',
      what,
      `the path of a socket has at most ${SOCKET_PATH_MAX} bytes`,
    );
  }
  const lock = openSync(`${path}.lock`, constants.O_CREAT | constants.O_RDWR, 0o600);
  try {
    if (process.platform === 'linux' && !sys.tryLock(lock)) throw inUse(what);
    await clear(path, what);
    const server = await listen(path);
    chmodSync(path, 0o600);
    if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
    return { server, release: () => closeSync(lock) };
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** The sockets that systemd listens at for this process; none if it was not started for one. */
export function inheritedSockets(environment: NodeJS.ProcessEnv = process.env): readonly Server[] {
  const { LISTEN_PID, LISTEN_FDS } = environment;
  if (LISTEN_PID !== String(process.pid) || !/^[1-9]\d{0,2}$/.test(LISTEN_FDS ?? '')) return [];
  return Array.from({ length: Number(LISTEN_FDS) }, (_, i) =>
    createServer().listen({ fd: LISTEN_FDS_START + i }),
  );
}

async function clear(path: string, what: string): Promise<void> {
  const old = lstatSync(path, { throwIfNoEntry: false });
  if (old === undefined) return;
  if (!old.isSocket()) {
    throw new StoreError('failed-precondition', what, 'something that is no socket has this name');
  }
  if (await answers(path)) throw inUse(what);
  unlinkSync(path);
}

/** Whether somebody accepts connections there. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    // The socket must not be anybody's between bind(2) and chmod(2); bind takes place before `listen` returns.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve(server);
      });
    } finally {
      process.umask(mask);
    }
  });
}

function inUse(what: string): StoreError {
  return new StoreError('failed-precondition', what, 'a server is running there', {
    hint: 'end that server, or use another --address',
  });
}
