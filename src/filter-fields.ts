// What filters find in the objects of each list: containerd's fields (`core/metadata/adaptors.go`), for `filtered`.

import { labelAt } from './filter.js';
import type { Labels } from './labels.js';

type Path = readonly string[];

/** `name`, `target.digest`, `target.mediatype`, `labels.…`, `annotations.…` */
export function imageField(
  image: {
    readonly name: string;
    readonly target: { readonly digest: string; readonly mediaType: string; readonly annotations?: Labels };
    readonly labels: Labels;
  },
  [first, ...rest]: Path,
): string | undefined {
  if (first === 'name') return image.name;
  if (first === 'target' && rest[0] === 'digest') return image.target.digest;
  if (first === 'target' && rest[0] === 'mediatype') return image.target.mediaType;
  if (first === 'annotations') return labelAt(image.target.annotations ?? {}, rest);
  return first === 'labels' ? labelAt(image.labels, rest) : undefined;
}

/** `name`, `parent` (empty of what has none), `kind`, `labels.…` */
export function snapshotField(
  snapshot: {
    readonly name: string;
    readonly parent?: string;
    readonly kind: string;
    readonly labels: Labels;
  },
  [first, ...rest]: Path,
): string | undefined {
  if (first === 'name') return snapshot.name;
  if (first === 'parent') return snapshot.parent ?? '';
  if (first === 'kind') return snapshot.kind;
  return first === 'labels' ? labelAt(snapshot.labels, rest) : undefined;
}

/** `digest`, `size`, `labels.…` */
export function blobField(
  blob: { readonly digest: string; readonly size: number; readonly labels: Labels },
  [first, ...rest]: Path,
): string | undefined {
  if (first === 'digest') return blob.digest;
  if (first === 'size') return String(blob.size);
  return first === 'labels' ? labelAt(blob.labels, rest) : undefined;
}

/** `ref` */
export function ingestField(ingest: { readonly ref: string }, [first]: Path): string | undefined {
  return first === 'ref' ? ingest.ref : undefined;
}

/** `id`, `labels.…` */
export function leaseField(
  lease: { readonly id: string; readonly labels: Labels },
  [first, ...rest]: Path,
): string | undefined {
  if (first === 'id') return lease.id;
  return first === 'labels' ? labelAt(lease.labels, rest) : undefined;
}

/** `id`, `image`, `runtime.name`, `labels.…` */
export function containerField(
  container: {
    readonly id: string;
    readonly image: string;
    readonly runtime: { readonly name: string };
    readonly labels: Labels;
  },
  [first, ...rest]: Path,
): string | undefined {
  if (first === 'id') return container.id;
  if (first === 'image') return container.image === '' ? undefined : container.image;
  if (first === 'runtime' && rest[0] === 'name') return container.runtime.name;
  return first === 'labels' ? labelAt(container.labels, rest) : undefined;
}

/** `name`, `labels.…`; containerd has no filter here. */
export function namespaceField(
  namespace: { readonly name: string; readonly labels: Labels },
  [first, ...rest]: Path,
): string | undefined {
  if (first === 'name') return namespace.name;
  return first === 'labels' ? labelAt(namespace.labels, rest) : undefined;
}
