// Where the places of a tree stand in the layers, read from the upper that the kernel writes: the states by
// which operations are steered and counted.

import fs from 'node:fs';
import { sys } from '../../dist/fs/index.js';

/** The states; `open-unlinked` is that of an open file or folder whose last name is gone. */
export const STATES = [
  'none',
  'lower',
  'upper',
  'merged',
  'whiteout',
  'opaque',
  'redirected',
  'hard-linked',
  'open-unlinked',
];

/** All names are made of these, so that operations meet. */
export const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const DEEPEST = 4;

function kindOf(stat) {
  if (stat.isDirectory()) return 'd';
  if (stat.isFile()) return 'f';
  return stat.isSymbolicLink() ? 'l' : 'o';
}

function markOf(upper, path, marks) {
  const dir = fs.openSync(upper, fs.constants.O_RDONLY);
  try {
    if (sys.getXattrAt(dir, path, `${marks}.overlay.redirect`) !== undefined) return 'redirected';
    const opaque = sys.getXattrAt(dir, path, `${marks}.overlay.opaque`);
    if (opaque !== undefined && Buffer.from(opaque).toString() === 'y') return 'opaque';
    return sys.getXattrAt(dir, path, `${marks}.overlay.origin`) === undefined ? 'upper' : 'merged';
  } finally {
    fs.closeSync(dir);
  }
}

function stateOf(upper, path, stat, marks) {
  if (!stat.isDirectory() && stat.nlink > 1) return 'hard-linked';
  const above = fs.lstatSync(`${upper}/${path}`, { throwIfNoEntry: false });
  if (above === undefined) return 'lower';
  return stat.isDirectory() ? markOf(upper, path, marks) : 'upper';
}

/**
 * Every place of the tree at `mount`: those that exist, the topmost folder (`.`) among them, the whiteouts of the
 * upper, and free names of each folder. `{path, kind, state, empty}`; `kind` is undefined where nothing is.
 */
export function placesOf(mount, upper, marks) {
  const places = [{ path: '.', kind: 'd', state: 'merged', empty: false }];
  const visit = (dir, depth) => {
    const names = fs.readdirSync(`${mount}/${dir}`).sort();
    for (const name of names) {
      const path = `${dir}${name}`;
      const stat = fs.lstatSync(`${mount}/${path}`);
      const place = { path, kind: kindOf(stat), state: stateOf(upper, path, stat, marks), empty: false };
      places.push(place);
      if (place.kind === 'd') place.empty = visit(`${path}/`, depth + 1) === 0;
    }
    for (const name of NAMES) {
      if (names.includes(name) || depth > DEEPEST) continue;
      const above = fs.lstatSync(`${upper}/${dir}${name}`, { throwIfNoEntry: false });
      places.push({
        path: `${dir}${name}`,
        kind: undefined,
        state: above ? 'whiteout' : 'none',
        empty: false,
      });
    }
    return names.length;
  };
  visit('', 0);
  return places;
}
