// How often each operation met each state, added up over histories and shown as a table; and what a run must
// reach to count: a minimum in every cell that can be reached, and a share of operations that succeed.

// @ts-expect-error: a plain program for Node, without types
import { CALLS } from './calls.mjs';
// @ts-expect-error: as above
import { STATES } from './places.mjs';

export interface Report {
  readonly coverage: Readonly<
    Record<string, Readonly<Record<string, readonly [tried: number, done: number]>>>
  >;
  readonly totals: Readonly<Record<string, number>>;
  readonly exceptions: Readonly<Record<string, number>>;
  readonly reasons: Readonly<Record<string, string>>;
}

const states = STATES as readonly string[];

/** An open file is never where nothing is. */
const NO_FILE = new Set(['none', 'whiteout']);

/** An operation, or `<operation> to` for its second place, on a state. */
export interface Cell {
  readonly row: string;
  readonly state: string;
  readonly tried: number;
}

export class Coverage {
  readonly #cells = new Map<string, [tried: number, done: number]>();
  readonly #unreachable: ReadonlySet<string>;
  readonly totals: Record<string, number> = { remounts: 0 };
  readonly #exceptions: Record<string, number> = {};
  #reasons: Readonly<Record<string, string>> = {};

  /** In a user namespace the kernel makes no redirects. */
  constructor(where: 'first namespace' | 'user namespace') {
    this.#unreachable = new Set(where === 'user namespace' ? ['redirected'] : []);
  }

  add(report: Report, remounts: number): void {
    for (const [operation, row] of Object.entries(report.coverage)) {
      for (const [state, counts] of Object.entries(row)) this.#count(`${operation}|${state}`, counts);
    }
    addTo(this.totals, { ...report.totals, remounts });
    addTo(this.#exceptions, report.exceptions);
    this.#reasons = report.reasons;
  }

  addAll(other: Coverage): void {
    for (const [cell, counts] of other.#cells) this.#count(cell, counts);
    addTo(this.totals, other.totals);
    addTo(this.#exceptions, other.#exceptions);
    this.#reasons = other.#reasons;
  }

  #count(cell: string, [tried, done]: readonly [number, number]): void {
    const sums = this.#cells.get(cell) ?? [0, 0];
    this.#cells.set(cell, [sums[0] + tried, sums[1] + done]);
  }

  /** Rows of the table that no run may miss: every operation, and both places of those that have two. */
  #rows(): string[] {
    const calls = Object.entries(CALLS as Record<string, { two?: unknown }>);
    return [...calls.flatMap(([name, { two }]) => (two ? [name, `${name} to`] : [name])), 'open'];
  }

  /** Cells that were met less often than `least`. An operation on an open file, or open itself, has fewer of them. */
  missing(least: number): Cell[] {
    const cells: Cell[] = [];
    for (const row of this.#rows()) {
      for (const state of states) {
        if (this.#unreachable.has(state)) continue;
        if (row.startsWith('fd-') && NO_FILE.has(state)) continue;
        if (row === 'open' && (NO_FILE.has(state) || state === 'open-unlinked')) continue;
        const [tried] = this.#cells.get(`${row}|${state}`) ?? [0];
        if (tried < least) cells.push({ row, state, tried });
      }
    }
    return cells;
  }

  get successShare(): number {
    return (this.totals['succeeded'] ?? 0) / Math.max(1, this.totals['operations'] ?? 0);
  }

  /** done/tried in each cell. */
  table(): string {
    const width = Math.max(...states.map((state) => state.length), 11) + 1;
    const head = ['operation', ...states];
    const rows = this.#rows().map((row) => [
      row,
      ...states.map((state) => {
        const [tried, done] = this.#cells.get(`${row}|${state}`) ?? [0, 0];
        return tried === 0 ? '-' : `${done}/${tried}`;
      }),
    ]);
    const lines = [head, ...rows].map(([name, ...cells]) =>
      [(name ?? '').padEnd(18), ...cells.map((cell) => cell.padStart(width))].join(''),
    );
    const exceptions = Object.entries(this.#exceptions).map(
      ([name, count]) => `exception ${name}: ${count} times (${this.#reasons[name]})`,
    );
    return [...lines, JSON.stringify(this.totals), ...exceptions].join('\n');
  }
}

function addTo(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + count;
}
