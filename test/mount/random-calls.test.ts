// The kernel in between: random file calls on a mount of ours and on a plain copy of its lower must be answered
// alike, errors, link counts and files that were removed while open included.

import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { Scratch, Served } from './mounted.js';

const PROGRAM = fileURLToPath(new URL('./random-calls.mjs', import.meta.url));

describeWith(['root', 'fuse'], 'random calls on a mount', () => {
  let scratch: Scratch;
  let served: Served;

  beforeEach(async () => {
    scratch = new Scratch();
    scratch.sh(`
      mkdir plain; cd lower
      mkdir -p a/a a/d b/c c; echo one > a/b; ln a/b a/a/c; echo two > d
      echo x > b/c/a; echo y > b/c/b; ln -s d a/c; ln d c/d
      cp -a . ../plain
    `);
    served = await new Served({ mountPoint: scratch.at('mnt'), stack: scratch.stack() }).live();
  });

  afterEach(async () => {
    scratch.sh('umount mnt');
    await served.exit;
    scratch.remove();
  });

  it.each([1, 2, 3])('are answered as on a plain folder (seed %i)', (seed) => {
    const answers = (folder: string): string[] =>
      scratch.sh(`${process.execPath} ${PROGRAM} ${folder} ${seed} 1500`).split('\n');
    const expected = answers('plain');
    expect(expected).toHaveLength(1515);
    expect(answers('mnt')).toEqual(expected);
  });
});
