// Garbage collection on the rows: what must stay (mark), and taking the rest out (unname). Both run in one
// transaction, so whoever adds a reference either did before, and is seen, or finds the rows gone. Files are the
// caller's affair, afterwards: one that no row names any more may go.
//
// Roots are images, leases that have not expired, containers, what has the label `containerd.io/gc.root`, and
// snapshots that are in use just now, and all that lies in a partition. From there labels lead on (`containerd.io/gc.ref.content[.…]`: a digest,
// `containerd.io/gc.ref.snapshot.<snapshotter>[/…]`: a name), and a snapshot keeps its parent. Meaning as in
// containerd's `core/metadata/gc.go`; a reference to what is not there is none.

import { GC_ROOT, type Labels } from '../labels.js';
import { listBlobs } from './blobs.js';
import { listContainers } from './containers.js';
import { listExchanges } from './exchanges.js';
import { listImages } from './images.js';
import { removeLayer } from './layers.js';
import { GC_FLAT, isExpired, leaseResources, listLeases } from './leases.js';
import { listNamespaces } from './namespaces.js';
import { partitionOf } from './partitions.js';
import type { BlobRow, SnapshotRow } from './rows.js';
import { dropSnapshots, listSnapshots } from './snapshots.js';
import type { ReadTx, WriteTx } from './transaction.js';

/** The plugin name under which this store's snapshots stand in labels, leases and containers. */
export const SNAPSHOTTER_NAME = 'mica';

const REF_CONTENT = 'containerd.io/gc.ref.content';
const REF_SNAPSHOT = 'containerd.io/gc.ref.snapshot.';

/** One object of the store, or a reason outside of it why one stays. */
export interface Thing {
  readonly kind: 'image' | 'lease' | 'container' | 'label' | 'use' | 'partition' | 'blob' | 'snapshot';
  /** '' for a use and a partition: that of its snapshot. */
  readonly namespace: string;
  /** Of a use: where or by what. */
  readonly name: string;
}

export interface MarkOptions {
  /** Milliseconds after 1970: leases that ended before hold nothing. */
  readonly nowMs: number;
  /** Who uses a snapshot without a row that says so: a mount, a process that writes. Asked for what nothing else keeps. */
  readonly useOf: (row: SnapshotRow) => string | undefined;
}

export interface Owned<Row> {
  readonly namespace: string;
  readonly row: Row;
}

export interface Marked {
  readonly deadSnapshots: readonly Owned<SnapshotRow>[];
  readonly deadBlobs: readonly Owned<BlobRow>[];
  /** `<namespace>/<ref>` of the ingests that leases hold. */
  readonly leasedIngests: ReadonlySet<string>;
  /** Everything that stays, and why. */
  live(): Iterable<Kept>;
  /** Whether a blob of this digest stays in some namespace. */
  isAlive(digest: string): boolean;
}

/** A thing that stays. */
export interface Kept {
  readonly kind: 'snapshot' | 'blob';
  readonly namespace: string;
  readonly name: string;
  /** From a root, which comes first, to the thing itself. */
  readonly path: readonly Thing[];
}

/** What stays and what goes, over all namespaces. */
export function mark(tx: ReadTx, options: MarkOptions): Marked {
  const marking = new Marking(tx, options);
  marking.run();
  return marking;
}

/** Takes the rows of what is dead out. In the transaction that marked. */
export function unname(tx: WriteTx, { deadSnapshots, deadBlobs }: Marked): void {
  dropSnapshots(tx, deadSnapshots);
  for (const { namespace, row } of deadSnapshots) removeLayer(tx, namespace, row.name);
  for (const { namespace, row } of deadBlobs) tx.remove(['v1', 'blobs', namespace, row.digest]);
}

interface Contents {
  readonly blobs: ReadonlyMap<string, BlobRow>;
  readonly snapshots: ReadonlyMap<string, SnapshotRow>;
}

interface Step {
  readonly id: string;
  /** Of a flat lease: labels are not followed. */
  readonly flat: boolean;
}

