// What an entry of the index of hard links is good for, in words: which names of the upper are the same file, and which
// names of the union find it by the key alone, because nothing of them lies in the upper.

import type { DiskEntry, LayerState, State } from '../model.js';

/** `the same file as bin/vi; bin/vim is found by this key`. */
export function joinedBy({ path: key, ino }: DiskEntry, upper: LayerState, state: State): string {
  const here = upper.entries.filter((one) => one.kind === 'file' && one.ino === ino).map(({ path }) => path);
  const lowers = state.layers.filter((layer) => layer !== upper);
  const byKey = state.merged.filter(
    ({ path, layer, indexed }) =>
      indexed !== undefined &&
      layer === upper.name &&
      lowers.some(({ entries }) => entries.some((one) => one.path === path && one.key === key)),
  );
  const found = byKey.map(({ path }) => path);
  const same = here.length === 0 ? 'no name here' : `the same file as ${here.join(', ')}`;
  if (found.length === 0) return same;
  return `${same}; ${found.join(', ')} ${found.length === 1 ? 'is' : 'are'} found by this key`;
}
