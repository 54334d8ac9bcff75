// The kernel in between: random file calls on a mount of ours and on a plain copy of its lower must be answered
// alike, errors, link counts and files that were removed while open included.

import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { eachWithMount } from './mounted.js';

const PROGRAM = fileURLToPath(new URL('./random-calls.mjs', import.meta.url));

describeWith(['root', 'fuse'], 'random calls on a mount', () => {
  const at = eachWithMount((scratch) =>
    scratch.sh(`
      mkdir plain; cd lower
      mkdir -p a/a a/d b/c c; echo one > a/b; ln a/b a/a/c; echo two > d
      echo x > b/c/a; echo y > b/c/b; ln -s d a/c; ln d c/d
      cp -a . ../plain
    `),
  );

  it.each([1, 2, 3])('are answered as on a plain folder (seed %i)', async (seed) => {
    const served = await at.serve();
    const answers = (folder: string): string[] =>
      at.scratch.sh(`${process.execPath} ${PROGRAM} ${folder} ${seed} 1500`).split('\n');
    const expected = answers('plain');
    expect(expected).toHaveLength(1515);
    expect(answers('mnt')).toEqual(expected);
    expect(await served.stop()).toBe('unmounted');
  });
});
