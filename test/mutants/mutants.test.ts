// Each mutant must be noticed by the test that is named with it, and that test must pass without the mutant.

import { afterAll, beforeAll, it } from 'vitest';
import { describeWith } from '../requires.js';
import { chosen, type Mutant, readMutants } from './mutant.js';
import { type Outcome, TreeCopy } from './tree-copy.js';

const mutants = readMutants();
const tried = chosen(mutants, process.env['MICA_MUTANTS'] ?? 'all');

describeWith(['root', 'fuse', 'program:git'], 'a mutant is noticed', () => {
  let copy: TreeCopy;
  let unbroken: Outcome;

  beforeAll(async () => {
    copy = new TreeCopy();
    unbroken = await copy.run(tried);
  });

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
