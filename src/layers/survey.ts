// All layers of a namespace at one moment, with what refers to each. A layer that cannot be read is told with its damage
// and stands in nobody's way.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chainId, type Digest, isDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import { isForeignType } from '../images/media-types.js';
import type { SelectedImage } from '../images/select.js';
import { openImage } from '../images/stored.js';
import { GC_ROOT } from '../labels.js';
import { listContainers } from '../metadata/containers.js';
import { SNAPSHOTTER_NAME } from '../metadata/gc.js';
import {
  type ForeignDescriptor,
  type LayerRow,
  listLayers,
  listRwLayers,
  type RwLayerRow,
} from '../metadata/layers.js';
import { isExpired, leaseResources, listLeases } from '../metadata/leases.js';
import type { SnapshotRow } from '../metadata/rows.js';
import { listSnapshots } from '../metadata/snapshots.js';
import type { ReadTx } from '../metadata/transaction.js';
import { journalPath } from './journal.js';
import type { LayerInfo, LayerParts, Reference } from './layers.js';

/** What images say of layers. */
interface Told {
  readonly diffIds: Map<Digest, Digest>;
  readonly descriptors: Map<Digest, ForeignDescriptor>;
  readonly tops: Map<Digest, string[]>;
}

export interface Survey {
  /** By chain ID, ordered. */
  readonly layers: ReadonlyMap<Digest, LayerInfo>;
  readonly readWrite: readonly RwLayerRow[];
}

export async function survey(parts: LayerParts): Promise<Survey> {
  const told = await askImages(parts);
  return parts.metadata.read((tx) => surveyRows(tx, parts, told));
}

/** An image that is damaged tells nothing, and nor does one that was not unpacked. */
async function askImages(parts: LayerParts): Promise<Told> {
  const told: Told = { diffIds: new Map(), descriptors: new Map(), tops: new Map() };
  for (const row of parts.images.list()) {
    let image: SelectedImage;
    try {
      image = await openImage(parts, row, 'cannot read image');
    } catch (error) {
      if (error instanceof StoreError) continue;
      throw error;
    }
    for (const { chainId: id, diffId, descriptor } of image.layers) {
      told.diffIds.set(id, diffId);
      if (isForeignType(descriptor.mediaType)) told.descriptors.set(id, descriptor);
    }
    const top = image.layers.at(-1)?.chainId;
    if (top !== undefined) told.tops.set(top, [...(told.tops.get(top) ?? []), row.name]);
  }
  return told;
}

function surveyRows(tx: ReadTx, parts: LayerParts, told: Told): Survey {
  const ns = parts.namespace;
  const snapshots = new Map(listSnapshots(tx, ns).map((row) => [row.name, row]));
  const rows = listLayers(tx, ns);
  const readWrite = listRwLayers(tx, ns);
  const references = referencesOf(tx, ns, snapshots, rows, readWrite, told);
  const layers = new Map<Digest, LayerInfo>();
  for (const row of snapshots.values()) {
    if (row.kind !== 'committed' || !isDigest(row.name)) continue;
    const layer = layerOf(row, snapshots, rows.get(row.name), told, parts);
    layers.set(row.name, { ...layer, references: references.get(row.name) ?? [] });
  }
  for (const { chainId: id, diffId, holds } of rows.values()) {
    // Garbage collection takes a snapshot that nobody holds, and leaves its row.
    if (layers.has(id) || !(holds > 0)) continue;
    const damage = 'its snapshot is gone';
    layers.set(id, {
      chainId: id,
      diffId,
      cacheId: '',
      size: 0,
      created: '',
      hasTar: false,
      damage,
      references: references.get(id) ?? [],
    });
  }
  return { layers: new Map([...layers].sort(([a], [b]) => (a < b ? -1 : 1))), readWrite };
}

