// What is done with the folder of an active snapshot that changes no more, before its row says that it is committed: it
// becomes durable, is measured, and gets its index, unless that is made afterwards.

import { sys } from '../../fs/index.js';
import type { SnapshotRow } from '../metadata/rows.js';
import { measureTree } from '../mounts/usage.js';
import { said, withFolder } from './folder-work.js';
import { type LayerToIndex, makeIndex, removeIndex } from './layer-index.js';
import type { Place } from './mounts.js';
import type { SnapshotUsage } from './snapshot.js';

/** Seals the folder of `row`, and makes its index now if `index` says of what. */
export function sealFolder(place: Place, row: SnapshotRow, index: LayerToIndex | undefined): SnapshotUsage {
  return said(`cannot commit snapshot ${row.name}`, () =>
    withFolder(place.fs(row.id), (fd) => {
      sys.syncFilesystem(fd);
      removeIndex(place, row);
      const indexed = index === undefined ? undefined : makeIndex(index);
      return indexed !== undefined && row.dialect === 'overlay' ? indexed : measureTree(fd);
    }),
  );
}
