// Trying again: what failed for a reason that passes is asked for once more after a while, which doubles each time
// and is drawn at random, so that many clients of one registry do not come back together.

import { setTimeout as sleep } from 'node:timers/promises';
import { assertGoesOn } from '../images/failure.js';
import { TransientError } from './failure.js';

export interface RetryPolicy {
  /** Tries altogether, one after the other without any progress. */
  readonly attempts: number;
  /** The longest wait before the second try. */
  readonly firstMs: number;
  /** The longest wait that is taken on; a registry that asks for more gets no further try. */
  readonly longestMs: number;
}

export const RETRIES: RetryPolicy = { attempts: 6, firstMs: 500, longestMs: 60_000 };

export interface Trying {
  readonly policy: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
  /** Told before each wait. */
  readonly onRetry?: ((error: TransientError, waitMs: number) => void) | undefined;
}

/** Counts tries; progress between two of them starts the count anew. */
export class Patience {
  readonly #trying: Trying;
  readonly #what: string;
  #failed = 0;

  constructor(what: string, trying: Trying) {
    this.#what = what;
    this.#trying = trying;
  }

  /** Something came of the last try. */
  refresh(): void {
    this.#failed = 0;
  }

  /** Waits before the next try; throws `error` if there is to be none, canceled by the signal. */
  async after(error: unknown): Promise<void> {
    const { policy, signal, onRetry } = this.#trying;
    assertGoesOn(signal, this.#what);
    this.#failed++;
    if (!(error instanceof TransientError) || this.#failed >= policy.attempts) throw error;
    const most = Math.min(policy.longestMs, policy.firstMs * 2 ** (this.#failed - 1));
    const waitMs = error.retryAfterMs ?? most * (0.5 + Math.random() / 2);
    if (waitMs > policy.longestMs) throw error;
    onRetry?.(error, waitMs);
    try {
      await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
    } catch (interrupted) {
      assertGoesOn(signal, this.#what);
      throw interrupted;
    }
  }
}

/** Runs `act` until it ends well, or fails for a reason that stays. */
export async function persistently<T>(what: string, trying: Trying, act: () => Promise<T>): Promise<T> {
  const patience = new Patience(what, trying);
  for (;;) {
    try {
      return await act();
    } catch (error) {
      await patience.after(error);
    }
  }
}
