// Rows of Docker's view of layers: what a committed snapshot that is named by a chain ID does not say of itself, and
// read-write layers. A layer that somebody holds by name has the label that keeps its snapshot from garbage collection,
// so that nobody else has to know these rows; one whose snapshot is gone means nothing any more.

import type { Digest } from '../digest.js';
import { StoreError } from '../errors.js';
import { ensureNamespace } from './namespaces.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

/** A descriptor with where its blob is to be had, as manifests have it of layers that are not passed on. */
export interface ForeignDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly urls?: readonly string[];
}

/** A blob that was dropped, and how it comes back from the layer's tar. */
export interface DroppedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly compression: 'none' | 'gzip' | 'zstd';
  /** Of the compressor of this program; absent for what was not compressed. */
  readonly level?: number;
  /** The first ten bytes of a gzip stream, as hexadecimal digits: time and system of who made it. */
  readonly header?: string;
}

export interface LayerRow {
  readonly chainId: Digest;
  readonly diffId: Digest;
  /** How often it was registered, without having been released. */
  readonly holds: number;
  /** Of a foreign layer. */
  readonly descriptor?: ForeignDescriptor;
  readonly dropped?: readonly DroppedBlob[];
}

export interface RwLayerRow {
  readonly name: string;
  /** The key of its active snapshot. */
  readonly mountId: string;
  /** The name of the snapshot below it, which has what a container engine puts over the image. */
  readonly initId: string;
  /** The chain ID of the layer that it stands on; absent: nothing. */
  readonly parent?: Digest;
  readonly created: string;
  /** How many have asked for the mount at `target`, as long as that is live. */
  readonly mounts: number;
  readonly target?: string;
}

const layerAt = (ns: string, chainId: Digest): Key => ['v1', 'layers', ns, chainId];
const rwAt = (ns: string, name: string): Key => ['v1', 'rw-layers', ns, name];

export function getLayer(tx: ReadTx, ns: string, chainId: Digest): LayerRow | undefined {
  return tx.get<LayerRow>(layerAt(ns, chainId));
}

export function putLayer(tx: WriteTx, ns: string, row: LayerRow): void {
  ensureNamespace(tx, ns);
  tx.put(layerAt(ns, row.chainId), row);
}

export function removeLayer(tx: WriteTx, ns: string, chainId: Digest): void {
  tx.remove(layerAt(ns, chainId));
}

/** By chain ID. */
export function listLayers(tx: ReadTx, ns: string): ReadonlyMap<Digest, LayerRow> {
  return new Map(tx.list<LayerRow>(['v1', 'layers', ns]).map(({ name, value }) => [name, value]));
}

export function getRwLayer(tx: ReadTx, ns: string, name: string): RwLayerRow | undefined {
  return tx.get<RwLayerRow>(rwAt(ns, name));
}

/** already-exists for a name that another has. */
export function addRwLayer(tx: WriteTx, ns: string, row: RwLayerRow): void {
  if (getRwLayer(tx, ns, row.name) !== undefined) {
    throw new StoreError('already-exists', `cannot create layer ${row.name}`, 'there is one of this name', {
      hint: `mica layer release ${row.name}, or another name`,
    });
  }
  putRwLayer(tx, ns, row);
}

export function putRwLayer(tx: WriteTx, ns: string, row: RwLayerRow): void {
  ensureNamespace(tx, ns);
  tx.put(rwAt(ns, row.name), row);
}

export function removeRwLayer(tx: WriteTx, ns: string, name: string): void {
  tx.remove(rwAt(ns, name));
}

/** Ordered by name. */
export function listRwLayers(tx: ReadTx, ns: string): readonly RwLayerRow[] {
  return tx.list<RwLayerRow>(['v1', 'rw-layers', ns]).map(({ value }) => value);
}
