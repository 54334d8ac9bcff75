// Those who wait for what a mount does next, and are all answered when it is over, before their connections are closed.

import { setImmediate, setTimeout as sleep } from 'node:timers/promises';

export class Waiting {
  readonly #over = new AbortController();
  readonly #answers = new Set<Promise<unknown>>();

  /** Answers after so many milliseconds, or when the mount is over, which `answer` is told. */
  async until<T>(ms: number, answer: (isOver: boolean) => Promise<T>): Promise<T> {
    const { signal } = this.#over;
    const answered = sleep(ms, undefined, { signal })
      .catch(() => undefined)
      .then(() => answer(signal.aborted));
    this.#answers.add(answered);
    try {
      return await answered;
    } finally {
      this.#answers.delete(answered);
    }
  }

  /** The mount is over. Resolves when who waits has been answered. */
  async end(): Promise<void> {
    this.#over.abort();
    await Promise.allSettled(this.#answers);
    await setImmediate();
  }
}
