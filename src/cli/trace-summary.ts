// What a trace adds up to: how often each operation was asked for and how long it took, what the union did for it and
// how many bytes that copied or saved, which requests took longest, and what the kernel answered by itself.

import { type EventCursor, errnoCode } from '../../fs/index.js';
import { CountedPaths } from './counted-paths.js';
import { countText, quoteName, sizeText, tableText } from './output.js';

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
export class Summary {
  readonly #begin = performance.now();
  readonly #requests = new Map<string, Count>();
  readonly #kinds = new Map<string, number>();
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
    if (cursor.kind === 'request') {
      this.#addRequest(cursor);
      return;
    }
    this.#copied += cursor.bytesCopied ?? 0;
    this.#saved += cursor.bytesSaved ?? 0;
    add(this.#kinds, cursor.kind);
  }

  lose(events: number): void {
    this.#lost += events;
  }

  json(): SummaryJson {
    return {
      seconds: (performance.now() - this.#begin) / 1000,
      events: this.#events,
      lost: this.#lost,
      requests: Object.fromEntries(this.#requests),
      kinds: Object.fromEntries(this.#kinds),
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

  #addRequest(cursor: EventCursor): void {
    const { operation = '', durationNs = 0, errno, bytes = 0 } = cursor;
    const known = this.#requests.get(operation);
    const count = known ?? { count: 0, failed: 0, totalNs: 0, maxNs: 0, bytes: 0 };
    if (known === undefined) this.#requests.set(operation, count);
    count.count++;
    count.totalNs += durationNs;
    count.maxNs = Math.max(count.maxNs, durationNs);
    count.bytes += bytes;
    if (errno !== undefined) {
      count.failed++;
      add(this.#errors, errnoCode(errno));
    }
    if (durationNs > this.#slowNs) this.#noteSlow({ operation, path: cursor.path, durationNs });
    const { pathHash } = cursor;
    if (pathHash !== 0) this.#paths.note(pathHash, FINDS.has(operation));
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

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The summary for people. */
export function summaryText(summary: SummaryJson): string {
  const { seconds, events, lost, requests, kinds, bytesCopied, bytesSaved, errors, slowest, kernel } =
    summary;
  const byTime = Object.entries(requests).toSorted(([, a], [, b]) => b.totalNs - a.totalNs);
  const counted = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${countText(count)} ${name}`)
      .join(', ');
  const lines = [
    `${countText(events)} events in ${seconds.toFixed(1)} s${lost > 0 ? `, ${countText(lost)} more were lost` : ''}`,
  ];
  if (byTime.length > 0) {
    const rows = byTime.map(([operation, { count, failed, totalNs, maxNs, bytes }]) => [
      operation,
      countText(count),
      failed === 0 ? '' : countText(failed),
      spanText(totalNs),
      spanText(totalNs / count),
      spanText(maxNs),
      bytes === 0 ? '' : sizeText(bytes),
    ]);
    lines.push(tableText(['REQUEST', 'COUNT', 'FAILED', 'TOTAL', 'MEAN', 'LONGEST', 'DATA'], rows).trimEnd());
  }
  if (Object.keys(kinds).length > 0) lines.push(`the union: ${counted(kinds)}`);
  if (bytesCopied + bytesSaved > 0)
    lines.push(`copy-up: ${sizeText(bytesCopied)} copied, ${sizeText(bytesSaved)} need not be`);
  if (Object.keys(errors).length > 0) lines.push(`refused: ${counted(errors)}`);
  for (const { operation, path, durationNs } of slowest)
    lines.push(`slow: ${spanText(durationNs)} ${operation} ${quoteName(path === '' ? '.' : path)}`);
  if (kernel.paths > 0) {
    const share = `${countText(kernel.namesKnown)} of ${countText(kernel.paths)}`;
    lines.push(`the kernel's cache: it knew the names of ${share} paths without asking`);
  }
  return lines.join('\n');
}

/** A span of time that is short as a rule: `12 us`, `3.1 ms`, `2.40 s`. */
export function spanText(ns: number): string {
  if (ns < 1e6) return `${(ns / 1e3).toFixed(ns < 1e4 ? 1 : 0)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}
