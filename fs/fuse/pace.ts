// How a mount's thread waits for requests that come one upon the other: to put a thread to sleep and wake it takes longer
// than most askers take to their next request, so it asks the empty queue again for a while, and where a virtual machine
// makes waking dear, it keeps the processors awake as long as requests come fast.

import { availableParallelism } from 'node:os';
import { CpuLatencyRequest, hasFeature } from '../sys/index.js';

/**
 * Whether to ask an empty queue again or to sleep. It is asked for some 50 us more, where a second processor runs the asker
 * meanwhile. Where that is in vain (who asks is slow, or the machine busy) it is left for a while.
 */
export class Patience {
  static readonly #ASKS = 100;
  static readonly #TRIES = 3;
  static readonly #PAUSE = 64;
  readonly #most = availableParallelism() > 1 ? Patience.#ASKS : 0;
  #asks = 0;
  #inVain = 0;
  #pause = 0;

  /** The queue is empty; true to ask it again, false to sleep. */
  again(): boolean {
    if (this.#pause > 0) {
      this.#pause--;
      return false;
    }
    if (this.#asks++ < this.#most) return true;
    this.#asks = 0;
    if (++this.#inVain === Patience.#TRIES) {
      this.#inVain = 0;
      this.#pause = Patience.#PAUSE;
    }
    return false;
  }

  /** There was a request. */
  served(): void {
    if (this.#asks > 0) this.#inVain = 0;
    this.#asks = 0;
  }
}

/** What keeps processors awake: CpuLatencyRequest, or nothing where that is of no use. */
export interface Wakefulness {
  isHeld(): boolean;
  hold(): void;
  release(): void;
}

const NONE: Wakefulness = { isHeld: () => false, hold: () => undefined, release: () => undefined };

const milliseconds = () => performance.now();

/**
 * Keeps the processors awake while requests come fast: from the end of a number of requests that came within a short
 * time, until as many took longer, or none came for some milliseconds.
 */
export class Burst {
  /** So long a pause ends it, in milliseconds. */
  static readonly PAUSE_MS = 5;
  static readonly #REQUESTS = 64;
  static readonly #WITHIN_MS = 20;
  readonly #wakefulness: Wakefulness;
  #count = 0;
  #since = 0;

  constructor(wakefulness: Wakefulness = hasFeature('cpu-latency') ? new CpuLatencyRequest() : NONE) {
    this.#wakefulness = wakefulness;
  }

  isOn(): boolean {
    return this.#wakefulness.isHeld();
  }

  /** There was a request. `now` tells milliseconds. */
  served(now = milliseconds): void {
    if (++this.#count < Burst.#REQUESTS) return;
    this.#count = 0;
    const time = now();
    if (time - this.#since < Burst.#WITHIN_MS) this.#wakefulness.hold();
    else this.#wakefulness.release();
    this.#since = time;
  }

  /** There was none for PAUSE_MS, or there will be none. */
  end(): void {
    this.#wakefulness.release();
  }
}
