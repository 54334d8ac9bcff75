// What every image made here has in common: a config, a manifest and a name on top of layers that are stored.

import { isKind } from '../errors.js';
import type { Descriptor, ImageRow } from '../metadata/rows.js';
import type { ImageStore } from './images.js';
import { nameImage } from './import.js';
import { labelContents } from './labels.js';
import { OCI_CONFIG, OCI_MANIFEST } from './media-types.js';
import { type Encoded, encodeJson, type ImageConfig } from './oci.js';
import { type SelectedImage, selectImage } from './select.js';
import { lookupIn } from './stored.js';

export interface NewImage {
  readonly row: ImageRow;
  readonly image: SelectedImage;
}

/** Stores config and manifest, labels them, and names the image last. */
export async function storeImage(
  store: ImageStore,
  name: string,
  config: ImageConfig,
  layers: readonly Descriptor[],
  what: string,
): Promise<NewImage> {
  const configPart = encodeJson(OCI_CONFIG, config);
  const manifest = encodeJson(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: configPart.descriptor,
    layers,
  });
  await put(store, configPart);
  await put(store, manifest);
  // Read back as any other image: what is written must be what can be read.
  const image = await selectImage(lookupIn(store), [manifest.descriptor], what);
  await labelContents(store.content, image);
  return { row: await nameImage(store, name, manifest.descriptor), image };
}

async function put({ content }: ImageStore, { bytes, descriptor }: Encoded): Promise<void> {
  try {
    await content.put(`new-${descriptor.digest}`, bytes);
  } catch (error) {
    if (!isKind(error, 'already-exists')) throw error;
  }
}
