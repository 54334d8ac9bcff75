// The index of a committed layer: a cache beside its folder, which is made when the layer is committed, at once or in a
// thread, and again by whoever finds it missing.

import { rmSync } from 'node:fs';
import {
  fromText,
  type IndexedLayer,
  indexPath,
  isUnusable,
  type Numbering,
  openLowerDir,
  sys,
  writeLayerIndex,
} from '../../fs/index.js';
import type { SnapshotRow } from '../metadata/rows.js';
import { factsOf, numberingOf, type Place } from './mounts.js';
import type { SnapshotUsage } from './snapshot.js';

/** What the index of a layer is made of: plain data, which a thread can be handed. */
export interface LayerToIndex extends IndexedLayer {
  readonly numbering: Numbering;
}

/** Of `row`, which is to be committed as `name` on top of `below`; undefined where there is never an index. */
export function layerToIndex(
  place: Place,
  row: SnapshotRow,
  name: string,
  below: SnapshotRow | undefined,
): LayerToIndex | undefined {
  const { id, dialect, marks, form } = row;
  if (form !== 'diff' || process.platform !== 'linux' || !sys.hasFeature('index')) return undefined;
  const facts = factsOf({ ...row, name }, below);
  return { path: place.fs(id), dialect, marks, facts, numbering: numberingOf(row) };
}

/** One of a commit that failed speaks of what the folder was then. */
export function removeIndex(place: Place, row: SnapshotRow): void {
  rmSync(indexPath(place.fs(row.id)), { force: true });
}

/** Puts the index beside the folder and returns what is in it; undefined if there cannot be one, or the folder is gone. */
export function makeIndex(of: LayerToIndex): SnapshotUsage | undefined {
  const { path, dialect, marks, facts, numbering } = of;
  try {
    const layer = openLowerDir(fromText(path), { id: facts.id, dialect, marks: [marks], numbering });
    try {
      return writeLayerIndex(of, layer);
    } finally {
      layer.close();
    }
  } catch (error) {
    if (!isUnusable(error)) throw error;
    return undefined;
  }
}
