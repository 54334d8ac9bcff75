// A server of containerd's services as the parts of a store: the same contracts as those of a store that is open here
// (src/store.ts), for who does not care where they are.

import type { ImageRows } from '../../images/images.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { ProxyContent } from './content.js';
import { ProxyDiffer } from './differ.js';
import { ProxyImages } from './images.js';
import { ProxyLeases } from './leases.js';
import { ProxySnapshotter } from './snapshotter.js';

/** What containerd's own clients use when not told. */
const SNAPSHOTTER = 'overlayfs';

export interface ClientOptions extends ConnectionOptions {
  /** Which of the server's snapshotters; `mica serve` has one and takes any name. Default: overlayfs. */
  readonly snapshotter?: string;
}

export class StoreClient {
  readonly snapshotter: string;
  readonly snapshots: ProxySnapshotter;
  readonly content: ProxyContent;
  readonly differ: ProxyDiffer;
  readonly leases: ProxyLeases;
  readonly #connection: Connection;

  /** Connects to the unix socket `address` when it is first used. invalid-argument for what cannot be one. */
  constructor(address: string, { snapshotter = SNAPSHOTTER, ...options }: ClientOptions) {
    this.#connection = new Connection(address, options);
    this.snapshotter = snapshotter;
    this.snapshots = new ProxySnapshotter(this.#connection, snapshotter);
    this.content = new ProxyContent(this.#connection);
    this.differ = new ProxyDiffer(this.#connection);
    this.leases = new ProxyLeases(this.#connection);
  }

  /** All names of images, as they are now. */
  images(): Promise<ImageRows> {
    return ProxyImages.open(this.#connection);
  }

  close(): void {
    this.#connection.close();
  }
}
