// What takes long is done aside, by who was told to (`Union.workAside`): copying data, making it durable, reading what
// is not in memory. It is handed open files and ranges, never inodes. Where nobody was told, everything is done at once.

import type { Task, TaskSource } from '../later.js';
import type { LayerFile, WritableFile } from '../layer/layer.js';

/** Each answers false for files that it cannot do it with: the caller then does it at once. */
export interface LongWork extends TaskSource {
  /** Copies the first `size` bytes, leaving holes, and makes them durable if `sync`. The files stay open until `task` is over. */
  copy(from: LayerFile, to: WritableFile, size: number, sync: boolean, task: Task): boolean;
  /** Makes what was written so far durable. The file may be closed at once. */
  sync(file: WritableFile, dataOnly: boolean, task: Task): boolean;
  /** Makes durable what was written to the filesystem of an open file, which may be closed at once. */
  syncFilesystem(fd: number, task: Task): boolean;
  /** Brings a range into memory. The file may be closed at once. */
  fetch(file: LayerFile, offset: number, length: number, task: Task): boolean;
  /** The task may end with EINTR at any time from now on. */
  cancel(task: Task): void;
}

/** What takes longer keeps others waiting for longer than going aside takes. */
const LONG_MS = 2;
/** So many in a row that did not, and there seems to be no reason any more. */
const QUICK_ONES = 32;

/** Whether a kind of work takes long, as the last ones tell. */
export class Pace {
  #slow: boolean;
  #quick = 0;

  constructor(slow = false) {
    this.#slow = slow;
  }

  get slow(): boolean {
    return this.#slow;
  }

  note(durationMs: number): void {
    if (durationMs >= LONG_MS) {
      this.#slow = true;
      this.#quick = 0;
    } else if (this.#slow && ++this.#quick === QUICK_ONES) this.#slow = false;
  }
}
