// Committing, rolling back and removing by key, with the hints that send a person to the next command. What is mounted
// and cannot be exchanged by its server is refused: the store would commit a tree that is still being written, or pull it
// away from under its users.

import { isKind, StoreError } from '../errors.js';
import { type Labels, rootLabels } from '../labels.js';
import { SNAPSHOTTER_NAME } from '../metadata/gc.js';
import { leaseHolding } from '../metadata/leases.js';
import type { LeaseResource } from '../metadata/rows.js';
import { canExchange, MountTable } from '../mounts/table.js';
import type { Stop, StoredSnapshot } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';
import { hinted } from './failure.js';
import { mountOf, mountPointOf } from './mounted.js';

/** Turns the active snapshot `key` into the committed `name`, which stays until it is removed by name. failed-precondition while it is mounted. */
export async function commitKey(
  store: Store,
  key: string,
  name: string,
  labels: Labels,
): Promise<StoredSnapshot> {
  await assertNotMounted(store, key, `cannot commit snapshot ${key}`);
  try {
    return await store.snapshots.commit(name, key, { labels: { ...rootLabels(), ...labels } });
  } catch (error) {
    throw hinted(error, 'already-exists', `mica snapshot rm ${name}, or another name`);
  }
}

/**
 * As `commitKey`; but of a key that is mounted by a server of ours, what was changed so far is committed, and the key goes
 * on, mounted, on top of `name`. `stop` tells how that was for the mount.
 */
export async function commitLiveKey(
  store: Store,
  key: string,
  name: string,
  labels: Labels,
): Promise<{ readonly info: StoredSnapshot; readonly stop?: Stop }> {
  const row = await store.snapshots.stat(key).catch(() => undefined);
  if (row === undefined || !isServed(store, row)) return { info: await commitKey(store, key, name, labels) };
  try {
    const kept = { labels: { ...rootLabels(), ...labels } };
    const { info, stop } = await store.snapshots.commitLive(name, key, kept);
    return stop === undefined ? { info } : { info, stop };
  } catch (error) {
    throw hinted(error, 'already-exists', `another name, or mica snapshot rm ${name}`);
  }
}

/** Throws away what was changed in an active snapshot. failed-precondition while the kernel has it mounted. */
export async function rollBackKey(store: Store, key: string): Promise<{ readonly stop: Stop | undefined }> {
  const what = `cannot roll back snapshot ${key}`;
  const row = await store.snapshots.stat(key).catch(() => undefined);
  if (row === undefined || !isServed(store, row)) await assertNotMounted(store, key, what);
  return store.snapshots.rollBack(key);
}

/** A server of ours, that lives, shows this very snapshot. */
function isServed(store: Store, { id }: StoredSnapshot): boolean {
  return canExchange(new MountTable(store.state).showing(store.folders.snapshots, id));
}

/** Removes a snapshot. failed-precondition while it is mounted, has children, or a lease or a container has it. */
export async function removeSnapshot(store: Store, name: string): Promise<void> {
  const what = `cannot remove snapshot ${name}`;
  await assertNotMounted(store, name, what);
  assertNotLeased(store, { type: `snapshots/${SNAPSHOTTER_NAME}`, id: name }, what);
  const container = store.containers
    .list()
    .find(({ snapshotter, snapshotKey }) => snapshotter === SNAPSHOTTER_NAME && snapshotKey === name);
  if (container !== undefined) {
    throw new StoreError('failed-precondition', what, `the container ${container.id} runs in it`, {
      hint: `mica container rm ${container.id}`,
    });
  }
  try {
    await store.snapshots.remove(name);
  } catch (error) {
    throw hinted(error, 'failed-precondition', 'mica snapshot tree shows its children; remove them first');
  }
}

/** failed-precondition while a lease that has not expired holds this very resource. */
export function assertNotLeased(store: Store, resource: LeaseResource, what: string): void {
  const lease = store.metadata.read((tx) => leaseHolding(tx, store.namespace, resource));
  if (lease === undefined) return;
  throw new StoreError('failed-precondition', what, `the lease ${lease} holds it`, {
    hint: `mica lease rm ${lease}`,
  });
}

/** failed-precondition, with the mount point in the hint, if a mount of ours shows this snapshot. */
export async function assertNotMounted(store: Store, name: string, what: string): Promise<void> {
  const info = await store.snapshots.stat(name).catch((error: unknown) => {
    if (!isKind(error, 'not-found')) throw error;
    throw new StoreError('not-found', what, 'there is no snapshot of this name', {
      hint: 'mica snapshot ls',
    });
  });
  const target = mountPointOf(store, info);
  if (target === undefined) return;
  const byUs = mountOf(store, info) !== undefined;
  throw new StoreError('failed-precondition', what, `it is mounted at ${target}`, {
    hint: byUs ? `mica umount ${target}` : `umount ${target}`,
  });
}
