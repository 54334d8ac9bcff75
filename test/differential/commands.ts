// What fast-check makes up: commands that say an operation and the states of its places, not the places
// themselves. Those are chosen when the command runs, so a shorter history is as good as a long one, and
// shrinking works.

import fc from 'fast-check';
// @ts-expect-error: plain programs for Node, without types
import { CALLS } from './calls.mjs';
import type { Cell } from './coverage.js';
// @ts-expect-error: as above
import { STATES } from './places.mjs';

export interface Command {
  readonly op: string;
  readonly state: string;
  readonly at: number;
  readonly other: string;
  readonly otherAt: number;
  readonly n: number;
  readonly user: boolean;
}

const states = STATES as readonly string[];
const number = fc.nat(1 << 16);
/** Anywhere, but more often where there is nothing yet. */
const mostlyFree = fc.constantFrom(...states, 'none', 'none', 'none', 'whiteout', 'whiteout', 'whiteout');
const any = fc.constantFrom(...states);
const MAKERS = new Set(['mkdir', 'create', 'mknod', 'symlink', 'tmpfile']);
const NAMERS = new Set(['rename', 'noreplace', 'link']);
const existing = fc.constantFrom(
  ...states,
  ...states.filter((state) => state !== 'none' && state !== 'whiteout'),
);

function commandOf(op: string): fc.Arbitrary<Command> {
  return fc.record({
    op: fc.constant(op),
    state: MAKERS.has(op) ? mostlyFree : existing,
    at: number,
    other: NAMERS.has(op) ? mostlyFree : any,
    otherAt: number,
    n: number,
    user: fc.nat(7).map((value) => value === 7),
  });
}

const operations = [
  ...Object.keys(CALLS as object),
  'open',
  'open',
  'open',
  'rename',
  'rename',
  'rename',
  'forget',
];
export const command: fc.Arbitrary<Command> = fc.oneof(...operations.map(commandOf));

/** A history: how the topmost lower comes about, then what happens between one mounting and the next. */
export interface History {
  readonly layer: readonly Command[];
  readonly parts: readonly { readonly commands: readonly Command[]; readonly swap: boolean }[];
}

const list = (maxLength: number) => fc.array(command, { maxLength, size: 'max' });

/** `most`: commands between one mounting and the next. */
export function historyOf(most: number): fc.Arbitrary<History> {
  const part = fc.record({ commands: list(most), swap: fc.boolean() });
  return fc.record({ layer: list(40), parts: fc.array(part, { minLength: 2, maxLength: 5, size: 'max' }) });
}

/** A history that goes to the given cells of the coverage, and is the same for the same seed. */
export function tourOf(cells: readonly Cell[], seed: number): History {
  const [numbers] = fc.sample(
    fc.array(number, { minLength: cells.length * 4, maxLength: cells.length * 4 }),
    {
      seed,
      numRuns: 1,
    },
  );
  const commands = cells.map(({ row, state }, i): Command => {
    const [at, otherAt, n, from] = (numbers ?? []).slice(i * 4, i * 4 + 4) as [
      number,
      number,
      number,
      number,
    ];
    const op = row.replace(/ to$/, '');
    const first = op === row ? state : (['lower', 'upper', 'merged'][from % 3] ?? 'lower');
    return { op, state: first, at, other: op === row ? 'none' : state, otherAt, n, user: false };
  });
  return { layer: [], parts: [{ commands, swap: seed % 2 === 0 }] };
}
