// A stream of bytes that is read before it is asked for: what takes the processor or a disk to bring, and the work of
// whoever uses it, go on at the same time.

import type { Bytes } from './compression.js';

/** Bytes that are kept for the reader. */
const MOST = 8 << 20;

export class Ahead implements Bytes {
  readonly #chunks: Uint8Array[] = [];
  /** Of `#chunks` together. */
  #bytes = 0;
  #ended = false;
  #stopped = false;
  #failure: { readonly error: unknown } | undefined;
  /** Wakes whoever waits for a chunk. */
  #wake: (() => void) | undefined;
  /** Wakes the pump where there is room again. */
  #goOn: (() => void) | undefined;
  readonly #done: Promise<void>;

  /** Begins at once. A failure of the source is thrown to the reader, after the bytes before it. */
  constructor(source: Bytes) {
    this.#done = this.#pump(source);
  }

  /** Who ends this early leaves the rest to the next who asks, or to `drain`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.length;
        this.#goOn?.();
        yield chunk;
      } else if (this.#failure !== undefined) throw this.#failure.error;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** Reads the source to its end. */
  async drain(): Promise<void> {
    for await (const _ of this);
  }

  /** Reads no further. Afterwards the source has let go of what it held. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#goOn?.();
    await this.#done;
  }

  async #pump(source: Bytes): Promise<void> {
    try {
      for await (const chunk of source) {
        this.#chunks.push(chunk);
        this.#bytes += chunk.length;
        this.#wake?.();
        while (this.#bytes >= MOST && !this.#stopped) {
          await new Promise<void>((resolve) => {
            this.#goOn = resolve;
          });
        }
        if (this.#stopped) return;
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#ended = true;
      this.#wake?.();
    }
  }
}
