// Rows against rows: indexes, namespaces, and what containers and leases name.

import { getBlob } from '../metadata/blobs.js';
import { listContainers } from '../metadata/containers.js';
import { SNAPSHOTTER_NAME } from '../metadata/gc.js';
import { listLayers, listRwLayers } from '../metadata/layers.js';
import { leaseResources, listLeases } from '../metadata/leases.js';
import { ensureNamespace, getNamespace, listNamespaces } from '../metadata/namespaces.js';
import { flawsOfSnapshotIndexes, reindexSnapshots } from '../metadata/snapshot-indexes.js';
import { getSnapshot } from '../metadata/snapshots.js';
import type { Key, ReadTx } from '../metadata/transaction.js';
import type { Store } from '../store.js';
import type { Problem, Report } from './report.js';

const SUBTREES = ['snapshots', 'images', 'blobs', 'containers', 'leases'] as const;

export async function checkRows(store: Store, report: Report): Promise<void> {
  const { metadata } = store;
  const flaws = metadata.read(flawsOfSnapshotIndexes);
  if (flaws.length > 0) {
    const more = flaws.length > 1 ? ` and ${flaws.length - 1} more` : '';
    const why = `the indexes of snapshots do not fit their rows: ${flaws[0]}${more}`;
    await report.add({ part: 'metadata', name: 'indexes', why, level: 'error' }, async () => {
      await metadata.write((tx) => reindexSnapshots(tx));
      return 'made them again from the rows';
    });
  }
  for (const name of metadata.read(namespacesInUse)) {
    if (metadata.read((tx) => getNamespace(tx, name)) !== undefined) continue;
    const why = 'it has rows, and none of its own';
    await report.add({ part: 'namespace', name, why, level: 'error' }, async () => {
      await metadata.write((tx) => ensureNamespace(tx, name));
      return 'made one without labels';
    });
  }
  for (const problem of metadata.read(danglingNames)) await report.add(problem);
}

function namespacesInUse(tx: ReadTx): ReadonlySet<string> {
  return new Set(SUBTREES.flatMap((kind) => tx.keys(['v1', kind] as Key).map((key) => key[2] ?? '')));
}

/** No damage: a lease may name what is still to come, and nobody keeps the content that a container names. */
function danglingNames(tx: ReadTx): readonly Omit<Problem, 'repaired'>[] {
  const problems: Omit<Problem, 'repaired'>[] = [];
  for (const { name: namespace } of listNamespaces(tx)) {
    for (const { id, snapshotter, snapshotKey } of listContainers(tx, namespace)) {
      if (snapshotter !== SNAPSHOTTER_NAME || snapshotKey === '') continue;
      if (getSnapshot(tx, namespace, snapshotKey) !== undefined) continue;
      const why = `its snapshot ${snapshotKey} is missing`;
      problems.push({ part: 'container', namespace, name: id, why, level: 'note' });
    }
    for (const { chainId } of listLayers(tx, namespace).values()) {
      if (getSnapshot(tx, namespace, chainId) !== undefined) continue;
      const why = 'its layer is gone, and its row means nothing any more';
      problems.push({ part: 'layer', namespace, name: chainId, why, level: 'note' });
    }
    for (const { name, mountId } of listRwLayers(tx, namespace)) {
      if (getSnapshot(tx, namespace, mountId) !== undefined) continue;
      const why = `its snapshot ${mountId} is missing`;
      problems.push({ part: 'layer', namespace, name, why, level: 'error' });
    }
    for (const { id } of listLeases(tx, namespace)) {
      for (const resource of leaseResources(tx, namespace, id)) {
        const isThere =
          resource.type === 'content'
            ? getBlob(tx, namespace, resource.id) !== undefined
            : resource.type !== `snapshots/${SNAPSHOTTER_NAME}` ||
              getSnapshot(tx, namespace, resource.id) !== undefined;
        if (isThere) continue;
        const why = `it holds ${resource.type} ${resource.id}, which is not there`;
        problems.push({ part: 'lease', namespace, name: id, why, level: 'note' });
      }
    }
  }
  return problems;
}
