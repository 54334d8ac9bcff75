// Snapshots as folders `<id>/fs` and `<id>/work` beside rows in the metadata: containerd's overlay layout. The
// rows decide what exists; a folder that no row names is rubbish, and a row is put only together with its folder.
// Copying, measuring and syncing happen outside transactions, and what they rest on is checked again inside.

import { closeSync, openSync } from 'node:fs';
import { type MarkPrefix, type SpaceLimit, type StackDescription, sys } from '../../fs/index.js';
import { type FeatureSet, featureSet, followsRedirects } from '../../native-fallback/index.js';
import { StoreError } from '../errors.js';
import { filtered } from '../filter.js';
import { snapshotField } from '../filter-fields.js';
import type { Labels } from '../labels.js';
import type { Metadata } from '../metadata/db.js';
import { recordDriver } from '../metadata/driver.js';
import { getExchange } from '../metadata/exchanges.js';
import { SNAPSHOTTER_NAME } from '../metadata/gc.js';
import { leaseHolding } from '../metadata/leases.js';
import type { ExchangeRow, SnapshotRow } from '../metadata/rows.js';
import { getSnapshot, isSnapshotId, listSnapshots } from '../metadata/snapshots.js';
import type { ReadTx } from '../metadata/transaction.js';
import { assertFit, driverNamed } from '../mounts/drivers.js';
import { freezeServed, layerWithStandIns, settle, settleForKernel } from '../mounts/settle.js';
import { canExchange, type ListedMount, MountTable } from '../mounts/table.js';
import { measureTree } from '../mounts/usage.js';
import { timeNow } from '../time.js';
import { sweepChains } from './chains.js';
import { worksIn } from './choose-driver.js';
import { Exchanges } from './exchange.js';
import { noteRow } from './facts.js';
import { asFailure, fillFolder, said, withFolder } from './folder-work.js';
import { removeTree, SnapshotFolders } from './folders.js';
import { layerToIndex } from './layer-index.js';
import type { LayerThread } from './layer-thread.js';
import { type Chain, mountsOf, stackOf } from './mounts.js';
import { rowsIn, rowsRead } from './row-access.js';
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
  updateRow,
} from './rules.js';
import { sealFolder } from './seal.js';
import type {
  Driver,
  LiveSnapshotter,
  Mount,
  PrepareOptions,
  SnapshotUsage,
  Stop,
  StoredSnapshot,
} from './snapshot.js';

/** Where containerd's clients look for the folder of changes. */
export const UPPERDIR_LABEL = 'containerd.io/snapshot/overlay.upperdir';

/**
 * A second mount on top of the kernel's, by which nothing happens: a remount that changes nothing is left out by containerd
 * (`mount.Mount.mount`). A single mount of overlayfs it would not mount to unpack a layer, but write to its upper folder,
 * where it finds no symlinks of the layers below, and makes `bin` a folder of an image that has it as a link to `usr/bin`.
 */
const NOTHING_MORE: Mount = { type: 'overlay', source: 'overlay', options: ['remount'] };

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
  /** For who goes on after a commit, which then does not wait for the index of its layer. */
  readonly thread?: LayerThread;
}

export class FolderSnapshotter implements LiveSnapshotter {
  readonly #metadata: Metadata;
  readonly #options: SnapshotterOptions;
  readonly #folders: SnapshotFolders;
  readonly #table: MountTable;
  readonly #exchanges: Exchanges;
  /** Whether the kernel's overlayfs passed its trial here; undefined before it was asked for. */
  #kernelWorks: boolean | undefined;

  constructor(metadata: Metadata, options: SnapshotterOptions) {
    this.#metadata = metadata;
    this.#options = options;
    this.#folders = new SnapshotFolders(options.folder);
    this.#table = new MountTable(options.state);
    this.#exchanges = new Exchanges(metadata, this.#folders, options.namespace);
  }

