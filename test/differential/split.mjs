// Files of which overlayfs has two inodes at once (the exception `split-link`). It forgets the one of them unless
// an open file holds it; until then what it has cached of the one says nothing about the other.

import fs from 'node:fs';
import { sys } from '../../dist/fs/index.js';
import { except } from './exceptions.mjs';
import { pathOn, world } from './world.mjs';

/** The numbers of what is at a place on the kernel's side, and of what that leads to. */
function numbersOf(place) {
  if (place === undefined || place.name !== undefined) return [];
  const path = pathOn(world.sides.length - 1, place);
  return [fs.lstatSync, fs.statSync].flatMap((look) => {
    try {
      return look(path, { bigint: true, throwIfNoEntry: false })?.ino ?? [];
    } catch (error) {
      // Below a file, or a symlink that leads in circles.
      if (typeof error.errno !== 'number') throw error;
      return [];
    }
  });
}

/** After a link: overlayfs may have made the new name of `one` a second inode. */
export function joinNames(one, two) {
  if (isOne(one, two)) return;
  except('split-link');
  sys.mount('', world.sides.at(-1), '', sys.MS_REMOUNT, '');
  if (isOne(one, two)) return;
  for (const number of [...numbersOf(one), ...numbersOf(two)]) world.split.add(number);
}

function isOne(one, two) {
  const [numbers, others] = [numbersOf(one), numbersOf(two)];
  return numbers.some((number) => others.includes(number));
}

/** Whether overlayfs may judge by what one of its inodes knew before a change of the other. */
export function isSplit(...places) {
  if (world.split.size === 0) return false;
  return places.some((place) => numbersOf(place).some((number) => world.split.has(number)));
}
