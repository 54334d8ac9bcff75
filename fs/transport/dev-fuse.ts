// The transport that speaks the FUSE protocol over /dev/fuse. Order: the server's thread begins, beforehand where it
// was asked to, and opens the layers; this thread mounts and hands over the device; the server serves. At the end the
// mount goes first and the thread is joined afterwards, because nothing else wakes a thread that waits for its
// device.

import { Worker } from 'node:worker_threads';
import { ENOTCONN, FsError } from '../errno.js';
import { tellStale } from '../fuse/stale.js';
import { returnFolderRoom } from '../layer/folder-cache.js';
import { closeDevice, closeNoted, makeEventFd, raiseOpenFiles, signalEventFd } from '../sys/index.js';
import { Deferred } from './deferred.js';
import { EventTap, eventBuffer, isEventsRequest } from './event-tap.js';
import type { ExchangeReply } from './exchange.js';
import {
  type FromServer,
  fromPlainError,
  type ServerStart,
  type SharedNotes,
  type ToServer,
} from './messages.js';
import { detachLost, type MountedDevice, mountDevice } from './mount-device.js';
import type { MountEnd, MountRequest, RunningMount, ServerFault, Transport } from './transport.js';

/**
 * What a request allocates is dead with its reply, so that a small young generation is collected as cheaply as a large
 * one, and a walk over 40,000 files leaves 28 MB less behind.
 */
const YOUNG_MB = 1;

/** How many descriptors a thread can note down; of those above, if it dies, the process keeps what it left open. */
const MOST_NOTED = 1 << 16;

/** How many folders all mounts of this process keep open. */
const allFolders = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);

/** Begun before it was known what it is to serve. */
let prepared: Server | undefined;

export const deviceTransport: Transport = {
  name: 'device',
  prepare() {
    prepared ??= new Server();
  },
  async start(request) {
    raiseOpenFiles();
    const server = prepared ?? new Server();
    prepared = undefined;
    const { readOnly } = await server.open(request);
    return new DeviceMount(request, server, request.readOnly === true || readOnly);
  },
};

/** The server's thread as the main thread sees it. */
class Server {
  readonly #worker: Worker;
  readonly #notes: SharedNotes;
  #onFault: ((fault: ServerFault) => void) | undefined;
  readonly #waiting = new Map<number, Deferred<object>>();
  #lastId = 0;
  #end: MountEnd | undefined;
  /** Something of it is still under way, and will signal the eventfd. */
  stuck = false;
  /** Tells everybody that the thread has ended. */
  readonly #over: () => void;
  readonly #opened = new Deferred<{ readOnly: boolean }>();
  readonly live: Promise<void>;
  /** The thread has ended; never rejects. */
  readonly ended: Promise<MountEnd>;

