// Requests that wait for a task (later.ts): their bytes, because the buffer is needed for the next ones, in the order
// in which they came. A request may be taken back by the kernel's INTERRUPT, which says only that its asker has a
// signal. Work on a file does not end with EINTR because of any signal (signal(7): reads and writes of a local disk go
// on), so a request is given up if its asker is being killed; who has another signal is looked at from time to time,
// because the kernel says nothing when it is killed later.

import type { Task } from '../later.js';
import { isBeingKilled } from '../sys/process.js';
import type { Request } from './request.js';

interface KeptRequest {
  readonly bytes: Uint8Array;
  readonly uniqueLow: number;
  readonly uniqueHigh: number;
  readonly pid: number;
  isSignalled: boolean;
}

export class KeptRequests {
  readonly #byTask = new Map<Task, KeptRequest[]>();
  /** How many of them are signalled. */
  #signalled = 0;

  get anySignalled(): boolean {
    return this.#signalled > 0;
  }

  /** Keeps the request at hand until `task` is over. */
  keep(request: Request, task: Task): void {
    const { uniqueLow, uniqueHigh, pid } = request;
    const kept = { bytes: request.copy(), uniqueLow, uniqueHigh, pid, isSignalled: false };
    const others = this.#byTask.get(task);
    if (others === undefined) this.#byTask.set(task, [kept]);
    else others.push(kept);
  }

  /** Makes the first request that waits for a task the one at hand; false if there is none. */
  take(task: Task, request: Request): boolean {
    const waiting = this.#byTask.get(task);
    const first = waiting?.shift();
    if (waiting?.length === 0) this.#byTask.delete(task);
    if (first === undefined) return false;
    if (first.isSignalled) this.#signalled--;
    request.restore(first.bytes);
    return true;
  }

  /** The asker of the request with this number has a signal. */
  signal(uniqueLow: number, uniqueHigh: number): void {
    for (const waiting of this.#byTask.values()) {
      for (const kept of waiting) {
        if (kept.isSignalled || kept.uniqueLow !== uniqueLow || kept.uniqueHigh !== uniqueHigh) continue;
        kept.isSignalled = true;
        this.#signalled++;
      }
    }
  }

  /**
   * Makes a request whose asker is being killed the one at hand; false if there is none. A task for which nobody else
   * waits is given up with it.
   */
  takeKilled(request: Request): boolean {
    if (this.#signalled === 0) return false;
    for (const [task, waiting] of this.#byTask) {
      const at = waiting.findIndex(({ isSignalled, pid }) => isSignalled && isBeingKilled(pid));
      const [killed] = at < 0 ? [] : waiting.splice(at, 1);
      if (killed === undefined) continue;
      this.#signalled--;
      if (waiting.length === 0) {
        this.#byTask.delete(task);
        task.abandon();
      }
      request.restore(killed.bytes);
      return true;
    }
    return false;
  }
}
