// The labels by which containerd's garbage collection finds the parts of an image: from a manifest or index to
// its blobs, from a config to the snapshot that its layers were unpacked to (facts of containerd, `images/handlers`
// and `gc`).

import type { Content } from '../content/content.js';
import type { Digest } from '../digest.js';
import type { Labels } from '../labels.js';
import { SNAPSHOTTER_NAME } from '../metadata/gc.js';
import type { Index, Manifest } from './oci.js';
import type { SelectedImage } from './select.js';

const GC_REF_CONTENT = 'containerd.io/gc.ref.content';
const GC_REF_SNAPSHOT = `containerd.io/gc.ref.snapshot.${SNAPSHOTTER_NAME}`;
/** On a layer's blob: the digest of what it is uncompressed. */
export const UNCOMPRESSED = 'containerd.io/uncompressed';

/** Labels of the indexes and the manifest, by digest: references to what they name. */
export function contentLabels({ indexes, manifest }: SelectedImage): ReadonlyMap<Digest, Labels> {
  const labels = new Map<Digest, Labels>();
  for (const { descriptor, index } of indexes) labels.set(descriptor.digest, indexLabels(index));
  return labels.set(manifest.descriptor.digest, manifestLabels(manifest.json));
}

export function indexLabels({ manifests }: Pick<Index, 'manifests'>): Labels {
  return Object.fromEntries(manifests.map((child, i) => [`${GC_REF_CONTENT}.m.${i}`, child.digest]));
}

export function manifestLabels({ config, layers }: Pick<Manifest, 'config' | 'layers'>): Labels {
  const refs = layers.map((layer, i) => [`${GC_REF_CONTENT}.l.${i}`, layer.digest]);
  return Object.fromEntries([[`${GC_REF_CONTENT}.config`, config.digest], ...refs]);
}

/** Gives blobs that are there the labels that they are to have. */
export async function labelContents(content: Content, image: SelectedImage): Promise<void> {
  for (const [digest, labels] of contentLabels(image)) await addLabels(content, digest, labels);
}

/** Labels that say that the image was unpacked: diff IDs are known to be right, and snapshots stand for it. */
export async function labelUnpacked(content: Content, image: SelectedImage): Promise<void> {
  for (const layer of image.layers) await labelLayer(content, layer.descriptor.digest, layer.diffId);
  const top = image.layers.at(-1)?.chainId;
  if (top !== undefined) {
    await addLabels(content, image.config.descriptor.digest, { [GC_REF_SNAPSHOT]: top });
  }
}

export async function labelLayer(content: Content, layer: Digest, diffId: Digest): Promise<void> {
  await addLabels(content, layer, { [UNCOMPRESSED]: diffId });
}

/** Adds labels to a blob. What holds already is not set again: each change waits for the disk. */
export async function addLabels(content: Content, digest: Digest, labels: Labels): Promise<void> {
  const { labels: old } = await content.info(digest);
  const paths = Object.keys(labels)
    .filter((key) => old[key] !== labels[key])
    .map((key) => `labels.${key}`);
  if (paths.length > 0) await content.update(digest, labels, paths);
}
