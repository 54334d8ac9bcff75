// The process that makes the calls: each operation on our mount and on the kernel's, one right after the other,
// and a comparison of everything that can be seen of it. It reads requests on stdin, a line of JSON each, and
// answers each with a line. It must never be the process that serves a mount.

import fs from 'node:fs';
import { createInterface } from 'node:readline';
import { errnoCode, sys } from '../../dist/fs/index.js';
import { CALLS, OPEN_FLAGS, pick, shown } from './calls.mjs';
import { EXCEPTIONS, except, takeUsed } from './exceptions.mjs';
import { NAMES, placesOf } from './places.mjs';
import { differences, renumbered, treeOf } from './tree.mjs';

/** An ordinary user, for every eighth operation or so. */
const USER = 12345;
const MOST_OPEN = 8;
/** linux/magic.h */
const TMPFS_MAGIC = 0x01021994;

/** Ours, if it takes part, then the kernel's; the last decides where places are. */
let sides = [];
let upper = '';
/** The upper lies on a filesystem whose times cannot tell two changes apart. */
let coarse = false;
let places;
/** Open files: a descriptor per side, the kind, and how it was opened. */
let slots = [];
let log = [];
let trees;
let coverage = {};
const totals = { operations: 0, succeeded: 0, copyUps: 0, folderRenames: 0 };

class Mismatch extends Error {}

// ---- places ----

function currentPlaces() {
  places ??= placesOf(sides.at(-1), upper);
  return places;
}

/** The place that an open file is at now: a path's place, or one that is gone. */
function placeOfSlot(slot) {
  const path = fs.readlinkSync(`/proc/self/fd/${slot.fds.at(-1)}`);
  const gone = { slot, kind: slot.kind, state: 'open-unlinked', empty: true };
  if (path.endsWith(' (deleted)')) return gone;
  const known = currentPlaces().find((place) => `${sides.at(-1)}/${place.path}` === path);
  return known === undefined ? gone : { ...known, slot };
}

function pathOn(at, place) {
  if (place.slot === undefined) return `${sides[at]}/${place.path}`;
  const path = `/proc/self/fd/${place.slot.fds[at]}`;
  return place.name === undefined ? path : `${path}/${place.name}`;
}

function nameOf(place) {
  if (place.slot === undefined) return place.path;
  return `[${place.slot.opened}]${place.name === undefined ? '' : `/${place.name}`}`;
}

const parentOf = (path) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');

/** A place in a state for an operation. Where there is none, one is made; undefined if that cannot be. */
function choose(state, n, prefers, how, again = false) {
  let found;
  if (how.fd) found = slots.map(placeOfSlot).filter((place) => place.state === state);
  else if (state === 'open-unlinked') {
    found = slots.map(placeOfSlot).filter((place) => place.state === state);
    if (how.names) found = found.map((place) => ({ ...place, kind: undefined, name: pick(NAMES, n) }));
  } else found = currentPlaces().filter((place) => place.state === state);
  const preferred = n % 7 === 0 ? [] : found.filter(prefers);
  if (preferred.length > 0) return pick(preferred, n >> 3);
  if (found.length > 0 && (again || n % 3 === 0)) return pick(found, n >> 3);
  if (!again) {
    prepare(state, n, prefers, how);
    return choose(state, n, prefers, how, true);
  }
  return undefined;
}

