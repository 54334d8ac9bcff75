// What the events of a mount add up to: how often each operation was asked for and how long it took, what the union did for
// it and how many bytes that copied or saved, which requests took longest, and what the kernel answered by itself.

import { type EventCursor, errnoCode } from '../../fs/index.js';
import { CountedPaths } from './counted-paths.js';

interface Count {
  count: number;
  failed: number;
  totalNs: number;
  maxNs: number;
  bytes: number;
}

interface Slow {
  readonly operation: string;
  readonly path: string;
  readonly durationNs: number;
}

export interface SummaryJson {
  readonly seconds: number;
  readonly events: number;
  /** Events that came faster than they could be fetched. */
  readonly lost: number;
  readonly requests: Readonly<Record<string, Count>>;
  readonly kinds: Readonly<Record<string, number>>;
  readonly bytesCopied: number;
  readonly bytesSaved: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly slowest: readonly Slow[];
  /** Paths that were worked on, and how many of them nobody had to look up: the kernel knew the name. */
  readonly kernel: { readonly paths: number; readonly namesKnown: number };
}

const SLOWEST = 5;

/** The count of what has one code. */
interface Counted extends Count {
  readonly name: string;
  readonly isRequest: boolean;
  /** It tells the kernel of a name. */
  readonly finds: boolean;
}

export class Summary {
  readonly #begin = performance.now();
  /** By their codes. */
  readonly #counted: (Counted | undefined)[] = [];
  readonly #errors = new Map<string, number>();
  readonly #paths = new CountedPaths();
  #slowest: Slow[] = [];
  /** Above it a request is one of the slowest. */
  #slowNs = -1;
  #events = 0;
  #lost = 0;
  #copied = 0;
  #saved = 0;

  /** The event that `cursor` stands at. */
  add(cursor: EventCursor): void {
    this.#events++;
    const counted = this.#counted[cursor.code] ?? this.#beginToCount(cursor);
    counted.count++;
    if (counted.isRequest) {
      this.#addRequest(cursor, counted);
      return;
    }
    this.#copied += cursor.bytesCopied ?? 0;
    this.#saved += cursor.bytesSaved ?? 0;
  }

  lose(events: number): void {
    this.#lost += events;
  }

  get events(): number {
    return this.#events;
  }

  json(): SummaryJson {
    const requests: Record<string, Count> = {};
    const kinds: Record<string, number> = {};
    for (const { name, isRequest, finds: _finds, ...count } of this.#counted.filter(
      (counted) => counted !== undefined,
    )) {
      if (isRequest) requests[name] = count;
      else kinds[name] = count.count;
    }
    return {
      seconds: (performance.now() - this.#begin) / 1000,
      events: this.#events,
      lost: this.#lost,
      requests,
      kinds,
      bytesCopied: this.#copied,
      bytesSaved: this.#saved,
      errors: Object.fromEntries(this.#errors),
      slowest: this.#slowest,
      kernel: {
        paths: this.#paths.size,
        namesKnown: this.#paths.size - this.#paths.found,
      },
    };
  }

  #beginToCount({ code, kind, operation = kind }: EventCursor): Counted {
    const counted = {
      name: operation,
      isRequest: kind === 'request',
      finds: FINDS.has(operation),
      ...{ count: 0, failed: 0, totalNs: 0, maxNs: 0, bytes: 0 },
    };
    this.#counted[code] = counted;
    return counted;
  }

  #addRequest(cursor: EventCursor, counted: Counted): void {
    const { durationNs = 0, errno, bytes = 0, pathHash } = cursor;
    counted.totalNs += durationNs;
    counted.maxNs = Math.max(counted.maxNs, durationNs);
    counted.bytes += bytes;
    if (errno !== undefined) {
      counted.failed++;
      const name = errnoCode(errno);
      this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1);
    }
    if (durationNs > this.#slowNs) this.#noteSlow({ operation: counted.name, path: cursor.path, durationNs });
    if (pathHash !== 0) this.#paths.note(pathHash, counted.finds);
  }

  #noteSlow(slow: Slow): void {
    this.#slowest = [...this.#slowest, slow]
      .toSorted((a, b) => b.durationNs - a.durationNs)
      .slice(0, SLOWEST);
    if (this.#slowest.length === SLOWEST) this.#slowNs = this.#slowest.at(-1)!.durationNs;
  }
}

/** What tells the kernel of a name. */
const FINDS: ReadonlySet<string> = new Set(['lookup', 'create', 'mknod', 'mkdir', 'symlink', 'link']);
