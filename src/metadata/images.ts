// Image rows: a name in a namespace for a descriptor (of an index or a manifest). What may be said of an image and how it
// is changed are containerd's rules (`core/metadata/images.go`).

import { isDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import { assertLabels, type Labels, updateLabels } from '../labels.js';
import { timeNow } from '../time.js';
import type { Metadata } from './db.js';
import { ensureNamespace } from './namespaces.js';
import type { Descriptor, ImageRow } from './rows.js';
import type { Key, ReadTx, WriteTx } from './transaction.js';

/** What a caller says of an image; times are the store's. */
export type NewImage = Omit<ImageRow, 'created' | 'updated'>;

const at = (ns: string, name: string): Key => ['v1', 'images', ns, name];

export function getImage(tx: ReadTx, ns: string, name: string): ImageRow | undefined {
  return tx.get<ImageRow>(at(ns, name));
}

/** Makes or replaces the row under its name. */
export function putImage(tx: WriteTx, ns: string, row: ImageRow): void {
  ensureNamespace(tx, ns);
  assertLabels(row.labels, `cannot label image ${row.name}`);
  tx.put(at(ns, row.name), row);
}

/** already-exists; invalid-argument for an image without a name, or a target that can be none. */
export function createImage(tx: WriteTx, ns: string, image: NewImage): ImageRow {
  const what = `cannot create image ${image.name}`;
  assertSound(image, what);
  if (getImage(tx, ns, image.name) !== undefined) {
    throw new StoreError('already-exists', what, 'there is an image of this name');
  }
  const now = timeNow();
  const row: ImageRow = { ...image, created: now, updated: now };
  putImage(tx, ns, row);
  return row;
}

/**
 * Changes what `fieldPaths` name (`labels`, `labels.<key>`, `target`, `annotations`, `annotations.<key>`; none: all of it),
 * and returns the row. not-found; invalid-argument for any other path.
 */
export function updateImage(
  tx: WriteTx,
  ns: string,
  changed: NewImage,
  fieldPaths: readonly string[],
): ImageRow {
  const what = `cannot update image ${changed.name}`;
  const old = getImage(tx, ns, changed.name);
  if (old === undefined) throw new StoreError('not-found', what, 'there is no image of this name');
  let row: ImageRow =
    fieldPaths.length > 0 ? old : { ...old, labels: changed.labels, target: changed.target };
  for (const path of fieldPaths) row = { ...row, ...changeAt(row, changed, path, what) };
  row = { ...row, updated: timeNow() };
  assertSound(row, what);
  putImage(tx, ns, row);
  return row;
}

/** False if there was none. not-found if it names anything but `digest`, where that is given. */
export function deleteImage(tx: WriteTx, ns: string, name: string, digest?: string): boolean {
  const row = digest === undefined ? undefined : getImage(tx, ns, name);
  if (row !== undefined && row.target.digest !== digest) {
    const why = `it is ${row.target.digest} by now, not ${digest}`;
    throw new StoreError('not-found', `cannot remove image ${name}`, why);
  }
  return tx.remove(at(ns, name));
}

/** Ordered by name. */
export function listImages(tx: ReadTx, ns: string): readonly ImageRow[] {
  return tx.list<ImageRow>(['v1', 'images', ns]).map((row) => row.value);
}

export type StoredImages = ReturnType<typeof imageRows>;

/** The rows of one namespace for those who work with images and know no transactions. */
export function imageRows(metadata: Metadata, ns: string) {
  return {
    get: (name: string): ImageRow | undefined => metadata.read((tx) => getImage(tx, ns, name)),
    list: (): readonly ImageRow[] => metadata.read((tx) => listImages(tx, ns)),
    create: (image: NewImage): Promise<ImageRow> => metadata.write((tx) => createImage(tx, ns, image)),
    update: (image: NewImage, fieldPaths: readonly string[]): Promise<ImageRow> =>
      metadata.write((tx) => updateImage(tx, ns, image, fieldPaths)),
    put: (row: ImageRow): Promise<void> => metadata.write((tx) => putImage(tx, ns, row)),
    remove: (name: string, digest?: string): Promise<boolean> =>
      metadata.write((tx) => deleteImage(tx, ns, name, digest)),
  };
}

function changeAt(row: ImageRow, changed: NewImage, path: string, what: string): Partial<ImageRow> {
  if (path === 'labels' || path.startsWith('labels.')) {
    return { labels: updateLabels(row.labels, changed.labels, [path], what) };
  }
  if (path === 'target') return { target: changed.target };
  if (path === 'annotations' || path.startsWith('annotations.')) {
    return { target: withAnnotations(row.target, annotationsAt(row, changed, path)) };
  }
  throw new StoreError('invalid-argument', what, `the field ${path} cannot be updated`);
}

/** As an annotation may be empty, one that the change does not have becomes so. */
function annotationsAt(row: ImageRow, changed: NewImage, path: string): Labels {
  const theirs = changed.target.annotations ?? {};
  if (path === 'annotations') return theirs;
  const key = path.slice('annotations.'.length);
  return { ...row.target.annotations, [key]: theirs[key] ?? '' };
}

function withAnnotations({ annotations: _old, ...target }: Descriptor, annotations: Labels): Descriptor {
  return Object.keys(annotations).length === 0 ? target : { ...target, annotations };
}

function assertSound({ name, target, labels }: NewImage, what: string): void {
  assertLabels(labels, what);
  const why = flawOf(name, target);
  if (why !== undefined) throw new StoreError('invalid-argument', what, why);
}

function flawOf(name: string, { digest, size, mediaType }: Descriptor): string | undefined {
  if (name === '') return 'it has no name';
  if (!isDigest(digest)) return `its target has no digest of sha256: ${JSON.stringify(digest)}`;
  if (!(size > 0)) return 'its target has no size';
  return mediaType === '' ? 'its target has no media type' : undefined;
}