  get #driver(): Driver {
    const { driver } = this.#options;
    return typeof driver === 'string' ? driver : driver();
  }

  async stat(name: string): Promise<StoredSnapshot> {
    await this.#exchanges.recover();
    return this.#info(this.#row(name, 'cannot stat snapshot'));
  }

  async update(name: string, labels: Labels, fieldPaths: readonly string[]): Promise<StoredSnapshot> {
    await this.#exchanges.recover();
    const row = await this.#metadata.write((tx) =>
      updateRow(rowsIn(tx, this.#options.namespace), name, labels, fieldPaths),
    );
    noteRow(this.#folders, this.#options.namespace, row);
    return this.#info(row);
  }

  async usage(name: string): Promise<SnapshotUsage> {
    await this.#exchanges.recover();
    const row = this.#row(name, 'cannot measure snapshot');
    if (row.size !== undefined && row.inodes !== undefined) return { size: row.size, inodes: row.inodes };
    return said(`cannot measure snapshot ${name}`, () => withFolder(this.#folders.fs(row.id), measureTree));
  }

  mounts(key: string): Promise<readonly Mount[]> {
    return this.#mounts(key, false);
  }

  async #mounts(key: string, unpacks: boolean): Promise<readonly Mount[]> {
    await this.#exchanges.settled(key, `cannot mount snapshot ${key}`);
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
    const stack = stackOf(chain, this.#folders);
    // Who unpacks a layer looks at little of what is below.
    if (!unpacks) await this.#indexed(chain);
    const chosen = unpacks && this.#kernelCould(stack) ? 'overlay' : this.#driver;
    const driver = isFull ? 'native' : chosen;
    // An outside caller's bind or overlay would count nothing; our helper does.
    if (stack.upper?.quota !== undefined) assertCounts(driver, `cannot mount snapshot ${key}`);
    const isPlain = chain.row.form === 'full' || layerWithStandIns(stack) === undefined;
    if (driver !== 'fuse' && chain.row.form === 'diff') await settleForKernel(stack, this.#table);
    const bind = isPlain && mayMount();
    // A single layer is bound; a longer chain is the driver's, and ours reads the upper as it is.
    if (driver === 'fuse' && bind && stack.lowers.length === 0) await settle(stack, this.#table);
    const { helper, state } = this.#options;
    const redirects = followsRedirects() ? 'unsaid' : 'follow';
    const mounts = mountsOf(chain, this.#folders, {
      driver,
      features: features(),
      redirects,
      helper,
      state,
      bind,
    });
    return driver === this.#driver || isFull ? mounts : [...mounts, NOTHING_MORE];
  }

  prepare(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]> {
    return this.#add('active', key, parent, options);
  }

  view(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]> {
    return this.#add('view', key, parent, options);
  }

  async commit(name: string, key: string, options: PrepareOptions = {}): Promise<StoredSnapshot> {
    await this.#exchanges.settled(key, `cannot commit snapshot ${key}`);
    const labels = options.labels ?? {};
    const active = this.#metadata.read((tx) =>
      checkCommit(rowsRead(tx, this.#options.namespace), name, key, labels),
    );
    await this.#quiesce(active);
    const [below] = this.#chain(key, 'cannot commit snapshot').parents;
    const index = layerToIndex(this.#folders, active, name, below);
    const { thread } = this.#options;
    const usage = sealFolder(this.#folders, active, thread === undefined ? index : undefined);
    const row = await this.#metadata.write((tx) => {
      const rows = rowsIn(tx, this.#options.namespace);
      const now = existing(rows, key, 'cannot commit snapshot');
      if (now.id !== active.id) throw changed(`cannot commit snapshot ${key}`);
      return commitRow(rows, name, key, labels, usage);
    });
    removeTree(this.#folders.work(row.id));
    noteRow(this.#folders, this.#options.namespace, row);
    if (index !== undefined) thread?.index(index);
    thread?.sealed(row.id);
    return this.#info(row);
  }

  async commitLive(
    name: string,
    key: string,
    options: PrepareOptions = {},
  ): Promise<{ readonly info: StoredSnapshot; readonly stop: Stop | undefined }> {
    await this.#exchanges.settled(key, `cannot commit snapshot ${key}`);
    const row = this.#row(key, 'cannot commit snapshot');
    const mount = this.#served(row);
    if (mount === undefined) return { info: await this.commit(name, key, options), stop: undefined };
    const stop = await this.#exchanges.commit(mount, key, { name, labels: options.labels ?? {} });
    return { info: this.#info(this.#row(name, 'cannot commit snapshot')), stop };
  }

  exchangeOf(key: string): ExchangeRow | undefined {
    return this.#metadata.read((tx) => getExchange(tx, this.#options.namespace, key));
  }

  async rollBack(key: string): Promise<{ readonly stop: Stop | undefined }> {
    const what = `cannot roll back snapshot ${key}`;
    await this.#exchanges.settled(key, what);
    const row = this.#row(key, 'cannot roll back snapshot');
    if (row.kind !== 'active') {
      const why = row.kind === 'view' ? 'it is a view, which changes nothing' : 'it is committed';
      throw new StoreError('failed-precondition', what, why);
    }
    const mount = this.#served(row);
    if (mount !== undefined) return { stop: await this.#exchanges.rollBack(mount, key) };
    this.#assertUnmounted(row, 'roll back');
    await this.#beginAnew(row, what);
    return { stop: undefined };
  }

  async remove(name: string, lease?: string): Promise<void> {
    await this.#exchanges.settled(name, `cannot remove snapshot ${name}`);
    this.#assertUnmounted(this.#row(name, 'cannot remove snapshot'), 'remove');
    const { namespace } = this.#options;
    const row = await this.#metadata.write((tx) => {
      if (lease !== undefined) assertHeldByNoOther(tx, namespace, name, lease);
      return removeRow(rowsIn(tx, namespace), name);
    });
    this.#options.thread?.sealed(row.id);
    const away = this.#folders.retire(row.id);
    if (away !== undefined && this.#options.asyncRemove !== true) removeTree(away);
  }

  async *walk(filters: readonly string[] = []): AsyncIterable<StoredSnapshot> {
    await this.#exchanges.recover();
    const rows = this.#metadata.read((tx) => listSnapshots(tx, this.#options.namespace));
    yield* filtered(
      rows.map((row) => this.#info(row)),
      filters,
      snapshotField,
    );
  }

  async limit(key: string, quota: SpaceLimit | undefined): Promise<StoredSnapshot> {
    if (quota !== undefined) assertCounts(this.#driver, `cannot limit snapshot ${key}`);
    const row = await this.#metadata.write((tx) => limitRow(rowsIn(tx, this.#options.namespace), key, quota));
    noteRow(this.#folders, this.#options.namespace, row);
    return this.#info(row);
  }

  async cleanup(): Promise<number> {
    await this.#exchanges.recover();
    const named = (id: string) => this.#metadata.read((tx) => isSnapshotId(tx, id));
    const removed = this.#folders.sweep(named);
    if (this.#options.chains !== undefined) sweepChains(this.#options.chains, named);
    return removed;
  }

  async stack(name: string): Promise<StackDescription> {
    await this.#exchanges.settled(name, `cannot open snapshot ${name}`);
    const chain = this.#chain(name, 'cannot open snapshot');
    await this.#indexed(chain);
    return stackOf(chain, this.#folders);
  }

  async close(): Promise<void> {
    // The metadata belong to whoever opened them, and nothing else is open.
  }

  /** Whoever shows the chain finds the indexes that are being made, rather than make them as well. */
  async #indexed({ row, parents }: Chain): Promise<void> {
    await this.#options.thread?.indexed([row, ...parents].map(({ id }) => id));
  }

  /** The mount of a key whose server can exchange what is below it. */
  #served(row: SnapshotRow): ListedMount | undefined {
    const mount = this.#table.showing(this.#options.folder, row.id);
    return canExchange(mount) ? mount : undefined;
  }

  /** An active snapshot gets a new folder, as it had one at first; whoever opens the old one meanwhile is refused. */
  async #beginAnew(row: SnapshotRow, what: string): Promise<void> {
    const work = openSync(this.#folders.work(row.id), 'r');
    try {
      if (process.platform === 'linux' && !sys.tryLock(work)) {
        throw new StoreError('failed-precondition', what, 'it is in use', { hint: 'mica mounts' });
      }
      const folder = said(what, () => this.#folders.create(true));
      try {
        const below = this.#chain(row.name, 'cannot roll back snapshot').parents[0];
        if (below !== undefined) fillFolder(this.#folders, folder, below, 'active');
        const begun = await this.#metadata.write((tx) => {
          const rows = rowsIn(tx, this.#options.namespace);
          const now = existing(rows, row.name, 'cannot roll back snapshot');
          if (now.id !== row.id || now.kind !== 'active') throw changed(what);
          const id = rows.nextId();
          const next = { ...now, id, updated: timeNow() };
          rows.put(next);
          folder.publish(id);
          return next;
        });
        noteRow(this.#folders, this.#options.namespace, begun);
      } catch (error) {
        folder.discard();
        throw asFailure(what, error);
      } finally {
        folder.release();
      }
    } finally {
      closeSync(work);
    }
    const away = this.#folders.retire(row.id);
    if (away !== undefined) removeTree(away);
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

  #assertUnmounted(row: SnapshotRow, verb: string): void {
    const mount =
      this.#table.showing(this.#options.folder, row.id) ?? this.#table.writing(this.#folders.fs(row.id));
    if (mount?.state === 'live') throw inUse(verb, row, mount.target);
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
    const below = this.#metadata.read((tx) => checkNew(rowsRead(tx, this.#options.namespace), wanted));
    if (below !== undefined) assertReadable(below, `cannot use snapshot ${below.name} as a parent`);
    const what = `cannot ${kind === 'view' ? 'view' : 'prepare'} snapshot ${key}`;
    const folder = said(what, () => this.#folders.create(kind === 'active'));
    try {
      if (below !== undefined) fillFolder(this.#folders, folder, below, kind);
      const made = await this.#metadata.write((tx) => {
        const row = addNew(rowsIn(tx, this.#options.namespace), wanted);
        if (parent !== undefined && getSnapshot(tx, this.#options.namespace, parent)?.id !== below?.id) {
          throw changed(what);
        }
        recordDriver(tx, { driver, form });
        folder.publish(row.id);
        return row;
      });
      noteRow(this.#folders, this.#options.namespace, made);
      if (options.unpacks === true) this.#options.thread?.unpacks(made.id, this.#folders.fs(made.id));
    } catch (error) {
      folder.discard();
      throw asFailure(what, error);
    } finally {
      folder.release();
    }
    return this.#mounts(key, options.unpacks === true);
  }

  /** Whether the kernel's overlayfs would show the same tree as our helper, which takes longer to start. */
  #kernelCould(stack: StackDescription): boolean {
    if (this.#driver !== 'fuse' || stack.lowers.length === 0 || stack.upper?.quota !== undefined)
      return false;
    if (ownMarks() !== 'trusted' || layerWithStandIns(stack) !== undefined) return false;
    this.#kernelWorks ??= worksIn(this.#options.folder)(driverNamed('overlay'));
    return this.#kernelWorks;
  }

  #chain(name: string, doing: string): Chain {
    const chain = this.#metadata.read((tx) => {
      const rows = rowsRead(tx, this.#options.namespace);
      const row = existing(rows, name, doing);
      return { row, parents: parentsOf(rows, row) };
    });
    assertReadable(chain.row, `${doing} ${name}`);
    return chain;
  }

  #row(name: string, doing: string): SnapshotRow {
    return this.#metadata.read((tx) => existing(rowsRead(tx, this.#options.namespace), name, doing));
  }

  #info(row: SnapshotRow): StoredSnapshot {
    const info = infoOf(row);
    if (this.#options.upperdirLabel !== true) return info;
    return { ...info, labels: { ...info.labels, [UPPERDIR_LABEL]: this.#folders.fs(row.id) } };
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

function assertHeldByNoOther(tx: ReadTx, namespace: string, name: string, lease: string): void {
  const held = { type: `snapshots/${SNAPSHOTTER_NAME}`, id: name };
  const other = leaseHolding(tx, namespace, held, lease);
  if (other === undefined) return;
  throw new StoreError(
    'failed-precondition',
    `cannot remove snapshot ${name}`,
    `the lease ${other} holds it`,
    {
      hint: `mica lease rm ${other}`,
    },
  );
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
