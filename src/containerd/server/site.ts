// What a service is given: the root that is served, seen by namespaces, and what the socket keeps.

import type { Snapshotter } from '../../snapshots/snapshot.js';
import type { Store } from '../../store.js';
import type { Caller } from './service.js';

/** What the services work on: one root. */
export interface Site {
  /**
   * What the socket keeps for a client that names no namespace, and all snapshots, whatever a call names. A containerd
   * whose plugin we are names none, or not always.
   */
  readonly partition: Store;
  /** Those of the partition, as they are handed out. */
  readonly snapshots: Snapshotter;
  /** The root in the namespace that a call names. invalid-argument for a name that is none. */
  namespace(name: string): Store;
  /** Removes what nothing needs, in all of the root: whoever asks hears when all is gone that was garbage by then. */
  collect(): Promise<void>;
  /** Aborted when no more calls are taken: who waits for something to happen ends then. */
  readonly stopping: AbortSignal;
}

/** Where blobs lie for a call: in its namespace, or in what the socket keeps. invalid-argument for a bad name. */
export function storeOf({ partition, namespace }: Site, caller: Caller): Store {
  return caller.namespace === undefined ? partition : namespace(caller.namespace);
}
