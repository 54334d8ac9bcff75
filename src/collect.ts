// Garbage collection over the whole store, all namespaces. First one transaction marks and takes out rows
// (metadata/gc.ts). From then on nothing can begin to use what is dead, and what was begun before is alive: a mount is
// in the table, and an import has its lease. Then files go that no row names, whoever left them, each in a step that
// no other process can come between. Killed anywhere, the next collection does the rest.

import { join } from 'node:path';
import { fromText, sys } from '../fs/index.js';
import { expiredIngests, type Swept, sweepBlobs, unnamedFiles } from './content/sweep.js';
import { blobNames } from './metadata/blobs.js';
import type { Metadata } from './metadata/db.js';
import { type Kept, type Marked, type MarkOptions, mark, unname } from './metadata/gc.js';
import type { SnapshotRow } from './metadata/rows.js';
import { isSnapshotId } from './metadata/snapshots.js';
import { snapshotUses } from './mounts/in-use.js';
import { measureTree } from './mounts/usage.js';
import type { StoreFolders } from './root-folder.js';
import { sweepChains } from './snapshots/chains.js';
import { SnapshotFolders } from './snapshots/folders.js';

export interface CollectedStore {
  readonly metadata: Metadata;
  readonly folders: StoreFolders;
  readonly state: string;
}

/** `file`: a blob's that no namespace names any more, or never did. */
export interface Garbage {
  readonly kind: 'snapshot' | 'blob' | 'ingest' | 'file';
  /** '' for a file. */
  readonly namespace: string;
  readonly name: string;
  /** Bytes that only it has: of a snapshot its changes, of a blob 0 if another namespace names it too. */
  readonly size: number;
}

export interface Preview {
  readonly goes: readonly Garbage[];
  readonly stays: readonly Kept[];
}

/** Collects, and returns what went. */
export async function collectGarbage(store: CollectedStore): Promise<readonly Garbage[]> {
  const steps = collecting(store);
  for (;;) {
    const step = await steps.next();
    if (step.done === true) return step.value;
  }
}

/** As `collectGarbage`, one step each time that it is asked; other processes may do anything between two. */
export async function* collecting(store: CollectedStore): AsyncGenerator<string, readonly Garbage[]> {
  const { metadata, folders } = store;
  const nowMs = Date.now();
  yield 'begin';
  const marked = await metadata.write((tx) => {
    const found = mark(tx, markOptions(store, nowMs));
    unname(tx, found);
    return found;
  });
  const gone = [...rowsGone(store, marked)];
  yield 'rows';
  for await (const files of sweepBlobs(folders.content, blobNames(metadata))) {
    gone.push(...filesGone(files, marked));
    yield 'blobs';
  }
  const isNamed = (id: string) => metadata.read((tx) => isSnapshotId(tx, id));
  for (const name of new SnapshotFolders(folders.snapshots).sweeping(isNamed)) yield `folder ${name}`;
  sweepChains(folders.chains, isNamed);
  yield 'chains';
  const limits = { nowMs, leased: marked.leasedIngests };
  for await (const ingest of expiredIngests(folders.content, limits, true)) {
    gone.push(ingestGone(ingest));
    yield 'ingest';
  }
  return gone;
}

/** What a collection would do now. Changes nothing. */
export async function previewGarbage(store: CollectedStore): Promise<Preview> {
  const { metadata, folders } = store;
  const nowMs = Date.now();
  const { marked, stays } = metadata.read((tx) => {
    const found = mark(tx, markOptions(store, nowMs));
    return { marked: found, stays: [...found.live()] };
  });
  const goes = [...rowsGone(store, marked)];
  const named = blobNames(metadata).all();
  goes.push(...filesGone([...unnamedFiles(folders.content, named)], marked));
  const limits = { nowMs, leased: marked.leasedIngests };
  for await (const ingest of expiredIngests(folders.content, limits, false)) goes.push(ingestGone(ingest));
  return { goes, stays };
}

function markOptions({ state, folders }: CollectedStore, nowMs: number): MarkOptions {
  // Looked at within the transaction: whoever has ended a lease by now has put its mount into the table before.
  const uses = snapshotUses(state, folders.snapshots);
  return { nowMs, useOf: ({ id }) => uses(id) };
}

function* rowsGone(store: CollectedStore, marked: Marked): Generator<Garbage, void> {
  for (const { namespace, row } of marked.deadSnapshots) {
    yield { kind: 'snapshot', namespace, name: row.name, size: sizeOf(store, row) };
  }
  const last = new Set<string>();
  for (const { namespace, row } of marked.deadBlobs) {
    // Dead in two namespaces, its bytes are given back once.
    const isLast = !marked.isAlive(row.digest) && !last.has(row.digest);
    if (isLast) last.add(row.digest);
    yield { kind: 'blob', namespace, name: row.digest, size: isLast ? row.size : 0 };
  }
}

/** Files whose rows went just now are told as blobs. */
function filesGone(files: readonly Swept[], { deadBlobs }: Marked): readonly Garbage[] {
  const told = new Set(deadBlobs.map(({ row }) => row.digest));
  return files
    .filter(({ name }) => !told.has(name))
    .map(({ name, size }) => ({ kind: 'file', namespace: '', name, size }));
}

function ingestGone({ name, size }: Swept): Garbage {
  const slash = name.indexOf('/');
  return { kind: 'ingest', namespace: name.slice(0, slash), name: name.slice(slash + 1), size };
}

function sizeOf({ folders }: CollectedStore, row: SnapshotRow): number {
  if (row.size !== undefined) return row.size;
  const path = join(folders.snapshots, row.id, 'fs');
  const fd = sys.openAtIfAny(sys.AT_FDCWD, fromText(path), sys.O_RDONLY | sys.O_DIRECTORY);
  // A clean-up in another process was faster.
  if (fd === undefined) return 0;
  try {
    return measureTree(fd).size;
  } finally {
    sys.closeFd(fd);
  }
}
