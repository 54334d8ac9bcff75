// What the commands of the parts work on, and do not care where it is: the store that is open here, or a server's. What is
// the same for both is the contracts of the store; the rest is what a person is kept from, which a server decides itself.

import type { StoreClient } from '../containerd/client/client.js';
import type { BlobReader, Content } from '../content/content.js';
import { type Digest, parseDigest } from '../digest.js';
import { isKind } from '../errors.js';
import { filtered } from '../filter.js';
import { leaseField } from '../filter-fields.js';
import type { ImageRows } from '../images/images.js';
import { type Labels, rootLabels } from '../labels.js';
import type { LeaseResource, LeaseRow } from '../metadata/rows.js';
import type { SnapshotInfo, Snapshotter } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';

export interface Leases {
  list(filters?: readonly string[]): Promise<readonly LeaseRow[]>;
  /** What a lease holds; not-found. */
  resources(id: string): Promise<readonly LeaseResource[]>;
  /** Without an id one is made up. already-exists. */
  create(id: string | undefined, labels: Labels): Promise<LeaseRow>;
  remove(id: string): Promise<void>;
  add(id: string, resources: readonly LeaseResource[]): Promise<void>;
  release(id: string, resources: readonly LeaseResource[]): Promise<void>;
}

export interface Parts {
  readonly snapshots: Snapshotter;
  /** The name of the snapshotter, where a lease holds its snapshots. */
  readonly snapshotter: string;
  readonly content: Content;
  readonly leases: Leases;
  /** The names of images; of a server as they were when this was asked. */
  images(): Promise<ImageRows>;
  /** As `Snapshotter.commit`; the snapshot stays until it is removed by name. */
  commitSnapshot(name: string, key: string, labels: Labels): Promise<SnapshotInfo>;
  /** As `Snapshotter.remove`; failed-precondition while somebody uses it. */
  removeSnapshot(name: string): Promise<void>;
  /** As `Content.open`. */
  openBlob(digest: Digest): Promise<Pick<BlobReader, 'size' | 'stream' | 'close'>>;
  /** As `Content.delete`; failed-precondition while a lease holds it. */
  removeBlob(digest: Digest): Promise<void>;
  /** Removes what nothing needs any more, where a removal has not done so. */
  collect(): Promise<void>;
}

export async function partsOfStore(store: Store): Promise<Parts> {
  const { SNAPSHOTTER_NAME } = await import('../metadata/gc.js');
  const rules = await import('./commit-key.js');
  const { snapshots, content, metadata, namespace } = store;
  return {
    snapshots,
    snapshotter: SNAPSHOTTER_NAME,
    content,
    leases: await leasesOf(store),
    images: async () => store.images,
    commitSnapshot: (name, key, labels) => rules.commitKey(store, key, name, labels),
    removeSnapshot: (name) => rules.removeSnapshot(store, name),
    openBlob: async (digest) => {
      try {
        return await content.open(digest);
      } catch (error) {
        if (!isKind(error, 'not-found')) throw error;
        // One that was dropped comes from its layer.
        const { droppedBlob } = await import('../layers/dropped-blobs.js');
        const found = await droppedBlob(store, digest);
        if (found === undefined) throw error;
        return found;
      }
    },
    removeBlob: async (digest) => {
      const resource = { type: 'content', id: parseDigest(digest) };
      rules.assertNotLeased(store, resource, `cannot remove blob ${digest}`);
      await content.delete(digest);
    },
    collect: async () => {
      const { collectGarbage } = await import('../collect.js');
      await collectGarbage(store);
    },
  };

  async function leasesOf({ leases }: Store): Promise<Leases> {
    const { addLeaseResource, removeLeaseResource } = await import('../metadata/leases.js');
    return {
      list: async (filters = []) => filtered(leases.list(), filters, leaseField),
      resources: async (id) => leases.resources(id),
      create: (id, labels) => leases.create(id, labels),
      remove: async (id) => void (await leases.remove(id)),
      add: (id, resources) =>
        metadata.write((tx) => {
          for (const resource of resources) addLeaseResource(tx, namespace, id, resource);
        }),
      release: (id, resources) =>
        metadata.write((tx) => {
          for (const resource of resources) removeLeaseResource(tx, namespace, id, resource);
        }),
    };
  }
}

export function partsOfServer(client: StoreClient): Parts {
  const { snapshots, snapshotter, content, leases } = client;
  return {
    snapshots,
    snapshotter,
    content,
    leases,
    images: () => client.images(),
    commitSnapshot: (name, key, labels) =>
      snapshots.commit(name, key, { labels: { ...rootLabels(), ...labels } }),
    removeSnapshot: (name) => snapshots.remove(name),
    openBlob: (digest) => content.open(digest),
    removeBlob: (digest) => content.delete(digest),
    // Each removal asks the server to collect before it answers.
    collect: async () => undefined,
  };
}
