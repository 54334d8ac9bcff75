// Namespaces: names, labels and rows of one user of the store, hidden from the others. One comes to be with the
// first row in it, and goes only when asked and empty.

import { StoreError } from '../errors.js';
import { assertLabels } from '../labels.js';
import { timeNow } from '../time.js';
import type { NamespaceRow } from './rows.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

/** containerd's rule for identifiers (`pkg/identifiers`): it is part of paths and keys. */
const NAME = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const NAME_MAX = 76;

const at = (name: string): Key => ['v1', 'namespaces', name];

/** invalid-argument unless `name` may name a namespace. */
export function assertNamespaceName(name: string): void {
  const what = `cannot use namespace ${JSON.stringify(name.slice(0, NAME_MAX))}`;
  if (name.length > NAME_MAX) {
    throw new StoreError('invalid-argument', what, `a name has at most ${NAME_MAX} characters`);
  }
  if (!NAME.test(name)) {
    throw new StoreError(
      'invalid-argument',
      what,
      'a name is letters and digits, with single . _ - between them',
    );
  }
}

export function getNamespace(tx: ReadTx, name: string): NamespaceRow | undefined {
  return tx.get<NamespaceRow>(at(name));
}

/** Makes the namespace or replaces its row. */
export function putNamespace(tx: WriteTx, row: NamespaceRow): void {
  assertNamespaceName(row.name);
  assertLabels(row.labels, `cannot label namespace ${row.name}`);
  tx.put(at(row.name), row);
}

/** The namespace, made without labels if it is missing. */
export function ensureNamespace(tx: WriteTx, name: string): NamespaceRow {
  const old = getNamespace(tx, name);
  if (old !== undefined) return old;
  const row: NamespaceRow = { name, created: timeNow(), labels: {} };
  putNamespace(tx, row);
  return row;
}

/** not-found if there is none; failed-precondition while it names anything. */
export function deleteNamespace(tx: WriteTx, name: string): void {
  const what = `cannot remove namespace ${name}`;
  if (getNamespace(tx, name) === undefined)
    throw new StoreError('not-found', what, 'there is none of this name');
  for (const kind of ['images', 'snapshots', 'blobs']) {
    const count = tx.list(['v1', kind, name]).length;
    if (count > 0) throw new StoreError('failed-precondition', what, `it is not empty: ${count} ${kind}`);
  }
  tx.remove(at(name));
}

/** Ordered by name. */
export function listNamespaces(tx: ReadTx): readonly NamespaceRow[] {
  return tx.list<NamespaceRow>(['v1', 'namespaces']).map((row) => row.value);
}
