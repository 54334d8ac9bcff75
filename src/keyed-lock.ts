// One at a time for each key, in the order of asking, within this process. Holds nothing for keys that nobody uses.

export class KeyedLock {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `fn` once all earlier runs with this key have ended, however they ended. */
  async run<T>(key: string, fn: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const run = before.then(fn);
    // The next in the queue waits for the end, and does not share the failure.
    const ended = run.then(ignore, ignore);
    this.#last.set(key, ended);
    try {
      return await run;
    } finally {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    }
  }

  /** How many keys are in use. */
  get size(): number {
    return this.#last.size;
  }
}

function ignore(): void {
  // The result belongs to whoever asked for the run.
}
