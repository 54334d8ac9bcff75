// What takes long is done aside, by who was told to (`Union.workAside`): copying data, making it durable, reading what
// is not in memory. It is handed open files and ranges, never inodes. Where nobody was told, everything is done at once.

import type { Task, TaskSource } from '../later.js';
import type { LayerFile, WritableFile } from '../layer/layer.js';

/** Each answers false for files that it cannot do it with: the caller then does it at once. */
export interface LongWork extends TaskSource {
  /** Copies the first `size` bytes, leaving holes, and makes them durable if `sync`. The files stay open until `task` is over. */
  copy(from: LayerFile, to: WritableFile, size: number, sync: boolean, task: Task): boolean;
  /** Makes what was written so far durable, some `bytes` as far as is known. The file may be closed at once. */
  sync(file: WritableFile, dataOnly: boolean, bytes: number, task: Task): boolean;
  /** Makes durable what was written to the filesystem of an open file, which may be closed at once. */
  syncFilesystem(fd: number, task: Task): boolean;
  /** Brings a range into memory. The file may be closed at once. */
  fetch(file: LayerFile, offset: number, length: number, task: Task): boolean;
  /** The task may end with EINTR at any time from now on. */
  cancel(task: Task): void;
}

/** What takes longer on average keeps others waiting for longer than going aside takes; half of it and it does not. */
const LONG_MS = 2;
/** One alone, as a busy machine has them at times, tells no more than this. */
const MOST_MS = 8;
/** How much the last one counts. */
const WEIGHT = 1 / 8;

/** Whether a kind of work takes long, as the last ones tell. */
export class Pace {
  #averageMs: number;
  #slow: boolean;

  /** `slow`: it is taken to be, until it is seen not to. */
  constructor(slow = false) {
    this.#slow = slow;
    this.#averageMs = slow ? MOST_MS : 0;
  }

  get slow(): boolean {
    return this.#slow;
  }

  note(durationMs: number): void {
    this.#averageMs += (Math.min(durationMs, MOST_MS) - this.#averageMs) * WEIGHT;
    this.#slow = this.#averageMs >= (this.#slow ? LONG_MS / 2 : LONG_MS);
  }
}
