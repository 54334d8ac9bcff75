// Events of a mount summed up beside its server, in the process that they lie in: who wants only the sum has not tens of
// thousands of records a second sent to another process, and the programs in the mount lose a third of the time to it.
// Who waits for the sum is answered once in a while, and when the mount is over with all that ever came.

import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { type EventsReply, type LocalEventsRequest, roomForRecords } from '../../fs/index.js';
import { type EventFilter, isWantedBy, needsRequests } from './event-filter.js';
import { follow } from './follow.js';
import { Summary, type SummaryJson } from './summary.js';

/** What was summed up under `id` until then; the first to ask by it begins that. */
export interface SumRequest {
  readonly op: 'sum';
  /** Of the asker's making, and nobody else's. */
  readonly id: string;
  readonly filter: EventFilter;
  /** Begin with what is kept of the past. */
  readonly past: boolean;
  /** No more events than this are summed up. */
  readonly atMost?: number;
  /** Answered after so long, or when `atMost` are summed up or the mount is over. */
  readonly waitMs: number;
  /** With all that came until now, and for the last time. */
  readonly ends: boolean;
}

/** The server of a mount in this process. */
export interface LocalEventSource {
  ask(request: LocalEventsRequest): Promise<EventsReply>;
}

/** For how long who was answered is summed up for without asking again; what came until then is kept. */
const ASKED_MS = 5000;
/** More sums are not kept for those who do not ask any more. */
const MOST = 16;

export class Sums {
  readonly #server: LocalEventSource;
  readonly #askedMs: number;
  /** Who asked last is last. */
  readonly #sums = new Map<string, Sum>();

  constructor(server: LocalEventSource, askedMs = ASKED_MS) {
    this.#server = server;
    this.#askedMs = askedMs;
  }

  async answer({ id, filter, past, atMost, waitMs, ends }: Omit<SumRequest, 'op'>): Promise<SummaryJson> {
    const sum = this.#sums.get(id) ?? new Sum(this.#server, { filter, past, atMost });
    this.#sums.delete(id);
    if (ends) {
      await sum.rest();
      return sum.json();
    }
    sum.goOn(waitMs + this.#askedMs);
    this.#sums.set(id, sum);
    const [[oldest, dropped] = []] = this.#sums;
    if (this.#sums.size > MOST && oldest !== undefined) {
      this.#sums.delete(oldest);
      await dropped?.rest();
    }
    await sum.until(waitMs);
    return sum.json();
  }

  /** The mount is over. Resolves when who waits has been answered. */
  async end(): Promise<void> {
    await Promise.all([...this.#sums.values()].map((sum) => sum.end()));
    await setImmediate();
  }
}

class Sum {
  readonly #server: LocalEventSource;
  readonly #filter: EventFilter;
  readonly #atMost: number;
  readonly #summary = new Summary();
  /** The last event that is summed up; undefined: from the next one on. */
  #seq: number | undefined;
  /** What nobody has kept of the past is not lost. */
  #isUnderWay: boolean;
  #stop: AbortController | undefined;
  #stopped: Promise<void> = Promise.resolve();
  #tired: NodeJS.Timeout | undefined;
  /** Nothing is to be added any more. */
  readonly #full = new AbortController();

  constructor(
    server: LocalEventSource,
    {
      filter,
      past,
      atMost = Number.POSITIVE_INFINITY,
    }: Pick<SumRequest, 'filter' | 'past'> & { atMost: number | undefined },
  ) {
    this.#server = server;
    this.#filter = filter;
    this.#atMost = atMost;
    this.#seq = past ? 0 : undefined;
    this.#isUnderWay = !past;
  }

  /** Sums up what comes in so many milliseconds, unless this is called again until then. */
  goOn(ms: number): void {
    clearTimeout(this.#tired);
    this.#tired = setTimeout(() => void this.rest().catch(() => undefined), ms);
    this.#tired.unref();
    if (this.#stop !== undefined) return;
    const stop = new AbortController();
    this.#stop = stop;
    this.#stopped = this.#stopped.then(() => this.#follow(stop.signal));
    // Who asks for the last time is told.
    this.#stopped.catch(() => undefined);
  }

  /** Resolves after so long, or when nothing is to be added any more. */
  async until(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#full.signal }).catch(() => undefined);
  }

  /** Resolves when all that came until now is summed up. */
  async rest(): Promise<void> {
    clearTimeout(this.#tired);
    this.#stop?.abort();
    this.#stop = undefined;
    await this.#stopped;
  }

  /** Resolves when all that ever came is summed up, and nobody waits for more. */
  async end(): Promise<void> {
    await this.rest().catch(() => undefined);
    this.#full.abort();
  }

  json(): SummaryJson {
    return this.#summary.json();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const isWanted = isWantedBy(this.#filter);
    const since = this.#seq;
    const options = {
      requests: needsRequests(this.#filter),
      signal,
      ...(since !== undefined && { since }),
    };
    const into = roomForRecords();
    const server = { ask: (request: LocalEventsRequest) => this.#server.ask({ ...request, into }) };
    for await (const { cursor, lost } of follow(server, options)) {
      if (this.#isUnderWay) this.#summary.lose(lost);
      this.#isUnderWay = true;
      while (cursor.next()) {
        this.#seq = cursor.seq;
        if (this.#summary.events < this.#atMost && isWanted(cursor)) this.#summary.add(cursor);
      }
      if (this.#summary.events >= this.#atMost) this.#full.abort();
    }
  }
}
