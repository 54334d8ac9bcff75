// What the metadata stores, drawn once, and how older stores are brought up to it. Everything lies in one LMDB
// database; a key is a path of parts (keys.ts), so a subtree of the drawing is one range.
//
//   v1
//   ├── version                            number: SCHEMA_VERSION of whoever wrote last
//   ├── sequence                           number: the last snapshot id given out; ids are never given twice
//   ├── driver                             DriverRow: of the first snapshot; absent before there was one
//   ├── settings/content-sharing           'shared' (as when absent) or 'isolated': sharing.ts
//   ├── namespaces/<ns>                    NamespaceRow; made by the first row that needs it. `partition:<socket>` is one, too
//   ├── snapshots/<ns>/<name>              SnapshotRow; <name> is the key of an active one, the name of a committed one
//   ├── children/<ns>/<parent>/<name>      true: <name> has <parent> as its parent; written with the row above only
//   ├── snapshot-ids/<id>                  true: a snapshot of some namespace has this folder; with its row only
//   ├── snapshot-forms/<form>              number: how many snapshots of all namespaces have it
//   ├── exchanges/<ns>/<key>               ExchangeRow: the snapshot is about to get another folder; exchanges.ts
//   ├── images/<ns>/<name>                 ImageRow
//   ├── blobs/<ns>/<digest>                BlobRow
//   ├── layers/<ns>/<chain ID>             LayerRow: what the snapshot of that name does not say; nothing without it
//   ├── rw-layers/<ns>/<name>              RwLayerRow
//   ├── containers/<ns>/<id>               ContainerRow; opaque values as MessagePack's binary
//   ├── leases/<ns>/<id>                   LeaseRow
//   └── leased/<ns>/<lease>/<type>/<id>    true: what the lease holds, there or not; gone with the row above
//
// `v1` changes only when an old program must not even read. A value is a pair of ROW_VERSION and the row,
// as MessagePack without extensions, so that any decoder can read it.

import { StoreError } from '../errors.js';
import { indexSnapshotsAndKeepThings } from './migration-2.js';
import type { ReadTx, WriteTx } from './transaction.js';

/** Of the values' shape: stands in each of them. */
export const ROW_VERSION = 1;

/** Brings the tree from version n (its place in the list) to n + 1. Runs inside the transaction of `migrate`. */
export type Migration = (tx: WriteTx) => void;

/** Grows at the end only: a store of any age runs the rest of the list. */
export const MIGRATIONS: readonly Migration[] = [
  // 0 -> 1: an empty environment becomes a store.
  (tx) => tx.put(['v1', 'sequence'], 0),
  // 1 -> 2: indexes of snapshots, and the label that keeps what garbage collection would take.
  indexSnapshotsAndKeepThings,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** The version of the tree; 0 for an empty environment. */
export function storedVersion(tx: ReadTx): number {
  return tx.get<number>(['v1', 'version']) ?? 0;
}

/**
 * Brings the tree to the version that `migrations` lead to; nothing is kept if one of them throws.
 * failed-precondition for a store that a newer program has written.
 */
export function migrate(tx: WriteTx, migrations: readonly Migration[] = MIGRATIONS): void {
  const from = storedVersion(tx);
  assertNotNewer(from, migrations.length);
  if (from === migrations.length) return;
  for (const migration of migrations.slice(from)) migration(tx);
  tx.put(['v1', 'version'], migrations.length);
}

/** Refuses a tree that a newer program has written: its rows may mean what this program does not know. */
export function assertNotNewer(version: number, known: number = SCHEMA_VERSION): void {
  if (version <= known) return;
  throw new StoreError(
    'failed-precondition',
    'cannot use the metadata',
    `it has version ${version}, and this program knows versions up to ${known}`,
    { hint: 'use the newer mica that wrote it, or another --root' },
  );
}