  /** Begins without keeping the process alive: nothing is open yet. */
  constructor() {
    this.#notes = {
      files: new SharedArrayBuffer(MOST_NOTED),
      allFolders,
      folders: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
      events: eventBuffer(),
    };
    this.#worker = new Worker(new URL('./dev-fuse-worker.js', import.meta.url), {
      workerData: this.#notes,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      // Or Node would make its streams of the process's own descriptors now, which nobody may ever write to.
      stdout: true,
      stderr: true,
    });
    const opened = this.#opened;
    const live = new Deferred<void>();
    const ended = new Deferred<MountEnd>();
    this.live = live.promise;
    this.ended = ended.promise;
    // Whoever does not wait for these is not to be killed by their rejection.
    for (const promise of [opened.promise, this.live]) promise.catch(() => undefined);
    this.#worker.on('message', (message: FromServer) => {
      if (message.type === 'opened') opened.resolve(message);
      else if (message.type === 'live') live.resolve(undefined);
      else this.#hear(message);
    });
    this.#worker.on('error', (error) => {
      this.#end ??= { how: 'failed', error };
    });
    this.#over = () => {
      const end = this.#end ?? { how: 'failed', error: new Error('the thread of the mount is gone') };
      const error = end.how === 'failed' ? end.error : new FsError(ENOTCONN, 'mount');
      opened.reject(error);
      live.reject(error);
      for (const answer of this.#waiting.values()) answer.reject(error);
      this.#waiting.clear();
      ended.resolve(end);
    };
    this.#worker.on('exit', () => {
      this.#closeLeft();
      this.#over();
    });
    // Listeners have kept it alive until here.
    this.#worker.unref();
  }

  /** The layers are open when it resolves; rejects if they could not be opened. */
  open(request: MountRequest): Promise<{ readOnly: boolean }> {
    const { stack, mountPoint, owners, writeback, passthrough, stats, acls, xattrs, folderLinks } = request;
    // What the kernel writes by itself nobody counts.
    const isCounted = stack.upper?.quota !== undefined;
    const start: ServerStart = {
      stack,
      mountPoint,
      transport: deviceTransport.name,
      ...(owners && { owners }),
      ...(writeback && { writeback }),
      ...((passthrough === false || isCounted) && { passthrough: false }),
      ...(stats && { stats }),
      ...(acls === false && { acls }),
      ...(xattrs === false && { xattrs }),
      ...(folderLinks === false && { folderLinks }),
    };
    this.#onFault = request.onFault;
    this.#worker.ref();
    for (const stream of [this.#worker.stdout, this.#worker.stderr])
      stream.on('data', (chunk: Uint8Array) => process.stderr.write(chunk));
    this.send({ type: 'open', start });
    return this.#opened.promise;
  }

  send(message: ToServer): void {
    this.#worker.postMessage(message);
  }

  /** Expects the answer to a control request; `wake` is called when it can be heard. */
  ask(request: object, wake: () => void): Promise<object> {
    const answer = new Deferred<object>();
    const id = ++this.#lastId;
    this.#waiting.set(id, answer);
    this.send({ type: 'control', id, request });
    wake();
    return answer.promise;
  }

  /** What happens in the mount, whatever the thread does. */
  get events(): SharedArrayBuffer {
    return this.#notes.events;
  }

  #hear(message: Exclude<FromServer, { type: 'opened' | 'live' }>): void {
    switch (message.type) {
      case 'reply':
        this.#take(message.id)?.resolve(message.reply);
        break;
      case 'refusal':
        this.#take(message.id)?.reject(fromPlainError(message.error));
        break;
      case 'fault':
        this.#onFault?.(message.fault);
        break;
      case 'ended':
        this.#end = { how: message.how };
        if (message.stuck) this.#leaveBehind();
        break;
      case 'failed':
        this.#end = { how: 'failed', error: fromPlainError(message.error) };
        break;
    }
  }

  /**
   * The thread waits for one of its own that waits for a disk, and the exit of the process would wait for it: nothing
   * but a signal ends that, where the kernel lets it. What the upper holds is as after any death of a server.
   */
  #leaveBehind(): void {
    this.stuck = true;
    process.emitWarning('a disk does not answer: the process of the mount is killed when it exits');
    process.once('exit', () => process.kill(process.pid, 'SIGKILL'));
    this.#worker.unref();
    this.#over();
  }

  /** What a thread that failed had open, its lock on the upper among it. */
  #closeLeft(): void {
    if (this.#end !== undefined && this.#end.how !== 'failed') return;
    closeNoted(new Uint8Array(this.#notes.files), closeDevice);
    returnFolderRoom({
      all: new Int32Array(this.#notes.allFolders),
      mine: new Int32Array(this.#notes.folders),
    });
  }

  #take(id: number): Deferred<object> | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}

class DeviceMount implements RunningMount {
  readonly mountPoint: string;
  readonly transport = deviceTransport.name;
  readonly readOnly: boolean;
  readonly live: Promise<void>;
  readonly ended: Promise<MountEnd>;
  readonly #server: Server;
  readonly #mounted: MountedDevice;
  readonly #wake: number;
  readonly #tap: EventTap;
  #over = false;
  /** At its place there may be another mount by now. */
  #isDetached = false;

  /** Mounts; the server's layers are open. */
  constructor(request: MountRequest, server: Server, readOnly: boolean) {
    this.mountPoint = request.mountPoint;
    this.readOnly = readOnly;
    this.#server = server;
    try {
      this.#mounted = mountDevice(request, readOnly);
    } catch (error) {
      server.send({ type: 'leave' });
      throw error;
    }
    this.#wake = makeEventFd();
    server.send({ type: 'serve', device: this.#mounted.device, wake: this.#wake });
    this.#tap = new EventTap(server.events, (requests) => this.#ask({ op: 'watch', requests }));
    this.live = server.live;
    process.once('exit', this.#leave);
    this.ended = server.ended.then((end) => {
      this.#over = true;
      this.#tap.end();
      process.removeListener('exit', this.#leave);
      if (end.how !== 'unmounted' && !this.#isDetached) detachLost(this.#mounted);
      // The last descriptor of the connection: whoever still waits for an answer is released now.
      closeDevice(this.#mounted.device);
      if (!server.stuck) closeDevice(this.#wake);
      return end;
    });
  }

  async unmount({ lazy = false }: { readonly lazy?: boolean } = {}): Promise<void> {
    if (this.#over) return;
    this.#mounted.unmount(lazy);
    this.#isDetached = true;
    if (!lazy) await this.ended;
  }

  async abandon(): Promise<void> {
    if (this.#over) return;
    this.#isDetached = true;
    this.#server.send({ type: 'abandon' });
    signalEventFd(this.#wake);
    await this.ended;
  }

  async control(request: object): Promise<object> {
    if (isEventsRequest(request)) return this.#tap.answer(request);
    if (this.#over) throw new FsError(ENOTCONN, 'mount');
    const reply = await this.#ask(request);
    if (!('stale' in reply)) return reply;
    const { stale, ...rest } = reply as Partial<ExchangeReply>;
    // From this thread: the kernel may have to wait until the server has answered somebody.
    if (stale !== undefined && !this.#over) tellStale(this.#mounted.device, stale);
    return rest;
  }

  #ask(request: object): Promise<object> {
    return this.#server.ask(request, () => signalEventFd(this.#wake));
  }

  /** The process exits while the mount is there: detach it, and let the thread go so that the exit can join it. */
  readonly #leave = (): void => {
    if (!this.#isDetached) detachLost(this.#mounted);
    this.#server.send({ type: 'leave' });
    signalEventFd(this.#wake);
  };
}
