// What the union tells about itself while it works: every request, copy-up, whiteout, mark. The stream keeps
// the last events in a ring, so that a reader who comes late, or is slow, sees the newest and knows from the
// sequence numbers what it missed; emitting never waits for a reader and never fails.

import type { ByteString } from '../name.js';

export type EventKind = 'request' | 'copy-up' | 'whiteout' | 'opaque' | 'redirect' | 'settle' | 'commit';

export interface UnionEvent {
  /** Counts from 1 without gaps. */
  readonly seq: number;
  /** Nanoseconds since the epoch; a double, so exact to about 256 ns. */
  readonly timeNs: number;
  readonly kind: EventKind;
  /** For requests also the operation: `lookup`, `rename`, ... */
  readonly operation?: string;
  /** From the root of the union; '' is the root. */
  readonly path: ByteString;
  /** The id of the layer that answered or was changed, where one did. */
  readonly layer?: string;
  readonly bytesCopied?: number;
  /** Bytes that a copy-up did not have to copy (shared extents, holes, ranges left below). */
  readonly bytesSaved?: number;
  /** Linux errno of a request that failed. */
  readonly errno?: number;
  readonly durationNs?: number;
}

export type NewEvent = Omit<UnionEvent, 'seq' | 'timeNs'>;

export class EventStream {
  readonly #ring: (UnionEvent | undefined)[];
  readonly #listeners = new Set<(event: UnionEvent) => void>();
  #last = 0;
  /** Set while somebody wants `request` events too; the union does not build them otherwise. */
  requests = false;

  /** @param capacity how many events are kept for late readers */
  constructor(capacity = 1024) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new RangeError('capacity must be a whole number from 1');
    this.#ring = new Array(capacity);
  }

  /** The sequence number of the newest event; 0 before the first. */
  get lastSeq(): number {
    return this.#last;
  }

  emit(event: NewEvent): void {
    const seq = ++this.#last;
    const timeNs = (performance.timeOrigin + performance.now()) * 1e6;
    const complete: UnionEvent = { seq, timeNs, ...event };
    this.#ring[seq % this.#ring.length] = complete;
    for (const listener of this.#listeners) listener(complete);
  }

  /** The kept events after `seq`, oldest first. A first event with a number above seq + 1 says how many were lost. */
  since(seq: number): UnionEvent[] {
    const events: UnionEvent[] = [];
    for (let n = Math.max(seq + 1, this.#last - this.#ring.length + 1, 1); n <= this.#last; n++) {
      const event = this.#ring[n % this.#ring.length];
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  /** Calls `listener` with every event from now on; the returned function ends that. */
  listen(listener: (event: UnionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
