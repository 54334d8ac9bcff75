// Snapshots as folders `<id>/fs` and `<id>/work` beside rows in the metadata: containerd's overlay layout. The
// rows decide what exists; a folder that no row names is rubbish, and a row is put only together with its folder.
// Copying, measuring and syncing happen outside transactions, and what they rest on is checked again inside.

import { rmSync } from 'node:fs';
import {
  Attr,
  fromText,
  indexPath,
  isUnusable,
  type MarkPrefix,
  openLowerDir,
  type SpaceLimit,
  type StackDescription,
  sys,
  writeLayerIndex,
} from '../../fs/index.js';
import { type FeatureSet, featureSet, followsRedirects } from '../../native-fallback/index.js';
import { StoreError } from '../errors.js';
import { filtered } from '../filter.js';
import { snapshotField } from '../filter-fields.js';
import type { Labels } from '../labels.js';
import type { Metadata } from '../metadata/db.js';
import { recordDriver } from '../metadata/driver.js';
import type { SnapshotRow } from '../metadata/rows.js';
import {
  childrenOf,
  deleteSnapshot,
  getSnapshot,
  isSnapshotId,
  listSnapshots,
  nextSnapshotId,
  putSnapshot,
} from '../metadata/snapshots.js';
import type { ReadTx, WriteTx } from '../metadata/transaction.js';
import { assertFit, driverNamed } from '../mounts/drivers.js';
import { freezeServed, layerWithStandIns, settle, settleForKernel } from '../mounts/settle.js';
import { MountTable } from '../mounts/table.js';
import { measureTree } from '../mounts/usage.js';
import { sweepChains } from './chains.js';
import { copyAttributes, copyTree } from './copy-tree.js';
import { type NewFolder, removeTree, SnapshotFolders } from './folders.js';
import { type Chain, factsOf, mountsOf, numberingOf, stackOf } from './mounts.js';
import {
  addNew,
  assertCounts,
  checkCommit,
  checkNew,
  commitRow,
  existing,
  infoOf,
  limitRow,
  parentsOf,
  removeRow,
  type SnapshotRows,
  updateRow,
} from './rules.js';
import type { Driver, Mount, PrepareOptions, SnapshotInfo, Snapshotter, SnapshotUsage } from './snapshot.js';

/** Where containerd's clients look for the folder of changes. */
export const UPPERDIR_LABEL = 'containerd.io/snapshot/overlay.upperdir';

export interface SnapshotterOptions {
  /** ROOT/snapshots. */
  readonly folder: string;
  /** ROOT/chains: what `cleanup` clears of chains that are gone; absent, nothing is cleared. */
  readonly chains?: string;
  /** The state folder, whose mount table says what is mounted. */
  readonly state: string;
  readonly namespace: string;
  /** Asked for when it is needed: to choose one may take a trial. */
  readonly driver: Driver | (() => Driver);
  /** Absolute path of the program mica-overlayfs, for the mounts of the driver `fuse`. */
  readonly helper: string;
  /** Show the folder of changes as a label of every snapshot (containerd's `upperdir_label`). */
  readonly upperdirLabel?: boolean;
  /** `remove` leaves the deleting to `cleanup` (containerd's `async_remove`). */
  readonly asyncRemove?: boolean;
}

export class FolderSnapshotter implements Snapshotter {
  readonly #metadata: Metadata;
  readonly #options: SnapshotterOptions;
  readonly #folders: SnapshotFolders;
  readonly #table: MountTable;

  constructor(metadata: Metadata, options: SnapshotterOptions) {
    this.#metadata = metadata;
    this.#options = options;
    this.#folders = new SnapshotFolders(options.folder);
    this.#table = new MountTable(options.state);
  }

