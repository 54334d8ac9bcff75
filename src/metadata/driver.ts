// What a store remembers of how it is used: the driver that made its first snapshot, and the form of what that makes.
// One row for the whole store, written once.

import type { SnapshotForm } from './rows.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

export interface DriverRow {
  readonly driver: string;
  readonly form: SnapshotForm;
}

const KEY: Key = ['v1', 'driver'];

/** undefined for a store without snapshots, or of an earlier version. */
export function getDriver(tx: ReadTx): DriverRow | undefined {
  return tx.get<DriverRow>(KEY);
}

/** The first one stays. */
export function recordDriver(tx: WriteTx, row: DriverRow): void {
  if (getDriver(tx) === undefined) tx.put(KEY, row);
}
