// Finds the shared host of this process, or starts it, and has it serve a mount. Of several that start one at a time the
// first gets the lock, and all use that. What a host must not or cannot take gets a process of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statfsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { StoreError } from '../errors.js';
import { rowOf } from './host-report.js';
import type { HostAnswer, HostRequest, HostStatus } from './host-request.js';
import type { HostSpec } from './host-spec.js';
import { hostsFolder, type SharedPlace, sharedPlace } from './shared-place.js';
import { type MountHost, startHost } from './start.js';
import { type MountRow, MountTable } from './table.js';
import { connectTo, linesOf } from './unix-socket.js';

/** How long a host may take from its lock to its socket. */
const STARTING_MS = 10_000;
const POLL_MS = 10;
/** How often a host may end while it is asked: each time there is a new one. */
const TRIES = 3;

/**
 * What holds for a process of many threads only. Some of the pool, which syncs and reads files for all mounts, may wait for
 * a disk that does not answer. And the C library is to keep one thread's freed memory for others, and large buffers, of which
 * a mount rarely uses all, apart: by itself it comes to keep them where they are filled with zeros first (mallopt(3)).
 */
const SETTINGS = { UV_THREADPOOL_SIZE: '32', MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };

/** A connection to the shared host, begun at once; the host is started if there is none. */
export class JoinedHost implements MountHost {
  readonly #state: string;
  readonly #place: SharedPlace;
  #socket: Promise<Socket>;

  constructor(state: string) {
    this.#state = state;
    this.#place = sharedPlace(state);
    mkdirSync(hostsFolder(state), { recursive: true, mode: 0o700 });
    this.#socket = this.#join();
  }

  async serve(spec: HostSpec): Promise<MountRow> {
    if (!mayShare(spec)) {
      this.dismiss();
      return startHost(spec);
    }
    const log = new MountTable(spec.state).logFor(spec.target);
    const answer = await this.#ask({ op: 'serve', spec: { ...spec, log } }, spec.target);
    if ('full' in answer || 'status' in answer) return startHost(spec);
    return rowOf(answer);
  }

  dismiss(): void {
    // Why there is no host is told to whoever asks it for a mount.
    void this.#socket.then(
      (socket) => socket.destroy(),
      () => undefined,
    );
  }

  /** A host that ends before it answers has mounted nothing, or what it mounted is dead: the next one is asked. */
  async #ask(request: HostRequest, target: string): Promise<HostAnswer> {
    for (let tries = 1; ; tries++) {
      const line = await answerOf(await this.#socket, request);
      if (line !== undefined) return JSON.parse(line) as HostAnswer;
      if (tries === TRIES) throw notServed(target, this.#place);
      this.#socket = this.#join();
    }
  }

  #join(): Promise<Socket> {
    const joined = joinOrStart(this.#state, this.#place);
    // Not waited for until somebody asks.
    joined.catch(() => undefined);
    return joined;
  }
}

/** What the shared host of this process says of itself; undefined if there is none. */
export async function hostStatus(state: string): Promise<HostStatus | undefined> {
  const socket = await connected(sharedPlace(state));
  if (socket === undefined) return undefined;
  const line = await answerOf(socket, { op: 'status' });
  if (line === undefined) return undefined;
  const answer = JSON.parse(line) as HostAnswer;
  return 'status' in answer ? answer.status : undefined;
}

/** FUSE_SUPER_MAGIC of linux/magic.h. */
const FUSE_MAGIC = 0x65735546;

/**
 * Whether a shared host may serve it. Not what lies on FUSE: that may be another mount of the host, and the two would
 * wait for threads that they share (Node's pool), for ever.
 */
function mayShare({ transport, target, stack }: HostSpec): boolean {
  if (transport !== 'auto' && transport !== 'device') return false;
  const { lowers, data = [], upper } = stack;
  const layers = [...lowers, ...data].map(({ path }) => path);
  const folders = [target, ...layers, ...(upper === undefined ? [] : [upper.path, upper.work])];
  return folders.every((folder) => {
    const found = existsSync(folder) ? statfsSync(folder) : undefined;
    // What is missing is told by who opens it.
    return found?.type !== FUSE_MAGIC;
  });
}

async function joinOrStart(state: string, place: SharedPlace): Promise<Socket> {
  const deadline = performance.now() + STARTING_MS;
  for (let hasStarted = false; ; ) {
    const socket = await connected(place);
    if (socket !== undefined) return socket;
    if (performance.now() > deadline) throw notServed('', place);
    // Another one that has the lock is about to listen, or about to end.
    if (hasStarted && existsSync(place.lock)) await sleep(POLL_MS);
    else await started(state, place);
    hasStarted = true;
  }
}

async function connected({ socket }: SharedPlace): Promise<Socket | undefined> {
  try {
    return await connectTo(socket);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'EACCES') return undefined;
    throw error;
  }
}

/** Starts a host and waits until it listens, or has ended because another one has the lock. */
async function started(state: string, place: SharedPlace): Promise<void> {
  const stderr = openSync(place.log, 'a', 0o600);
  let child: ChildProcess;
  try {
    const program = fileURLToPath(new URL('./shared-host.js', import.meta.url));
    child = spawn(process.execPath, [program, state, place.name], {
      // As for a host of one mount (start.ts).
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'ignore', stderr, 'ipc'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined, ...SETTINGS },
    });
  } finally {
    closeSync(stderr);
  }
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.once('message', () => resolve());
    child.once('exit', (code) => (code === 0 ? resolve() : reject(notServed('', place))));
  });
  if (child.connected) child.disconnect();
  child.unref();
}

/** One line for one line; undefined if the host ended before it. */
function answerOf(socket: Socket, request: HostRequest): Promise<string | undefined> {
  return new Promise((resolve) => {
    linesOf(socket).once('line', (line) => {
      socket.destroy();
      resolve(line);
    });
    socket.on('error', () => resolve(undefined));
    socket.once('close', () => resolve(undefined));
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

function notServed(target: string, { log }: SharedPlace): StoreError {
  const said = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n')[0] : '';
  const why = said === '' ? 'the shared mount host does not answer' : `the shared mount host said: ${said}`;
  const what = target === '' ? 'cannot mount' : `cannot mount at ${target}`;
  return new StoreError('failed', what, why, { hint: 'mica --host own mount …' });
}