/** Operations that lead to a place in a state. */
function prepare(state, n, prefers, how) {
  const any = (test) => {
    const found = currentPlaces().filter(test);
    const preferred = found.filter((place) => prefers(place));
    return pick(preferred.length > 0 ? preferred : found, n >> 2);
  };
  if (sides.length === 0) return;
  const free = () => any((place) => place.kind === undefined);
  const lowerFolder = () => any((p) => p.kind === 'd' && (p.state === 'lower' || p.state === 'merged'));
  const step = (op, one, two) => {
    if (one !== undefined && (two !== undefined || CALLS[op]?.two === undefined))
      execute(op, one, two, 1, false);
  };
  const exists = (path) => currentPlaces().find((place) => place.path === path);
  const wanted = how.fd && state !== 'open-unlinked' ? undefined : state;
  if (wanted === undefined) {
    const openable = () => any((p) => p.state === state && (p.kind === 'f' || p.kind === 'd'));
    if (openable() === undefined) prepare(state, n, prefers, {});
    const at = openable();
    if (at !== undefined) open(at, n);
  } else if (wanted === 'upper') step(n % 2 ? 'create' : 'mkdir', free());
  else if (wanted === 'merged') step('chmod', lowerFolder());
  else if (wanted === 'whiteout')
    step(
      'rmtree',
      any((p) => p.state === 'lower'),
    );
  else if (wanted === 'hard-linked')
    step(
      'link',
      any((p) => p.kind === 'f'),
      free(),
    );
  else if (wanted === 'redirected') step('rename', lowerFolder(), free());
  else if (wanted === 'opaque') {
    const at = lowerFolder();
    step('rmtree', at);
    step('mkdir', at && exists(at.path));
  } else if (wanted === 'open-unlinked') {
    const at =
      any((p) => (p.kind === 'f' || p.kind === 'd') && p.path.includes('/')) ?? any((p) => p.kind === 'f');
    if (at !== undefined && open(at, n)) step('rmtree', exists(at.path));
  }
}

// ---- calls ----

function errnoOf(error) {
  const { errno } = error;
  if (typeof errno !== 'number') throw error;
  return errnoCode(Math.abs(errno));
}

function asUser(user, act) {
  if (!user) return act();
  process.setegid(USER);
  process.seteuid(USER);
  try {
    return act();
  } finally {
    process.seteuid(0);
    process.setegid(0);
  }
}

function answerOf(at, call, one, two, n, user) {
  const p = call.fd ? one.slot.fds[at] : pathOn(at, one);
  const q = two === undefined ? undefined : pathOn(at, two);
  try {
    return asUser(user, () => ({ value: call.act(p, q, n) ?? 'done' }));
  } catch (error) {
    return { errno: errnoOf(error) };
  }
}

/** Attributes of what an operation touches: the places themselves and the folders that they are in. */
function look(at, one, two) {
  const seen = {};
  for (const [key, place] of Object.entries({ one, two })) {
    if (place === undefined) continue;
    if (place.slot !== undefined) {
      seen[key] = fs.fstatSync(place.slot.fds[at], { bigint: true });
      continue;
    }
    const path = pathOn(at, place);
    seen[key] = lstat(path);
    seen[`${key}'s folder`] = lstat(parentOf(path));
  }
  return seen;
}

/** undefined for whatever cannot be looked at: a place may be below a file by now. */
function lstat(path) {
  try {
    return fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (error.code === 'ENOTDIR' || error.code === 'ELOOP') return undefined;
    throw error;
  }
}

function changes(before, after) {
  const told = {};
  for (const key of Object.keys(after)) {
    const [was, is] = [before[key], after[key]];
    if (was === undefined || is === undefined) continue;
    // Two objects have nothing to do with each other's times.
    const one = was.ino === is.ino;
    if (coarse) told[key] = [one ? 'ino' : 'other'];
    else
      told[key] = one
        ? ['ino', was.mtimeNs === is.mtimeNs && 'mtime', was.ctimeNs === is.ctimeNs && 'ctime']
        : ['other'];
  }
  const [from, to] = [before.one, after.two];
  if (coarse) except('tick-times');
  if (from && to) told.moved = from.ino === to.ino && ['ino', from.mtimeNs === to.mtimeNs && 'mtime'];
  return told;
}

function attributes(seen) {
  return Object.fromEntries(
    Object.entries(seen).map(([key, stat]) => [
      key,
      stat && [...shown(stat).map(Number), Number(stat.rdev) * (stat.isFile() || stat.isDirectory() ? 0 : 1)],
    ]),
  );
}

/** The count of names of an unlinked file, which overlayfs gets wrong, taken out of both. */
function withoutNlink(ours, theirs, at) {
  if (ours?.[at] !== 0 || !(theirs?.[at] > 0)) return;
  except('unlinked-lower-nlink');
  theirs[at] = 0;
}

/** Listings in which only the kernel's d_ino is wrong. */
function withoutNumbers(ours, theirs) {
  theirs.forEach((line, i) => {
    if (typeof line !== 'string' || !line.endsWith(' other') || !ours?.[i]?.endsWith?.(' same')) return;
    except('d-ino');
    theirs[i] = line.replace(/other$/, 'same');
  });
}

