// New metadata for a store whose database is lost or damaged, from what lies beside the rows: facts.json and index of each
// snapshot, and the blobs. What those cannot tell is told. Nothing is removed: the old file is put aside, and so is a
// folder of which nothing says what it is.

import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { LocalContent } from '../content/local-content.js';
import { digestHex } from '../digest.js';
import { StoreError } from '../errors.js';
import { labelUnpacked } from '../images/labels.js';
import { openImage, topSnapshot } from '../images/stored.js';
import { rootLabels } from '../labels.js';
import { blobRows, putBlob } from '../metadata/blobs.js';
import { Metadata } from '../metadata/db.js';
import { putImage } from '../metadata/images.js';
import type { ImageRow } from '../metadata/rows.js';
import { reindexSnapshots } from '../metadata/snapshot-indexes.js';
import { getSnapshot, putSnapshot } from '../metadata/snapshots.js';
import type { StoreFolders } from '../root-folder.js';
import { timeNow } from '../time.js';
import { type FoundImage, findBlobs, findImages } from './found-content.js';
import { findSnapshots } from './found-snapshots.js';
import type { Problem } from './report.js';

export interface Rebuilt {
  /** Where the old database is now; undefined if there was none. */
  readonly kept: string | undefined;
  /** What could not be told. */
  readonly told: readonly Problem[];
}

const HOME = 'default';

/** `folders.metadata` has a new database afterwards. Nobody else may have the store open. */
export async function rebuild(folders: StoreFolders): Promise<Rebuilt> {
  const snapshots = findSnapshots(folders.snapshots);
  const blobs = findBlobs(folders.content);
  const images = await findImages(folders.content, blobs, (top) => {
    const owners = snapshots.rows.filter(({ row }) => row.name === top).map(({ namespace }) => namespace);
    return owners.length === 0 ? [HOME] : owners;
  });
  const kept = putAside(folders.metadata);
  const metadata = Metadata.open(folders.metadata);
  const told: Problem[] = [...snapshots.told];
  try {
    await metadata.write((tx) => {
      for (const { namespace, row } of snapshots.rows) putSnapshot(tx, namespace, row);
      reindexSnapshots(tx, snapshots.highestId);
      for (const [digest, row] of blobs) {
        const users = images.filter(({ parts }) => parts.has(digest));
        // What no image leads to stays until somebody removes it by name: nobody knows what it was for.
        if (users.length === 0) putBlob(tx, HOME, { ...row, labels: rootLabels() });
        for (const { namespace, parts } of users)
          putBlob(tx, namespace, { ...row, labels: parts.get(digest) ?? {} });
      }
      for (const image of images) putImage(tx, image.namespace, rowOf(image));
    });
    for (const image of images) told.push(await nameless(metadata, folders, image));
  } finally {
    await metadata.close();
  }
  const lost =
    'names of images, leases, containers, labels of namespaces and blobs, references of Docker’s view of layers';
  told.push({ part: 'metadata', name: folders.metadata, why: `what nothing tells: ${lost}`, level: 'note' });
  return { kept, told };
}

function putAside(folder: string): string | undefined {
  if (!existsSync(join(folder, 'data.mdb'))) return undefined;
  const kept = `${folder}.damaged-${timeNow().replaceAll(':', '')}`;
  renameSync(folder, kept);
  return kept;
}

function rowOf({ target }: FoundImage): ImageRow {
  const now = timeNow();
  return { name: nameOf(target.digest), target, created: now, updated: now, labels: {} };
}

function nameOf(digest: string): string {
  return `recovered/${digestHex(digest).slice(0, 12)}`;
}

/** Lets the image keep its snapshots again, and says that it has no name. */
async function nameless(metadata: Metadata, folders: StoreFolders, found: FoundImage): Promise<Problem> {
  const { namespace, target } = found;
  const name = nameOf(target.digest);
  const content = new LocalContent(folders.content, blobRows(metadata, namespace), namespace);
  const note = { part: 'image', namespace, name, level: 'note' } as const;
  try {
    const image = await openImage({ content }, rowOf(found), `cannot read image ${name}`);
    const top = topSnapshot(image);
    const isUnpacked =
      top !== undefined && metadata.read((tx) => getSnapshot(tx, namespace, top)) !== undefined;
    if (isUnpacked && (await hasLayers(content, image.layers))) await labelUnpacked(content, image);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { ...note, why: `nothing tells its name, and it is not whole: ${error.message}` };
  }
  return { ...note, why: 'nothing tells its name', hint: `mica -n ${namespace} tag ${name} NAME` };
}

async function hasLayers(
  content: LocalContent,
  layers: readonly { readonly descriptor: { readonly digest: string } }[],
): Promise<boolean> {
  for (const { descriptor } of layers) if (!(await content.has(descriptor.digest))) return false;
  return true;
}
