// The threads that do a mount's long work, so that the mount's own thread answers others meanwhile: one copies data,
// one syncs files and reads, because a copy from a filesystem that does not answer must not keep an fsync waiting, and
// one syncs what is much: large files, piece by piece, and whole filesystems. Each is started by the first job that it gets. They tell through the eventfd that the
// mount's thread waits on anyway.

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { EMFILE, isErrno } from '../errno.js';
import type { Task } from '../later.js';
import type { LayerFile, WritableFile } from '../layer/layer.js';
import { closeFd, drainEventFd, duplicate, PollSet } from '../sys/index.js';
import type { LongWork } from '../union/long-work.js';
import type { LaneJob, LaneReport, LaneStart } from './lane-messages.js';

type Unnumbered<Job> = Job extends unknown ? Omit<Job, 'id'> : never;

type LaneName = 'copy' | 'disk' | 'much';

/** Bytes of one file that are written in pieces when they are synced: some ten milliseconds of a fast disk. */
const IN_PIECES = 64 << 20;

/** A job under way. */
interface Running {
  readonly task: Task;
  /** To be closed when it is over. */
  readonly fd: number | undefined;
  /** Copies only. */
  readonly cancelled: Int32Array | undefined;
}

class Lane {
  readonly port: MessagePort;
  readonly #worker: Worker;

  constructor(wake: number) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    const start: Omit<LaneStart, 'port'> & { port: MessagePort } = { port: port2, wake };
    this.#worker = new Worker(new URL('./lane-worker.js', import.meta.url), {
      workerData: start,
      transferList: [port2],
      resourceLimits: { maxYoungGenerationSizeMb: 1 },
    });
    this.#worker.unref();
  }
}

/** undefined where this process may have no more threads. */
function startLane(wake: number): Lane | undefined {
  try {
    return new Lane(wake);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_INIT_FAILED')
      return undefined;
    throw error;
  }
}

export class Lanes implements LongWork {
  again = false;
  readonly #wake: number;
  readonly #lanes = new Map<LaneName, Lane>();
  readonly #running = new Map<number, Running>();
  readonly #finished: Task[] = [];
  #lastId = 0;

  /** `wake`: the eventfd on which the mount's thread waits. */
  constructor(wake: number) {
    this.#wake = wake;
  }

  copy(from: LayerFile, to: WritableFile, size: number, sync: boolean, task: Task): boolean {
    if (from.fd === undefined || to.fd === undefined) return false;
    const cancelled = new Int32Array(new SharedArrayBuffer(4));
    const job = { kind: 'copy', from: from.fd, to: to.fd, size, sync, cancelled } as const;
    return this.#give('copy', job, { task, fd: undefined, cancelled });
  }

  sync(file: WritableFile, dataOnly: boolean, bytes: number, task: Task): boolean {
    if (file.fd === undefined) return false;
    const inPieces = bytes >= IN_PIECES;
    const lane = inPieces ? 'much' : 'disk';
    return this.#giveFile(lane, file.fd, task, (fd) => ({ kind: 'sync', fd, dataOnly, inPieces }));
  }

  syncFilesystem(open: number, task: Task): boolean {
    return this.#giveFile('much', open, task, (fd) => ({ kind: 'sync-filesystem', fd }));
  }

  fetch(file: LayerFile, offset: number, length: number, task: Task): boolean {
    if (file.fd === undefined) return false;
    return this.#giveFile('disk', file.fd, task, (fd) => ({ kind: 'fetch', fd, offset, length }));
  }

  cancel(task: Task): void {
    for (const { task: running, cancelled } of this.#running.values()) {
      if (running === task && cancelled !== undefined) Atomics.store(cancelled, 0, 1);
    }
  }

  takeFinished(): Task | undefined {
    if (this.#running.size > 0) this.#hear();
    return this.#finished.shift();
  }

  /**
   * Ends all that is under way, as far as it can be ended: what waits for a disk that does not answer cannot, and its
   * files stay open. True if nothing is left.
   */
  end(): boolean {
    for (const { cancelled } of this.#running.values()) {
      if (cancelled !== undefined) Atomics.store(cancelled, 0, 1);
    }
    const reports = new PollSet([this.#wake]);
    const until = performance.now() + REST_MS;
    for (;;) {
      for (let task = this.takeFinished(); task !== undefined; task = this.takeFinished()) task.end();
      const left = until - performance.now();
      if (this.#running.size === 0 || left <= 0) return this.#running.size === 0;
      reports.wait(Math.ceil(left));
      drainEventFd(this.#wake);
    }
  }

  /** As `#give`, with a descriptor of its own. */
  #giveFile(name: LaneName, open: number, task: Task, jobOf: (fd: number) => Unnumbered<LaneJob>): boolean {
    const fd = duplicateIfRoom(open);
    if (fd === undefined) return false;
    const isGiven = this.#give(name, jobOf(fd), { task, fd, cancelled: undefined });
    if (!isGiven) closeFd(fd);
    return isGiven;
  }

  /** False where there is no room for the thread. */
  #give(name: LaneName, job: Unnumbered<LaneJob>, running: Running): boolean {
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = this.#hasRoom() ? startLane(this.#wake) : undefined;
      if (lane === undefined) return false;
      this.#lanes.set(name, lane);
    }
    const id = ++this.#lastId;
    this.#running.set(id, running);
    lane.port.postMessage({ ...job, id });
    return true;
  }

  /** A thread that finds no descriptors for its modules ends without a word. */
  #hasRoom(): boolean {
    const taken: number[] = [];
    for (let n = 0; n < OF_A_THREAD; n++) {
      const fd = duplicateIfRoom(this.#wake);
      if (fd === undefined) break;
      taken.push(fd);
    }
    for (const fd of taken) closeFd(fd);
    return taken.length === OF_A_THREAD;
  }

  #hear(): void {
    for (const { port } of this.#lanes.values()) {
      for (;;) {
        const received = receiveMessageOnPort(port) as { readonly message: LaneReport } | undefined;
        if (received === undefined) break;
        const { message } = received;
        const running = this.#running.get(message.id);
        if (running === undefined) continue;
        this.#running.delete(message.id);
        if (running.fd !== undefined) closeFd(running.fd);
        running.task.finish(message);
        this.#finished.push(running.task);
      }
    }
  }
}

/** More descriptors than a thread has open while it starts. */
const OF_A_THREAD = 32;

/** undefined where the process has as many open as it may. */
function duplicateIfRoom(fd: number): number | undefined {
  try {
    return duplicate(fd);
  } catch (error) {
    if (isErrno(error, EMFILE)) return undefined;
    throw error;
  }
}

/** How long the end of a mount waits for what is under way. */
const REST_MS = 5000;
