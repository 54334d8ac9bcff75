// Namespaces: names, labels and rows of one user of the store, hidden from the others. One comes to be with the
// first row in it, and goes only when asked and empty.

import { StoreError } from '../errors.js';
import { assertLabels, keptLabels, type Labels, updateLabels } from '../labels.js';
import { timeNow } from '../time.js';
import { assertIdentifier } from './identifier.js';
import { partitionOf } from './partitions.js';
import type { NamespaceRow } from './rows.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

/** How much of a bad name an error shows. */
const SHOWN = 76;

/** What a namespace may name, as the subtrees of the schema are called. */
const KINDS = ['images', 'snapshots', 'blobs', 'containers', 'leases'] as const;

const at = (name: string): Key => ['v1', 'namespaces', name];

/** invalid-argument unless `name` may name a namespace. */
export function assertNamespaceName(name: string): void {
  assertIdentifier(name, `cannot use namespace ${JSON.stringify(name.slice(0, SHOWN))}`);
}

export function getNamespace(tx: ReadTx, name: string): NamespaceRow | undefined {
  return tx.get<NamespaceRow>(at(name));
}

/** Makes the namespace or replaces its row. */
export function putNamespace(tx: WriteTx, row: NamespaceRow): void {
  if (partitionOf(row.name) === undefined) assertNamespaceName(row.name);
  assertLabels(row.labels, `cannot label namespace ${row.name}`);
  tx.put(at(row.name), row);
}

/** already-exists; invalid-argument for a bad name or bad labels. */
export function createNamespace(tx: WriteTx, name: string, labels: Labels): NamespaceRow {
  if (getNamespace(tx, name) !== undefined) {
    throw new StoreError('already-exists', `cannot create namespace ${name}`, 'it exists', {
      hint: `mica namespace label ${name} KEY=VALUE`,
    });
  }
  const row: NamespaceRow = { name, created: timeNow(), labels: keptLabels(labels) };
  putNamespace(tx, row);
  return row;
}

/** Changes labels; field paths as `updateLabels`. not-found. */
export function labelNamespace(
  tx: WriteTx,
  name: string,
  labels: Labels,
  fieldPaths: readonly string[],
): NamespaceRow {
  const what = `cannot label namespace ${name}`;
  const old = getNamespace(tx, name);
  if (old === undefined) throw new StoreError('not-found', what, 'there is none of this name');
  const row: NamespaceRow = { ...old, labels: updateLabels(old.labels, labels, fieldPaths, what) };
  putNamespace(tx, row);
  return row;
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
  for (const kind of KINDS) {
    const count = tx.keys(['v1', kind, name]).length;
    if (count > 0) throw new StoreError('failed-precondition', what, `it is not empty: ${count} ${kind}`);
  }
  tx.remove(at(name));
}

/** Partitions among them (partitions.ts). Ordered by name. */
export function listNamespaces(tx: ReadTx): readonly NamespaceRow[] {
  return tx.list<NamespaceRow>(['v1', 'namespaces']).map((row) => row.value);
}
