// The indexes that go with the rows of snapshots, held against these and made anew from them: nothing in them is not in
// the rows.

import type { ExchangeRow, SnapshotRow } from './rows.js';
import type { ReadTx, WriteTx } from './transaction.js';

interface Entry {
  readonly key: readonly [string, ...string[]];
  readonly value: unknown;
}

/** What is wrong with the indexes, one line for each entry, none if they are what the rows say. */
export function flawsOfSnapshotIndexes(tx: ReadTx): readonly string[] {
  const wanted = new Map(wantedEntries(tx).map((entry) => [entry.key.join('\0'), entry]));
  const flaws: string[] = [];
  for (const { key, value } of storedEntries(tx)) {
    const text = key.join('\0');
    const entry = wanted.get(text);
    if (entry === undefined || entry.value !== value) flaws.push(`${key.slice(1).join('/')} is wrong`);
    wanted.delete(text);
  }
  for (const { key } of wanted.values()) flaws.push(`${key.slice(1).join('/')} is missing`);
  const last = tx.get<number>(['v1', 'sequence']) ?? 0;
  const highest = Math.max(0, ...rowsOf(tx).map(({ row }) => Number(row.id)));
  if (highest > last) flaws.push(`the sequence of ids is at ${last}, and there is ${highest}`);
  return flaws;
}

/** Makes them what the rows say. Ids go on after the highest of the rows and `atLeast`. */
export function reindexSnapshots(tx: WriteTx, atLeast = 0): void {
  for (const { key } of storedEntries(tx)) tx.remove(key);
  for (const { key, value } of wantedEntries(tx)) tx.put(key, value);
  const last = tx.get<number>(['v1', 'sequence']) ?? 0;
  const highest = Math.max(last, atLeast, ...rowsOf(tx).map(({ row }) => Number(row.id)));
  if (highest > last) tx.put(['v1', 'sequence'], highest);
}

/** The snapshots of all namespaces. */
export function rowsOf(tx: ReadTx): readonly { readonly namespace: string; readonly row: SnapshotRow }[] {
  const namespaces = new Set(tx.keys(['v1', 'snapshots']).map((key) => key.at(-2) ?? ''));
  return [...namespaces].flatMap((namespace) =>
    tx.list<SnapshotRow>(['v1', 'snapshots', namespace]).map(({ value }) => ({ namespace, row: value })),
  );
}

function wantedEntries(tx: ReadTx): readonly Entry[] {
  const entries: Entry[] = [];
  const forms = new Map<string, number>();
  for (const { namespace, row } of rowsOf(tx)) {
    if (row.parent !== undefined) {
      entries.push({ key: ['v1', 'children', namespace, row.parent, row.name], value: true });
    }
    entries.push({ key: ['v1', 'snapshot-ids', row.id], value: true });
    forms.set(row.form, (forms.get(row.form) ?? 0) + 1);
  }
  // A folder that is about to become that of a snapshot (exchanges.ts).
  for (const { value } of tx.list<ExchangeRow>(['v1', 'exchanges'])) {
    entries.push({ key: ['v1', 'snapshot-ids', value.id], value: true });
  }
  for (const [form, count] of forms) entries.push({ key: ['v1', 'snapshot-forms', form], value: count });
  return entries;
}

/** A form that no snapshot has any more may be counted as 0. */
function storedEntries(tx: ReadTx): readonly Entry[] {
  return (['children', 'snapshot-ids', 'snapshot-forms'] as const).flatMap((index) =>
    tx.keys(['v1', index]).flatMap((parts) => {
      const key = parts as Entry['key'];
      const value = tx.get(key);
      return index === 'snapshot-forms' && value === 0 ? [] : [{ key, value }];
    }),
  );
}