class Marking implements Marked {
  readonly leasedIngests = new Set<string>();
  readonly deadSnapshots: Owned<SnapshotRow>[] = [];
  readonly deadBlobs: Owned<BlobRow>[] = [];
  readonly #tx: ReadTx;
  readonly #options: MarkOptions;
  readonly #contents = new Map<string, Contents>();
  /** Of everything that lives, the id of what led there. */
  readonly #from = new Map<string, string>();
  /** What lives by flat leases alone, so far. */
  readonly #flat = new Set<string>();
  readonly #pending: Step[] = [];

  constructor(tx: ReadTx, options: MarkOptions) {
    this.#tx = tx;
    this.#options = options;
    for (const { name } of listNamespaces(tx)) {
      this.#contents.set(name, {
        blobs: new Map(listBlobs(tx, name).map((row) => [row.digest, row])),
        snapshots: new Map(listSnapshots(tx, name).map((row) => [row.name, row])),
      });
    }
  }

  run(): void {
    for (const namespace of this.#contents.keys()) this.#rootRows(namespace);
    // First, because a name says more than a label to who asks why a thing stays.
    this.#follow();
    for (const [namespace, contents] of this.#contents) {
      this.#rootLabels(namespace, contents);
      this.#rootPartition(namespace, contents);
    }
    this.#follow();
    for (const [namespace, { snapshots }] of this.#contents) this.#rootUses(namespace, snapshots);
    for (const [namespace, { blobs, snapshots }] of this.#contents) {
      for (const row of snapshots.values()) {
        if (!this.#from.has(idOf('snapshot', namespace, row.name)))
          this.deadSnapshots.push({ namespace, row });
      }
      for (const row of blobs.values()) {
        if (!this.#from.has(idOf('blob', namespace, row.digest))) this.deadBlobs.push({ namespace, row });
      }
    }
  }

  *live(): Generator<Kept, void> {
    for (const [namespace, { blobs, snapshots }] of this.#contents) {
      for (const name of snapshots.keys()) yield* this.#kept('snapshot', namespace, name);
      for (const name of blobs.keys()) yield* this.#kept('blob', namespace, name);
    }
  }

  isAlive(digest: string): boolean {
    for (const namespace of this.#contents.keys()) {
      const id = idOf('blob', namespace, digest);
      if (this.#from.has(id) && this.#contents.get(namespace)?.blobs.has(digest) === true) return true;
    }
    return false;
  }

  *#kept(kind: 'blob' | 'snapshot', namespace: string, name: string): Generator<Kept, void> {
    let id: string | undefined = idOf(kind, namespace, name);
    if (!this.#from.has(id)) return;
    const path: Thing[] = [];
    for (; id !== undefined; id = this.#from.get(id)) path.unshift(thingOf(id));
    yield { kind, namespace, name, path };
  }

  /** Images, containers, leases, and keys whose folder is being exchanged. */
  #rootRows(namespace: string): void {
    for (const { key } of listExchanges(this.#tx, namespace)) {
      this.#reach(idOf('snapshot', namespace, key), idOf('use', '', 'being committed or rolled back'));
    }
    for (const { name, target, labels } of listImages(this.#tx, namespace)) {
      const root = idOf('image', namespace, name);
      this.#reach(idOf('blob', namespace, target.digest), root);
      this.#reachLabelled(labels, namespace, root);
    }
    for (const { id, snapshotter, snapshotKey, labels } of listContainers(this.#tx, namespace)) {
      const root = idOf('container', namespace, id);
      if (snapshotter === SNAPSHOTTER_NAME) this.#reach(idOf('snapshot', namespace, snapshotKey), root);
      this.#reachLabelled(labels, namespace, root);
    }
    for (const { id, labels } of listLeases(this.#tx, namespace)) {
      if (isExpired(labels, this.#options.nowMs)) continue;
      const root = idOf('lease', namespace, id);
      const flat = labels[GC_FLAT] !== undefined;
      for (const resource of leaseResources(this.#tx, namespace, id)) {
        if (resource.type === 'content') this.#reach(idOf('blob', namespace, resource.id), root, flat);
        else if (resource.type === 'ingests') this.leasedIngests.add(`${namespace}/${resource.id}`);
        else if (resource.type === `snapshots/${SNAPSHOTTER_NAME}`) {
          this.#reach(idOf('snapshot', namespace, resource.id), root, flat);
        }
      }
    }
  }

  #rootLabels(namespace: string, { blobs, snapshots }: Contents): void {
    const root = idOf('label', namespace, GC_ROOT);
    for (const { digest, labels } of blobs.values()) {
      if (isRooted(labels)) this.#reach(idOf('blob', namespace, digest), root);
    }
    for (const { name, labels } of snapshots.values()) {
      if (isRooted(labels)) this.#reach(idOf('snapshot', namespace, name), root);
    }
  }

  /** The client of a served socket collects its own garbage. */
  #rootPartition(namespace: string, { blobs, snapshots }: Contents): void {
    const partition = partitionOf(namespace);
    if (partition === undefined) return;
    const root = idOf('partition', '', partition);
    for (const digest of blobs.keys()) this.#reach(idOf('blob', namespace, digest), root);
    for (const name of snapshots.keys()) this.#reach(idOf('snapshot', namespace, name), root);
  }

  /** To ask costs a look at files, so it is asked for what is left only. */
  #rootUses(namespace: string, snapshots: ReadonlyMap<string, SnapshotRow>): void {
    for (const row of snapshots.values()) {
      const id = idOf('snapshot', namespace, row.name);
      if (row.kind === 'committed' || this.#from.has(id)) continue;
      const use = this.#options.useOf(row);
      if (use === undefined) continue;
      this.#reach(id, idOf('use', '', use));
      this.#follow();
    }
  }

  #follow(): void {
    for (let step = this.#pending.pop(); step !== undefined; step = this.#pending.pop()) {
      const { kind, namespace, name } = thingOf(step.id);
      const { blobs, snapshots } = this.#contents.get(namespace)!;
      const row = kind === 'blob' ? blobs.get(name) : snapshots.get(name);
      if (row === undefined) continue;
      if ('parent' in row && row.parent !== undefined) {
        this.#reach(idOf('snapshot', namespace, row.parent), step.id, step.flat);
      }
      if (!step.flat) this.#reachLabelled(row.labels, namespace, step.id);
    }
  }

  #reachLabelled(labels: Labels, namespace: string, from: string): void {
    for (const [key, value] of Object.entries(labels)) {
      if (isContentRef(key)) this.#reach(idOf('blob', namespace, value), from);
      else if (isSnapshotRef(key)) this.#reach(idOf('snapshot', namespace, value), from);
    }
  }

  #reach(id: string, from: string, flat = false): void {
    const known = this.#from.has(id);
    if (known && (flat || !this.#flat.delete(id))) return;
    if (!known) this.#from.set(id, from);
    if (flat) this.#flat.add(id);
    this.#pending.push({ id, flat });
  }
}

function isRooted(labels: Labels): boolean {
  return (labels[GC_ROOT] ?? '') !== '';
}

export function isContentRef(key: string): boolean {
  if (!key.startsWith(REF_CONTENT)) return false;
  const next = key[REF_CONTENT.length];
  return next === undefined || next === '.' || next === '/';
}

export function isSnapshotRef(key: string): boolean {
  if (!key.startsWith(REF_SNAPSHOT)) return false;
  return key.slice(REF_SNAPSHOT.length).split('/', 1)[0] === SNAPSHOTTER_NAME;
}

/** No part holds a NUL: keys.ts. */
function idOf(kind: Thing['kind'], namespace: string, name: string): string {
  return `${kind}\0${namespace}\0${name}`;
}

function thingOf(id: string): Thing {
  const [kind = '', namespace = '', name = ''] = id.split('\0');
  return { kind: kind as Thing['kind'], namespace, name };
}
