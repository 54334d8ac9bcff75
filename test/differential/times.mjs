// Times that overlayfs changes and should not have: put back on its side, so that the two trees stay alike and what
// comes next can be compared.

import fs from 'node:fs';
import { fromText, sys } from '../../dist/fs/index.js';
import { except } from './exceptions.mjs';
import { pathOn, world } from './world.mjs';

const NS = 1_000_000_000n;

/** Of what a path leads to: an open file is a symlink in /proc, and a symlink is not what is opened. */
function mtimeOf(path) {
  try {
    return fs.statSync(path, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
  } catch (error) {
    // Below a file, in circles, or the name is too long.
    if (typeof error.errno !== 'number') throw error;
    return undefined;
  }
}

/** The folder of a place, or of an open folder itself; undefined where a name says nothing about one. */
function folderOn(at, place) {
  const path = pathOn(at, place);
  if (place.slot !== undefined && place.name === undefined) return undefined;
  return path.slice(0, path.lastIndexOf('/'));
}

/** Mtimes on all sides, by path: of the folders that an operation names, to be held against what it leaves. */
export function foldersTimes(...places) {
  return places
    .filter((place) => place !== undefined)
    .map((place) => world.sides.map((_, at) => folderOn(at, place)))
    .filter((paths) => paths.every((path) => path !== undefined))
    .map((paths) => ({ paths, mtimes: paths.map(mtimeOf) }));
}

/** As `foldersTimes` for the place itself. */
export function placeTimes(place) {
  const paths = world.sides.map((_, at) => pathOn(at, place));
  return [{ paths, mtimes: paths.map(mtimeOf) }];
}

/** What the kernel's side changed and ours did not is put back there, under the exception's name. */
export function putBack(name, before) {
  for (const { paths, mtimes } of before) {
    const now = paths.map(mtimeOf);
    const last = paths.length - 1;
    if (mtimes.includes(undefined) || now[0] !== mtimes[0] || now[last] === mtimes[last]) continue;
    except(name);
    setMtime(paths[last], mtimes[last]);
  }
}

function setMtime(path, mtimeNs) {
  const fd = sys.openAt(sys.AT_FDCWD, fromText(path), sys.O_PATH);
  try {
    const sec = mtimeNs / NS - (mtimeNs % NS < 0n ? 1n : 0n);
    sys.utimesFd(fd, undefined, { sec: Number(sec), nsec: Number(mtimeNs - sec * NS) });
  } finally {
    sys.closeFd(fd);
  }
}
