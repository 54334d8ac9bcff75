// Garbage collections: one at a time. Who asks while one runs may have made garbage after it had
// looked, so another follows, for all who asked by then.

export class Collections {
  readonly #collect: () => Promise<unknown>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(collect: () => Promise<unknown>) {
    this.#collect = collect;
  }

  /** Resolves when a collection that began after this call has ended; fails as it does. */
  run(): Promise<void> {
    if (this.#running === undefined) return this.#begin();
    this.#next ??= this.#running.then(ignore, ignore).then(() => {
      this.#next = undefined;
      return this.#begin();
    });
    return this.#next;
  }

  /** Resolves when none runs. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(ignore);
  }

  #begin(): Promise<void> {
    const running = this.#collect().then(ignore);
    const ended = () => {
      if (this.#running === running) this.#running = undefined;
    };
    this.#running = running;
    running.then(ended, ended);
    return running;
  }
}

function ignore(): void {
  // Who waits for what follows has no use for how this one ended.
}
