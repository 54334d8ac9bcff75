// What the calling process has before it: the mounts side by side, the places of their tree, and the open files.
// Ours comes first, the kernel's last; the kernel's decides where places are.

import fs from 'node:fs';
import { placesOf } from './places.mjs';

const MOST_OPEN = 8;
/** linux/magic.h */
const TMPFS_MAGIC = 0x01021994;

/** One pair of mounts. `log` has every operation since the history began. */
export const world = {
  sides: [],
  upper: '',
  marks: 'trusted',
  /** Hard links may be made. */
  links: true,
  /** The kernel has an index, without which it splits hard links of a lower layer and renumbers what gets links. */
  index: true,
  /** The upper lies on a filesystem whose times cannot tell two changes apart. */
  coarse: false,
  /** Each side has written to the upper that is now the other's. */
  swapped: false,
  /** Open files: a descriptor per side, the kind, and the path it was opened by. */
  slots: [],
  log: [],
  /** Numbers, on the kernel's side, of files of which overlayfs has two inodes. */
  split: new Set(),
};
let places;

export function enter({ upper, ...request }) {
  closeAll();
  Object.assign(world, { ...request, upper, coarse: fs.statfsSync(upper).type === TMPFS_MAGIC });
  world.split.clear();
  places = undefined;
}

export function currentPlaces() {
  places ??= placesOf(world.sides.at(-1), world.upper, world.marks);
  return places;
}

/** Something has changed: the places must be looked at again. */
export function placesChanged() {
  places = undefined;
}

/** The place that an open file is at now: a path's place, or one that is gone. */
export function placeOfSlot(slot) {
  const path = fs.readlinkSync(`/proc/self/fd/${slot.fds.at(-1)}`);
  const root = world.sides.at(-1);
  const gone = { slot, kind: slot.kind, state: 'open-unlinked', empty: true };
  if (path.endsWith(' (deleted)')) return gone;
  const inTree = path === root ? '.' : path.slice(root.length + 1);
  const known = currentPlaces().find((place) => place.path === inTree);
  return known === undefined ? gone : { ...known, slot };
}

/** A removed folder that is open, if a new one is at its name by now and nothing in that. */
export function hasEmptyHeir({ slot, kind, state, name }) {
  if (state !== 'open-unlinked' || kind !== 'd' || name !== undefined) return false;
  const path = fs.readlinkSync(`/proc/self/fd/${slot.fds.at(-1)}`).replace(/ \(deleted\)$/, '');
  const inTree = path.slice(world.sides.at(-1).length + 1);
  return currentPlaces().some((place) => place.path === inTree && place.kind === 'd' && place.empty);
}

export function openPlaces() {
  return world.slots.map(placeOfSlot);
}

export function pathOn(at, place) {
  if (place.slot === undefined) return `${world.sides[at]}/${place.path}`;
  const path = `/proc/self/fd/${place.slot.fds[at]}`;
  return place.name === undefined ? path : `${path}/${place.name}`;
}

export function nameOf(place) {
  if (place.slot === undefined) return place.path;
  return `[${place.slot.opened}]${place.name === undefined ? '' : `/${place.name}`}`;
}

/** Makes room for one more open file. */
export function addSlot(slot) {
  if (world.slots.length >= MOST_OPEN) drop(world.slots[0]);
  world.slots.push(slot);
}

/** Drops every open file that is the same object on our side. */
export function dropObject({ fds: [fd] }) {
  const numberOf = (ours) => fs.fstatSync(ours, { bigint: true }).ino;
  const number = numberOf(fd);
  for (const slot of world.slots.filter(({ fds }) => numberOf(fds[0]) === number)) drop(slot);
}

function drop(slot) {
  world.slots = world.slots.filter((other) => other !== slot);
  for (const fd of slot.fds) fs.closeSync(fd);
}

export function closeAll() {
  for (const { fds } of world.slots) for (const fd of fds) fs.closeSync(fd);
  world.slots = [];
}
