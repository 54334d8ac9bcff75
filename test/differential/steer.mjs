// Finds a place in the state that a command asks for, and brings one about where there is none.

import { CALLS, pick } from './calls.mjs';
import { execute, open } from './execute.mjs';
import { NAMES } from './places.mjs';
import { currentPlaces, openPlaces, world } from './world.mjs';

/**
 * A place in a state, rather one of which `prefers` is true; undefined if there is none and none can be made.
 * `how` is the call: `fd`: an open file; `names`: a name, not what it leads to.
 */
export function choose(state, n, prefers, how, again = false) {
  const found = candidates(state, n, how);
  const preferred = n % 7 === 0 ? [] : found.filter(prefers);
  if (preferred.length > 0) return pick(preferred, n >> 3);
  if (found.length > 0 && (again || n % 3 === 0)) return pick(found, n >> 3);
  if (again || world.sides.length === 0) return undefined;
  prepare(state, n, prefers, how);
  return choose(state, n, prefers, how, true);
}

function candidates(state, n, how) {
  if (!how.fd && state !== 'open-unlinked') {
    // The topmost folder has no name that could be given or taken.
    return currentPlaces().filter((place) => place.state === state && !(how.names && place.path === '.'));
  }
  const found = openPlaces().filter((place) => place.state === state);
  if (how.fd || !how.names) return found;
  return found.map((place) => ({ ...place, kind: undefined, name: pick(NAMES, n) }));
}

/** Operations that lead to a place in a state. */
function prepare(state, n, prefers, how) {
  const any = (test) => {
    const found = currentPlaces().filter((place) => place.path !== '.' && test(place));
    const preferred = found.filter((place) => prefers(place));
    return pick(preferred.length > 0 ? preferred : found, n >> 2);
  };
  const free = () => any((place) => place.kind === undefined);
  const lowerFolder = () => any((p) => p.kind === 'd' && (p.state === 'lower' || p.state === 'merged'));
  const step = (op, one, two) => {
    if (one !== undefined && (two !== undefined || CALLS[op].two === undefined)) execute(op, one, two, 1, 0);
  };
  const exists = (path) => currentPlaces().find((place) => place.path === path);
  const openable = (p) => p.kind === 'f' || p.kind === 'd';
  if (how.fd && state !== 'open-unlinked') {
    const at = () => any((p) => p.state === state && openable(p));
    if (at() === undefined) prepare(state, n, prefers, {});
    const found = at();
    if (found !== undefined) open(found, n);
    return;
  }
  switch (state) {
    case 'upper':
      step(n % 2 ? 'create' : 'mkdir', free());
      break;
    case 'merged':
      step('chmod', lowerFolder());
      break;
    case 'whiteout':
      step(
        'rmtree',
        any((p) => p.state === 'lower'),
      );
      break;
    case 'hard-linked':
      if (world.links)
        step(
          'link',
          any((p) => p.kind === 'f'),
          free(),
        );
      break;
    case 'redirected':
      if (world.marks === 'trusted') step('rename', lowerFolder(), free());
      break;
    case 'opaque': {
      const at = lowerFolder();
      step('rmtree', at);
      step('mkdir', at && exists(at.path));
      break;
    }
    case 'open-unlinked': {
      const at = any((p) => openable(p) && p.path.includes('/')) ?? any((p) => p.kind === 'f');
      if (at !== undefined && open(at, n)) step('rmtree', exists(at.path));
      break;
    }
  }
}
