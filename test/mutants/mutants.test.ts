// Each mutant must be noticed by the test that is named with it, and that test must pass without the mutant.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { top } from '../program.js';
import { describeWith } from '../requires.js';
import { applyPatch, BEHAVIOURS, chosen, type Mutant, readMutants } from './mutant.js';
import { type Outcome, TreeCopy } from './tree-copy.js';

const mutants = readMutants();
const tried = chosen(mutants, process.env['MICA_MUTANTS'] ?? 'all');

describeWith(['program:git'], 'the mutants', () => {
  it('break every behaviour', () => {
    const all = Array.from({ length: BEHAVIOURS }, (_, i) => i + 1);
    const broken = new Set(mutants.map(({ behaviour }) => behaviour));
    expect(all.filter((behaviour) => !broken.has(behaviour))).toEqual([]);
  });

  it('apply to the code, and name tests that exist', () => {
    const faults = mutants.flatMap((mutant) => faultOf(mutant) ?? []);
    expect(faults).toEqual([]);
  });
});

describeWith(['root', 'fuse', 'ext4', 'program:git', 'program:gcc'], 'a mutant is noticed', () => {
  let copy: TreeCopy;
  let unbroken: Outcome;

  beforeAll(async () => {
    copy = new TreeCopy();
    unbroken = await copy.run(tried);
  }, 600_000);

  afterAll(() => copy?.remove());

  for (const mutant of tried) {
    it(`${mutant.id}: ${mutant.breaks}`, async () => {
      assertPasses(mutant, unbroken);
      const putBack = copy.mutate(mutant);
      try {
        assertNotices(mutant, await copy.run([mutant]));
      } finally {
        putBack();
      }
    });
  }
});

function faultOf(mutant: Mutant): string | undefined {
  const { id, test, name } = mutant;
  try {
    applyPatch(mutant, top, '--check');
  } catch (error) {
    return (error as Error).message;
  }
  const title = name.slice(name.lastIndexOf(' > ') + 3);
  if (textsOf(join(top, test)).some((text) => text.includes(title))) return undefined;
  return `${id}.patch names a test that ${test} does not have: '${title}'`;
}

/** A test file, and the tables of cases in the folders beside it. */
function textsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  const tables = [...text.matchAll(/from '(\.\/[^./]+\/[^']+)\.js'/g)].map(([, name]) => `${name}.ts`);
  return [text, ...tables.map((name) => readFileSync(join(dirname(path), name), 'utf8'))];
}

function assertPasses({ test, name }: Mutant, { passed, failed, report }: Outcome): void {
  if (passed.has(name)) return;
  const how = failed.has(name) ? 'fails without a mutant' : 'does not exist, or was not run';
  throw new Error([`'${name}' of ${test} ${how}`, ...givenIn(report)].join('\n'));
}

function assertNotices({ id, test, name, shows }: Mutant, { passed, failed, report }: Outcome): void {
  if (passed.has(name)) {
    throw new Error(`SURVIVED: '${name}' of ${test} passes with ${id}.patch; make that test stronger`);
  }
  if (!failed.has(name)) {
    throw new Error([`'${name}' of ${test} did not come to an end`, ...givenIn(report)].join('\n'));
  }
  const given = givenIn(report);
  if (!given.some((line) => line.includes(shows))) {
    throw new Error(`'${name}' of ${test} fails for another reason than '${shows}':\n${given.join('\n')}`);
  }
}

/** The lines of a report that say what was given instead of what was expected. */
function givenIn(report: string): string[] {
  return report.split('\n').filter((line) => /^\s*(\+ |\w*Error: )/.test(line));
}
