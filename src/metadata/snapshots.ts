// Snapshot rows, the index of children that goes with them, and the sequence of folder names. A row and its entry
// in the index change in one transaction, so that "has children" is one range and never wrong.

import { StoreError } from '../errors.js';
import { ensureNamespace } from './namespaces.js';
import type { SnapshotForm, SnapshotRow } from './rows.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

const SEQUENCE: Key = ['v1', 'sequence'];
const at = (ns: string, name: string): Key => ['v1', 'snapshots', ns, name];
const childAt = (ns: string, parent: string, name: string): Key => ['v1', 'children', ns, parent, name];

export function getSnapshot(tx: ReadTx, ns: string, name: string): SnapshotRow | undefined {
  return tx.get<SnapshotRow>(at(ns, name));
}

/** Makes or replaces the row under its name. */
export function putSnapshot(tx: WriteTx, ns: string, row: SnapshotRow): void {
  ensureNamespace(tx, ns);
  const old = getSnapshot(tx, ns, row.name);
  if (old?.parent !== undefined) tx.remove(childAt(ns, old.parent, old.name));
  if (row.parent !== undefined) tx.put(childAt(ns, row.parent, row.name), true);
  tx.put(at(ns, row.name), row);
}

/** Takes the row out and returns it. not-found; failed-precondition while it has children. */
export function deleteSnapshot(tx: WriteTx, ns: string, name: string): SnapshotRow {
  const what = `cannot remove snapshot ${name}`;
  const row = getSnapshot(tx, ns, name);
  if (row === undefined) throw new StoreError('not-found', what, 'there is none of this name');
  const children = childrenOf(tx, ns, name);
  if (children.length > 0) {
    throw new StoreError('failed-precondition', what, `it has children: ${someOf(children)}`, {
      hint: `remove ${children[0]} first`,
    });
  }
  if (row.parent !== undefined) tx.remove(childAt(ns, row.parent, name));
  tx.remove(at(ns, name));
  return row;
}

/** Ordered by name. */
export function listSnapshots(tx: ReadTx, ns: string): readonly SnapshotRow[] {
  return tx.list<SnapshotRow>(['v1', 'snapshots', ns]).map((row) => row.value);
}

/** The names of the snapshots on top of `parent`, ordered. */
export function childrenOf(tx: ReadTx, ns: string, parent: string): readonly string[] {
  return tx.keys(['v1', 'children', ns, parent]).map((key) => key.at(-1) ?? '');
}

/** A folder name that was never given out before: a decimal number. */
export function nextSnapshotId(tx: WriteTx): string {
  const next = (tx.get<number>(SEQUENCE) ?? 0) + 1;
  tx.put(SEQUENCE, next);
  return String(next);
}

/** The ids of the snapshots of all namespaces: folders of any other name are nobody's. */
export function allSnapshotIds(tx: ReadTx): Set<string> {
  return new Set(tx.list<SnapshotRow>(['v1', 'snapshots']).map((row) => row.value.id));
}

/** The forms that snapshots of any namespace have. */
export function formsInUse(tx: ReadTx): Set<SnapshotForm> {
  return new Set(tx.list<SnapshotRow>(['v1', 'snapshots']).map((row) => row.value.form));
}

function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
