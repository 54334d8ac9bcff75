// Docker's view of the store: layers, each named by the chain ID of its content and all that lies below it. A layer is a
// committed snapshot of that name (an import makes them, and `register`), so both views show one thing and nothing is
// kept twice; the cache ID is the snapshot's folder. Words as in Docker's layer store (`layer/layer.go` of moby):
//
//   register(tar, parent) -> a read-only layer, held once more      release -> held once less
//   create(name, parent)  -> a read-write layer on it               release -> gone, with its changes
//
// References are counted from the rows whenever somebody asks: layers and read-write layers on top of it, images,
// holds, and whatever keeps its snapshot from garbage collection (leases, containers, labels).

import type { StoreContent } from '../content/content.js';
import type { Digest } from '../digest.js';
import type { ImageRows } from '../images/images.js';
import type { Metadata } from '../metadata/db.js';
import type { ForeignDescriptor } from '../metadata/layers.js';
import type { StoreFolders } from '../root-folder.js';
import type { Driver, StoreSnapshotter } from '../snapshots/snapshot.js';

/** What the view is of: a store is one. */
export interface LayerParts {
  readonly metadata: Metadata;
  readonly namespace: string;
  readonly content: StoreContent;
  readonly images: ImageRows;
  readonly snapshots: StoreSnapshotter;
  readonly folders: StoreFolders;
  readonly state: string;
  readonly driver: Driver;
}

/** Something that keeps a layer. */
export interface Reference {
  readonly kind: 'image' | 'layer' | 'read-write' | 'hold' | 'lease' | 'container' | 'label' | 'snapshot';
  /** Of a hold: ''. */
  readonly name: string;
}

export interface LayerInfo {
  readonly chainId: Digest;
  /** Of its own tar; absent where nothing in the store tells. */
  readonly diffId?: Digest;
  /** The folder under snapshots/; '' if that is not known. */
  readonly cacheId: string;
  /** Chain ID of the layer below. */
  readonly parent?: Digest;
  /** Bytes on disk of what it holds itself. */
  readonly size: number;
  readonly created: string;
  readonly references: readonly Reference[];
  /** Its own tar can be given back to the byte. */
  readonly hasTar: boolean;
  /** Of a foreign layer. */
  readonly descriptor?: ForeignDescriptor;
  /** Why it cannot be read. */
  readonly damage?: string;
}

export interface RwLayerInfo {
  readonly name: string;
  readonly mountId: string;
  readonly initId: string;
  readonly parent?: Digest;
  readonly created: string;
  readonly mounts: number;
  /** Where it is mounted. */
  readonly target?: string;
  readonly damage?: string;
}
