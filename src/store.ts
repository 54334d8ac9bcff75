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

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreContent } from './content/content.js';
import { LocalContent } from './content/local-content.js';
import { StoreError } from './errors.js';
import { blobRows } from './metadata/blobs.js';
import { type ContainerRows, containerRows } from './metadata/containers.js';
import { Metadata } from './metadata/db.js';
import { getDriver } from './metadata/driver.js';
import { imageRows, type StoredImages } from './metadata/images.js';
import { type LeaseRows, leaseRows } from './metadata/leases.js';
import { assertNamespaceName, deleteNamespace, listNamespaces } from './metadata/namespaces.js';
import { partitionNamespace } from './metadata/partitions.js';
import { formsInUse } from './metadata/snapshots.js';
import { mountProgram } from './mounts/mount-program.js';
import { ensureStateFolder, ensureStoreFolders, type StoreFolders } from './root-folder.js';
import { chooseDriver, worksIn } from './snapshots/choose-driver.js';
import { LayerThread } from './snapshots/layer-thread.js';
import type { Driver, LiveSnapshotter } from './snapshots/snapshot.js';
import { FolderSnapshotter } from './snapshots/snapshotter.js';

export {
  driverNamed,
  registerDriver,
  registeredDrivers,
  type StorageDriver,
} from './mounts/drivers.js';

export interface StoreOptions {
  /** Of names, labels and ingests; made by the first thing that is put in it. Default `default`. */
  readonly namespace?: string;
  /** The folder of sockets, pid files and the mount table. */
  readonly state: string;
  /** Default `auto`: see choose-driver.ts. */
  readonly driver?: Driver | 'auto';
  /** False for stores that die with a test: nothing is synced by the metadata. */
  readonly durable?: boolean;
  /** An empty database may take the place of one that is lost, because its rows come from elsewhere. */
  readonly mayBeginAnew?: boolean;
  /** This process goes on: what nobody needs to wait for may be done after the answer (layer-thread.ts). */
  readonly goesOn?: boolean;
}

export class Store {
  readonly folders: StoreFolders;
  readonly state: string;
  readonly namespace: string;
  readonly metadata: Metadata;
  readonly content: StoreContent;
  readonly images: StoredImages;
  readonly containers: ContainerRows;
  readonly leases: LeaseRows;
  readonly #options: StoreOptions;
  readonly #asked: Driver | 'auto';
  /** What this one is another namespace of, and shares the metadata and the driver with. */
  readonly #of: Store | undefined;
  #driver: Driver | undefined;
  #snapshots: LiveSnapshotter | undefined;
  #thread: LayerThread | undefined;

  private constructor(folders: StoreFolders, metadata: Metadata, options: StoreOptions, of?: Store) {
    const namespace = options.namespace ?? 'default';
    this.folders = folders;
    this.state = options.state;
    this.namespace = namespace;
    this.metadata = metadata;
    this.content = new LocalContent(folders.content, blobRows(metadata, namespace), namespace);
    this.images = imageRows(metadata, namespace);
    this.containers = containerRows(metadata, namespace);
    this.leases = leaseRows(metadata, namespace);
    this.#options = options;
    this.#asked = options.driver ?? 'auto';
    this.#of = of;
  }

  /** The driver that was asked for or chosen. A choice may try things out, so it is made when first needed. */
  get driver(): Driver {
    this.#driver ??=
      this.#of?.driver ??
      chooseDriver(
        this.#asked,
        this.metadata.read((tx) => ({ recorded: getDriver(tx), forms: formsInUse(tx) })),
        worksIn(this.folders.snapshots),
      );
    return this.#driver;
  }

  /** Whether somebody asked for the driver, the store remembers it, or it was chosen because it works. */
  get driverFrom(): 'asked' | 'recorded' | 'chosen' {
    if (this.#asked !== 'auto') return 'asked';
    return this.metadata.read((tx) => getDriver(tx)) === undefined ? 'chosen' : 'recorded';
  }

  get snapshots(): LiveSnapshotter {
    this.#snapshots ??= new FolderSnapshotter(this.metadata, {
      folder: this.folders.snapshots,
      chains: this.folders.chains,
      state: this.state,
      namespace: this.namespace,
      driver: () => this.driver,
      helper: mountProgram(),
      ...(this.#options.goesOn === true ? { thread: this.#layerThread } : {}),
    });
    return this.#snapshots;
  }

  get #layerThread(): LayerThread {
    this.#thread ??= this.#of === undefined ? new LayerThread() : this.#of.#layerThread;
    return this.#thread;
  }

  /**
   * Opens the store in the folder `root` (absolute), making what is missing. invalid-argument for a bad namespace,
   * failed or failed-precondition for folders that cannot be used, and whatever `Metadata.open` says.
   */
  static async open(root: string, options: StoreOptions): Promise<Store> {
    if (options.namespace !== undefined) assertNamespaceName(options.namespace);
    const folders = ensureStoreFolders(root);
    ensureStateFolder(options.state);
    if (options.mayBeginAnew !== true) assertNotLost(folders);
    const metadata = Metadata.open(folders.metadata, { durable: options.durable ?? true });
    return new Store(folders, metadata, options);
  }

  /** The same root in another namespace, until this store is closed. invalid-argument for a name that is none. */
  inNamespace(name: string): Store {
    assertNamespaceName(name);
    return this.#another(name);
  }

  /** The same root in what a served socket keeps: metadata/partitions.ts. invalid-argument for a name that is none. */
  inPartition(name: string): Store {
    return this.#another(partitionNamespace(name));
  }

  /** The same root in each of its namespaces and partitions. */
  everywhere(): readonly Store[] {
    return this.metadata.read(listNamespaces).map(({ name }) => this.#another(name));
  }

  #another(namespace: string): Store {
    return new Store(this.folders, this.metadata, { ...this.#options, namespace }, this.#of ?? this);
  }

  /** Takes out a namespace with nothing in it. not-found; failed-precondition while it names anything, ingests included. */
  async removeNamespace(name: string): Promise<void> {
    // They lie on disk alone: a namespace of the same name would have them again.
    const [first, ...others] = await this.inNamespace(name).content.statuses();
    if (first !== undefined) {
      const why = `it is not empty: ${1 + others.length} ingests`;
      throw new StoreError('failed-precondition', `cannot remove namespace ${name}`, why, {
        hint: `mica -n ${name} content abort ${first.ref}`,
      });
    }
    await this.metadata.write((tx) => deleteNamespace(tx, name));
  }

  /** What shares the metadata of another store leaves them open. */
  async close(): Promise<void> {
    await this.#snapshots?.close();
    if (this.#of !== undefined) return;
    await this.#thread?.close();
    await this.metadata.close();
  }
}

/** corrupt if there are snapshots and no metadata: an empty database would make rubbish of them all. */
function assertNotLost({ root, metadata, snapshots }: StoreFolders): void {
  if (existsSync(join(metadata, 'data.mdb')) || !readdirSync(snapshots).some((name) => /^[0-9]+$/.test(name)))
    return;
  throw new StoreError('corrupt', `cannot open the store in ${root}`, 'its metadata are missing', {
    hint: 'mica restore FILE, if there is a dump of them; else mica fsck --repair makes them again from the folders',
  });
}
