// Makes one call on every side, one right after the other, and compares everything that can be seen of it.

import fs from 'node:fs';
import { errnoCode } from '../../dist/fs/index.js';
import { CALLS, copiedFrom, copyByHand, OPEN_FLAGS, pick } from './calls.mjs';
import {
  agree,
  attributes,
  changes,
  exceptionFor,
  look,
  withoutCopyUp,
  withoutFailure,
  withoutIndex,
  withoutLinkNumber,
  withoutNlink,
  withoutNumbers,
} from './compare.mjs';
import { except } from './exceptions.mjs';
import { become } from './native.mjs';
import { isSplit, joinNames } from './split.mjs';
import { foldersTimes, placeTimes, putBack } from './times.mjs';
import { addSlot, dropObject, hasEmptyHeir, nameOf, pathOn, placesChanged, world } from './world.mjs';

/** By the number in a command: root, an ordinary user, and another who is in the first one's group. */
export const USERS = [
  undefined,
  { name: 'user', id: 12345, groups: [] },
  { name: 'member', id: 23456, groups: [12345, 54321] },
];

/** Operations that can move a folder. */
const MOVES = new Set(['rename', 'replace', 'replace-folder', 'noreplace', 'exchange']);

const ANY_WRITE = fs.constants.O_WRONLY | fs.constants.O_RDWR;

/** Operations that may succeed without a change of the first place, and open what they would write to first. */
const QUIET = new Set(['copy-range', 'map-write', 'fd-map-write']);

const coverage = {};
const totals = { operations: 0, succeeded: 0, copyUps: 0, folderRenames: 0, byUsers: 0 };

function errnoOf(error) {
  const { errno } = error;
  if (typeof errno !== 'number') throw error;
  return errnoCode(Math.abs(errno));
}

function as(user, act) {
  if (user === undefined) return act();
  become(user.id, user.groups);
  try {
    return act();
  } finally {
    become(0, []);
  }
}

function answerOf(at, call, one, two, n, user) {
  const p = call.fd ? one.slot.fds[at] : pathOn(at, one);
  const q = two === undefined ? undefined : pathOn(at, two);
  try {
    const value = as(user, () => call.act(p, q, n) ?? 'done');
    const isKernels = at === world.sides.length - 1;
    const mayBeShort = call === CALLS['copy-range'] && isKernels && world.marks !== 'trusted';
    if (!mayBeShort || value >= as(user, () => copiedFrom(p, n))) return { value };
    except('short-copy');
    return { value: as(user, () => copyByHand(p, q, n)) };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EXDEV' || call !== CALLS['copy-range'] || at < world.sides.length - 1) return { errno };
    except('copy-between');
    return { value: as(user, () => copyByHand(p, q, n)) };
  }
}

/** What each side answers; of both only the kernel's where ours is not asked. */
function answersOf(op, one, two, n, caller) {
  const on = (at) => answerOf(at, CALLS[op], one, two, n, caller);
  const last = world.sides.length - 1;
  if (world.marks === 'trusted' || !MOVES.has(op)) return world.sides.map((_, at) => on(at));
  // Ours would do what the kernel's cannot, and the trees would differ from then on.
  const theirs = on(last);
  if (theirs.errno === 'EXDEV') return [theirs];
  return last === 0 ? [theirs] : [on(0), theirs];
}

/** Root instead of a user whose permissions overlayfs may judge by what has changed since. */
function callerOf(user, one, two) {
  const caller = USERS[user];
  if (caller === undefined || !isSplit(one, two)) return caller;
  except('split-link');
  return undefined;
}

/** `user` is an index of USERS. True if the call was made and succeeded; throws a Mismatch where the sides differ. */
export function execute(op, one, two, n, user) {
  const call = CALLS[op];
  if (!call.reads && [one, two].some((place) => place !== undefined && hasEmptyHeir(place))) {
    except('heir-replaced');
    return false;
  }
  const caller = callerOf(user, one, two);
  const line = `${op} ${nameOf(one)}${two === undefined ? '' : ` ${nameOf(two)}`} n=${n}${caller ? ` as ${caller.name}` : ''}`;
  const { sides, log } = world;
  log.push(line);
  // Every fourth goes without a look before, so that places are met that no call has visited yet.
  const looked = sides.length > 1 && n % 4 !== 0;
  const before = looked ? sides.map((_, at) => look(at, one, two)) : undefined;
  const folders = sides.length > 1 && !call.reads ? foldersTimes(one, two) : [];
  const opened = sides.length > 1 && QUIET.has(op) ? placeTimes(two ?? one) : [];
  const answers = answersOf(op, one, two, n, caller);
  const { errno } = answers.at(-1);
  log[log.length - 1] = `${line} (${one.state}${two ? `, ${two.state}` : ''}) -> ${errno ?? 'done'}`;
  count(op, one, errno === undefined);
  if (two !== undefined) count(`${op} to`, two, errno === undefined);
  if (!call.reads) placesChanged();
  totals.operations++;
  if (caller) totals.byUsers++;
  if (errno === undefined) tally(op, call, one);
  if (errno !== undefined || answers.at(-1).value === 0) putBack('fetched-times', opened);
  if (answers.length > 1) compare(op, one, two, n, answers, before);
  else if (sides.length > 1) except('no-redirects');
  if (errno !== undefined && answers.length > 1) putBack('failed-times', folders);
  if (op === 'link' && errno === undefined && answers.length > 1) joinNames(one, two);
  return errno === undefined;
}

