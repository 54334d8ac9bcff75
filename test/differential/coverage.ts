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

/** What places of each state can be: a file, a folder, a link, another kind, or nothing. */
const KINDS: Readonly<Record<string, string>> = {
  merged: 'd',
  opaque: 'd',
  redirected: 'd',
  'hard-linked': 'flo',
  lower: 'fdlo',
  upper: 'fdlo',
};

interface Call {
  readonly one: (place: object) => boolean;
  readonly two?: (place: object) => boolean;
  readonly names?: boolean;
  readonly fd?: boolean;
}
const calls = CALLS as Readonly<Record<string, Call>>;

/** Kinds that an open file, or an open folder that is gone, can be. */
const OPEN_KINDS = 'fd';
/** Opening a lower file for writing copies it up, so these never meet one that they can change. */
const NEEDS_WRITABLE = /^fd-(write|truncate|allocate|map-write)$/;

/** Whether the call can succeed in a state at all, in the first place (`row` is its name) or the second one. */
function canSucceed(row: string, state: string): boolean {
  const op = row.replace(/ to$/, '');
  if (op === 'open') return true;
  const call = calls[op] as Call;
  const prefers = op === row ? call.one : (call.two ?? call.one);
  const named = op === row ? call.names === true : op !== 'copy-range';
  // Flags that no filesystem takes; an open file that is gone gets no name again; nothing can be made in a removed folder.
  if (op === 'rename-flags') return false;
  if (state === 'open-unlinked') return op !== 'link' && !named && kindsOf(OPEN_KINDS).some(prefers);
  if (NEEDS_WRITABLE.test(op) && state === 'lower') return false;
  return kindsOf(call.fd === true ? OPEN_KINDS : 'fdlo-')
    .filter((place) => (KINDS[state] ?? '-').includes(place.letter))
    .some(prefers);
}

const kindsOf = (letters: string): { kind: string | undefined; letter: string; empty: boolean }[] =>
  [...letters].map((letter) => ({ kind: letter === '-' ? undefined : letter, letter, empty: true }));

/** An operation, or `<operation> to` for its second place, on a state. */
export interface Cell {
  readonly row: string;
  readonly state: string;
  readonly tried: number;
  readonly done: number;
}

export class Coverage {
  readonly #cells = new Map<string, [tried: number, done: number]>();
  readonly #movesFolders: boolean;
  readonly #unreachable: ReadonlySet<string>;
  readonly totals: Record<string, number> = { remounts: 0 };
  readonly #exceptions: Record<string, number> = {};
  #reasons: Readonly<Record<string, string>> = {};

  /** In a user namespace the kernel makes no redirects. */
  constructor(where: 'first namespace' | 'user namespace') {
    this.#movesFolders = where === 'first namespace';
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
    return [
      ...Object.entries(calls).flatMap(([name, { two }]) => (two ? [name, `${name} to`] : [name])),
      'open',
    ];
  }

  /**
   * Cells that were met less often than `least`, or in which less than a quarter of that succeeded, where it can. An
   * operation on an open file, or open itself, has fewer cells.
   */
  missing(least: number): Cell[] {
    const cells: Cell[] = [];
    for (const row of this.#rows()) {
      for (const state of states) {
        if (this.#unreachable.has(state)) continue;
        if (row.startsWith('fd-') && NO_FILE.has(state)) continue;
        if (row === 'open' && (NO_FILE.has(state) || state === 'open-unlinked')) continue;
        const [tried, done] = this.#cells.get(`${row}|${state}`) ?? [0, 0];
        const enough = done >= Math.floor(least / 4) || !this.#canSucceed(row, state);
        if (tried < least || !enough) cells.push({ row, state, tried, done });
      }
    }
    return cells;
  }

  /** Without redirects no folder with a lower part can be moved. */
  #canSucceed(row: string, state: string): boolean {
    const moves = /^(rename|noreplace|exchange|replace-folder)/.test(row);
    return canSucceed(row, state) && (this.#movesFolders || !moves);
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
