// What a differ is: a way to two trees, of which it says how the second came out of the first. Whatever the way, the
// same two trees give the same changes and the same bytes of a layer (test/suites/differ.ts holds them to that).
// There are two ways:
//   by marks (`openSnapshot`)     the layers of a snapshot, without a mount: only what the topmost layer holds is
//                                 looked at, because nothing else can have changed
//   walking (`withMountedTrees`)  two lists of mounts, whatever they are of: both trees are mounted, and compared
//                                 entry by entry
// What counts as a change stands in changes.ts and compare-entry.ts, how it is written in layer-tar.ts.
//
// `Differ` is the same with blobs at its ends, as containerd's diff service has it: it is what can be asked of a server
// (src/containerd/client), whose content store has the blobs.

import type { Filesystem, ReadLayer } from '../../fs/index.js';
import type { Labels } from '../labels.js';
import type { Descriptor } from '../metadata/rows.js';
import type { Mount } from '../mounts/mount.js';
import type { Change } from './change.js';
import { changesBetween } from './changes.js';
import { type LayerTarOptions, writeLayerTar } from './layer-tar.js';

export interface CompareOptions {
  /** Of the layer; default: an OCI layer, gzipped. unsupported for one that nobody writes. */
  readonly mediaType?: string;
  /** The ingest through which the blob comes to be; default: one is made up. */
  readonly ref?: string;
  /** Of the blob. */
  readonly labels?: Labels;
}

/** Layers onto what mounts show, and out of it. Nothing is mounted before and nothing stays mounted. */
export interface Differ {
  /** Unpacks the blob of a layer into what `mounts` show. Returns the layer as a plain tar: its digest is the diff ID. not-found without the blob. */
  apply(layer: Descriptor, mounts: readonly Mount[]): Promise<Descriptor>;
  /** Writes how what `right` shows came out of what `left` shows as a blob. */
  compare(left: readonly Mount[], right: readonly Mount[], options?: CompareOptions): Promise<Descriptor>;
}

/** Two trees, open. */
export interface Trees {
  /** Undefined: there is nothing below, and all of `to` is new. */
  readonly from: Filesystem | undefined;
  readonly to: Filesystem;
  /** The layer between them, where one is at hand: see `changesBetween`. */
  readonly layer?: ReadLayer & { readonly hasIndexed?: boolean };
}

/** How `to` came out of `from`, ordered by the bytes of the path. */
export function changesOf({ from, to, layer }: Trees): Change[] {
  return changesBetween(from, to, layer === undefined ? {} : { layer });
}

/** Those changes as a layer tar. Throws as `writeLayerTar`. */
export function layerOf(trees: Trees, options: LayerTarOptions = {}): AsyncGenerator<Uint8Array, void> {
  return writeLayerTar(trees.to, changesOf(trees), options);
}
