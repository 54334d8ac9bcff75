// The composition root: one root folder becomes metadata, content, images and snapshots of one namespace.
//
//   ROOT/
//     metadata/    LMDB: every name, and which folder or digest it stands for
//     content/     blobs/sha256/<hex>, ingest/<id>/; shared by all namespaces
//     snapshots/   <id>/{fs,work,index,facts.json}
//     chains/      flattened indexes of chains of layers; a cache
//
// Several processes may have one root open at a time. A store holds no state of its own: whatever is remembered
// lies in the folders, so it may be opened and closed as often as a command runs.

import type { Content } from './content/content.js';
import { LocalContent } from './content/local-content.js';
import type { ImageRows } from './images/images.js';
import { blobRows } from './metadata/blobs.js';
import { Metadata } from './metadata/db.js';
import { imageRows } from './metadata/images.js';
import { assertNamespaceName } from './metadata/namespaces.js';
import { ensureStateFolder, ensureStoreFolders, type StoreFolders } from './root-folder.js';

export interface StoreOptions {
  /** Of names, labels and ingests; made by the first thing that is put in it. Default `default`. */
  readonly namespace?: string;
  /** The folder of sockets, pid files and the mount table. */
  readonly state: string;
  /** False for stores that die with a test: nothing is synced by the metadata. */
  readonly durable?: boolean;
}

export class Store {
  readonly folders: StoreFolders;
  readonly state: string;
  readonly namespace: string;
  readonly metadata: Metadata;
  readonly content: Content;
  readonly images: ImageRows;

  private constructor(folders: StoreFolders, metadata: Metadata, options: StoreOptions) {
    const namespace = options.namespace ?? 'default';
    this.folders = folders;
    this.state = options.state;
    this.namespace = namespace;
    this.metadata = metadata;
    this.content = new LocalContent(folders.content, blobRows(metadata, namespace), namespace);
    this.images = imageRows(metadata, namespace);
  }

  /**
   * Opens the store in the folder `root` (absolute), making what is missing. invalid-argument for a bad namespace,
   * failed or failed-precondition for folders that cannot be used, and whatever `Metadata.open` says.
   */
  static async open(root: string, options: StoreOptions): Promise<Store> {
    if (options.namespace !== undefined) assertNamespaceName(options.namespace);
    const folders = ensureStoreFolders(root);
    ensureStateFolder(options.state);
    const metadata = Metadata.open(folders.metadata, { durable: options.durable ?? true });
    return new Store(folders, metadata, options);
  }

  async close(): Promise<void> {
    await this.metadata.close();
  }
}
