// Owners, modes, times, xattrs and ACLs call by call on the kernel's overlayfs, beside the mounts of ours that the
// other files try. What it answers otherwise than a plain folder is listed with the reason, each line of it: an
// entry that the kernel no longer needs fails as well.

import { expect, it } from 'vitest';
import { describeWith } from '../../requires.js';
import { type Case, expected, possible } from './case.js';
import { KernelMount } from './place.js';
import { answersOf, subjectsOf, TOOLS } from './places.js';

interface Difference {
  readonly reason: string;
  /** The calls that are answered otherwise, by the name of the case. */
  readonly calls: Readonly<Record<string, readonly string[]>>;
}

const DIFFERENCES: readonly Difference[] = [
  {
    reason: 'a copy-up is no change of the file, but leaves its ctime, which overlayfs shows at once',
    calls: {
      'each change of a file that is not its data changes the time of change, and reading changes none of both':
        ['kept c f ctime'],
    },
  },
];

const subjects = await subjectsOf(() => import('./metadata.test.js'));
const cases = possible(
  subjects.flatMap((of) => of.cases),
  'root',
);

describeWith(['root', 'ext4', 'overlay', ...TOOLS], "metadata on the kernel's overlayfs", () => {
  const answers = answersOf(cases, () => new KernelMount());

  it.each(cases)('$name', (of: Case) => {
    const given = answers.get(of)!;
    const right = expected(of.calls, given);
    const excepted = DIFFERENCES.flatMap((one) => one.calls[of.name] ?? []);
    const differing = given.filter((line, at) => line !== right[at]);
    // With their answers only where they are not expected, so that a report shows them.
    expect(differing.map((line) => excepted.find((call) => line.startsWith(`${call} => `)) ?? line)).toEqual(
      excepted,
    );
  });
});

it('each named difference belongs to a case', () => {
  const names = new Set(cases.map(({ name }) => name));
  const named = DIFFERENCES.flatMap((one) => Object.keys(one.calls));
  expect(named.filter((name) => !names.has(name))).toEqual([]);
});
