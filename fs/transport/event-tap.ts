// What a mount tells of itself, read beside the thread that serves it: the events lie in memory that both threads see, and
// that thread is only told to begin and to end with requests. Who follows a mount asks again and again; who has stopped
// asking, dead perhaps, does not leave it watched.

import { ENOTCONN, FsError } from '../errno.js';
import type { UnionEvent } from '../union/event.js';
import { CODES, EventCursor, readEvents } from '../union/event-record.js';
import { RingReader, ringBytes } from '../union/event-ring.js';

/** How many events are kept for readers who come late; memory for them is taken as they come. */
export const EVENTS_KEPT = 32_768;
/** For how long who asks for requests is told of them without asking again. */
const WATCHED_MS = 5000;

/** Of an asker: the events after `since`; with `requests` those are recorded from now on, or no longer. */
export interface EventsRequest {
  readonly op: 'events';
  readonly since: number;
  readonly requests?: boolean;
  /** Answered after so long, or when the mount is over with all that ever came; absent: at once. */
  readonly waitMs?: number;
}

/** Of an asker in the same process, who has done with the records of one reply when it asks for the next. */
export interface LocalEventsRequest extends EventsRequest {
  /** Where the records are to lie, if there is room. */
  readonly into?: Uint8Array;
}

export interface EventsReply {
  readonly lastSeq: number;
  /** As they lie in memory; for `eventsOf`. */
  readonly records: Uint8Array;
  /** What the codes in them mean. */
  readonly codes: readonly string[];
}

export function isEventsRequest(request: object): request is LocalEventsRequest {
  return 'op' in request && request.op === 'events' && 'since' in request;
}

/** The events of a reply, each made when it is asked for. */
export function eventsOf({ records, codes }: EventsReply): Iterable<UnionEvent> {
  return readEvents(records, codes);
}

/** The same, looked at one after the other. */
export function cursorOf({ records, codes }: EventsReply): EventCursor {
  return new EventCursor(records, codes);
}

/** Memory for the events of a mount. */
export function eventBuffer(): SharedArrayBuffer {
  return new SharedArrayBuffer(ringBytes(EVENTS_KEPT));
}

/** Memory for the records of any one reply. */
export function roomForRecords(): Uint8Array {
  return new Uint8Array(ringBytes(EVENTS_KEPT));
}

export class EventTap {
  readonly #reader: RingReader;
  readonly #watch: (requests: boolean) => Promise<unknown>;
  readonly #watchedMs: number;
  /** What the server was told last; undefined where that failed. */
  #watched: boolean | undefined = false;
  /** Resolves when it is so, which the second to ask for the same waits for, too. */
  #watching: Promise<unknown> = Promise.resolve();
  #tired: NodeJS.Timeout | undefined;
  #isOver = false;

  /** `watch` has requests recorded or not, and resolves when that is so. */
  constructor(
    buffer: ArrayBufferLike,
    watch: (requests: boolean) => Promise<unknown>,
    watchedMs = WATCHED_MS,
  ) {
    this.#reader = new RingReader(buffer);
    this.#watch = watch;
    this.#watchedMs = watchedMs;
  }

  /** Fails with ENOTCONN for a wish about requests where the mount is over; what was kept is told still. */
  async answer({ since, requests, into }: Omit<LocalEventsRequest, 'op'>): Promise<EventsReply> {
    if (requests !== undefined) await this.#want(requests);
    const records = this.#reader.after(since, into);
    return { lastSeq: this.#reader.lastSeq, records, codes: CODES };
  }

  /** The mount is over. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#tired);
  }

  async #want(requests: boolean): Promise<void> {
    if (this.#isOver) throw new FsError(ENOTCONN, 'mount');
    clearTimeout(this.#tired);
    if (requests) {
      this.#tired = setTimeout(() => void this.#want(false).catch(() => undefined), this.#watchedMs);
      this.#tired.unref();
    }
    if (requests !== this.#watched) {
      this.#watched = requests;
      this.#watching = this.#watch(requests);
    }
    try {
      await this.#watching;
    } catch (error) {
      this.#watched = undefined;
      throw error;
    }
  }
}
