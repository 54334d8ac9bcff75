// One file through a mount and one plain file take the same random reads, writes, truncations, holes, copies and
// reopenings, as fsx does; after every step both must be alike. The mounted file begins in the lower layer.

import {
  closeSync,
  copyFileSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { expect, it } from 'vitest';
import { eachWithMount } from '../mount/mounted.js';
import { describeWith } from '../requires.js';

const STEPS = 6000;
const LARGEST = 1 << 20;

/** Numbers that are the same in every run (a linear congruence, as in numerical recipes). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function pattern(step: number, length: number): Buffer {
  return Buffer.alloc(length, `${step}.`);
}

describeWith(['root', 'fuse'], 'a file through a mount', () => {
  const at = eachWithMount();

  it.each([1, 2, 3])('is like a plain one after any calls (seed %i)', (seed) => exercise(seed));

  it.each([4, 5, 6])('is like one while it is in part its own, settled at times (seed %i)', (seed) =>
    exercise(seed, 1),
  );

  async function exercise(seed: number, partsFrom?: number): Promise<void> {
    const { scratch } = at;
    const { upper, ...rest } = scratch.stack();
    const stack = { ...rest, upper: { ...upper!, ...(partsFrom === undefined ? {} : { partsFrom }) } };
    const serve = () => at.serve({ stack });
    const next = numbers(seed);
    writeFileSync(scratch.at('lower/file'), pattern(seed, next(LARGEST)));
    copyFileSync(scratch.at('lower/file'), scratch.at('plain'));
    let served = await serve();
    const paths = [scratch.at('plain'), scratch.at('mnt/file')];
    let files = paths.map((path) => openSync(path, 'r+'));
    const history: string[] = [];
    const both = <T>(text: string, act: (fd: number) => T): void => {
      history.push(text);
      const [expected, got] = files.map(act);
      expect([history.slice(-6), got]).toEqual([history.slice(-6), expected]);
    };
    const reopen = () => {
      for (const fd of files) closeSync(fd);
      files = paths.map((path) => openSync(path, 'r+'));
    };
    const content = (offset: number, length: number) => (fd: number) => {
      const into = Buffer.alloc(length);
      const count = readSync(fd, into, 0, length, offset);
      return into.toString('latin1', 0, count);
    };
    for (let step = 0; step < STEPS; step++) {
      const offset = next(LARGEST);
      const length = 1 + next(next(4) === 0 ? 200_000 : 5000);
      switch (next(10)) {
        case 0:
          both(`truncate ${offset}`, (fd) => ftruncateSync(fd, offset));
          break;
        case 1:
        case 2:
        case 3:
          both(`write ${offset} ${length}`, (fd) => writeSync(fd, pattern(step, length), 0, length, offset));
          break;
        case 4:
          both('fsync', (fd) => fsyncSync(fd));
          break;
        case 5:
          if (next(20) === 0) reopen();
          break;
        default:
          both(`read ${offset} ${length}`, content(offset, length));
      }
      both('size', (fd) => fstatSync(fd).size);
      if (step % 1000 === 999) {
        both('all', content(0, 2 * LARGEST));
        if (step % 3000 === 2999) await served.ask({ op: 'settle' });
        both('all of it', content(0, 2 * LARGEST));
        for (const fd of files) closeSync(fd);
        expect(await served.stop()).toBe('unmounted');
        served = await serve();
        files = paths.map((path) => openSync(path, 'r+'));
        both('all after a remount', content(0, 2 * LARGEST));
      }
    }
    for (const fd of files) closeSync(fd);
    expect(await served.stop()).toBe('unmounted');
  }
});
