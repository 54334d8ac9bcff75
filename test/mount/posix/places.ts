// Where the cases are tried: the same calls on a plain folder, the control, and on mounts of ours. The answers must be
// the same. A test file is a subject of several cases; other files gather all subjects and try them elsewhere.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, type RunnerTestSuite } from 'vitest';
import { describeWith, type Need } from '../../requires.js';
import { answered, type Caller, type Case, expected, type Place, possible } from './case.js';
import { AS_USER, asRoot, asUser, FolderMount, InNamespace, PlainFolder } from './place.js';

const HERE = dirname(fileURLToPath(import.meta.url));

type Needs = readonly Need[];

/** What each kind of caller needs of the machine to mount. */
export const NEEDS: Readonly<Record<Caller, Needs>> = {
  root: ['root', 'fuse'],
  user: ['root', 'fuse for all', 'program:fusermount3'],
  namespace: ['root', 'fuse for all', 'program:unshare', 'program:nsenter'],
};

const PLACES: readonly { name: string; caller: Caller; needs: Needs; make(): Place }[] = [
  { name: 'on a plain folder', caller: 'root', needs: ['root', 'ext4'], make: () => new PlainFolder([]) },
  { name: 'on a mount', caller: 'root', needs: NEEDS.root, make: () => new FolderMount(asRoot()) },
  {
    name: 'on a plain folder of a user',
    caller: 'user',
    needs: ['root', 'ext4'],
    make: () => new PlainFolder(AS_USER),
  },
  {
    name: 'on a mount by fusermount3',
    caller: 'user',
    needs: NEEDS.user,
    make: () => new FolderMount(asUser()),
  },
  {
    name: 'on a mount in a user namespace',
    caller: 'namespace',
    needs: NEEDS.namespace,
    make: () => new FolderMount(new InNamespace()),
  },
];

export const TOOLS: Needs = ['program:gcc', 'program:setfacl', 'program:setfattr'];

export interface Subject {
  readonly name: string;
  readonly cases: readonly Case[];
}

let gathered: Subject[] | undefined;

/** A subject: each case is tried in all places; on those of an ordinary user the cases that one can make. */
export function subject(name: string, cases: readonly Case[]): void {
  if (gathered !== undefined) {
    gathered.push({ name, cases });
    return;
  }
  describe(name, () => {
    for (const { name: where, caller, needs, make } of PLACES) {
      const tried = possible(cases, caller);
      if (tried.length > 0)
        describeWith([...needs, ...TOOLS], where, () => tryAll(tried, answersOf(tried, make)));
    }
  });
}

/** The subjects of test files that `load` imports, instead of their tests. */
export async function subjectsOf(load: () => Promise<unknown>): Promise<readonly Subject[]> {
  const found: Subject[] = [];
  gathered = found;
  try {
    await load();
    return found;
  } finally {
    gathered = undefined;
  }
}

/** Tries the cases of subjects on one place, which mounts once for all of them. */
export function subjectsOn(
  where: string,
  needs: Needs,
  subjects: readonly Subject[],
  make: () => Place,
  also: () => void = () => undefined,
): void {
  describeWith([...needs, ...TOOLS], where, () => {
    const cases = subjects.flatMap((of) => of.cases);
    const answers = answersOf(cases, make);
    for (const { name, cases } of subjects) describe(name, () => tryAll(cases, answers));
    also();
  });
}

function tryAll(cases: readonly Case[], answers: Answers): void {
  for (const of of cases)
    it(of.name, () => expect(answers.get(of)).toEqual(expected(of.calls, answers.get(of)!)));
}

/** What was answered to the calls of a case. */
type Answers = ReadonlyMap<Case, readonly string[]>;

/** The answers of those cases whose tests run, which are the suite's in their order, once these do. */
export function answersOf(cases: readonly Case[], make: () => Place): Answers {
  const answers = new Map<Case, readonly string[]>();
  let tools: string;
  let place: Place | undefined;

  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what it is to hand over from a pattern
  beforeAll(async ({}, suite) => {
    tools = mkdtempSync(join(tmpdir(), 'mica-posix-probe-'));
    chmodSync(tools, 0o755);
    const probe = join(tools, 'probe');
    writeFileSync(probe, builtProbe(), { mode: 0o755 });
    const skipped = skippedTests(suite);
    const asked = cases.filter((_, at) => !skipped[at]);
    place = make();
    await place.prepare(asked, tools);
    for (const [at, lines] of answered(place, asked, probe).entries()) answers.set(asked[at]!, lines);
  });

  afterAll(async () => {
    try {
      await place?.remove();
    } finally {
      rmSync(tools, { recursive: true, force: true });
    }
  });
  return answers;
}

/** Which tests of a suite are left out of this run, in the order in which they were declared. */
function skippedTests(suite: RunnerTestSuite): boolean[] {
  return suite.tasks.flatMap((task) => (task.type === 'suite' ? skippedTests(task) : [task.mode !== 'run']));
}

let program: Uint8Array | undefined;

/** The probe's program, made once for a file of tests. */
function builtProbe(): Uint8Array {
  if (program === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'mica-posix-build-'));
    const words = ['-O1', '-o', join(folder, 'probe'), join(HERE, 'probe.c')];
    const built = spawnSync('gcc', words, { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`cannot build the probe: ${built.stderr}`);
    program = readFileSync(join(folder, 'probe'));
    rmSync(folder, { recursive: true });
  }
  return program;
}
