// Lease rows: what must not be collected as long as the lease is there, or until the time that it says. Meaning
// and errors are containerd's (`core/metadata/leases.go`): a resource may be named before it exists, and naming or
// taking it away twice is no error.

import { randomBytes } from 'node:crypto';
import { isDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import { assertLabels, type Labels } from '../labels.js';
import { msOfTime, timeNow } from '../time.js';
import type { Metadata } from './db.js';
import { ensureNamespace } from './namespaces.js';
import type { LeaseResource, LeaseRow } from './rows.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

/** The label with the time (RFC 3339) from which a lease holds nothing any more. */
export const GC_EXPIRE = 'containerd.io/gc.expire';
/** The label of a lease that holds its resources, but not what they refer to. */
export const GC_FLAT = 'containerd.io/gc.flat';

const at = (ns: string, id: string): Key => ['v1', 'leases', ns, id];
const heldAt = (ns: string, id: string, resource: LeaseResource): Key => [
  'v1',
  'leased',
  ns,
  id,
  resource.type,
  resource.id,
];

export function getLease(tx: ReadTx, ns: string, id: string): LeaseRow | undefined {
  return tx.get<LeaseRow>(at(ns, id));
}

/** Ordered by id. */
export function listLeases(tx: ReadTx, ns: string): readonly LeaseRow[] {
  return tx.list<LeaseRow>(['v1', 'leases', ns]).map((row) => row.value);
}

/** already-exists; without an id it gets one as containerd makes them. */
export function createLease(
  tx: WriteTx,
  ns: string,
  id: string = newLeaseId(),
  labels: Labels = {},
): LeaseRow {
  const what = `cannot create lease ${id}`;
  assertLabels(labels, what);
  if (getLease(tx, ns, id) !== undefined) {
    throw new StoreError('already-exists', what, 'there is a lease of this id');
  }
  ensureNamespace(tx, ns);
  const row: LeaseRow = { id, created: timeNow(), labels };
  tx.put(at(ns, id), row);
  return row;
}

/** Takes the lease and the names of what it held. not-found. */
export function deleteLease(tx: WriteTx, ns: string, id: string): LeaseRow {
  const row = requireLease(tx, ns, id, `cannot remove lease ${id}`);
  for (const resource of leaseResources(tx, ns, id)) tx.remove(heldAt(ns, id, resource));
  tx.remove(at(ns, id));
  return row;
}

/** not-found (the lease); invalid-argument or unsupported for a type that leases do not hold. */
export function addLeaseResource(tx: WriteTx, ns: string, id: string, resource: LeaseResource): void {
  const what = `cannot add ${resource.type} ${resource.id} to lease ${id}`;
  assertLeasable(resource, what);
  requireLease(tx, ns, id, what);
  tx.put(heldAt(ns, id, resource), true);
}

/** The lease with these resources, in one step: a new one where it is missing. They need not exist yet. */
export function holdByLease(
  tx: WriteTx,
  ns: string,
  lease: Omit<LeaseRow, 'created'>,
  resources: readonly LeaseResource[],
): void {
  if (getLease(tx, ns, lease.id) === undefined) createLease(tx, ns, lease.id, lease.labels);
  for (const resource of resources) addLeaseResource(tx, ns, lease.id, resource);
}

/** Errors as `addLeaseResource`; no error if the lease did not hold it. */
export function removeLeaseResource(tx: WriteTx, ns: string, id: string, resource: LeaseResource): void {
  const what = `cannot take ${resource.type} ${resource.id} out of lease ${id}`;
  assertLeasable(resource, what);
  requireLease(tx, ns, id, what);
  tx.remove(heldAt(ns, id, resource));
}

/** The id of a lease other than `own` that has not expired and holds this very resource; undefined if there is none. */
export function leaseHolding(
  tx: ReadTx,
  ns: string,
  resource: LeaseResource,
  own?: string,
): string | undefined {
  const nowMs = Date.now();
  const holder = listLeases(tx, ns).find(
    ({ id, labels }) =>
      id !== own && !isExpired(labels, nowMs) && tx.get(heldAt(ns, id, resource)) !== undefined,
  );
  return holder?.id;
}

/** Whether a lease with these labels holds nothing any more. A time that cannot be read is none, as containerd has it. */
export function isExpired(labels: Labels, nowMs: number): boolean {
  const text = labels[GC_EXPIRE];
  const ends = text === undefined ? undefined : msOfTime(text);
  return ends !== undefined && ends < nowMs;
}

/** What the lease holds, ordered by type and id. */
export function leaseResources(tx: ReadTx, ns: string, id: string): readonly LeaseResource[] {
  return tx.keys(['v1', 'leased', ns, id]).map((key) => ({ type: key.at(-2) ?? '', id: key.at(-1) ?? '' }));
}

export type LeaseRows = ReturnType<typeof leaseRows>;

/** The rows of one namespace for those who know no transactions. */
export function leaseRows(metadata: Metadata, ns: string) {
  return {
    list: (): readonly LeaseRow[] => metadata.read((tx) => listLeases(tx, ns)),
    create: (id?: string, labels?: Labels): Promise<LeaseRow> =>
      metadata.write((tx) => createLease(tx, ns, id, labels)),
    remove: (id: string): Promise<LeaseRow> => metadata.write((tx) => deleteLease(tx, ns, id)),
    add: (id: string, resource: LeaseResource): Promise<void> =>
      metadata.write((tx) => addLeaseResource(tx, ns, id, resource)),
    hold: (lease: Omit<LeaseRow, 'created'>, resources: readonly LeaseResource[]): Promise<void> =>
      metadata.write((tx) => holdByLease(tx, ns, lease, resources)),
    release: (id: string, resource: LeaseResource): Promise<void> =>
      metadata.write((tx) => removeLeaseResource(tx, ns, id, resource)),
    /** not-found (the lease). */
    resources: (id: string): readonly LeaseResource[] =>
      metadata.read((tx) => {
        requireLease(tx, ns, id, `cannot list lease ${id}`);
        return leaseResources(tx, ns, id);
      }),
  };
}

/** `<nanoseconds>-<4 characters>`, as containerd's leases are called. */
function newLeaseId(): string {
  const unique = randomBytes(3).toString('base64url');
  return `${process.hrtime.bigint() % 1_000_000_000n}-${unique}`;
}

function requireLease(tx: ReadTx, ns: string, id: string, what: string): LeaseRow {
  const row = getLease(tx, ns, id);
  if (row !== undefined) return row;
  throw new StoreError('not-found', what, 'there is no lease of this id', { hint: 'mica lease ls' });
}

function assertLeasable({ type, id }: LeaseResource, what: string): void {
  const [kind = '', ...rest] = type.split('/');
  if (!LEASABLE.includes(kind)) {
    throw new StoreError('unsupported', what, `a lease holds no resource of type ${type}`);
  }
  const why = flawOf(kind, rest, id);
  if (why !== undefined) throw new StoreError('invalid-argument', what, why);
}

const LEASABLE: readonly string[] = ['content', 'ingests', 'images', 'snapshots'];

function flawOf(kind: string, rest: readonly string[], id: string): string | undefined {
  if (kind === 'snapshots') {
    return rest.length === 1 && rest[0] !== '' ? undefined : 'the snapshotter is missing: snapshots/NAME';
  }
  if (rest.length > 0) return `there is no kind of ${kind}`;
  return kind === 'content' && !isDigest(id) ? 'content is named by a digest of sha256' : undefined;
}
