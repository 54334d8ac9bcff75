// Exchanges of the folder of an active snapshot that are under way, or were when somebody died: as long as the row is
// there, its new folder is somebody's, and the name that it is to be committed as is taken. There are next to none.

import type { ExchangeRow } from './rows.js';
import { releaseSnapshotId, reserveSnapshotId } from './snapshots.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

const at = (ns: string, key: string): Key => ['v1', 'exchanges', ns, key];

/** Ordered by key. */
export function listExchanges(tx: ReadTx, ns: string): readonly ExchangeRow[] {
  return tx.list<ExchangeRow>(['v1', 'exchanges', ns]).map((row) => row.value);
}

export function getExchange(tx: ReadTx, ns: string, key: string): ExchangeRow | undefined {
  return tx.get<ExchangeRow>(at(ns, key));
}

export function putExchange(tx: WriteTx, ns: string, row: ExchangeRow): void {
  tx.put(at(ns, row.key), row);
  reserveSnapshotId(tx, row.id);
}

/** Takes the row out; what becomes of the folder says who has it from now on. */
export function removeExchange(tx: WriteTx, ns: string, row: ExchangeRow): void {
  tx.remove(at(ns, row.key));
  releaseSnapshotId(tx, row.id);
}
