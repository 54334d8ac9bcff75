// Read-write layers: an active snapshot under a mount ID on top of an init layer on top of a layer. Their names are chosen
// by whoever makes them (a container engine: the container's), as is Docker's way. Made in steps of which each leaves
// what the next start can clear away: the init layer, the active snapshot, then the row that names both; released in the
// reverse order.

import { randomBytes } from 'node:crypto';
import { openStack, Union } from '../../fs/index.js';
import { changesBetween } from '../diff/changes.js';
import { writeLayerTar } from '../diff/layer-tar.js';
import type { Digest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import { withSnapshot } from '../images/open-snapshot.js';
import { rootLabels } from '../labels.js';
import {
  addRwLayer,
  getRwLayer,
  listRwLayers,
  putRwLayer,
  type RwLayerRow,
  removeRwLayer,
} from '../metadata/layers.js';
import { getSnapshot } from '../metadata/snapshots.js';
import { mountSnapshot, unmountSnapshot } from '../mounts/mount-snapshot.js';
import { settle } from '../mounts/settle.js';
import { type ListedMount, MountTable } from '../mounts/table.js';
import { timeNow } from '../time.js';
import { makeInitFiles } from './init-layer.js';
import { registerLayer, removeUnreferred, requireLayer } from './layer-store.js';
import type { LayerInfo, LayerParts, RwLayerInfo } from './layers.js';

/**
 * A read-write layer on `parent` (a chain ID; undefined: on nothing). already-exists for a name that another has,
 * not-found for the parent.
 */
export async function createRwLayer(
  parts: LayerParts,
  name: string,
  parent: Digest | undefined,
): Promise<RwLayerInfo> {
  const { metadata, namespace, snapshots } = parts;
  const what = `cannot create layer ${name}`;
  if (!/^[\w][\w.-]*$/.test(name)) {
    throw new StoreError('invalid-argument', what, 'a name has letters, digits and single . _ or -');
  }
  if (parent !== undefined) await requireLayer(parts, parent);
  const mountId = randomBytes(32).toString('hex');
  const initId = `${mountId}-init`;
  const row: RwLayerRow = {
    name,
    mountId,
    initId,
    ...(parent === undefined ? {} : { parent }),
    created: timeNow(),
    mounts: 0,
  };
  // The name is taken first: of two that want it one makes nothing.
  await metadata.write((tx) => addRwLayer(tx, namespace, row));
  try {
    const key = `${initId}-key`;
    await snapshots.prepare(key, parent, { labels: rootLabels() });
    await withSnapshot(snapshots, key, what, makeInitFiles);
    await snapshots.commit(initId, key, { labels: rootLabels() });
    await snapshots.prepare(mountId, initId, { labels: rootLabels() });
  } catch (error) {
    await removeParts(parts, row);
    throw error;
  }
  return infoOf(parts, row);
}

export function listRw(parts: LayerParts): readonly RwLayerInfo[] {
  const rows = parts.metadata.read((tx) => listRwLayers(tx, parts.namespace));
  return rows.map((row) => infoOf(parts, row));
}

/** undefined if there is none of this name. */
export function rwLayer(parts: LayerParts, name: string): RwLayerInfo | undefined {
  const row = parts.metadata.read((tx) => getRwLayer(tx, parts.namespace, name));
  return row && infoOf(parts, row);
}

function requireRow({ metadata, namespace }: LayerParts, name: string, what: string): RwLayerRow {
  const row = metadata.read((tx) => getRwLayer(tx, namespace, name));
  if (row !== undefined) return row;
  throw new StoreError('not-found', what, 'there is no read-write layer of this name', {
    hint: 'mica layer ls',
  });
}

/** What was noted of a mount that ended otherwise counts no more. */
function infoOf(parts: LayerParts, row: RwLayerRow): RwLayerInfo {
  const { mounts, target, ...known } = row;
  const damage = damageOf(parts, row);
  const live = liveMount(parts, row);
  return {
    ...known,
    mounts: live === undefined ? 0 : mounts,
    ...(live === undefined || target === undefined ? {} : { target }),
    ...(damage === undefined ? {} : { damage }),
  };
}

function damageOf(parts: LayerParts, { mountId }: RwLayerRow): string | undefined {
  const isThere = parts.metadata.read((tx) => getSnapshot(tx, parts.namespace, mountId) !== undefined);
  return isThere ? undefined : `its snapshot ${mountId} is gone`;
}

function liveMount({ state }: LayerParts, { mountId, target }: RwLayerRow): ListedMount | undefined {
  const mount = target === undefined ? undefined : new MountTable(state).at(target);
  return mount?.state === 'live' && mount.snapshot?.key === mountId ? mount : undefined;
}

/** Mounts the layer at `target`, or counts one more who uses the mount that is there; returns where that is. */
export async function mountRw(parts: LayerParts, name: string, target: string): Promise<RwLayerInfo> {
  const what = `cannot mount layer ${name}`;
  const row = requireRow(parts, name, what);
  const live = liveMount(parts, row);
  const place = live?.target ?? (await mountSnapshot(parts, row.mountId, target)).target;
  return change(parts, name, what, (old) => ({
    ...old,
    target: place,
    mounts: live === undefined ? 1 : old.mounts + 1,
  }));
}

/** One uses the mount no more; with the last it ends. failed-precondition for a layer that is not mounted. */
export async function unmountRw(parts: LayerParts, name: string): Promise<RwLayerInfo> {
  const what = `cannot unmount layer ${name}`;
  const row = requireRow(parts, name, what);
  const live = liveMount(parts, row);
  if (live === undefined) throw new StoreError('failed-precondition', what, 'it is not mounted');
  if (row.mounts <= 1) await unmountSnapshot(live.target, parts.state);
  return change(parts, name, what, ({ target, mounts, ...old }) =>
    mounts <= 1 || target === undefined ? { ...old, mounts: 0 } : { ...old, target, mounts: mounts - 1 },
  );
}

async function change(
  parts: LayerParts,
  name: string,
  what: string,
  by: (row: RwLayerRow) => RwLayerRow,
): Promise<RwLayerInfo> {
  const { metadata, namespace } = parts;
  const row = await metadata.write((tx) => {
    const old = getRwLayer(tx, namespace, name);
    if (old === undefined) throw new StoreError('not-found', what, 'it was released meanwhile');
    const changed = by(old);
    putRwLayer(tx, namespace, changed);
    return changed;
  });
  return infoOf(parts, row);
}

/**
 * Removes a read-write layer with its changes, and the layers below it that nothing refers to any more; returns the chain
 * IDs of those. failed-precondition while it is mounted.
 */
export async function releaseRw(parts: LayerParts, name: string): Promise<readonly Digest[]> {
  const what = `cannot release layer ${name}`;
  const row = requireRow(parts, name, what);
  const live = liveMount(parts, row);
  if (live !== undefined) {
    throw new StoreError('failed-precondition', what, `it is mounted at ${live.target}`, {
      hint: `mica layer umount ${name}`,
    });
  }
  await removeParts(parts, row);
  return removeUnreferred(parts, row.parent);
}

async function removeParts({ snapshots, metadata, namespace }: LayerParts, row: RwLayerRow): Promise<void> {
  for (const name of [row.mountId, row.initId, `${row.initId}-key`]) {
    try {
      await snapshots.remove(name);
    } catch (error) {
      if (!isKind(error, 'not-found')) throw error;
    }
  }
  await metadata.write((tx) => removeRwLayer(tx, namespace, row.name));
}

/** What was changed in a read-write layer becomes a layer on the one that it stands on; nothing of the init layer does. */
export async function commitRw(parts: LayerParts, name: string): Promise<LayerInfo> {
  const what = `cannot commit layer ${name}`;
  const row = requireRow(parts, name, what);
  const { snapshots } = parts;
  await settle(await snapshots.stack(row.mountId), new MountTable(parts.state));
  const { form } = await snapshots.stat(row.mountId);
  const { parent } = row;
  return registerLayer(parts, () => changesTar(parts, row, form), parent === undefined ? {} : { parent });
}

async function* changesTar(
  { snapshots }: LayerParts,
  { mountId, initId }: RwLayerRow,
  form: string,
): AsyncGenerator<Uint8Array, void> {
  const { upper, lowers } = await snapshots.stack(mountId);
  const opened = openStack(upper === undefined ? { lowers } : { lowers: [upper, ...lowers] });
  const tree = new Union(opened);
  try {
    const below = new Union(openStack(await snapshots.stack(initId)));
    try {
      const [layer] = form === 'diff' ? opened.lowers : [];
      yield* writeLayerTar(tree, changesBetween(below, tree, layer === undefined ? {} : { layer }));
    } finally {
      below.destroy();
    }
  } finally {
    tree.destroy();
  }
}