function layerOf(
  row: SnapshotRow,
  snapshots: ReadonlyMap<string, SnapshotRow>,
  layer: LayerRow | undefined,
  told: Told,
  { folders }: LayerParts,
): Omit<LayerInfo, 'references'> {
  const parent = layerBelow(row, snapshots);
  const isBase = row.parent === undefined;
  const diffId = layer?.diffId ?? row.diffId ?? told.diffIds.get(row.name) ?? (isBase ? row.name : undefined);
  const descriptor = layer?.descriptor ?? told.descriptors.get(row.name);
  const damage = damageOf(row, parent, diffId, snapshots, folders.snapshots);
  return {
    chainId: row.name,
    ...(diffId === undefined ? {} : { diffId }),
    cacheId: row.id,
    ...(parent === undefined ? {} : { parent }),
    size: row.size ?? 0,
    created: row.created,
    hasTar: existsSync(journalPath(folders.snapshots, row.id)),
    ...(descriptor === undefined ? {} : { descriptor }),
    ...(damage === undefined ? {} : { damage }),
  };
}

/** The nearest snapshot below that is named by a chain ID; a commit to an image leaves others between. */
function layerBelow(row: SnapshotRow, snapshots: ReadonlyMap<string, SnapshotRow>): Digest | undefined {
  for (let name = row.parent; name !== undefined; name = snapshots.get(name)?.parent) {
    if (isDigest(name)) return name;
  }
  return undefined;
}

/** How many snapshots there are below it and above that of `parent`. */
function between(
  row: SnapshotRow,
  parent: Digest | undefined,
  snapshots: ReadonlyMap<string, SnapshotRow>,
): number {
  let count = 0;
  for (let name = row.parent; name !== undefined && name !== parent; name = snapshots.get(name)?.parent) {
    count++;
  }
  return count;
}

function damageOf(
  row: SnapshotRow,
  parent: Digest | undefined,
  diffId: Digest | undefined,
  snapshots: ReadonlyMap<string, SnapshotRow>,
  folder: string,
): string | undefined {
  if (!existsSync(join(folder, row.id, 'fs'))) return `its folder ${join(folder, row.id)} is gone`;
  for (let name = row.parent; name !== undefined; name = snapshots.get(name)?.parent) {
    if (!snapshots.has(name)) return `the layer below it, ${name}, is gone`;
  }
  if (diffId === undefined || chainId(parent, diffId) === row.name) return undefined;
  // An image of several commits in a row has layers that no snapshot has the chain ID of: the one below is not known.
  if (between(row, parent, snapshots) > 1) return undefined;
  return `its diff ID ${diffId} does not lead to its chain ID`;
}

function referencesOf(
  tx: ReadTx,
  ns: string,
  snapshots: ReadonlyMap<string, SnapshotRow>,
  rows: ReadonlyMap<Digest, LayerRow>,
  readWrite: readonly RwLayerRow[],
  told: Told,
): ReadonlyMap<string, readonly Reference[]> {
  const found = new Map<string, Reference[]>();
  const add = (name: string | undefined, reference: Reference): void => {
    if (name === undefined) return;
    const known = found.get(name);
    if (known === undefined) found.set(name, [reference]);
    else known.push(reference);
  };
  for (const { parent, name } of readWrite) add(parent, { kind: 'read-write', name });
  const inits = new Set(readWrite.map(({ initId }) => initId));
  for (const row of snapshots.values()) {
    const isLayer = row.kind === 'committed' && isDigest(row.name);
    // What stands on a layer for a read-write one has been counted by its name.
    const isInit = inits.has(row.name) || inits.has(row.name.replace(/-key$/, ''));
    if (!isInit) add(row.parent, { kind: isLayer ? 'layer' : 'snapshot', name: row.name });
    const holds = rows.get(row.name)?.holds ?? 0;
    // The label of a layer that is held is the hold's.
    if (isLayer && holds === 0 && (row.labels[GC_ROOT] ?? '') !== '')
      add(row.name, { kind: 'label', name: GC_ROOT });
  }
  for (const { chainId: id, holds } of rows.values()) {
    for (let n = 0; n < holds; n++) add(id, { kind: 'hold', name: '' });
  }
  for (const [top, names] of told.tops) for (const name of names) add(top, { kind: 'image', name });
  for (const { id, labels } of listLeases(tx, ns)) {
    if (isExpired(labels, Date.now())) continue;
    for (const resource of leaseResources(tx, ns, id)) {
      if (resource.type === `snapshots/${SNAPSHOTTER_NAME}`) add(resource.id, { kind: 'lease', name: id });
    }
  }
  for (const { id, snapshotter, snapshotKey } of listContainers(tx, ns)) {
    if (snapshotter === SNAPSHOTTER_NAME) add(snapshotKey, { kind: 'container', name: id });
  }
  return found;
}
