// Labels: the key-value notes that containerd and its clients put on blobs, snapshots, images and namespaces.

import { StoreError } from './errors.js';
import { timeNow } from './time.js';

export type Labels = Readonly<Record<string, string>>;

/** The most that key and value of a label may have together, in bytes (containerd, `pkg/labels`). */
export const LABEL_MAX = 4096;

/** The label that keeps an object, and all that it refers to, from garbage collection; any value but an empty one. */
export const GC_ROOT = 'containerd.io/gc.root';

/** What an object that a person makes by name gets: it stays until it is removed by name. */
export function rootLabels(): Labels {
  return { [GC_ROOT]: timeNow() };
}

/** Refuses empty keys and labels longer than containerd takes; `what` begins the error. */
export function assertLabels(labels: Labels, what: string): void {
  for (const [key, value] of Object.entries(labels)) {
    if (key === '') throw new StoreError('invalid-argument', what, 'a label key is empty');
    if (Buffer.byteLength(key) + Buffer.byteLength(value) > LABEL_MAX) {
      const shown = key.length > 40 ? `${key.slice(0, 40)}…` : key;
      throw new StoreError(
        'invalid-argument',
        what,
        `label ${shown}: key and value exceed ${LABEL_MAX} bytes`,
      );
    }
  }
}

/** Labels as they are kept: one with an empty value is none (containerd, `metadata/boltutil`). */
export function keptLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}

/**
 * Labels after an update with containerd's field paths: `labels` replaces all, `labels.<key>` sets that key, or
 * removes it where the new value is absent or empty. No paths: all are replaced.
 */
export function updateLabels(
  old: Labels,
  changed: Labels,
  fieldPaths: readonly string[],
  what: string,
): Labels {
  let labels: Record<string, string> = { ...old };
  if (fieldPaths.length === 0) labels = { ...keptLabels(changed) };
  for (const path of fieldPaths) {
    if (path === 'labels') {
      labels = { ...keptLabels(changed) };
    } else if (path.startsWith('labels.')) {
      const key = path.slice('labels.'.length);
      const value = changed[key];
      if (value === undefined || value === '') delete labels[key];
      else labels[key] = value;
    } else {
      throw new StoreError('invalid-argument', what, `only labels can be updated, not ${path}`);
    }
  }
  assertLabels(labels, what);
  return labels;
}