/** Times that an operation changed on the kernel's side, although it failed. */
function withoutFailure(ours, theirs) {
  if (ours?.[1] !== 'mtime' || theirs?.[1] !== false) return;
  except('failed-times');
  theirs[1] = ours[1];
  theirs[2] = ours[2];
}

/** What a copy-up has given another ctime, and nothing another mtime. */
function withoutCopyUp(ours, theirs) {
  if (ours === undefined || theirs === undefined || ours[2] === theirs[2]) return;
  if (ours[1] !== 'mtime' || theirs[1] !== 'mtime') return;
  except('copy-up-ctime');
  theirs[2] = ours[2];
}

function agree(what, ours, theirs) {
  const text = (value) =>
    JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? Number(part) : part));
  const [x, y] = [text(ours), text(theirs)];
  if (x !== y) throw new Mismatch(`${what}\n  ours   ${x}\n  theirs ${y}`);
}

function execute(op, one, two, n, user) {
  const call = CALLS[op];
  const line = `${op} ${nameOf(one)}${two === undefined ? '' : ` ${nameOf(two)}`} n=${n}${user ? ' as user' : ''}`;
  log.push(line);
  // Every fourth goes without a look before, so that places are met that no call has visited yet.
  const looked = n % 4 !== 0;
  const before = looked ? sides.map((_, at) => look(at, one, two)) : undefined;
  const answers = sides.map((_, at) => answerOf(at, call, one, two, n, user));
  const { errno } = answers.at(-1);
  if (Array.isArray(answers[1]?.value)) withoutNumbers(answers[0].value, answers[1].value);
  log[log.length - 1] = `${line} (${one.state}${two ? `, ${two.state}` : ''}) -> ${errno ?? 'done'}`;
  count(op, one, errno === undefined);
  if (two !== undefined) count(`${op} to`, two, errno === undefined);
  if (!call.reads) places = undefined;
  totals.operations++;
  if (errno === undefined) tally(op, call, one);
  if (sides.length < 2) return errno === undefined;
  if (one.state === 'open-unlinked' && Array.isArray(answers[0].value))
    withoutNlink(answers[0].value, answers[1].value, 3);
  const known = exceptionFor(op, one, two, answers);
  if (known !== undefined) {
    except(known.name);
    // What the one side has done and the other has not must not be looked at again.
    if (known.drop) drop(known.drop);
    return errno === undefined;
  }
  agree(`${log.at(-1)}: the answers differ`, answers[0], answers[1]);
  const after = sides.map((_, at) => look(at, one, two));
  const seen = after.map((stats) => attributes(stats));
  for (const [key, place] of Object.entries({ one, two })) {
    if (place?.state === 'open-unlinked') withoutNlink(seen[0][key], seen[1][key], 3);
  }
  agree(`${log.at(-1)}: the attributes afterwards differ`, seen[0], seen[1]);
  if (before !== undefined) {
    const told = sides.map((_, at) => changes(before[at], after[at]));
    for (const key of Object.keys(told[1])) {
      const meant = key === 'one' && errno === undefined && !call.reads && !call.names && op !== 'copy-range';
      if (!meant) withoutCopyUp(told[0][key], told[1][key]);
      if (errno !== undefined) withoutFailure(told[0][key], told[1][key]);
    }
    agree(`${log.at(-1)}: what stayed the same differs`, told[0], told[1]);
  }
  return errno === undefined;
}

/** The exception that answers fall under, and what must not be looked at any more; undefined for none. */
function exceptionFor(op, one, two, [ours, theirs]) {
  const gone = (place) => place?.state === 'open-unlinked';
  if (op === 'seek' && one.kind === 'd') return { name: 'seek-in-folder' };
  if (op === 'tmpfile' && gone(one) && theirs.errno === 'EPERM') return { name: 'tmpfile-in-removed' };
  if (op === 'seek' && ours.value && theirs.value && `${ours.value}` !== `${theirs.value}`) {
    const [[ourData, ourHole], [data, hole]] = [ours.value, theirs.value];
    if ((ourData === 'none' || ourData >= data) && ourHole <= hole) return { name: 'holes' };
  }
  // Where ours goes on to fail for a reason of its own, EEXIST and EIO can have come from nowhere else.
  const cannotChange = ours.errno === undefined ? /^E(EXIST|NOENT|IO|NOTDIR)$/ : /^E(EXIST|IO)$/;
  if (ours.errno !== theirs.errno && cannotChange.test(theirs.errno)) {
    const place = gone(one) && one.name === undefined ? one : two;
    if (gone(place) && place.name === undefined) return { name: 'unlinked-lower-change', drop: place.slot };
  }
  return undefined;
}

