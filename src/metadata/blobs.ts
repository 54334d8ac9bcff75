// Blob rows: what one namespace knows of the blobs that it names. The bytes are the content store's.

import type { BlobRows } from '../content/content.js';
import type { BlobNames } from '../content/sweep.js';
import type { Digest } from '../digest.js';
import type { Metadata } from './db.js';
import { leaseHolding } from './leases.js';
import { ensureNamespace, listNamespaces } from './namespaces.js';
import type { BlobRow } from './rows.js';
import { mayShare } from './sharing.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

const at = (ns: string, digest: Digest): Key => ['v1', 'blobs', ns, digest];

export function getBlob(tx: ReadTx, ns: string, digest: Digest): BlobRow | undefined {
  return tx.get<BlobRow>(at(ns, digest));
}

export function putBlob(tx: WriteTx, ns: string, row: BlobRow): void {
  ensureNamespace(tx, ns);
  tx.put(at(ns, row.digest), row);
}

/** False if there was none. */
export function deleteBlob(tx: WriteTx, ns: string, digest: Digest): boolean {
  return tx.remove(at(ns, digest));
}

/** Ordered by digest. */
export function listBlobs(tx: ReadTx, ns: string): readonly BlobRow[] {
  return tx.list<BlobRow>(['v1', 'blobs', ns]).map((row) => row.value);
}

/** The rows of one namespace as its content store wants them. */
export function blobRows(metadata: Metadata, ns: string): BlobRows {
  return {
    get: (digest) => metadata.read((tx) => getBlob(tx, ns, digest)),
    list: () => metadata.read((tx) => listBlobs(tx, ns)),
    add: (row, check) =>
      metadata.write((tx) => {
        if (getBlob(tx, ns, row.digest) !== undefined) return false;
        check?.();
        putBlob(tx, ns, row);
        return true;
      }),
    change: (digest, change) =>
      metadata.write((tx) => {
        const old = getBlob(tx, ns, digest);
        if (old === undefined) return undefined;
        const row = change(old);
        putBlob(tx, ns, row);
        return row;
      }),
    mayShare: (digest) => metadata.read((tx) => mayShare(tx, digest)),
    remove: (digest, lease) =>
      metadata.write((tx) => {
        const blob = { type: 'content', id: digest };
        if (lease !== undefined && leaseHolding(tx, ns, blob, lease) !== undefined) return false;
        return deleteBlob(tx, ns, digest);
      }),
    // A transaction that writes nothing, for its lock: there is one writer at a time, in whichever process.
    unlessNamed: (digest, act) =>
      metadata.write((tx) => {
        if (!isNamed(tx, digest)) act();
      }),
  };
}

/** What all namespaces name, for who sweeps files. */
export function blobNames(metadata: Metadata): BlobNames {
  return {
    all: () => new Set(metadata.read((tx) => tx.keys(['v1', 'blobs'])).map((key) => key.at(-1) ?? '')),
    unlessNamed: (digests, act) =>
      metadata.write((tx) => {
        for (const digest of digests) if (!isNamed(tx, digest)) act(digest);
      }),
  };
}

function isNamed(tx: ReadTx, digest: Digest): boolean {
  return listNamespaces(tx).some(({ name }) => getBlob(tx, name, digest) !== undefined);
}
