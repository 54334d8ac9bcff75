// Snapshots: the words, the life cycle, then the methods. Meaning and errors are those of containerd's
// `core/snapshots.Snapshotter`, so that its test suite and its clients work on this store.
//
// A snapshot is a folder of changes on top of a chain of committed parents. An *active* snapshot is being
// written and is named by a `key`; a *view* is the same, read only; a *committed* one never changes again and
// is named by a `name`. Keys and names share one name space in a namespace.
//
//   prepare(key, parent) -> active --commit(name, key)--> committed -> parent of others
//   view(key, parent)    -> view   --remove(key)--> gone
//   remove(name) works when nothing has it as parent (failed-precondition otherwise).
//
// The snapshotter mounts nothing: `mounts` says what to mount, `stack` the same for this program's own drivers.
//
// `Snapshotter` is what can be asked of a server as well (src/containerd/client); `StoreSnapshotter` adds what only who has
// the folders at hand can say.

import type { SpaceLimit, StackDescription } from '../../fs/index.js';
import type { Labels } from '../labels.js';
import type { ExchangeRow, SnapshotForm, SnapshotKind, SnapshotRow } from '../metadata/rows.js';
import type { Driver, Mount } from '../mounts/mount.js';

export type { Driver, Mount, SnapshotForm, SnapshotKind };

export interface SnapshotInfo {
  /** The key of an active snapshot or a view, the name of a committed one. */
  readonly name: string;
  readonly parent?: string;
  readonly kind: SnapshotKind;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  readonly updated: string;
  readonly labels: Labels;
}

/** The same of a snapshot whose folders are here. */
export type StoredSnapshot = SnapshotInfo & Omit<SnapshotRow, 'size' | 'inodes' | 'diffId'>;

/** Space of a snapshot's own changes, without its parents: bytes on disk and number of inodes. */
export interface SnapshotUsage {
  readonly size: number;
  readonly inodes: number;
}

export interface PrepareOptions {
  readonly labels?: Labels;
  /**
   * Of an active snapshot: what its changes may take, until it is committed. unsupported but with the driver `fuse`, and by
   * servers.
   */
  readonly quota?: SpaceLimit;
  /**
   * A layer is about to be unpacked through the mounts, once, and by a caller who makes them as containerd does. Where the
   * kernel could mount the snapshot it is let, which is sooner there than our helper.
   */
  readonly unpacks?: boolean;
}

export interface Snapshotter {
  /** not-found for a name that does not exist, here and everywhere below. */
  stat(name: string): Promise<SnapshotInfo>;
  /** Changes labels only; field paths as `updateLabels`. */
  update(name: string, labels: Labels, fieldPaths: readonly string[]): Promise<SnapshotInfo>;
  /** Of an active snapshot as measured now, of a committed one as stored at commit. */
  usage(name: string): Promise<SnapshotUsage>;
  /** failed-precondition for a committed snapshot. May be called at any time, also again. */
  mounts(key: string): Promise<readonly Mount[]>;
  /** already-exists if key exists; not-found for a missing parent; invalid-argument for one that is not committed. */
  prepare(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]>;
  view(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]>;
  /**
   * Turns the active snapshot `key` into the committed `name`. already-exists if the name exists (the key stays
   * usable), failed-precondition for a view or a committed one. Labels are the given ones, none are inherited.
   */
  commit(name: string, key: string, options?: PrepareOptions): Promise<SnapshotInfo>;
  /**
   * failed-precondition while it has children (the text says `remove`), and, with the id of the caller's lease, while
   * another lease holds it.
   */
  remove(name: string, lease?: string): Promise<void>;
  /** The snapshots of the namespace that any of `filters` means (all without one), ordered by name: snapshotField. */
  walk(filters?: readonly string[]): AsyncIterable<SnapshotInfo>;
  /** Deletes folders that no row names. Returns how many, where that is known. */
  cleanup(): Promise<number | undefined>;
  close(): Promise<void>;
}

/** The snapshots of a store that is open here. */
export interface StoreSnapshotter extends Snapshotter {
  stat(name: string): Promise<StoredSnapshot>;
  update(name: string, labels: Labels, fieldPaths: readonly string[]): Promise<StoredSnapshot>;
  commit(name: string, key: string, options?: PrepareOptions): Promise<StoredSnapshot>;
  walk(filters?: readonly string[]): AsyncIterable<StoredSnapshot>;
  /**
   * What the changes of an active snapshot may take from its next mount on; undefined: as much as there is.
   * failed-precondition for a view or a committed one.
   */
  limit(key: string, quota: SpaceLimit | undefined): Promise<StoredSnapshot>;
  cleanup(): Promise<number>;
  /** The folders of a snapshot as a stack for `fs`: a chain of committed parents, and the upper of an active one. */
  stack(name: string): Promise<StackDescription>;
}

/** How an exchange of what is below a mount was for whoever used it. */
export interface Stop {
  /** How long no request was answered. */
  readonly stoppedMs: number;
  /** Names of files that the kernel goes on to use past the server: what was committed has copies of them. */
  readonly handedOver: number;
}

/** What a store can do with snapshots that are mounted, beyond what engines ask for. */
export interface LiveSnapshotter extends StoreSnapshotter {
  /**
   * What `commitLive` or `rollBack` has noted down to make of a mounted key. The server of the mount is as it says before the
   * snapshots are; undefined before, and when they are, too.
   */
  exchangeOf(key: string): ExchangeRow | undefined;
  /**
   * As `commit`; but of a key that is mounted by this program's server, what was changed so far is committed, and the mount
   * goes on: the key stays active, on top of `name`. `stop` is undefined of a key that was not mounted, and is consumed, or
   * if the server died after the commit.
   */
  commitLive(
    name: string,
    key: string,
    options?: PrepareOptions,
  ): Promise<{ readonly info: StoredSnapshot; readonly stop: Stop | undefined }>;
  /**
   * Throws away what was changed in an active snapshot; what is open of that through a mount goes on without a name.
   * failed-precondition for a view or a committed one, or while the kernel has it mounted.
   */
  rollBack(key: string): Promise<{ readonly stop: Stop | undefined }>;
}
