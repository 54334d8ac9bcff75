// Which names are those of one file: in a layer, where they have one number, and in the union, where the index of hard links
// in the upper joins them to a copy that lies there under another name, or under none.

import type { DiskEntry, LayerState, State } from '../model.js';

/** `the same file as bin/vi; bin/vim is found by this key`. */
export function joinedBy({ path: key, ino }: DiskEntry, upper: LayerState, state: State): string {
  const here = namesIn(upper, ino);
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

/** The names that lie in the layer of the file with this number. */
export function namesIn({ entries }: LayerState, ino: number | undefined): readonly string[] {
  return entries.filter((one) => one.kind === 'file' && one.ino === ino).map(({ path }) => path);
}

/** The number of a file in a layer, by a name that lies there or that its index joins to it; undefined if it has none there. */
export function numberIn(layer: LayerState, path: string, { layers }: State): number | undefined {
  const entry = layer.entries.find((one) => one.path === path);
  if (entry !== undefined) return entry.kind === 'file' ? entry.ino : undefined;
  const keys = layers.flatMap(({ entries }) => entries.find((one) => one.path === path)?.key ?? []);
  return layer.index?.entries.find((one) => keys.includes(one.path))?.ino;
}

/** What else the union calls the file that it shows at the path. */
export function otherNames(path: string, state: State): readonly string[] {
  const shown = state.merged.find((one) => one.path === path);
  const layer = state.layers.find(({ name }) => name === shown?.layer);
  if (shown === undefined || layer === undefined || shown.nlink < 2) return [];
  const ino = numberIn(layer, path, state);
  const others = state.merged.filter((one) => one.path !== path && one.layer === layer.name && one.nlink > 1);
  return others
    .filter((one) => ino !== undefined && numberIn(layer, one.path, state) === ino)
    .map((one) => one.path);
}
