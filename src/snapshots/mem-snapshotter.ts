// Snapshots without folders: the rules on a Map, for tests of what stands above a Snapshotter. Paths in mounts
// and stacks look like those of a store and name nothing.

import type { SpaceLimit, StackDescription } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { filtered } from '../filter.js';
import { snapshotField } from '../filter-fields.js';
import type { Labels } from '../labels.js';
import type { SnapshotRow } from '../metadata/rows.js';
import { driverNamed } from '../mounts/drivers.js';
import { type Chain, mountsOf, stackOf } from './mounts.js';
import {
  addNew,
  assertCounts,
  commitRow,
  existing,
  infoOf,
  limitRow,
  parentsOf,
  removeRow,
  type SnapshotRows,
  updateRow,
} from './rules.js';
import type {
  Driver,
  Mount,
  PrepareOptions,
  SnapshotUsage,
  StoredSnapshot,
  StoreSnapshotter,
} from './snapshot.js';

const PLACE = { fs: (id: string) => `/memory/${id}/fs`, work: (id: string) => `/memory/${id}/work` };
/** An empty folder counts as one inode. */
const EMPTY: SnapshotUsage = { size: 0, inodes: 1 };

export class MemSnapshotter implements StoreSnapshotter {
  readonly #driver: Driver;
  readonly #table = new Map<string, SnapshotRow>();
  #sequence = 0;
  readonly #rows: SnapshotRows = {
    get: (name) => this.#table.get(name),
    put: (row) => void this.#table.set(row.name, row),
    remove: (name) => void this.#table.delete(name),
    children: (name) => [...this.#table.values()].filter((row) => row.parent === name).map((row) => row.name),
    nextId: () => String(++this.#sequence),
    becoming: () => undefined,
  };

  constructor(driver: Driver = 'overlay') {
    this.#driver = driver;
  }

  async stat(name: string): Promise<StoredSnapshot> {
    return infoOf(existing(this.#rows, name, 'cannot stat snapshot'));
  }

  async update(name: string, labels: Labels, fieldPaths: readonly string[]): Promise<StoredSnapshot> {
    return infoOf(updateRow(this.#rows, name, labels, fieldPaths));
  }

  async usage(name: string): Promise<SnapshotUsage> {
    existing(this.#rows, name, 'cannot measure snapshot');
    return EMPTY;
  }

  async mounts(key: string): Promise<readonly Mount[]> {
    const chain = this.#chain(key, 'cannot mount snapshot');
    if (chain.row.kind === 'committed') {
      throw new StoreError('failed-precondition', `cannot mount snapshot ${key}`, 'it is committed', {
        hint: `mica snapshot view KEY ${key}`,
      });
    }
    return mountsOf(chain, PLACE, {
      driver: this.#driver,
      features: new Set(),
      redirects: 'unsaid',
      helper: '/memory/mica-overlayfs',
      state: '/memory/state',
      bind: true,
    });
  }

  prepare(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]> {
    return this.#add('active', key, parent, options);
  }

  view(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]> {
    return this.#add('view', key, parent, options);
  }

  async commit(name: string, key: string, options: PrepareOptions = {}): Promise<StoredSnapshot> {
    return infoOf(commitRow(this.#rows, name, key, options.labels ?? {}, EMPTY));
  }

  async remove(name: string): Promise<void> {
    removeRow(this.#rows, name);
  }

  async *walk(filters: readonly string[] = []): AsyncIterable<StoredSnapshot> {
    const rows = [...this.#table.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    yield* filtered(rows.map(infoOf), filters, snapshotField);
  }

  async limit(key: string, quota: SpaceLimit | undefined): Promise<StoredSnapshot> {
    if (quota !== undefined) assertCounts(this.#driver, `cannot limit snapshot ${key}`);
    return infoOf(limitRow(this.#rows, key, quota));
  }

  async cleanup(): Promise<number> {
    return 0;
  }

  async stack(name: string): Promise<StackDescription> {
    return stackOf(this.#chain(name, 'cannot open snapshot'), PLACE);
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  async #add(
    kind: 'active' | 'view',
    key: string,
    parent: string | undefined,
    options: PrepareOptions = {},
  ): Promise<readonly Mount[]> {
    const { form } = driverNamed(this.#driver);
    const own = { form, marks: 'trusted', dialect: 'overlay' } as const;
    const { labels = {}, quota } = options;
    if (quota !== undefined) assertCounts(this.#driver, `cannot prepare snapshot ${key}`);
    addNew(this.#rows, { key, kind, parent, labels, quota, own });
    return this.mounts(key);
  }

  #chain(name: string, doing: string): Chain {
    const row = existing(this.#rows, name, doing);
    return { row, parents: parentsOf(this.#rows, row) };
  }
}
