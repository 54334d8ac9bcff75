// Comparisons after one operation: what can be seen of the places it touched, and the named exceptions to
// "the two sides are alike".

import fs from 'node:fs';
import { offsetOf } from './calls.mjs';
import { except } from './exceptions.mjs';
import { areTrue, isNoLarger } from './holes.mjs';
import { shown } from './observe.mjs';
import { pathOn, world } from './world.mjs';

export class Mismatch extends Error {}

const parentOf = (path) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');

/** Attributes of what an operation touches: the places themselves and the folders that they are in. */
export function look(at, one, two) {
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

/** What an operation left as it was: the object at a place, and its times. */
export function changes(before, after) {
  const told = {};
  for (const key of Object.keys(after)) {
    const [was, is] = [before[key], after[key]];
    if (was === undefined || is === undefined) continue;
    // Two objects have nothing to do with each other's times.
    const one = was.ino === is.ino;
    if (world.coarse) told[key] = [one ? 'ino' : 'other'];
    else
      told[key] = one
        ? ['ino', was.mtimeNs === is.mtimeNs && 'mtime', was.ctimeNs === is.ctimeNs && 'ctime']
        : ['other'];
  }
  const [from, to] = [before.one, after.two];
  if (world.coarse) except('tick-times');
  if (from && to) told.moved = from.ino === to.ino && ['ino', from.mtimeNs === to.mtimeNs && 'mtime'];
  return told;
}

export function attributes(seen) {
  return Object.fromEntries(
    Object.entries(seen).map(([key, stat]) => [
      key,
      stat && [...shown(stat).map(Number), Number(stat.rdev) * (stat.isFile() || stat.isDirectory() ? 0 : 1)],
    ]),
  );
}

/** The count of names of an unlinked file, which overlayfs gets wrong, taken out of both. */
export function withoutNlink(ours, theirs, at) {
  if (ours?.[at] !== 0 || !(theirs?.[at] > 0)) return;
  except('unlinked-lower-nlink');
  theirs[at] = 0;
}

/** Listings in which only the kernel's d_ino is wrong. */
export function withoutNumbers(ours, theirs) {
  theirs.forEach((line, i) => {
    if (typeof line !== 'string' || !line.endsWith(' other') || !ours?.[i]?.endsWith?.(' same')) return;
    except('d-ino');
    theirs[i] = line.replace(/other$/, 'same');
  });
}

/** Times that an operation changed on the kernel's side, although it failed. */
export function withoutFailure(ours, theirs) {
  if (ours?.[1] !== 'mtime' || theirs?.[1] !== false) return;
  except('failed-times');
  theirs[1] = ours[1];
  theirs[2] = ours[2];
}

/** What a copy-up has given another ctime, and nothing another mtime. */
export function withoutCopyUp(ours, theirs) {
  if (ours === undefined || theirs === undefined || ours[2] === theirs[2]) return;
  if (ours[1] !== 'mtime' || theirs[1] !== 'mtime') return;
  except('copy-up-ctime');
  theirs[2] = ours[2];
}

/** A file that has got another number on the kernel's side, which has no index. */
export function withoutIndex(ours, theirs, key) {
  const renumbered = ours?.[key]?.[0] === 'ino' && (theirs[key] === false || theirs[key]?.[0] === 'other');
  if (world.index || !renumbered) return;
  except('no-index');
  theirs[key] = ours[key];
}

/** A new name that shows another number than the old one, of the same file, still does. */
export function withoutLinkNumber(ours, theirs) {
  if (!ours.moved || theirs.moved !== false || theirs.one?.[0] !== 'ino') return;
  except('split-link');
  theirs.moved = ours.moved;
}

export function agree(what, ours, theirs) {
  const text = (value) =>
    JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? Number(part) : part));
  const [x, y] = [text(ours), text(theirs)];
  if (x !== y) throw new Mismatch(`${what}\n  ours   ${x}\n  theirs ${y}`);
}

/** The exception that answers fall under, and what must not be looked at any more; undefined for none. */
export function exceptionFor(op, one, two, n, [ours, theirs]) {
  const gone = (place) => place?.state === 'open-unlinked';
  const seeks = op === 'seek' || op === 'fd-seek';
  if (seeks && (one.kind === 'd' || (ours.value && leadsToFolder(one)))) return { name: 'seek-in-folder' };
  if (op === 'removexattr' && ours.value && theirs.errno === 'ENODATA') return { name: 'absent-acl' };
  const absent = ours.errno === 'ENODATA' && theirs.errno === 'EPERM';
  if (absent && !world.index && /xattr/.test(op)) return { name: 'absent-and-forbidden' };
  if (op === 'tmpfile' && gone(one) && ours.errno === 'ENOENT') return { name: 'tmpfile-in-removed' };
  if (seeks && ours.value && theirs.value && `${ours.value}` !== `${theirs.value}`)
    return exceptionForSeek(one, offsetOf(n), ours.value, theirs.value);
  if (op === 'fd-map-read' && ours.value && theirs.value && isStale(one.slot, ours.value[0], theirs.value[0]))
    return { name: 'stale-mapping' };
  if (ours.value && theirs.errno === 'ESTALE' && two && isOneFile(one, two)) return { name: 'split-link' };
  // Where ours goes on to fail for a reason of its own, these can have come from nowhere else: for an open folder all.
  const alone = two === undefined && one.kind === 'd';
  const cannotChange =
    ours.errno === undefined || alone ? /^E(EXIST|NOENT|IO|NOTDIR|NOTEMPTY)$/ : /^E(EXIST|NOENT|IO)$/;
  if (ours.errno !== theirs.errno && cannotChange.test(theirs.errno)) {
    const changed = [one, two].filter((place) => gone(place) && place.name === undefined);
    if (changed.length > 0) return { name: 'unlinked-lower-change', drop: changed.map(({ slot }) => slot) };
  }
  return undefined;
}

function exceptionForSeek(one, at, ours, theirs) {
  const paths = world.sides.map((_, side) => pathOn(side, one));
  if (!areTrue([ours, theirs], at, paths)) return undefined;
  const [[ourData, ourHole], [data, hole]] = [ours, theirs];
  const fewer = (ourData === 'none' || ourData >= data) && ourHole <= hole;
  if (fewer || world.swapped) return { name: 'holes' };
  const [mine, other] = paths.map((path) => fs.statSync(path));
  return isNoLarger(mine, other) ? { name: 'unwritten' } : undefined;
}

/** On the kernel's side a mapping does not show what read(2) of the same descriptor does, and ours does. */
function isStale({ fds }, ours, theirs) {
  if (ours === theirs || ours === undefined) return false;
  const bytes = Buffer.alloc(ours.length);
  fs.readSync(fds.at(-1), bytes, 0, bytes.length, 0);
  return bytes.toString('latin1') === ours;
}

/** On our side: names of one file, between which a rename does nothing. */
function isOneFile(...places) {
  const [one, two] = places.map((place) => lstat(pathOn(0, place)));
  return one !== undefined && one.ino === two?.ino;
}

const leadsToFolder = (place) => fs.statSync(pathOn(0, place)).isDirectory();
