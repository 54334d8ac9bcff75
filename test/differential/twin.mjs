// The process that makes the calls: it reads requests on stdin, a line of JSON each, and answers each with a line.
// A whole list of commands is one request. It mounts the kernel's side itself, so that it can live in a namespace
// of its own; it must never be the process that serves a mount.

import { createInterface } from 'node:readline';
import { fromText, sys } from '../../dist/fs/index.js';
import { CALLS, OPEN_FLAGS } from './calls.mjs';
import { Mismatch } from './compare.mjs';
import { EXCEPTIONS, except, takeUsed } from './exceptions.mjs';
import { execute, open, takeCounts } from './execute.mjs';
import { choose } from './steer.mjs';
import { differences, renumbered, treeOf, withoutHiddenNames } from './tree.mjs';
import { closeAll, currentPlaces, enter, world } from './world.mjs';

let trees;

/** Lets the kernel forget every name and node that is not in use, on all sides. */
function forget() {
  world.log.push('forget');
  for (const root of world.sides) sys.mount('', root, '', sys.MS_REMOUNT, '');
}

function run({ op, state, at, other, otherAt, n, user }) {
  if (op === 'forget') return forget();
  if (op === 'open') {
    const place = choose(state, at, (one) => one.kind in OPEN_FLAGS, {});
    if (place !== undefined) open(place, n);
    return undefined;
  }
  if (op === 'link' && !world.links) return undefined;
  const call = CALLS[op];
  const one = choose(state, at, call.one, call);
  if (one === undefined) return undefined;
  const two = call.two && choose(other, otherAt, call.two, { names: op !== 'copy-range' });
  if (call.two && two === undefined) return undefined;
  // Making the second place may have moved the first, or closed it for want of room.
  const still = one.slot
    ? world.slots.includes(one.slot)
    : currentPlaces().some((place) => place.path === one.path);
  if (still) execute(op, one, two, n, user);
  return undefined;
}

const REQUESTS = {
  'kernel-mount'({ target, options }) {
    sys.mount('overlay', fromText(target), 'overlay', 0, fromText(options));
    return {};
  },
  'kernel-unmount'({ target }) {
    closeAll();
    sys.unmount(fromText(target), 0);
    return {};
  },
  mounts(request) {
    enter(request);
    world.log.push(`-- ${request.what}`);
    return {};
  },
  run({ commands }) {
    for (const command of commands) run(command);
    return {};
  },
  /** `since`: the trees were compared before, and numbers of files must be as they were. */
  trees({ since }) {
    const now = world.sides.map(treeOf);
    const lines = differences(now[0], now[1]);
    if (since && trees) {
      ['ours', 'theirs'].forEach((side, at) => {
        const moved = renumbered(trees[at], now[at]);
        if (at === 1 && !world.index && moved.length > 0) except('no-index');
        else if (moved.length > 0) lines.push(`${side}: other st_ino than before: ${moved.join(' ')}`);
      });
    }
    trees = now;
    if (lines.length > 0) throw new Mismatch(`the trees differ\n  ${lines.join('\n  ')}`);
    return { entries: now[0].size };
  },
  /** The tree at `root`, a mount of the kernel, is what ours was. */
  settled({ root }) {
    const theirs = treeOf(root);
    withoutHiddenNames(trees[0], theirs);
    const lines = differences(trees[0], theirs);
    if (lines.length > 0)
      throw new Mismatch(`settled, the tree differs without an index\n  ${lines.join('\n  ')}`);
    return {};
  },
  close() {
    closeAll();
    return {};
  },
  report() {
    return { ...takeCounts(), exceptions: takeUsed(), reasons: EXCEPTIONS };
  },
  begin() {
    world.log = [];
    trees = undefined;
    return {};
  },
};

process.umask(0o022);
process.setgroups([]);
createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = REQUESTS[request.do](request);
  } catch (error) {
    answer = { mismatch: error instanceof Mismatch ? error.message : `${error.stack}`, log: world.log };
    closeAll();
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
