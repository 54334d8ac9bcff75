// The rows of one namespace, in a transaction, as the rules take them.

import { listExchanges } from '../metadata/exchanges.js';
import {
  childrenOf,
  deleteSnapshot,
  getSnapshot,
  nextSnapshotId,
  putSnapshot,
} from '../metadata/snapshots.js';
import type { ReadTx, WriteTx } from '../metadata/transaction.js';
import type { SnapshotRows } from './rules.js';

/** For rules that change nothing. */
export function rowsRead(tx: ReadTx, ns: string): SnapshotRows {
  const refuse = (): never => {
    throw new Error('a row was changed in a transaction that only reads');
  };
  return {
    get: (name) => getSnapshot(tx, ns, name),
    children: (name) => childrenOf(tx, ns, name),
    becoming: (name) => listExchanges(tx, ns).find(({ commit }) => commit?.name === name)?.key,
    put: refuse,
    remove: refuse,
    nextId: refuse,
  };
}

export function rowsIn(tx: WriteTx, ns: string): SnapshotRows {
  return {
    ...rowsRead(tx, ns),
    put: (row) => putSnapshot(tx, ns, row),
    remove: (name) => void deleteSnapshot(tx, ns, name),
    nextId: () => nextSnapshotId(tx),
  };
}
