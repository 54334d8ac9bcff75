// Snapshot rows, the indexes that go with them (of children, of folder names, of forms), and the sequence of folder
// names. A row and its entries change in one transaction, so that "has children" is one range and never wrong, and
// no question about a folder or a form looks at all rows.

import { StoreError } from '../errors.js';
import { ensureNamespace } from './namespaces.js';
import type { SnapshotForm, SnapshotRow } from './rows.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

const SEQUENCE: Key = ['v1', 'sequence'];
const at = (ns: string, name: string): Key => ['v1', 'snapshots', ns, name];
const idAt = (id: string): Key => ['v1', 'snapshot-ids', id];
const formAt = (form: SnapshotForm): Key => ['v1', 'snapshot-forms', form];
const FORMS: readonly SnapshotForm[] = ['diff', 'full'];
const childAt = (ns: string, parent: string, name: string): Key => ['v1', 'children', ns, parent, name];

export function getSnapshot(tx: ReadTx, ns: string, name: string): SnapshotRow | undefined {
  return tx.get<SnapshotRow>(at(ns, name));
}

/** Makes or replaces the row under its name. */
export function putSnapshot(tx: WriteTx, ns: string, row: SnapshotRow): void {
  ensureNamespace(tx, ns);
  const old = getSnapshot(tx, ns, row.name);
  if (old !== undefined) unindex(tx, ns, old);
  index(tx, ns, row);
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
  unindex(tx, ns, row);
  tx.remove(at(ns, name));
  return row;
}

/** Takes rows out of which none is the parent of one that stays. */
export function dropSnapshots(
  tx: WriteTx,
  rows: readonly { readonly namespace: string; readonly row: SnapshotRow }[],
): void {
  for (const { namespace, row } of rows) {
    unindex(tx, namespace, row);
    tx.remove(at(namespace, row.name));
  }
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

/** From now on the folder is somebody's, although no row names it. */
export function reserveSnapshotId(tx: WriteTx, id: string): void {
  tx.put(idAt(id), true);
}

/** The folder is nobody's any more. */
export function releaseSnapshotId(tx: WriteTx, id: string): void {
  tx.remove(idAt(id));
}

/** Whether a snapshot of any namespace has this folder: one of any other name is nobody's. */
export function isSnapshotId(tx: ReadTx, id: string): boolean {
  return tx.get(idAt(id)) !== undefined;
}

/** The forms that snapshots of any namespace have. */
export function formsInUse(tx: ReadTx): Set<SnapshotForm> {
  return new Set(FORMS.filter((form) => (tx.get<number>(formAt(form)) ?? 0) > 0));
}

function index(tx: WriteTx, ns: string, row: SnapshotRow): void {
  if (row.parent !== undefined) tx.put(childAt(ns, row.parent, row.name), true);
  tx.put(idAt(row.id), true);
  count(tx, row.form, 1);
}

function unindex(tx: WriteTx, ns: string, row: SnapshotRow): void {
  if (row.parent !== undefined) tx.remove(childAt(ns, row.parent, row.name));
  tx.remove(idAt(row.id));
  count(tx, row.form, -1);
}

function count(tx: WriteTx, form: SnapshotForm, by: number): void {
  tx.put(formAt(form), (tx.get<number>(formAt(form)) ?? 0) + by);
}

function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
