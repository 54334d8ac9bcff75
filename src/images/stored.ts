// Images that are in the store: from a row to manifest, config and layers, and what `mica images` shows of them.

import type { Digest } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor, ImageRow, Platform } from '../metadata/rows.js';
import type { ImageStore } from './images.js';
import { JSON_LIMIT } from './oci.js';
import { formatPlatform } from './platform.js';
import { type BlobLookup, type SelectedImage, selectImage } from './select.js';

/** What is known of an image, in the shape of `mica inspect --json`. */
export interface ImageInfo {
  readonly name: string;
  /** Of the index or manifest that the name stands for. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** `linux/amd64` */
  readonly platform: string;
  /** Bytes of manifest, config and layers as they are stored. */
  readonly size: number;
  /** When the image was made, as its config says; else when it came here. RFC 3339. */
  readonly created: string;
  /** Base first. */
  readonly layers: readonly {
    readonly digest: Digest;
    readonly diffId: Digest;
    readonly chainId: Digest;
    readonly size: number;
  }[];
}

/** The image that a row stands for: of `platform`, else of the host's, else the only one that was imported. */
export function openImage(
  store: Pick<ImageStore, 'content'>,
  row: ImageRow,
  what: string,
  platform?: Platform,
): Promise<SelectedImage> {
  return selectImage(lookupIn(store), [row.target], what, platform);
}

/** corrupt if a part of the image is missing or damaged. */
export async function imageInfo(store: Pick<ImageStore, 'content'>, row: ImageRow): Promise<ImageInfo> {
  const { manifest, config, layers, platform } = await openImage(
    store,
    row,
    `cannot inspect image ${row.name}`,
  );
  const parts = [manifest.descriptor, config.descriptor, ...layers.map((layer) => layer.descriptor)];
  return {
    name: row.name,
    digest: row.target.digest,
    mediaType: row.target.mediaType,
    platform: formatPlatform(platform),
    size: parts.reduce((sum, { size }) => sum + size, 0),
    created: config.json.created ?? row.created,
    layers: layers.map(({ descriptor, diffId, chainId }) => ({
      digest: descriptor.digest,
      diffId,
      chainId,
      size: descriptor.size,
    })),
  };
}

/** As imageInfo, for a list: what is damaged is shown with what is known of it, and does not hide the others. */
export async function listedInfo(
  store: Pick<ImageStore, 'content'>,
  row: ImageRow,
): Promise<ImageInfo & { readonly damage?: string }> {
  try {
    return await imageInfo(store, row);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const { digest, mediaType, size } = row.target;
    const known = { name: row.name, digest, mediaType, size, created: row.created };
    return { ...known, platform: '', layers: [], damage: error.message };
  }
}

/** The name of the snapshot that shows an image; undefined if it has no layers. It exists once it was unpacked. */
export function topSnapshot(image: SelectedImage): Digest | undefined {
  return image.layers.at(-1)?.chainId;
}

/** All blobs that make up an image. */
export function blobsOf({ indexes, manifest, config, layers }: SelectedImage): readonly Digest[] {
  return [...indexes, manifest, config, ...layers].map((part) => part.descriptor.digest);
}

/** Another import or pull that failed may have taken out a blob that this one found there and left to it. */
export async function assertWhole(
  { content }: Pick<ImageStore, 'content'>,
  image: SelectedImage,
  what: string,
): Promise<void> {
  for (const digest of blobsOf(image)) {
    if (await content.has(digest)) continue;
    throw new StoreError('failed', what, `${digest} was removed meanwhile`, { hint: 'try again' });
  }
}

/** The blobs of all images that have a name; of one that is damaged nothing is known. */
export async function neededBlobs(store: ImageStore): Promise<ReadonlySet<Digest>> {
  const needed = new Set<Digest>();
  for (const row of store.images.list()) {
    try {
      for (const digest of blobsOf(await openImage(store, row, 'cannot read image'))) needed.add(digest);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }
  return needed;
}

/** The content store as what the walk from a target to its image reads. */
export function lookupIn({ content }: Pick<ImageStore, 'content'>): BlobLookup {
  return {
    has: (digest) => content.has(digest),
    read: ({ digest }: Descriptor) => content.read(digest, JSON_LIMIT),
  };
}
