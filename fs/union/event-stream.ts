// The stream of a union's events. It keeps the last ones in a ring of bytes (event-ring.ts), so that a reader who comes
// late, or is slow, or sits on another thread, sees the newest and knows from the sequence numbers what it missed;
// emitting never waits for a reader and never fails.

import type { NewEvent, UnionEvent } from './event.js';
import { putEvent, putRequest, readEvents } from './event-record.js';
import { RingReader, RingWriter, ringBytes } from './event-ring.js';
import type { Place } from './place.js';

/** Node's global is found through a getter, which takes as long again as the clock itself. */
export const clock = performance;

export class EventStream {
  readonly #ring: RingWriter;
  readonly #reader: RingReader;
  readonly #listeners = new Set<(event: UnionEvent) => void>();
  #last = 0;
  /** Set while somebody wants `request` and `merge` events too; the union does not build them otherwise. */
  requests = false;

  /**
   * @param capacity how many events are kept for late readers, if their paths are not very long
   * @param buffer where they are kept: `ringBytes(capacity)`, shared with those who read it on other threads
   */
  constructor(capacity = 1024, buffer: ArrayBufferLike = new ArrayBuffer(ringBytes(capacity))) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new RangeError('capacity must be a whole number from 1');
    this.#ring = new RingWriter(buffer, capacity);
    this.#reader = new RingReader(buffer);
  }

  /** The sequence number of the newest event; 0 before the first. */
  get lastSeq(): number {
    return this.#last;
  }

  emit(event: NewEvent): void {
    putEvent(this.#ring, ++this.#last, timeNs(clock.now()), event);
    this.#tell();
  }

  /**
   * A request is over, by its code (`codeOf`), that began at `beginMs` of this thread's clock; `errno` 0 for one that did not
   * fail, `bytes` -1 for one that moves none.
   */
  emitRequest(code: number, place: Place, beginMs: number, errno: number, bytes: number): void {
    const now = clock.now();
    const durationNs = Math.round((now - beginMs) * 1e6);
    putRequest(this.#ring, ++this.#last, code, place, timeNs(now), durationNs, errno, bytes);
    this.#tell();
  }

  /** The kept events after `seq`, oldest first. A first event with a number above seq + 1 says how many were lost. */
  since(seq: number): UnionEvent[] {
    return [...readEvents(this.#reader.after(seq))];
  }

  /** Calls `listener` with every event from now on; the returned function ends that. */
  listen(listener: (event: UnionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    if (this.#listeners.size === 0) return;
    for (const event of this.since(this.#last - 1)) {
      for (const listener of this.#listeners) listener(event);
    }
  }
}

const ORIGIN_MS = clock.timeOrigin;

function timeNs(nowMs: number): number {
  return (ORIGIN_MS + nowMs) * 1e6;
}
