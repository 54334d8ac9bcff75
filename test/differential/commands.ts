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
  /** Who makes the call: 0 is root. */
  readonly user: number;
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

/** Indexes of the caller's list of users; mostly root. */
const WHO = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2];

function commandOf(op: string): fc.Arbitrary<Command> {
  return fc.record({
    op: fc.constant(op),
    state: MAKERS.has(op) ? mostlyFree : existing,
    at: number,
    other: NAMERS.has(op) ? mostlyFree : any,
    otherAt: number,
    n: number,
    user: fc.constantFrom(...WHO),
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

/** How the kernel's side is mounted. `userxattr` has marks under `user.`, and neither redirects nor an index. */
export type Kernel = 'plain' | 'metacopy' | 'userxattr';

/** Where the lowest layer lies: on the filesystem of the others, or on one of its own. */
export const GROUNDS = ['here', 'ext4', 'tmpfs'] as const;
export type Ground = (typeof GROUNDS)[number];

/** A history: how the topmost lower comes about, then what happens between one mounting and the next. */
export interface History {
  readonly kernel: Kernel;
  readonly ground: Ground;
  readonly layer: readonly Command[];
  readonly parts: readonly { readonly commands: readonly Command[]; readonly swap: boolean }[];
}

/** Of any length: fast-check's own bias is for short ones, which a mount costs more than. */
const list = (maxLength: number) => fc.noBias(fc.array(command, { maxLength, size: 'max' }));

/** `most`: commands between one mounting and the next. */
export function historyOf(kernels: readonly Kernel[], most: number): fc.Arbitrary<History> {
  const part = fc.record({ commands: list(most), swap: fc.boolean() });
  return fc.record({
    kernel: fc.constantFrom(...kernels),
    ground: fc.constantFrom<Ground>('here', ...GROUNDS),
    layer: list(40),
    parts: fc.array(part, { minLength: 1, maxLength: 5, size: 'max' }),
  });
}

/** A history that goes to the given cells of the coverage, and is the same for the same seed. */
export function tourOf(kernels: readonly Kernel[], cells: readonly Cell[], seed: number): History {
  const length = cells.length * 4;
  const [numbers = []] = fc.sample(fc.array(number, { minLength: length, maxLength: length }), {
    seed,
    numRuns: 1,
  });
  const commands = cells.map(({ row, state }, i): Command => {
    const [at = 0, otherAt = 0, n = 0, from = 0] = numbers.slice(i * 4, i * 4 + 4);
    const op = row.replace(/ to$/, '');
    const first = op === row ? state : (['lower', 'upper', 'merged'][from % 3] ?? 'lower');
    return { op, state: first, at, other: op === row ? 'none' : state, otherAt, n, user: 0 };
  });
  const kernel = kernels[seed % kernels.length] ?? 'plain';
  const ground = GROUNDS[seed % GROUNDS.length] ?? 'here';
  return { kernel, ground, layer: [], parts: [{ commands, swap: seed % 2 === 0 }] };
}
