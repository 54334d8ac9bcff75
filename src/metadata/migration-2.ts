// From version 1, which collected no garbage: nothing that a person made may go by the first collection. Every
// snapshot and every blob that no image leads to gets the label that keeps it, but for the snapshots that an import
// makes for itself: named by the chain ID of their layers, or still being unpacked to. Those it can make again.

import { isDigest } from '../digest.js';
import { rootLabels } from '../labels.js';
import { mark } from './gc.js';
import { listNamespaces } from './namespaces.js';
import type { SnapshotRow } from './rows.js';
import { listSnapshots, putSnapshot } from './snapshots.js';
import type { WriteTx } from './transaction.js';

/** How version 1 named what layers were unpacked to, and what was to become a chain ID of a commit. */
const UNPACKING = /^(?:extract|alias)-\d+-[\w-]+ sha256:/;

export function indexSnapshotsAndKeepThings(tx: WriteTx): void {
  const { deadBlobs } = mark(tx, { nowMs: 0, useOf: () => undefined });
  const kept = rootLabels();
  for (const { namespace, row } of deadBlobs) {
    tx.put(['v1', 'blobs', namespace, row.digest], { ...row, labels: { ...kept, ...row.labels } });
  }
  for (const { name } of listNamespaces(tx)) {
    for (const row of listSnapshots(tx, name)) {
      // Taken out first, because there is nothing in the indexes yet that could be taken back.
      tx.remove(['v1', 'snapshots', name, row.name]);
      putSnapshot(tx, name, isImports(row) ? row : { ...row, labels: { ...kept, ...row.labels } });
    }
  }
}

function isImports({ name, kind }: SnapshotRow): boolean {
  return kind === 'committed' ? isDigest(name) : UNPACKING.test(name);
}
