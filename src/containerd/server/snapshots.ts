// containerd.services.snapshots.v1 over the snapshots of one partition.
//
// A containerd that uses us as a plugin names no namespace when it collects garbage, but may name one when it prepares
// for Kubernetes; its keys have the namespace in them anyway (`k8s.io/12/sha256:…`). So the header is ignored here.
// `snapshotter` is the name that the client's configuration gave us, and ignored as well.

import { status } from '@grpc/grpc-js';
import { isKind, StoreError } from '../../errors.js';
import type { Labels } from '../../labels.js';
import type { Snapshotter } from '../../snapshots/snapshot.js';
import { inBlocks, mountMessage, snapshotMessage } from '../convert.js';
import { SnapshotsService } from '../gen/containerd/services/snapshots/v1/snapshots.js';
import { StatusError } from '../status.js';
import { type Service, service } from './service.js';

/** The chain ID that a snapshot is prepared for. Who asks wants to hear if a layer of it is there already. */
export const SNAPSHOT_REF = 'containerd.io/snapshot.ref';

/** `<namespace>/<number>/extract-<…> <chain ID>`: containerd's `snapshots.UnpackKeyFormat`, as it hands it to a plugin. */
const UNPACKING = /^[^/]+\/\d+\/extract-\S+ sha256:[0-9a-f]{64}$/;

export function snapshotsService(snapshots: Snapshotter): Service {
  return service(SnapshotsService, {
    async prepare({ key, parent, labels }) {
      assertKey(key);
      await assertNotThere(snapshots, labels, parent);
      const unpacks = UNPACKING.test(key);
      const mounts = await snapshots.prepare(key, parent || undefined, { labels, unpacks });
      return { mounts: mounts.map(mountMessage) };
    },

    async view({ key, parent, labels }) {
      assertKey(key);
      const mounts = await snapshots.view(key, parent || undefined, { labels });
      return { mounts: mounts.map(mountMessage) };
    },

    async mounts({ key }) {
      const mounts = await snapshots.mounts(named(key));
      return { mounts: mounts.map(mountMessage) };
    },

    async commit({ name, key, labels, parent }) {
      if (parent !== '') await assertParent(snapshots, named(key), parent);
      await snapshots.commit(name, named(key), { labels });
      return {};
    },

    async remove({ key }) {
      await snapshots.remove(named(key));
      return {};
    },

    async stat({ key }) {
      return { info: snapshotMessage(await snapshots.stat(named(key))) };
    },

    async update({ info, updateMask }) {
      const { name, labels } = info ?? { name: '', labels: {} };
      const updated = await snapshots.update(named(name), labels, updateMask ?? []);
      return { info: snapshotMessage(updated) };
    },

    async *list({ filters }) {
      for await (const block of inBlocks(found(snapshots, filters))) {
        yield { info: block.map(snapshotMessage) };
      }
    },

    async usage({ key }) {
      return await snapshots.usage(named(key));
    },

    async cleanup() {
      await snapshots.cleanup();
      return {};
    },
  });
}

/** containerd's own snapshotters leave these two to their database, whose failures have no status. */
function assertKey(key: string): void {
  if (key === '') throw new StatusError(status.UNKNOWN, 'cannot prepare snapshot: its key is empty');
}

async function* found(snapshots: Snapshotter, filters: readonly string[]) {
  try {
    yield* snapshots.walk(filters);
  } catch (error) {
    if (!isKind(error, 'invalid-argument')) throw error;
    throw new StatusError(status.UNKNOWN, error.message, { cause: error });
  }
}

/** No snapshot has an empty name. */
function named(name: string): string {
  if (name !== '') return name;
  throw new StoreError('not-found', 'cannot find snapshot', 'no name is given');
}

/** already-exists if what is to be prepared was committed before: its client then looks for it by this label, and parent. */
async function assertNotThere(snapshots: Snapshotter, labels: Labels, parent: string): Promise<void> {
  const ref = labels[SNAPSHOT_REF];
  if (ref === undefined || ref === '') return;
  for await (const info of snapshots.walk()) {
    if (info.kind !== 'committed' || info.labels[SNAPSHOT_REF] !== ref || (info.parent ?? '') !== parent)
      continue;
    throw new StoreError('already-exists', `cannot prepare snapshot ${ref}`, `it is there as ${info.name}`);
  }
}

/** unsupported: a chain is fixed when its top is prepared, because everything in it is found by its parents. */
async function assertParent(snapshots: Snapshotter, key: string, parent: string): Promise<void> {
  const info = await snapshots.stat(key);
  if (info.parent === parent) return;
  throw new StoreError(
    'unsupported',
    `cannot commit snapshot ${key}`,
    'its parent was chosen when it was prepared',
  );
}