function compare(op, one, two, n, answers, before) {
  const { sides, log } = world;
  const { errno } = answers[1];
  if (Array.isArray(answers[1].value)) {
    withoutNumbers(answers[0].value, answers[1].value);
    if (one.state === 'open-unlinked') withoutNlink(answers[0].value, answers[1].value, 3);
  }
  const known = exceptionFor(op, one, two, n, answers);
  if (known !== undefined) {
    except(known.name);
    // What the one side has done and the other has not must not be looked at again.
    for (const slot of known.drop ?? []) if (world.slots.includes(slot)) dropObject(slot);
    return;
  }
  agree(`${log.at(-1)}: the answers differ`, answers[0], answers[1]);
  const after = sides.map((_, at) => look(at, one, two));
  const seen = after.map((stats) => attributes(stats));
  for (const [key, place] of Object.entries({ one, two })) {
    if (place?.state === 'open-unlinked') withoutNlink(seen[0][key], seen[1][key], 3);
  }
  agree(`${log.at(-1)}: the attributes afterwards differ`, seen[0], seen[1]);
  if (before === undefined) return;
  const call = CALLS[op];
  const told = sides.map((_, at) => changes(before[at], after[at]));
  for (const key of Object.keys(told[1])) {
    withoutIndex(told[0], told[1], key);
    // A successful call that the kernel gives no new ctime was no change.
    const changed = errno === undefined && told[1][key]?.[2] === false;
    const meant = key === 'one' && changed && !call.reads && !call.names && !QUIET.has(op);
    if (!meant) withoutCopyUp(told[0][key], told[1][key]);
    if (errno !== undefined) withoutFailure(told[0][key], told[1][key]);
  }
  if (op === 'link') withoutLinkNumber(told[0], told[1]);
  agree(`${log.at(-1)}: what stayed the same differs`, told[0], told[1]);
}

/** Opens a place on all sides and keeps it open; false if it cannot be opened. */
export function open(place, n) {
  if (place.slot !== undefined || !(place.kind in OPEN_FLAGS)) return false;
  const flags = pick(OPEN_FLAGS[place.kind], n);
  const fetches = world.sides.length > 1 && (flags & ANY_WRITE) !== 0 && (flags & fs.constants.O_TRUNC) === 0;
  const before = fetches ? placeTimes(place) : [];
  const answers = world.sides.map((root) => {
    try {
      return { fd: fs.openSync(`${root}/${place.path}`, flags) };
    } catch (error) {
      return { errno: errnoOf(error) };
    }
  });
  const { errno } = answers.at(-1);
  world.log.push(`open ${place.path} flags=${flags} (${place.state}) -> ${errno ?? 'done'}`);
  count('open', place, errno === undefined);
  totals.operations++;
  placesChanged();
  if (answers.length > 1)
    agree(`${world.log.at(-1)}: the answers differ`, answers[0].errno, answers[1].errno);
  if (errno !== undefined) return false;
  putBack('fetched-times', before);
  tally('open', { reads: flags === 0 }, place);
  addSlot({ fds: answers.map((answer) => answer.fd), kind: place.kind, opened: place.path });
  return true;
}

function count(op, place, succeeded) {
  coverage[op] ??= {};
  coverage[op][place.state] ??= [0, 0];
  coverage[op][place.state][0]++;
  if (succeeded) coverage[op][place.state][1]++;
}

function tally(op, call, one) {
  totals.succeeded++;
  if (one.state === 'lower' && !call.reads && !['unlink', 'rmdir', 'rmtree'].includes(op)) totals.copyUps++;
  if (one.kind === 'd' && MOVES.has(op)) totals.folderRenames++;
}

/** What was done since it was last asked for. */
export function takeCounts() {
  const taken = { coverage: structuredClone(coverage), totals: { ...totals } };
  for (const key of Object.keys(coverage)) delete coverage[key];
  for (const key of Object.keys(totals)) totals[key] = 0;
  return taken;
}