function drop(slot) {
  slots = slots.filter((other) => other !== slot);
  for (const fd of slot.fds) fs.closeSync(fd);
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
  if (one.kind === 'd' && /^(rename|replace-folder|noreplace|exchange)$/.test(op)) totals.folderRenames++;
}

/** Opens a place on all sides and keeps it open; false if it cannot be opened. */
function open(place, n) {
  if (place.slot !== undefined || !(place.kind in OPEN_FLAGS)) return false;
  if (slots.length >= MOST_OPEN) for (const fd of slots.shift().fds) fs.closeSync(fd);
  const flags = pick(OPEN_FLAGS[place.kind], n);
  const answers = sides.map((root) => {
    try {
      return { fd: fs.openSync(`${root}/${place.path}`, flags) };
    } catch (error) {
      return { errno: errnoOf(error) };
    }
  });
  const { errno } = answers.at(-1);
  log.push(`open ${place.path} flags=${flags} (${place.state}) -> ${errno ?? 'done'}`);
  count('open', place, errno === undefined);
  totals.operations++;
  places = undefined;
  if (sides.length > 1) agree(`${log.at(-1)}: the answers differ`, answers[0].errno, answers[1].errno);
  if (errno !== undefined) return false;
  tally('open', { reads: flags === 0 }, place);
  slots.push({ fds: answers.map((answer) => answer.fd), kind: place.kind, opened: place.path });
  return true;
}

function closeAll() {
  for (const { fds } of slots) for (const fd of fds) fs.closeSync(fd);
  slots = [];
}

/** Lets the kernel forget every name and node that is not in use, on all sides. */
function forget() {
  log.push('forget');
  for (const root of sides) sys.mount('', root, '', sys.MS_REMOUNT, '');
}

function run(command) {
  const { op, state, at, other, otherAt, n, user } = command;
  if (op === 'forget') return forget();
  if (op === 'open') {
    const place = choose(state, at, (one) => one.kind in OPEN_FLAGS, {});
    if (place !== undefined) open(place, n);
    return undefined;
  }
  const call = CALLS[op];
  const one = choose(state, at, call.one, call);
  if (one === undefined) return undefined;
  const two = call.two && choose(other, otherAt, call.two, { names: op !== 'copy-range' });
  if (call.two && two === undefined) return undefined;
  // Making the second place may have moved the first.
  const still = one.slot !== undefined || currentPlaces().some((place) => place.path === one.path);
  if (still) execute(op, one, two, n, user);
  return undefined;
}

const REQUESTS = {
  mounts(request) {
    closeAll();
    ({ sides, upper } = request);
    coarse = fs.statfsSync(upper).type === TMPFS_MAGIC;
    places = undefined;
    log.push(`-- ${request.what}`);
    return {};
  },
  run(request) {
    for (const command of request.commands) run(command);
    return {};
  },
  /** `since`: the trees were compared before, and numbers of files must be as they were. */
  trees(request) {
    const now = sides.map(treeOf);
    const lines = differences(now[0], now[1]);
    if (request.since && trees) {
      ['ours', 'theirs'].forEach((side, at) => {
        const moved = renumbered(trees[at], now[at]);
        if (moved.length > 0) lines.push(`${side}: other st_ino than before: ${moved.join(' ')}`);
      });
    }
    trees = now;
    if (lines.length > 0) throw new Mismatch(`the trees differ\n  ${lines.join('\n  ')}`);
    return { entries: now[0].size };
  },
  close() {
    closeAll();
    return {};
  },
  report() {
    const report = { coverage, totals: { ...totals }, exceptions: takeUsed(), reasons: EXCEPTIONS };
    coverage = {};
    for (const key of Object.keys(totals)) totals[key] = 0;
    return report;
  },
  begin() {
    log = [];
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
    answer = { mismatch: error instanceof Mismatch ? error.message : `${error.stack}`, log };
    closeAll();
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
