// What is done with the folder of an active snapshot that changes no more, before its row says that it is committed: it
// becomes durable, is measured, and gets its index.

import { rmSync } from 'node:fs';
import { fromText, indexPath, isUnusable, openLowerDir, sys, writeLayerIndex } from '../../fs/index.js';
import type { SnapshotRow } from '../metadata/rows.js';
import { measureTree } from '../mounts/usage.js';
import { said, withFolder } from './folder-work.js';
import { factsOf, numberingOf, type Place } from './mounts.js';
import type { SnapshotUsage } from './snapshot.js';

/** Seals the folder of `row`, which is to be committed under `name` on top of `below`. */
export function sealFolder(
  place: Place,
  row: SnapshotRow,
  name: string,
  below: SnapshotRow | undefined,
): SnapshotUsage {
  return said(`cannot commit snapshot ${row.name}`, () =>
    withFolder(place.fs(row.id), (fd) => {
      sys.syncFilesystem(fd);
      const indexed = writeIndex(place, row, name, below);
      return indexed !== undefined && row.dialect === 'overlay' ? indexed : measureTree(fd);
    }),
  );
}

/**
 * Puts the index beside the folder and returns what is in it; undefined if there cannot be one. Whoever needs it can make
 * it again.
 */
function writeIndex(
  place: Place,
  row: SnapshotRow,
  name: string,
  below: SnapshotRow | undefined,
): SnapshotUsage | undefined {
  const { id, dialect, marks, form } = row;
  const path = place.fs(id);
  // One of a commit that failed speaks of what the folder was then.
  rmSync(indexPath(path), { force: true });
  if (form !== 'diff' || process.platform !== 'linux' || !sys.hasFeature('index')) return undefined;
  const layer = openLowerDir(fromText(path), { id, dialect, marks: [marks], numbering: numberingOf(row) });
  try {
    return writeLayerIndex({ path, dialect, marks, facts: factsOf({ ...row, name }, below) }, layer);
  } catch (error) {
    if (!isUnusable(error)) throw error;
    return undefined;
  } finally {
    layer.close();
  }
}
