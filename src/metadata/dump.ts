// The metadata as one JSON document and back: every row with its key, as it is stored, but for the opaque values of
// containers, which are base64. A dump of an older schema is brought up to the present one as a store would be.

import { StoreError } from '../errors.js';
import { type ContainerJson, containerJson, containerOfJson } from './container-json.js';
import type { ContainerRow } from './rows.js';
import { MIGRATIONS, migrate, storedVersion } from './schema.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

export interface Dump {
  /** The version of the schema that the rows have. */
  readonly schema: number;
  readonly rows: readonly DumpedRow[];
}

export interface DumpedRow {
  /** The path below `v1`: schema.ts. */
  readonly key: readonly string[];
  readonly value: unknown;
}

const CONTAINERS = 'containers';
/** What a store has before anything was put into it. */
const ALWAYS = new Set(['version', 'sequence']);

export function dumpRows(tx: ReadTx): Dump {
  const rows = tx
    .entries(['v1'])
    .map(({ key, value }) => ({ key: key.slice(1), value }))
    .filter(({ key }) => key[0] !== 'version')
    .map(({ key, value }) => ({
      key,
      value: key[0] === CONTAINERS ? containerJson(value as ContainerRow) : value,
    }));
  return { schema: storedVersion(tx), rows };
}

/** A document as a dump; invalid-argument if it is none. */
export function asDump(document: unknown, what: string): Dump {
  const { schema, rows } = (document ?? {}) as Partial<Dump>;
  if (!Number.isInteger(schema) || !Array.isArray(rows)) throw noDump(what, 'it has no schema and rows');
  for (const row of rows as readonly Partial<DumpedRow>[]) {
    const isKey =
      Array.isArray(row?.key) && row.key.length > 0 && row.key.every((part) => typeof part === 'string');
    if (!isKey || row.value === undefined || row.value === null)
      throw noDump(what, 'one of its rows has no key or no value');
  }
  return document as Dump;
}

/**
 * Puts the rows of a dump into a store that has none. failed-precondition for one that has, and for a dump of a newer
 * program. `lastId`: the highest folder of a snapshot that is there, dumped or not, which no new one may get.
 */
export function restoreRows(tx: WriteTx, dump: Dump, lastId: number, what: string): void {
  if (tx.keys(['v1']).some((key) => !ALWAYS.has(key[1] ?? ''))) {
    throw new StoreError('failed-precondition', what, 'the store is not empty', {
      hint: 'move its metadata folder away, or use another --root',
    });
  }
  tx.put(['v1', 'sequence'], 0);
  for (const { key, value } of dump.rows) {
    const row = key[0] === CONTAINERS ? containerOfJson(value as ContainerJson) : value;
    tx.put(['v1', ...key] as unknown as Key, row);
  }
  tx.put(['v1', 'version'], dump.schema);
  migrate(tx, MIGRATIONS);
  const sequence = tx.get<number>(['v1', 'sequence']) ?? 0;
  if (lastId > sequence) tx.put(['v1', 'sequence'], lastId);
}

function noDump(what: string, why: string): StoreError {
  return new StoreError('invalid-argument', what, `it is no dump: ${why}`, { hint: 'mica dump writes one' });
}
