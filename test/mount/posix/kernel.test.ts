// Owners, modes, times, xattrs and ACLs call by call on the kernel's overlayfs, beside the mounts of ours that the
// other files try. It answers as a plain folder does, in all of it: what a union answers otherwise is its own fault.

import { expect, it } from 'vitest';
import { describeWith } from '../../requires.js';
import { expected, possible } from './case.js';
import { KernelMount } from './place.js';
import { answersOf, subjectsOf, TOOLS } from './places.js';

const subjects = await subjectsOf(() => import('./metadata.test.js'));
const cases = possible(
  subjects.flatMap((of) => of.cases),
  'root',
);

describeWith(['root', 'ext4', 'overlay', ...TOOLS], "metadata on the kernel's overlayfs", () => {
  const answers = answersOf(cases, () => new KernelMount());

  it.each(cases)('$name', (of) => {
    expect(answers.get(of)).toEqual(expected(of.calls, answers.get(of)!));
  });
});