  get #driver(): Driver {
    const { driver } = this.#options;
    return typeof driver === 'string' ? driver : driver();
  }

  async stat(name: string): Promise<SnapshotInfo> {
    return this.#info(this.#row(name, 'cannot stat snapshot'));
  }

  async update(name: string, labels: Labels, fieldPaths: readonly string[]): Promise<SnapshotInfo> {
    return this.#info(
      await this.#metadata.write((tx) => updateRow(this.#rows(tx), name, labels, fieldPaths)),
    );
  }

  async usage(name: string): Promise<SnapshotUsage> {
    const row = this.#row(name, 'cannot measure snapshot');
    if (row.size !== undefined && row.inodes !== undefined) return { size: row.size, inodes: row.inodes };
    return said(`cannot measure snapshot ${name}`, () => withFolder(this.#folders.fs(row.id), measureTree));
  }

  async mounts(key: string): Promise<readonly Mount[]> {
    const chain = this.#chain(key, 'cannot mount snapshot');
    if (chain.row.kind === 'committed') {
      throw new StoreError('failed-precondition', `cannot mount snapshot ${key}`, 'it is committed', {
        hint: `mica snapshot view KEY ${key}`,
      });
    }
    if (chain.row.form === 'diff' && driverNamed(this.#driver).form === 'full') {
      const why = `it holds changes only, which is not for --driver ${this.#driver}`;
      throw new StoreError('failed-precondition', `cannot mount snapshot ${key}`, why, {
        hint: 'use --driver fuse or --driver overlay, or mica export the image and mica import it into another --root',
      });
    }
    const isFull = chain.row.form === 'full' && driverNamed(this.#driver).form === 'diff';
    const driver = isFull ? 'native' : this.#driver;
    const stack = stackOf(chain, this.#folders);
    // An outside caller's bind or overlay would count nothing; our helper does.
    if (stack.upper?.quota !== undefined) assertCounts(driver, `cannot mount snapshot ${key}`);
    const isPlain = chain.row.form === 'full' || layerWithStandIns(stack) === undefined;
    if (driver !== 'fuse' && chain.row.form === 'diff') await settleForKernel(stack, this.#table);
    const bind = isPlain && mayMount();
    // A single layer is bound; a longer chain is the driver's, and ours reads the upper as it is.
    if (driver === 'fuse' && bind && stack.lowers.length === 0) await settle(stack, this.#table);
    const { helper } = this.#options;
    const redirects = followsRedirects() ? 'unsaid' : 'follow';
    return mountsOf(chain, this.#folders, { driver, features: features(), redirects, helper, bind });
  }

  prepare(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]> {
    return this.#add('active', key, parent, options);
  }

  view(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]> {
    return this.#add('view', key, parent, options);
  }

  async commit(name: string, key: string, options: PrepareOptions = {}): Promise<SnapshotInfo> {
    const labels = options.labels ?? {};
    const active = this.#metadata.read((tx) => checkCommit(this.#rowsRead(tx), name, key, labels));
    await this.#quiesce(active);
    const usage = said(`cannot commit snapshot ${key}`, () =>
      withFolder(this.#folders.fs(active.id), (fd) => {
        sys.syncFilesystem(fd);
        const indexed = this.#index(active, name);
        return indexed !== undefined && active.dialect === 'overlay' ? indexed : measureTree(fd);
      }),
    );
    const row = await this.#metadata.write((tx) => {
      const rows = this.#rows(tx);
      const now = existing(rows, key, 'cannot commit snapshot');
      if (now.id !== active.id) throw changed(`cannot commit snapshot ${key}`);
      return commitRow(rows, name, key, labels, usage);
    });
    removeTree(this.#folders.work(row.id));
    return this.#info(row);
  }

  async remove(name: string): Promise<void> {
    this.#assertUnmounted(this.#row(name, 'cannot remove snapshot'));
    const row = await this.#metadata.write((tx) => removeRow(this.#rows(tx), name));
    const away = this.#folders.retire(row.id);
    if (away !== undefined && this.#options.asyncRemove !== true) removeTree(away);
  }

  async *walk(filters: readonly string[] = []): AsyncIterable<SnapshotInfo> {
    const rows = this.#metadata.read((tx) => listSnapshots(tx, this.#options.namespace));
    yield* filtered(
      rows.map((row) => this.#info(row)),
      filters,
      snapshotField,
    );
  }

  async limit(key: string, quota: SpaceLimit | undefined): Promise<SnapshotInfo> {
    if (quota !== undefined) assertCounts(this.#driver, `cannot limit snapshot ${key}`);
    return this.#info(await this.#metadata.write((tx) => limitRow(this.#rows(tx), key, quota)));
  }

  async cleanup(): Promise<number> {
    const named = (id: string) => this.#metadata.read((tx) => isSnapshotId(tx, id));
    const removed = this.#folders.sweep(named);
    if (this.#options.chains !== undefined) sweepChains(this.#options.chains, named);
    return removed;
  }

  async stack(name: string): Promise<StackDescription> {
    const chain = this.#chain(name, 'cannot open snapshot');
    return stackOf(chain, this.#folders);
  }

  async close(): Promise<void> {
    // The metadata belong to whoever opened them, and nothing else is open.
  }

  /** From here on the folder of an active snapshot does not change any more by our doing, and everybody can read it. */
  async #quiesce(row: SnapshotRow): Promise<void> {
    const mount = this.#table.writing(this.#folders.fs(row.id));
    if (mount?.state === 'live') {
      if (mount.driver !== 'fuse') throw inUse('commit', row, mount.target);
      await freezeServed(mount, `cannot commit snapshot ${row.name}`);
    } else if (row.form === 'diff') {
      await settle(stackOf(this.#chain(row.name, 'cannot commit snapshot'), this.#folders), this.#table);
    }
  }

  /**
   * Puts the index of what is to be committed under `name` beside its folder and returns what is in it; undefined if
   * there cannot be one. Whoever needs it can make it again.
   */
  #index(row: SnapshotRow, name: string): SnapshotUsage | undefined {
    const { id, dialect, marks, form } = row;
    const numbering = numberingOf(row);
    const path = this.#folders.fs(id);
    // One of a commit that failed speaks of what the folder was then.
    rmSync(indexPath(path), { force: true });
    if (form !== 'diff' || process.platform !== 'linux' || !sys.hasFeature('index')) return undefined;
    const [below] = this.#chain(row.name, 'cannot commit snapshot').parents;
    const layer = openLowerDir(fromText(path), { id, dialect, marks: [marks], numbering });
    try {
      return writeLayerIndex({ path, dialect, marks, facts: factsOf({ ...row, name }, below) }, layer);
    } catch (error) {
      if (!isUnusable(error)) throw error;
      return undefined;
    } finally {
      layer.close();
    }
  }

  #assertUnmounted(row: SnapshotRow): void {
    const mount =
      this.#table.showing(this.#options.folder, row.id) ?? this.#table.writing(this.#folders.fs(row.id));
    if (mount?.state === 'live') throw inUse('remove', row, mount.target);
  }

  async #add(
    kind: 'active' | 'view',
    key: string,
    parent: string | undefined,
    options: PrepareOptions = {},
  ): Promise<readonly Mount[]> {
    const driver = this.#driver;
    const { form } = driverNamed(driver);
    assertFit(driver, this.#options.folder);
    const own = {
      form,
      marks: ownMarks(),
      dialect: process.platform === 'linux' ? 'overlay' : 'wh',
      ...ownNumbering(),
    } as const;
    const { labels = {}, quota } = options;
    if (quota !== undefined) assertCounts(this.#driver, `cannot prepare snapshot ${key}`);
    const wanted = { key, kind, parent, labels, quota, own };
    const below = this.#metadata.read((tx) => checkNew(this.#rowsRead(tx), wanted));
    if (below !== undefined) assertReadable(below, `cannot use snapshot ${below.name} as a parent`);
    const what = `cannot ${kind === 'view' ? 'view' : 'prepare'} snapshot ${key}`;
    const folder = said(what, () => this.#folders.create(kind === 'active'));
    try {
      if (below !== undefined) this.#fill(folder, below, kind);
      await this.#metadata.write((tx) => {
        const row = addNew(this.#rows(tx), wanted);
        if (parent !== undefined && getSnapshot(tx, this.#options.namespace, parent)?.id !== below?.id) {
          throw changed(what);
        }
        recordDriver(tx, { driver, form });
        folder.publish(row.id);
      });
    } catch (error) {
      folder.discard();
      throw asFailure(what, error);
    } finally {
      folder.release();
    }
    return this.mounts(key);
  }

  /** A whole tree is copied for who may change it; else the root folder alone begins as the parent's. */
  #fill(folder: NewFolder, parent: SnapshotRow, kind: 'active' | 'view'): void {
    withFolder(this.#folders.fs(parent.id), (from) => {
      withFolder(`${folder.path}/fs`, (to) => {
        if (parent.form === 'full' && kind === 'active') {
          copyTree(from, to);
          return;
        }
        const attr = new Attr();
        sys.statFd(from, attr);
        copyAttributes(from, attr, to, '.', (xattr) => !xattr.includes('.overlay.'));
      });
    });
  }

  #chain(name: string, doing: string): Chain {
    const chain = this.#metadata.read((tx) => {
      const rows = this.#rowsRead(tx);
      const row = existing(rows, name, doing);
      return { row, parents: parentsOf(rows, row) };
    });
    assertReadable(chain.row, `${doing} ${name}`);
    return chain;
  }

  #row(name: string, doing: string): SnapshotRow {
    return this.#metadata.read((tx) => existing(this.#rowsRead(tx), name, doing));
  }

  #info(row: SnapshotRow): SnapshotInfo {
    const info = infoOf(row);
    if (this.#options.upperdirLabel !== true) return info;
    return { ...info, labels: { ...info.labels, [UPPERDIR_LABEL]: this.#folders.fs(row.id) } };
  }

  #rowsRead(tx: ReadTx): SnapshotRows {
    const ns = this.#options.namespace;
    const refuse = (): never => {
      throw new Error('a row was changed in a transaction that only reads');
    };
    return {
      get: (name) => getSnapshot(tx, ns, name),
      children: (name) => childrenOf(tx, ns, name),
      put: refuse,
      remove: refuse,
      nextId: refuse,
    };
  }

  #rows(tx: WriteTx): SnapshotRows {
    const ns = this.#options.namespace;
    return {
      ...this.#rowsRead(tx),
      put: (row) => putSnapshot(tx, ns, row),
      remove: (name) => void deleteSnapshot(tx, ns, name),
      nextId: () => nextSnapshotId(tx),
    };
  }
}

function inUse(verb: string, row: SnapshotRow, target: string): StoreError {
  const why = `it is mounted at ${target}`;
  return new StoreError('failed-precondition', `cannot ${verb} snapshot ${row.name}`, why, {
    hint: `mica umount ${target}`,
  });
}

/** How marks of new chains are spelled: as this process may write them. */
export function ownMarks(): MarkPrefix {
  return process.platform === 'linux' && sys.mayUseTrustedXattrs() ? 'trusted' : 'user';
}

/** What owners in new folders mean, where that is not what they mean to everybody. */
function ownNumbering(): Pick<SnapshotRow, 'numbering'> {
  if (process.platform !== 'linux' || sys.inFirstUserNamespace()) return {};
  return { numbering: sys.namespaceNumbering() };
}

/** unsupported for a layer whose marks this process cannot see: every deletion of a folder would come undone. */
function assertReadable(row: SnapshotRow, what: string): void {
  if (row.marks === 'user' || ownMarks() === 'trusted') return;
  throw new StoreError('unsupported', what, 'its marks are trusted xattrs, which only root can read', {
    hint: 'run as root, or export the image and import it into a store of your own',
  });
}

function mayMount(): boolean {
  return process.platform === 'linux' && sys.hasCapability(sys.CAP_SYS_ADMIN);
}

let known: FeatureSet | undefined;

function features(): FeatureSet {
  if (process.platform !== 'linux') return new Set();
  known ??= featureSet();
  return known;
}

function changed(what: string): StoreError {
  return new StoreError('failed-precondition', what, 'another process changed it meanwhile', {
    hint: 'try again',
  });
}

/** What a system call said about `what`, as the store's own failure; anything else stays what it is. */
function asFailure(what: string, error: unknown): unknown {
  if (error instanceof StoreError || typeof (error as NodeJS.ErrnoException).code !== 'string') return error;
  return new StoreError('failed', what, (error as Error).message, { cause: error });
}

function said<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asFailure(what, error);
  }
}

function withFolder<T>(path: string, use: (fd: number) => T): T {
  const fd = sys.openAt(sys.AT_FDCWD, fromText(path), sys.O_RDONLY | sys.O_DIRECTORY);
  try {
    return use(fd);
  } finally {
    sys.closeFd(fd);
  }
}
