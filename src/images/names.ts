// Finding, giving and taking the names of images. A name is found as it was stored, in Docker's short spelling,
// or by the digest of its target.

import { StoreError } from '../errors.js';
import { type Labels, updateLabels } from '../labels.js';
import type { ImageRow } from '../metadata/rows.js';
import { timeNow } from '../time.js';
import type { ImageStore } from './images.js';
import { assertImageName, fullName } from './reference.js';

type Names = Pick<ImageStore, 'images'>;

/** The row that `name` means; undefined if there is none. */
export function findImage(store: Names, name: string): ImageRow | undefined {
  const stored = store.images.get(name);
  if (stored !== undefined) return stored;
  const whole = fullName(name);
  const spelledOut = whole === undefined ? undefined : store.images.get(whole);
  if (spelledOut !== undefined) return spelledOut;
  // `foo` also finds what was stored as `foo:latest`, as everywhere else.
  const tagged = store.images.get(`${name}:latest`);
  if (tagged !== undefined) return tagged;
  return store.images.list().find((row) => row.target.digest === name);
}

/** As findImage, but not-found if there is none; `what` begins the error. */
export function requireImage(store: Names, name: string, what: string): ImageRow {
  const row = findImage(store, name);
  if (row !== undefined) return row;
  throw new StoreError('not-found', what, `no image ${name}`, { hint: 'mica images lists what there is' });
}

/** Gives the image `from` one more name; an image that had the name loses it. */
export async function tagImage(store: Names, from: string, to: string): Promise<ImageRow> {
  const { target, labels } = requireImage(store, from, `cannot tag image ${from}`);
  assertImageName(to);
  const now = timeNow();
  const row: ImageRow = {
    name: to,
    target,
    labels,
    created: store.images.get(to)?.created ?? now,
    updated: now,
  };
  await store.images.put(row);
  return row;
}

/** Changes labels as containerd's field paths say, and returns the row. not-found. */
export async function labelImage(
  store: Names,
  name: string,
  labels: Labels,
  fieldPaths: readonly string[],
): Promise<ImageRow> {
  const what = `cannot label image ${name}`;
  const old = requireImage(store, name, what);
  const changed = updateLabels(old.labels, labels, fieldPaths, what);
  const row: ImageRow = { ...old, labels: changed, updated: timeNow() };
  await store.images.put(row);
  return row;
}

/** Takes a name away; what only it kept is left to garbage collection. Returns the row that is gone. */
export async function removeImage(store: Names, name: string): Promise<ImageRow> {
  const row = requireImage(store, name, `cannot remove image ${name}`);
  await store.images.remove(row.name);
  return row;
}
