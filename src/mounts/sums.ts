// Events of a mount summed up beside its server, in the process that they lie in: who wants only the sum has not tens of
// thousands of records a second sent to another process, and the programs in the mount lose a third of the time to it.

import { type EventFilter, isWantedBy, needsRequests } from './event-filter.js';
import { type EventSource, follow } from './follow.js';
import { Summary, type SummaryJson } from './summary.js';

/** What was summed up under `id` until now; the first to ask by it begins that. */
export interface SumRequest {
  readonly op: 'sum';
  /** Of the asker's making, and nobody else's. */
  readonly id: string;
  readonly filter: EventFilter;
  /** Begin with what is kept of the past. */
  readonly past: boolean;
  /** No more events than this are summed up. */
  readonly atMost?: number;
  /** With all that came until now, and for the last time. */
  readonly ends: boolean;
}

/** For how long who asks is summed up for without asking again; what came until then is kept. */
const ASKED_MS = 5000;
/** More sums are not kept for those who do not ask any more. */
const MOST = 16;

export class Sums {
  readonly #server: EventSource;
  readonly #askedMs: number;
  /** Who asked last is last. */
  readonly #sums = new Map<string, Sum>();

  constructor(server: EventSource, askedMs = ASKED_MS) {
    this.#server = server;
    this.#askedMs = askedMs;
  }

  async answer({ id, filter, past, atMost, ends }: Omit<SumRequest, 'op'>): Promise<SummaryJson> {
    const sum = this.#sums.get(id) ?? new Sum(this.#server, { filter, past, atMost });
    this.#sums.delete(id);
    if (ends) {
      await sum.rest();
      return sum.json();
    }
    sum.goOn(this.#askedMs);
    this.#sums.set(id, sum);
    const [[oldest, dropped] = []] = this.#sums;
    if (this.#sums.size > MOST && oldest !== undefined) {
      this.#sums.delete(oldest);
      await dropped?.rest();
    }
    return sum.json();
  }
}

class Sum {
  readonly #server: EventSource;
  readonly #filter: EventFilter;
  readonly #atMost: number;
  readonly #summary = new Summary();
  /** The last event that is summed up; undefined: from the next one on. */
  #seq: number | undefined;
  /** What nobody has kept of the past is not lost. */
  #isUnderWay: boolean;
  #end: AbortController | undefined;
  #over: Promise<void> = Promise.resolve();
  #tired: NodeJS.Timeout | undefined;

  constructor(
    server: EventSource,
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
    if (this.#end !== undefined) return;
    const end = new AbortController();
    this.#end = end;
    this.#over = this.#over.then(() => this.#follow(end.signal));
    // Who asks for the last time is told.
    this.#over.catch(() => undefined);
  }

  /** Resolves when all that came until now is summed up. */
  async rest(): Promise<void> {
    clearTimeout(this.#tired);
    this.#end?.abort();
    this.#end = undefined;
    await this.#over;
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
    for await (const { cursor, lost } of follow(this.#server, options)) {
      if (this.#isUnderWay) this.#summary.lose(lost);
      this.#isUnderWay = true;
      while (cursor.next()) {
        this.#seq = cursor.seq;
        if (this.#summary.events < this.#atMost && isWanted(cursor)) this.#summary.add(cursor);
      }
    }
  }
}
