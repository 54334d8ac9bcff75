// Image rows: a name in a namespace for a descriptor (of an index or a manifest).

import { assertLabels } from '../labels.js';
import type { Metadata } from './db.js';
import { ensureNamespace } from './namespaces.js';
import type { ImageRow } from './rows.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

const at = (ns: string, name: string): Key => ['v1', 'images', ns, name];

export function getImage(tx: ReadTx, ns: string, name: string): ImageRow | undefined {
  return tx.get<ImageRow>(at(ns, name));
}

/** Makes or replaces the row under its name. */
export function putImage(tx: WriteTx, ns: string, row: ImageRow): void {
  ensureNamespace(tx, ns);
  assertLabels(row.labels, `cannot label image ${row.name}`);
  tx.put(at(ns, row.name), row);
}

/** False if there was none. */
export function deleteImage(tx: WriteTx, ns: string, name: string): boolean {
  return tx.remove(at(ns, name));
}

/** Ordered by name. */
export function listImages(tx: ReadTx, ns: string): readonly ImageRow[] {
  return tx.list<ImageRow>(['v1', 'images', ns]).map((row) => row.value);
}

/** The rows of one namespace for those who work with images and know no transactions. */
export function imageRows(metadata: Metadata, ns: string) {
  return {
    get: (name: string): ImageRow | undefined => metadata.read((tx) => getImage(tx, ns, name)),
    list: (): readonly ImageRow[] => metadata.read((tx) => listImages(tx, ns)),
    put: (row: ImageRow): Promise<void> => metadata.write((tx) => putImage(tx, ns, row)),
    remove: (name: string): Promise<boolean> => metadata.write((tx) => deleteImage(tx, ns, name)),
  };
}
