// A snapshotter whose `mounts` are binds: where another would name a program that mounts (type `fuse3.…`), this one has the
// snapshot mounted at a place of its own, STATE/served/…, and hands out that place. The mounts belong to no process that
// hands them out, so they are found again after a restart; one whose server died is made anew by the next `mounts`.
// A bind keeps its mount alive: when the snapshot is committed or removed the place goes at once, and what was handed out
// lives as long as somebody has it.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SpaceLimit, StackDescription } from '../../fs/index.js';
import { KeyedLock } from '../keyed-lock.js';
import type { Labels } from '../labels.js';
import type { Hosting } from '../mounts/hosting-words.js';
import { unmountPlace } from '../mounts/mount-all.js';
import { mountSnapshot } from '../mounts/mount-snapshot.js';
import { releaseUpper } from '../mounts/release-upper.js';
import { isMountedHere, MountTable } from '../mounts/table.js';
import type { Mount, PrepareOptions, SnapshotUsage, StoredSnapshot, StoreSnapshotter } from './snapshot.js';

export interface BoundOptions {
  /** The state folder, which is there. Who is to make the binds must see the mounts below it. */
  readonly state: string;
  readonly namespace: string;
  readonly folders: { readonly snapshots: string; readonly chains: string };
  /** Which process serves the mounts; default `shared`. */
  readonly hosting?: Hosting;
}

export class BoundSnapshotter implements StoreSnapshotter {
  readonly #inner: StoreSnapshotter;
  readonly #options: BoundOptions;
  readonly #table: MountTable;
  /** The folder of all places, and how those of this store begin. */
  readonly #served: string;
  readonly #prefix: string;
  readonly #lock = new KeyedLock();

  constructor(inner: StoreSnapshotter, options: BoundOptions) {
    this.#inner = inner;
    this.#options = options;
    this.#table = new MountTable(options.state);
    this.#served = join(options.state, 'served');
    const store = createHash('sha256').update(options.folders.snapshots).digest('hex').slice(0, 8);
    this.#prefix = `${store}-`;
  }

  async mounts(key: string): Promise<readonly Mount[]> {
    return this.#bound(key, await this.#inner.mounts(key));
  }

  async prepare(
    key: string,
    parent: string | undefined,
    options?: PrepareOptions,
  ): Promise<readonly Mount[]> {
    return this.#boundOrGone(key, await this.#inner.prepare(key, parent, options));
  }

  async view(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]> {
    return this.#boundOrGone(key, await this.#inner.view(key, parent, options));
  }

  /** The server, which is asked to settle, goes on to show what was committed to whoever still has the bind. */
  async commit(name: string, key: string, options?: PrepareOptions): Promise<StoredSnapshot> {
    const info = await this.#inner.commit(name, key, options);
    this.#release(info.id);
    return info;
  }

  async remove(name: string, lease?: string): Promise<void> {
    this.#release((await this.#inner.stat(name)).id);
    await this.#inner.remove(name, lease);
  }

  async cleanup(): Promise<number> {
    // Before the snapshots are listed: one that comes meanwhile gets its place later.
    const places = this.#places();
    const known = new Set<string>();
    for await (const { id } of this.#inner.walk()) known.add(this.#prefix + id);
    for (const place of places) {
      if (place.startsWith(this.#prefix) && !known.has(place)) this.#leave(join(this.#served, place));
    }
    return this.#inner.cleanup();
  }

  stat(name: string): Promise<StoredSnapshot> {
    return this.#inner.stat(name);
  }

  update(name: string, labels: Labels, fieldPaths: readonly string[]): Promise<StoredSnapshot> {
    return this.#inner.update(name, labels, fieldPaths);
  }

  usage(name: string): Promise<SnapshotUsage> {
    return this.#inner.usage(name);
  }

  walk(filters?: readonly string[]): AsyncIterable<StoredSnapshot> {
    return this.#inner.walk(filters);
  }

  limit(key: string, quota: SpaceLimit | undefined): Promise<StoredSnapshot> {
    return this.#inner.limit(key, quota);
  }

  stack(name: string): Promise<StackDescription> {
    return this.#inner.stack(name);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #bound(key: string, mounts: readonly Mount[]): Promise<readonly Mount[]> {
    if (!mounts.some(({ type }) => type.startsWith('fuse'))) return mounts;
    const { id, kind } = await this.#inner.stat(key);
    const place = this.#placeOf(id);
    // Engines may ask for the mounts of one key twice, at the same time, too.
    await this.#lock.run(place, () => this.#ensureServed(key, place));
    return [{ type: 'bind', source: place, options: [kind === 'view' ? 'ro' : 'rw', 'rbind'] }];
  }

  /** Of a new snapshot, which nobody knows of if this fails: it can be asked for again. */
  async #boundOrGone(key: string, mounts: readonly Mount[]): Promise<readonly Mount[]> {
    try {
      return await this.#bound(key, mounts);
    } catch (error) {
      await this.#inner.remove(key);
      throw error;
    }
  }

  async #ensureServed(key: string, place: string): Promise<void> {
    const row = this.#table.at(place);
    // Of another mount namespace, in which this server, or another one, ran: who has binds there is to keep them.
    const isElsewhere = row !== undefined && !isMountedHere(row);
    if (row?.state === 'live' && !isElsewhere) return;
    if (!isElsewhere) this.#leave(place);
    mkdirSync(place, { recursive: true, mode: 0o700 });
    const { upper } = await this.#inner.stack(key);
    if (upper !== undefined) await releaseUpper(upper.path, this.#table);
    const { state, namespace, folders, hosting = 'shared' } = this.#options;
    const store = { snapshots: this.#inner, folders, namespace, state, driver: 'fuse' };
    await mountSnapshot(store, key, place, { driver: 'fuse', hosting });
  }

  #release(id: string): void {
    this.#leave(this.#placeOf(id));
  }

  /** Nothing is at this place any more. In another mount namespace a mount goes with its folder (detach_mounts). */
  #leave(place: string): void {
    const row = this.#table.at(place);
    if (row !== undefined && isMountedHere(row)) unmountPlace(place, true);
    if (row?.state === 'dead') this.#table.remove(row);
    try {
      rmdirSync(place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  #placeOf(id: string): string {
    return join(this.#served, this.#prefix + id);
  }

  #places(): readonly string[] {
    try {
      return readdirSync(this.#served);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }
}
