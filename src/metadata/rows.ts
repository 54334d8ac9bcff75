// What the metadata stores: the rows, and the functions on them as contracts for those above. A transaction is
// synchronous and comes first among the arguments; nothing is awaited inside one. `write` resolves when the
// change is durable, so whoever has awaited it may acknowledge it.
//
//   v1/version
//   v1/sequence                          last snapshot id
//   v1/settings/<name>
//   v1/namespaces/<ns>                   NamespaceRow
//   v1/snapshots/<ns>/<name>             SnapshotRow
//   v1/children/<ns>/<parent>/<name>     index of the above
//   v1/snapshot-ids/<id>                 index of the above
//   v1/snapshot-forms/<form>             how many of the above
//   v1/images/<ns>/<name>                ImageRow
//   v1/blobs/<ns>/<digest>               BlobRow
//   v1/containers/<ns>/<id>              ContainerRow
//   v1/leases/<ns>/<id>                  LeaseRow
//   v1/leased/<ns>/<lease>/<type>/<id>   true: a resource of the lease

import type { Dialect, MarkPrefix, Numbering, SpaceLimit } from '../../fs/index.js';
import type { BlobInfo } from '../content/content.js';
import type { Digest } from '../digest.js';
import type { Labels } from '../labels.js';

export interface NamespaceRow {
  readonly name: string;
  readonly created: string;
  readonly labels: Labels;
}

export type SnapshotKind = 'active' | 'view' | 'committed';

/** `diff`: fs/ holds the changes (drivers fuse, overlay). `full`: fs/ holds the whole tree (driver native). */
export type SnapshotForm = 'diff' | 'full';

export interface SnapshotRow {
  /** The key of an active snapshot or a view, the name of a committed one. */
  readonly name: string;
  /** The folder's name under snapshots/; a decimal number. */
  readonly id: string;
  readonly parent?: string;
  readonly kind: SnapshotKind;
  readonly form: SnapshotForm;
  readonly marks: MarkPrefix;
  readonly dialect: Dialect;
  /** Of the user namespace in which fs/ was made; absent: the first. */
  readonly numbering?: Numbering;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  readonly updated: string;
  readonly labels: Labels;
  /** Active only: what its changes may take. */
  readonly quota?: SpaceLimit;
  /** Committed only: measured at commit. */
  readonly size?: number;
  readonly inodes?: number;
  /** Where known: the diff ID of the layer that was applied. */
  readonly diffId?: Digest;
}

/** The folder of an active snapshot is going to be another one, while it is mounted (src/snapshots/exchange.ts). */
export interface ExchangeRow {
  /** Of the active snapshot, whose row names the old folder until it is done. */
  readonly key: string;
  readonly from: string;
  /** The new folder. */
  readonly id: string;
  /** What the old one is then committed as; absent: it goes. */
  readonly commit?: { readonly name: string; readonly labels: Labels };
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** Where else the bytes are to be had. */
  readonly urls?: readonly string[];
  readonly annotations?: Labels;
  readonly platform?: Platform;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface ImageRow {
  readonly name: string;
  readonly target: Descriptor;
  readonly created: string;
  readonly updated: string;
  readonly labels: Labels;
}

export type BlobRow = BlobInfo;

/** A value that its owner alone can read, with the name of its type: protobuf's Any. */
export interface OpaqueValue {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

export interface ContainerRow {
  readonly id: string;
  readonly labels: Labels;
  /** The name of an image; '' for none. */
  readonly image: string;
  readonly runtime: { readonly name: string; readonly options?: OpaqueValue };
  /** The runtime's specification. */
  readonly spec: OpaqueValue;
  /** Whose snapshot `snapshotKey` names; '' where there is none. */
  readonly snapshotter: string;
  readonly snapshotKey: string;
  readonly extensions: Readonly<Record<string, OpaqueValue>>;
  /** The sandbox that it is in; absent where it is in none. */
  readonly sandbox?: string;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  readonly updated: string;
}

export interface LeaseRow {
  readonly id: string;
  readonly created: string;
  readonly labels: Labels;
}

/** What a lease holds. */
export interface LeaseResource {
  /** `content`, `ingests`, `images` or `snapshots/<snapshotter>`. */
  readonly type: string;
  /** A digest, a ref, a name or a key. */
  readonly id: string;
}
