// Rows of snapshots against each other and against their folders. Other processes work meanwhile, so whatever looks wrong
// is looked up again in a newer state of the rows before it is told.

import { lstatSync, mkdirSync } from 'node:fs';
import {
  checkLayerIndex,
  fromText,
  isUnusable,
  openLowerDir,
  toText,
  writeLayerIndex,
} from '../../fs/index.js';
import type { SnapshotRow } from '../metadata/rows.js';
import { rowsOf } from '../metadata/snapshot-indexes.js';
import { getSnapshot } from '../metadata/snapshots.js';
import { MountTable } from '../mounts/table.js';
import { readNote, writeNote } from '../snapshots/facts.js';
import { removeTree, SnapshotFolders } from '../snapshots/folders.js';
import { factsOf, numberingOf } from '../snapshots/mounts.js';
import type { Store } from '../store.js';
import type { CheckOptions, Problem, Report } from './report.js';

/** Paths of a layer that are named when it has changed. */
const PATHS_MAX = 10;

interface Owned {
  readonly namespace: string;
  readonly row: SnapshotRow;
}

export async function checkSnapshots(store: Store, report: Report, options: CheckOptions): Promise<void> {
  const all = store.metadata.read(rowsOf);
  const check = new SnapshotCheck(store, report);
  for (const [at, owned] of all.entries()) {
    options.signal?.throwIfAborted();
    options.onProgress?.({ phase: 'index', done: at, total: all.length });
    await check.one(owned);
    // Layers are read in one piece each; others are to be heard in between.
    await new Promise((resolve) => setImmediate(resolve));
  }
  options.onProgress?.({ phase: 'index', done: all.length, total: all.length });
}

class SnapshotCheck {
  readonly #store: Store;
  readonly #report: Report;
  readonly #folders: SnapshotFolders;
  readonly #table: MountTable;

  constructor(store: Store, report: Report) {
    this.#store = store;
    this.#report = report;
    this.#folders = new SnapshotFolders(store.folders.snapshots);
    this.#table = new MountTable(store.state);
  }

  async one(owned: Owned): Promise<void> {
    await this.#checkParent(owned);
    if (!(await this.#checkFolder(owned))) return;
    await this.#checkNote(owned);
    await this.#checkIndex(owned);
  }

  async #checkParent({ namespace, row }: Owned): Promise<void> {
    if (row.parent === undefined) return;
    const { parent: name } = row;
    const parent = this.#store.metadata.read((tx) => getSnapshot(tx, namespace, name));
    const why =
      parent === undefined
        ? `its parent ${name} is missing`
        : parent.kind !== 'committed'
          ? `its parent ${name} is not committed`
          : parent.form !== row.form
            ? `it is ${row.form}, and its parent ${name} is ${parent.form}`
            : undefined;
    if (why !== undefined) await this.#tell({ namespace, row }, { part: 'snapshot', why, level: 'error' });
  }

  /** False if there is nothing to look further at. */
  async #checkFolder(owned: Owned): Promise<boolean> {
    const { row } = owned;
    const fs = this.#folders.fs(row.id);
    if (!isFolder(fs)) {
      await this.#tell(owned, {
        part: 'snapshot',
        why: `its folder ${fs} is missing`,
        level: 'error',
        hint: `mica snapshot rm ${row.name}`,
      });
      return false;
    }
    const work = this.#folders.work(row.id);
    if (row.kind === 'active' && !isFolder(work)) {
      const problem = { part: 'snapshot', why: 'it has no work folder', level: 'error' } as const;
      await this.#tell(owned, problem, () => {
        mkdirSync(work, { mode: 0o711 });
        return 'made an empty one';
      });
    }
    if (row.kind === 'committed' && isFolder(work)) {
      const problem = { part: 'snapshot', why: 'it has a work folder still', level: 'note' } as const;
      await this.#tell(owned, problem, () => {
        removeTree(work);
        return 'removed it';
      });
    }
    return true;
  }

  async #checkNote(owned: Owned): Promise<void> {
    const folder = this.#folders.at(owned.row.id);
    const note = readNote(folder);
    if (note !== undefined && JSON.stringify(sorted(note)) === JSON.stringify(sorted(owned))) return;
    const why = `its facts.json ${note === undefined ? 'is missing' : 'is older than its row'}`;
    await this.#tell(owned, { part: 'snapshot', why, level: 'note' }, () => {
      writeNote(folder, owned);
      return 'wrote it';
    });
  }

  async #checkIndex(owned: Owned): Promise<void> {
    const { namespace, row } = owned;
    const { id, dialect, marks, form, parent } = row;
    if (row.kind !== 'committed' || form !== 'diff' || process.platform !== 'linux') return;
    const path = this.#folders.fs(id);
    const below =
      parent === undefined
        ? undefined
        : this.#store.metadata.read((tx) => getSnapshot(tx, namespace, parent));
    const of = { path, dialect, marks, facts: factsOf(row, below) };
    const layer = openLowerDir(fromText(path), { id, dialect, marks: [marks], numbering: numberingOf(row) });
    try {
      const found = checkLayerIndex(of, layer);
      if (found.kind === 'same' || found.kind === 'none') return;
      if (found.kind === 'differs') {
        const paths = found.paths.slice(0, PATHS_MAX).map(toText).join(', ');
        const more = found.paths.length > PATHS_MAX ? ` and ${found.paths.length - PATHS_MAX} more` : '';
        const why = `its folder was changed after the commit: ${paths}${more}`;
        const hint = 'bring its image in again under another --root, and compare with mica diff';
        return await this.#tell(owned, { part: 'index', why, level: 'error', hint });
      }
      const level = found.kind === 'damaged' ? 'error' : 'note';
      await this.#tell(owned, { part: 'index', why: `its index is ${TEXT[found.kind]}`, level }, () => {
        writeLayerIndex(of, layer);
        return 'made it again from the folder';
      });
    } catch (error) {
      if (!isUnusable(error)) throw error;
      const why = `its layer cannot be read: ${(error as Error).message}`;
      await this.#tell(owned, { part: 'snapshot', why, level: 'error' });
    } finally {
      layer.close();
    }
  }

  /** Nothing is told of a snapshot that was changed or removed meanwhile. */
  async #tell(
    { namespace, row }: Owned,
    problem: Omit<Problem, 'namespace' | 'name' | 'repaired'>,
    repair?: () => string,
  ): Promise<void> {
    const now = this.#store.metadata.read((tx) => getSnapshot(tx, namespace, row.name));
    if (now?.id !== row.id || now.updated !== row.updated || now.kind !== row.kind) return;
    const mounted = this.#table.writing(this.#folders.fs(row.id)) !== undefined;
    await this.#report.add({ ...problem, namespace, name: row.name }, mounted ? undefined : repair);
  }
}

const TEXT = { missing: 'missing', damaged: 'damaged', stale: 'of another folder' } as const;

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** The same with the keys of every object in order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]),
  );
}
