// The snapshots of a server: containerd.services.snapshots.v1 as a Snapshotter. Rules are the server's; checked here is
// only what it has no status for.

import { StoreError } from '../../errors.js';
import { parseFilters } from '../../filter.js';
import type { Labels } from '../../labels.js';
import type {
  Mount,
  PrepareOptions,
  SnapshotInfo,
  Snapshotter,
  SnapshotUsage,
} from '../../snapshots/snapshot.js';
import { mountOf, snapshotOf } from '../convert.js';
import { type Info, Kind, SnapshotsService } from '../gen/containerd/services/snapshots/v1/snapshots.js';
import type { Connection } from './connection.js';

export class ProxySnapshotter implements Snapshotter {
  readonly #connection: Connection;
  readonly #name: string;

  /** `name`: which of the server's snapshotters; `mica serve` has one and takes any name. */
  constructor(connection: Connection, name: string) {
    this.#connection = connection;
    this.#name = name;
  }

  async stat(key: string): Promise<SnapshotInfo> {
    const what = `cannot stat snapshot ${key}`;
    const { info } = await this.#connection.unary(SnapshotsService.stat, this.#of(key), { what });
    return told(info, what);
  }

  async update(key: string, labels: Labels, fieldPaths: readonly string[]): Promise<SnapshotInfo> {
    const what = `cannot label snapshot ${key}`;
    const changed: Info = {
      name: key,
      parent: '',
      kind: Kind.UNKNOWN,
      createdAt: undefined,
      updatedAt: undefined,
      labels: { ...labels },
    };
    const updateMask = fieldPaths.length === 0 ? undefined : [...fieldPaths];
    const request = { snapshotter: this.#name, info: changed, updateMask };
    const { info } = await this.#connection.unary(SnapshotsService.update, request, { what });
    return told(info, what);
  }

  usage(key: string): Promise<SnapshotUsage> {
    const what = `cannot measure snapshot ${key}`;
    return this.#connection.unary(SnapshotsService.usage, this.#of(key), { what });
  }

  async mounts(key: string): Promise<readonly Mount[]> {
    const what = `cannot mount snapshot ${key}`;
    const { mounts } = await this.#connection.unary(SnapshotsService.mounts, this.#of(key), { what });
    return mounts.map(mountOf);
  }

  prepare(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]> {
    return this.#add('prepare', key, parent, options);
  }

  view(key: string, parent: string | undefined, options?: PrepareOptions): Promise<readonly Mount[]> {
    return this.#add('view', key, parent, options);
  }

  async commit(name: string, key: string, { labels = {} }: PrepareOptions = {}): Promise<SnapshotInfo> {
    const what = `cannot commit snapshot ${key}`;
    if (name === '') throw new StoreError('invalid-argument', what, 'the new name is empty');
    const request = { ...this.#of(key), name, labels: { ...labels }, parent: '' };
    await this.#connection.unary(SnapshotsService.commit, request, { what });
    return this.stat(name);
  }

  async remove(key: string, lease?: string): Promise<void> {
    const what = `cannot remove snapshot ${key}`;
    await this.#connection.unary(SnapshotsService.remove, this.#of(key), { what, lease });
  }

  async *walk(filters: readonly string[] = []): AsyncIterable<SnapshotInfo> {
    // A server calls a filter that it cannot read an unknown failure.
    parseFilters(filters);
    const what = 'cannot list snapshots';
    const request = { snapshotter: this.#name, filters: [...filters] };
    for await (const { info } of this.#connection.stream(SnapshotsService.list, request, { what })) {
      for (const one of info) yield snapshotOf(one, what);
    }
  }

  async cleanup(): Promise<undefined> {
    const what = 'cannot clean up snapshots';
    await this.#connection.unary(SnapshotsService.cleanup, { snapshotter: this.#name }, { what });
  }

  async close(): Promise<void> {
    // The connection belongs to whoever opened it.
  }

  async #add(
    verb: 'prepare' | 'view',
    key: string,
    parent: string | undefined,
    { labels = {}, quota }: PrepareOptions = {},
  ): Promise<readonly Mount[]> {
    const what = `cannot ${verb} snapshot ${key}`;
    if (key === '') throw new StoreError('invalid-argument', `cannot ${verb} snapshot`, 'its key is empty');
    if (quota !== undefined) throw new StoreError('unsupported', what, 'a server takes no quota');
    const request = { ...this.#of(key), parent: parent ?? '', labels: { ...labels } };
    const { mounts } = await this.#connection.unary(SnapshotsService[verb], request, { what });
    return mounts.map(mountOf);
  }

  #of(key: string): { snapshotter: string; key: string } {
    return { snapshotter: this.#name, key };
  }
}

function told(info: Info | undefined, what: string): SnapshotInfo {
  if (info !== undefined) return snapshotOf(info, what);
  throw new StoreError('failed', what, 'the server did not say what it has');
}
