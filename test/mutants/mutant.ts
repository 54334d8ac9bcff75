// A mutant: a patch that breaks the code behind one of the sixty behaviours of POSIX that unions tend to lose, or, from
// 61 on, behind what a mount keeps while its changes are committed, and the test that must notice. The patch is an ordinary unified diff; what stands before it is its header:
//
//   Behaviour: 20
//   Breaks: what goes wrong, in one sentence
//   Test: test/mount/posix/hard-links.test.ts
//   Name: hard links > on a mount > a rename between two names of one file does nothing
//   Shows: a line of that test's report, so that it fails for this reason and no other

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

export const FOLDER = new URL('.', import.meta.url).pathname;
/** How many behaviours there are. */
export const BEHAVIOURS = 60;
/** How many mutants a turn tries, or one more. */
const IN_A_TURN = 10;

export interface Mutant {
  /** The patch's file name without its ending. */
  readonly id: string;
  readonly patch: string;
  readonly behaviour: number;
  readonly breaks: string;
  /** Relative to the top of the tree. */
  readonly test: string;
  /** As vitest joins them, with ` > `. */
  readonly name: string;
  readonly shows: string;
  /** The sources that it changes, relative to the top of the tree. */
  readonly files: readonly string[];
}

/** All mutants, in the order of their behaviours. */
export function readMutants(): readonly Mutant[] {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.patch'));
  return names.sort().map((name) => readMutant(join(FOLDER, name)));
}

function readMutant(patch: string): Mutant {
  const id = basename(patch, '.patch');
  const lines = readFileSync(patch, 'utf8').split('\n');
  const header = lines.slice(
    0,
    lines.findIndex((line) => line.startsWith('diff --git ')),
  );
  const said = (key: string): string => {
    const line = header.find((one) => one.startsWith(`${key}: `));
    if (line === undefined) throw new Error(`${id}.patch has no line '${key}:' before its diff`);
    return line.slice(key.length + 2).trim();
  };
  const behaviour = Number(said('Behaviour'));
  if (!id.startsWith(`${String(behaviour).padStart(2, '0')}-`)) {
    throw new Error(`${id}.patch is named for another behaviour than its header (${behaviour})`);
  }
  return {
    id,
    patch,
    behaviour,
    breaks: said('Breaks'),
    test: said('Test'),
    name: said('Name'),
    shows: said('Shows'),
    files: lines.filter((line) => line.startsWith('+++ b/')).map((line) => line.slice('+++ b/'.length)),
  };
}

/**
 * What MICA_MUTANTS asks for: `all`, behaviours (`20,23`), or a turn (`turn:3`), which takes every so-manieth so
 * that it goes through all subjects. The turns together are all mutants.
 */
export function chosen(mutants: readonly Mutant[], asked: string): readonly Mutant[] {
  if (asked === 'all') return mutants;
  const turn = /^turn:(\d+)$/.exec(asked)?.[1];
  if (turn === undefined) {
    const wanted = new Set(asked.split(/[\s,]+/).map(Number));
    return mutants.filter(({ behaviour }) => wanted.has(behaviour));
  }
  const turns = Math.max(1, Math.floor(mutants.length / IN_A_TURN));
  return mutants.filter((_, at) => at % turns === Number(turn) % turns);
}

/** Applies the patch to a tree, or says with `--check` whether it would; fails with what to do about it. */
export function applyPatch({ id, patch }: Mutant, tree: string, ...options: string[]): void {
  const done = spawnSync('git', ['apply', '--recount', '-C1', ...options, patch], {
    cwd: tree,
    env: { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() },
    encoding: 'utf8',
  });
  if (done.error) throw done.error;
  if (done.status === 0) return;
  throw new Error(
    `${id}.patch does not apply: the code it breaks has changed. Break the same behaviour in the new code, ` +
      `and put that diff behind its header (CONTRIBUTING.md). ${done.stderr}`,
  );
}
