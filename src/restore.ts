// Restoring the rows of a dump, and holding them against what lies on disk: a dump has no layers and no blobs.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from './errors.js';
import { listBlobs } from './metadata/blobs.js';
import type { Metadata } from './metadata/db.js';
import { asDump, restoreRows } from './metadata/dump.js';
import { listNamespaces } from './metadata/namespaces.js';
import { listSnapshots } from './metadata/snapshots.js';
import type { StoreFolders } from './root-folder.js';

export interface RestoredStore {
  readonly metadata: Metadata;
  readonly folders: StoreFolders;
}

export interface Restored {
  readonly rows: number;
  /** Rows whose folder or file is not there, or not of the size that the row says. */
  readonly missing: readonly Missing[];
  /** Folders of snapshots and files of blobs that no row names: the next collection removes them. */
  readonly unnamed: number;
}

export interface Missing {
  readonly kind: 'snapshot' | 'blob';
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
}

/** `text`: what `mica dump` wrote. invalid-argument if it is none, failed-precondition for a store that is not empty. */
export async function restoreDump(store: RestoredStore, text: string, what: string): Promise<Restored> {
  const dump = asDump(parsed(text, what), what);
  const ids = namesIn(store.folders.snapshots).filter((name) => /^\d{1,15}$/.test(name));
  const lastId = Math.max(0, ...ids.map(Number));
  await store.metadata.write((tx) => restoreRows(tx, dump, lastId, what));
  return { rows: dump.rows.length, ...held(store, ids) };
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new StoreError('invalid-argument', what, `it is no JSON: ${error.message}`, { cause: error });
  }
}

function held({ metadata, folders }: RestoredStore, ids: readonly string[]): Omit<Restored, 'rows'> {
  const blobs = join(folders.content, 'blobs', 'sha256');
  const missing: Missing[] = [];
  const named = new Set<string>();
  metadata.read((tx) => {
    for (const { name: namespace } of listNamespaces(tx)) {
      for (const { name, id } of listSnapshots(tx, namespace)) {
        const path = join(folders.snapshots, id);
        named.add(path);
        if (!existsSync(join(path, 'fs'))) missing.push({ kind: 'snapshot', namespace, name, path });
      }
      for (const { digest, size } of listBlobs(tx, namespace)) {
        const path = join(blobs, digest.slice('sha256:'.length));
        named.add(path);
        if (statSync(path, { throwIfNoEntry: false })?.size !== size) {
          missing.push({ kind: 'blob', namespace, name: digest, path });
        }
      }
    }
  });
  const there = [
    ...ids.map((id) => join(folders.snapshots, id)),
    ...namesIn(blobs).map((name) => join(blobs, name)),
  ];
  return { missing, unnamed: there.filter((path) => !named.has(path)).length };
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
