// Which root keeps what: each object of the store belongs to nobody, to one root alone, or to several. Roots and references
// are those of garbage collection; all roots but images count as one.

import type { Labels } from '../labels.js';
import { GC_ROOT } from '../labels.js';
import { listBlobs } from '../metadata/blobs.js';
import { listContainers } from '../metadata/containers.js';
import { isContentRef, isSnapshotRef, SNAPSHOTTER_NAME } from '../metadata/gc.js';
import { listImages } from '../metadata/images.js';
import { isExpired, leaseResources, listLeases } from '../metadata/leases.js';
import { listNamespaces } from '../metadata/namespaces.js';
import { partitionOf } from '../metadata/partitions.js';
import { listSnapshots } from '../metadata/snapshots.js';
import type { ReadTx } from '../metadata/transaction.js';

export const imageId = (namespace: string, name: string): string => `image\0${namespace}\0${name}`;
export const blobId = (namespace: string, digest: string): string => `blob\0${namespace}\0${digest}`;
export const snapshotId = (namespace: string, name: string): string => `snapshot\0${namespace}\0${name}`;

const OTHER = 'other';
/** In place of a root: there are several. */
export const SEVERAL = 'several';

/** By id of blob or snapshot: the id of the one root that keeps it, or SEVERAL; absent: nobody does. */
export type Owners = ReadonlyMap<string, string>;

/** `inUse` are ids of snapshots that are used just now. */
export function ownersOf(tx: ReadTx, nowMs: number, inUse: ReadonlySet<string>): Owners {
  const keeping = new Keeping(tx);
  for (const { name: namespace } of listNamespaces(tx)) {
    for (const { name, target, labels } of listImages(tx, namespace)) {
      const root = imageId(namespace, name);
      keeping.keep(blobId(namespace, target.digest), root);
      keeping.keepLabelled(labels, namespace, root);
    }
    for (const { snapshotter, snapshotKey, labels } of listContainers(tx, namespace)) {
      if (snapshotter === SNAPSHOTTER_NAME) keeping.keep(snapshotId(namespace, snapshotKey), OTHER);
      keeping.keepLabelled(labels, namespace, OTHER);
    }
    for (const { id, labels } of listLeases(tx, namespace)) {
      if (isExpired(labels, nowMs)) continue;
      for (const { type, id: name } of leaseResources(tx, namespace, id)) {
        if (type === 'content') keeping.keep(blobId(namespace, name), OTHER);
        if (type === `snapshots/${SNAPSHOTTER_NAME}`) keeping.keep(snapshotId(namespace, name), OTHER);
      }
    }
  }
  keeping.keepRooted(inUse);
  return keeping.owners;
}

interface Known {
  readonly namespace: string;
  readonly labels: Labels;
  readonly parent?: string | undefined;
}

class Keeping {
  readonly owners = new Map<string, string>();
  readonly #known = new Map<string, Known>();

  constructor(tx: ReadTx) {
    for (const { name: namespace } of listNamespaces(tx)) {
      for (const { digest, labels } of listBlobs(tx, namespace)) {
        this.#known.set(blobId(namespace, digest), { namespace, labels });
      }
      for (const { name, labels, parent } of listSnapshots(tx, namespace)) {
        this.#known.set(snapshotId(namespace, name), { namespace, labels, parent });
      }
    }
  }

  keepRooted(inUse: ReadonlySet<string>): void {
    for (const [id, { namespace, labels }] of this.#known) {
      const isKept = (labels[GC_ROOT] ?? '') !== '' || partitionOf(namespace) !== undefined;
      if (isKept || inUse.has(id)) this.keep(id, OTHER);
    }
  }

  keepLabelled(labels: Labels, namespace: string, root: string): void {
    for (const id of referencesIn(labels, namespace)) this.keep(id, root);
  }

  /** Each object changes its owner at most twice, so each reference is followed at most twice. */
  keep(first: string, root: string): void {
    const pending = [{ id: first, root }];
    for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
      const { id } = step;
      const known = this.#known.get(id);
      const old = this.owners.get(id);
      if (known === undefined || old === step.root || old === SEVERAL) continue;
      const owner = old === undefined ? step.root : SEVERAL;
      this.owners.set(id, owner);
      const { namespace, parent, labels } = known;
      if (parent !== undefined) pending.push({ id: snapshotId(namespace, parent), root: owner });
      for (const next of referencesIn(labels, namespace)) pending.push({ id: next, root: owner });
    }
  }
}

function referencesIn(labels: Labels, namespace: string): readonly string[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    if (isContentRef(key)) return [blobId(namespace, value)];
    return isSnapshotRef(key) ? [snapshotId(namespace, value)] : [];
  });
}
