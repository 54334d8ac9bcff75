// What every image made here has in common: a config, a manifest and a name on top of layers that are stored.

import type { Digest } from '../digest.js';
import { isKind } from '../errors.js';
import type { Descriptor, ImageRow } from '../metadata/rows.js';
import type { WorkLease } from './at-work.js';
import type { ImageStore } from './images.js';
import { labelContents } from './labels.js';
import { OCI_CONFIG, OCI_MANIFEST } from './media-types.js';
import { type Encoded, encodeJson, type ImageConfig } from './oci.js';
import { type SelectedImage, selectImage } from './select.js';
import { lookupIn } from './stored.js';

export interface NewImage {
  readonly row: ImageRow;
  readonly image: SelectedImage;
}

/** An image that is stored and has no name yet. */
export interface StoredImage {
  readonly image: SelectedImage;
  /** What its name is to point to. */
  readonly target: Descriptor;
  /** Blobs that were not there before, for who takes the image back. */
  readonly added: readonly Digest[];
}

/** Stores config and manifest and labels them. The name is the caller's to give, once all else has worked. */
export async function storeImage(
  store: ImageStore,
  config: ImageConfig,
  layers: readonly Descriptor[],
  what: string,
  lease: WorkLease,
): Promise<StoredImage> {
  const configPart = encodeJson(OCI_CONFIG, config);
  const manifest = encodeJson(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: configPart.descriptor,
    layers,
  });
  const parts = [configPart, manifest];
  await lease.hold({ blobs: parts.map(({ descriptor }) => descriptor.digest) });
  const added: Digest[] = [];
  try {
    for (const part of parts) if (await put(store, part)) added.push(part.descriptor.digest);
    // Read back as any other image: what is written must be what can be read.
    const image = await selectImage(lookupIn(store), [manifest.descriptor], what);
    await labelContents(store.content, image);
    return { image, target: manifest.descriptor, added };
  } catch (error) {
    for (const digest of added) await store.content.discard(digest, lease.id);
    throw error;
  }
}

/** False if the blob was there already. */
async function put({ content }: ImageStore, { bytes, descriptor }: Encoded): Promise<boolean> {
  if (await content.has(descriptor.digest)) return false;
  try {
    await content.put(`new-${descriptor.digest}`, bytes);
    return true;
  } catch (error) {
    if (!isKind(error, 'already-exists')) throw error;
    return false;
  }
}
