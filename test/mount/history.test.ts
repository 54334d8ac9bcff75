// A random history of file calls, made on a mount and on a plain folder: after every call both must have given the
// same answer, and both trees must look the same, also after a remount. This holds the kernel's caches, which
// are told to keep what they know for ever, to what really happens below.

import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { runs } from '../runs.js';
import { eachWithMount } from './mounted.js';

const NAMES = ['a', 'b', 'c', 'd'];
const SEEDS = Array.from({ length: runs(4) }, (_, at) => at + 1);
const STEPS = 400;

/** Numbers that are the same in every run (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Step = (root: string) => unknown;

function randomStep(next: (below: number) => number): { readonly text: string; readonly run: Step } {
  const path = () => {
    const depth = 1 + next(3);
    return Array.from({ length: depth }, () => NAMES[next(NAMES.length)]).join('/');
  };
  const one = path();
  const two = path();
  const size = next(9000);
  const step = (name: string, run: Step) => ({ text: `${name} ${one} ${two} ${size}`, run });
  switch (next(16)) {
    case 0:
      return step('mkdir', (root) => mkdirSync(join(root, one)));
    case 1:
      return step('write', (root) => writeFileSync(join(root, one), `${size};`.repeat(size % 700)));
    case 2:
      return step('append', (root) => appendFileSync(join(root, one), `${size}.`));
    case 3:
      return step('unlink', (root) => unlinkSync(join(root, one)));
    case 4:
      return step('rmdir', (root) => rmdirSync(join(root, one)));
    case 5:
    case 6:
      return step('rename', (root) => renameSync(join(root, one), join(root, two)));
    case 7:
      return step('link', (root) => linkSync(join(root, one), join(root, two)));
    case 8:
      return step('symlink', (root) => symlinkSync(one, join(root, two)));
    case 9:
      return step('chmod', (root) => chmodSync(join(root, one), 0o600 + (size % 0o100)));
    case 10:
      return step('truncate', (root) => truncateSync(join(root, one), size));
    case 11:
      return step('utimes', (root) => utimesSync(join(root, one), size, size * 2));
    case 12:
      return step('read', (root) => readFileSync(join(root, one), 'latin1'));
    case 13:
      return step('list', (root) => readdirSync(join(root, one)).sort());
    case 14:
      return step('stat', (root) => {
        const found = lstatSync(join(root, one));
        return found.isDirectory() ? [found.mode] : [found.mode, found.nlink, found.size];
      });
    default:
      return step('patch', (root) => {
        const fd = openSync(join(root, one), 'r+');
        try {
          unlinkSync(join(root, two));
          return writeSync(fd, 'patched', size % 5000);
        } finally {
          closeSync(fd);
        }
      });
  }
}

/** What a step gives: its result, or its errno. */
function outcome(run: Step, root: string): unknown {
  try {
    return run(root) ?? 'done';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** Every path with mode; of files also links (the links of a folder are 1 here), size, set times and content. */
function tree(root: string, at = ''): string[] {
  return readdirSync(join(root, at))
    .sort()
    .flatMap((name) => {
      const path = at === '' ? name : `${at}/${name}`;
      const found = lstatSync(join(root, path));
      if (found.isDirectory()) return [`${path} ${found.mode.toString(8)}`, ...tree(root, path)];
      const head = `${path} ${found.mode.toString(8)} ${found.nlink}`;
      if (found.isSymbolicLink()) return [`${head} -> ${readlinkSync(join(root, path))}`];
      const digest = createHash('sha256')
        .update(readFileSync(join(root, path)))
        .digest('hex')
        .slice(0, 8);
      return [`${head} ${found.size} ${found.mtimeMs < 2e7 ? found.mtimeMs : 'now'} ${digest}`];
    });
}

function makeLower(root: string): void {
  for (const name of NAMES) {
    mkdirSync(join(root, name));
    for (const inner of NAMES) {
      if (inner === 'd') mkdirSync(join(root, name, inner));
      else writeFileSync(join(root, name, inner), `${name}${inner}`.repeat(1000));
    }
    writeFileSync(join(root, name, 'd', 'a'), 'deep');
    linkSync(join(root, name, 'a'), join(root, name, 'd', 'b'));
  }
}

describeWith(['root', 'fuse'], 'a random history', () => {
  const at = eachWithMount();

  it.each(SEEDS)('with seed %i looks as on a plain folder', async (seed) => {
    const plain = at.scratch.at('plain');
    const mnt = at.scratch.at('mnt');
    makeLower(at.scratch.at('lower'));
    at.scratch.sh('cp -a lower plain');
    let served = await at.serve();
    const next = numbers(seed);
    const history: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      const { text, run } = randomStep(next);
      history.push(text);
      const expected = outcome(run, plain);
      const got = outcome(run, mnt);
      const last = history.slice(-8).join('\n');
      expect([last, got]).toEqual([last, expected]);
      if (step % 10 === 0) expect([last, ...tree(mnt)]).toEqual([last, ...tree(plain)]);
    }
    expect(tree(mnt)).toEqual(tree(plain));
    expect(await served.stop()).toBe('unmounted');
    served = await at.serve();
    expect(tree(mnt)).toEqual(tree(plain));
  });
});
