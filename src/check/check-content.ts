// Blobs against their rows and, if that is asked for, their digests; and images against the blobs and snapshots that they
// are made of.

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { hashFile } from '../content/blob-file.js';
import { LocalContent } from '../content/local-content.js';
import { type Digest, digestHex } from '../digest.js';
import { StoreError } from '../errors.js';
import { openImage } from '../images/stored.js';
import { blobRows, getBlob, listBlobs } from '../metadata/blobs.js';
import { getImage, listImages } from '../metadata/images.js';
import { getLayer } from '../metadata/layers.js';
import { listNamespaces } from '../metadata/namespaces.js';
import type { ImageRow, SnapshotRow } from '../metadata/rows.js';
import { getSnapshot } from '../metadata/snapshots.js';
import type { ReadTx } from '../metadata/transaction.js';
import type { Store } from '../store.js';
import type { CheckOptions, Report } from './report.js';

export async function checkBlobs(store: Store, report: Report, options: CheckOptions): Promise<void> {
  const named = store.metadata.read((tx) =>
    listNamespaces(tx).flatMap(({ name }) => listBlobs(tx, name).map((row) => ({ namespace: name, row }))),
  );
  const total = named.length;
  const hashed = new Map<Digest, string | undefined>();
  for (const [at, { namespace, row }] of named.entries()) {
    options.signal?.throwIfAborted();
    const { digest, size } = row;
    let why = hashed.get(digest);
    if (!hashed.has(digest)) {
      why = await flawOf(blobPath(store, digest), digest, size, options.verifyContent === true);
      hashed.set(digest, why);
    }
    if (options.verifyContent === true) options.onProgress?.({ phase: 'content', done: at + 1, total });
    if (why === undefined) continue;
    // Removed meanwhile.
    if (store.metadata.read((tx) => getBlob(tx, namespace, digest)) === undefined) continue;
    const hint = `mica -n ${namespace} content rm ${digest}, then import or pull what it belongs to again`;
    await report.add({ part: 'blob', namespace, name: digest, why, level: 'error', hint });
  }
}

export function blobPath(store: Store, digest: Digest): string {
  return join(store.folders.content, 'blobs', 'sha256', digestHex(digest));
}

async function flawOf(
  path: string,
  digest: Digest,
  size: number,
  read: boolean,
): Promise<string | undefined> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 'its file is missing';
  if (found.size !== size) return `its file has ${found.size} bytes, not ${size}`;
  if (!read) return undefined;
  try {
    const actual = await hashFile(path, `cannot read blob ${digest}`);
    return actual.digest === digest
      ? undefined
      : `its content is corrupt: it has the digest ${actual.digest}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'its file is missing';
    if (error instanceof StoreError) return error.why;
    throw error;
  }
}

export async function checkImages(store: Store, report: Report): Promise<void> {
  const named = store.metadata.read((tx) =>
    listNamespaces(tx).flatMap(({ name }) => listImages(tx, name).map((row) => ({ namespace: name, row }))),
  );
  for (const { namespace, row } of named) {
    for (const why of await flawsOfImage(store, namespace, row)) {
      const now = store.metadata.read((tx) => getImage(tx, namespace, row.name));
      if (now?.target.digest !== row.target.digest) continue;
      const hint = `mica -n ${namespace} rmi ${row.name}, then import or pull it again`;
      await report.add({ part: 'image', namespace, name: row.name, why, level: 'error', hint });
    }
  }
}

async function flawsOfImage(store: Store, namespace: string, row: ImageRow): Promise<readonly string[]> {
  const content = new LocalContent(store.folders.content, blobRows(store.metadata, namespace), namespace);
  let image: Awaited<ReturnType<typeof openImage>>;
  try {
    image = await openImage({ content }, row, `cannot read image ${row.name}`);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return [error.message];
  }
  const { layers } = image;
  return store.metadata.read((tx) => {
    const flaws: string[] = [];
    const chains = layers.map(({ chainId }) => chainId);
    for (const [at, { descriptor, chainId, diffId }] of layers.entries()) {
      const snapshot = getSnapshot(tx, namespace, chainId);
      const blob = getBlob(tx, namespace, descriptor.digest);
      const dropped = getLayer(tx, namespace, chainId)?.dropped ?? [];
      const isForeign = (descriptor.urls ?? []).length > 0;
      if (blob === undefined && !isForeign && !dropped.some(({ digest }) => digest === descriptor.digest)) {
        flaws.push(`its layer ${descriptor.digest} is missing`);
      }
      if (blob !== undefined && blob.size !== descriptor.size) {
        flaws.push(`its layer ${descriptor.digest} has ${blob.size} bytes, not ${descriptor.size}`);
      }
      if (snapshot === undefined) continue;
      const below = layers[at - 1]?.chainId;
      if (snapshot.parent !== below && !isMadeOf(tx, namespace, snapshot, chains.slice(0, at))) {
        flaws.push(
          `snapshot ${chainId} stands on ${snapshot.parent ?? 'nothing'}, not on ${below ?? 'nothing'}`,
        );
      }
      if (snapshot.diffId !== undefined && snapshot.diffId !== diffId) {
        flaws.push(`snapshot ${chainId} has the diff ID ${snapshot.diffId}, not ${diffId}`);
      }
    }
    return flaws;
  });
}

/** The image of a commit stands on the snapshots that it was made of, one for each layer above one that it knows. */
function isMadeOf(tx: ReadTx, namespace: string, { parent }: SnapshotRow, below: readonly Digest[]): boolean {
  let made = 0;
  for (let name = parent; name !== undefined; name = getSnapshot(tx, namespace, name)?.parent) {
    const known = below.indexOf(name);
    if (known >= 0) return made === below.length - known;
    // Where parents go round in a circle they are reported as such.
    if (++made > below.length + 1) return false;
  }
  return made === below.length + 1;
}
