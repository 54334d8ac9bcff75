// Everything below an index: all of its images, and what travels with them (attestations and signatures are
// manifests, too).

import type { Digest } from '../digest.js';
import { indexLabels, manifestLabels } from '../images/labels.js';
import { isIndexType, isManifestType } from '../images/media-types.js';
import { parseIndex, parseManifest } from '../images/oci.js';
import type { BlobLookup, Part } from '../images/select.js';
import type { Labels } from '../labels.js';
import type { Descriptor } from '../metadata/rows.js';

export interface WholeIndex {
  /** Indexes and manifests, each after what it refers to. */
  readonly parts: readonly Part[];
  /** Configs, layers and whatever else manifests refer to. */
  readonly blobs: readonly Descriptor[];
  /** By which the parts keep what they refer to. */
  readonly labels: ReadonlyMap<Digest, Labels>;
}

/** undefined if a manifest or index is missing, corrupt for one that cannot be read; `what` begins the errors. */
export async function wholeIndex(
  lookup: BlobLookup,
  target: Descriptor,
  what: string,
): Promise<WholeIndex | undefined> {
  const parts = new Map<Digest, Part>();
  const blobs = new Map<Digest, Descriptor>();
  const labels = new Map<Digest, Labels>();
  let whole = true;
  const visit = async (descriptor: Descriptor): Promise<void> => {
    const { digest, mediaType } = descriptor;
    if (!whole || parts.has(digest)) return;
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) {
      blobs.set(digest, descriptor);
      return;
    }
    whole = await lookup.has(digest);
    if (!whole) return;
    const bytes = await lookup.read(descriptor);
    if (isIndexType(mediaType)) {
      const { manifests } = await parseIndex(bytes, `${what}: index ${digest}`);
      for (const child of manifests) await visit(child);
      labels.set(digest, indexLabels({ manifests }));
    } else {
      const manifest = await parseManifest(bytes, `${what}: manifest ${digest}`);
      for (const blob of [manifest.config, ...manifest.layers]) blobs.set(blob.digest, blob);
      labels.set(digest, manifestLabels(manifest));
    }
    parts.set(digest, { descriptor, bytes });
  };
  await visit(target);
  if (!whole) return undefined;
  return { parts: [...parts.values()], blobs: [...blobs.values()], labels };
}
