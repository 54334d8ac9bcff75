// An image on its way out with its layers compressed otherwise. Config and diff IDs stay, so it is the same image to who
// unpacks it, under another digest. Nothing is stored for that: each layer is compressed once to learn its digest, and
// once more when it is written, by the same compressor and so to the same bytes.

import type { Content } from '../content/content.js';
import { type Compression, compress, decompress, sniff } from '../diff/compression.js';
import { type Digest, Digester } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Descriptor } from '../metadata/rows.js';
import { assertGoesOn } from './failure.js';
import type { OnProgress } from './images.js';
import { stored } from './ingest.js';
import { LAYER_TYPES, OCI_CONFIG, OCI_MANIFEST } from './media-types.js';
import { encodeJson } from './oci.js';
import type { Layer, SelectedImage } from './select.js';

export interface Recompressed {
  /** An OCI manifest, or the image's own where no layer had to be compressed again. */
  readonly manifest: Descriptor;
  readonly layers: readonly Layer[];
  /** Manifest and layers that no store has, by digest. */
  readonly made: ReadonlyMap<Digest, { readonly size: number; stream(): AsyncIterable<Uint8Array> }>;
}

export interface RecompressOptions {
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

type Made = Map<Digest, { readonly size: number; stream(): AsyncIterable<Uint8Array> }>;

/**
 * `image` with all layers compressed as said; those that are so already stay as they are. corrupt for a layer that is
 * not what its diff ID says, unsupported where nothing here writes zstd.
 */
export async function recompressed(
  content: Content,
  image: SelectedImage,
  compression: Compression,
  what: string,
  options: RecompressOptions = {},
): Promise<Recompressed> {
  const made: Made = new Map();
  const layers: Layer[] = [];
  for (const layer of image.layers) {
    layers.push({ ...layer, descriptor: await ofLayer(content, layer, compression, what, options, made) });
  }
  if (made.size === 0) return { manifest: image.manifest.descriptor, layers, made };
  const { annotations } = image.manifest.json;
  const manifest = encodeJson(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { ...image.config.descriptor, mediaType: OCI_CONFIG },
    layers: layers.map(({ descriptor }) => descriptor),
    ...(annotations === undefined ? {} : { annotations }),
  });
  made.set(manifest.descriptor.digest, {
    size: manifest.bytes.length,
    async *stream() {
      yield manifest.bytes;
    },
  });
  return { manifest: manifest.descriptor, layers, made };
}

async function ofLayer(
  content: Content,
  { descriptor, diffId }: Layer,
  compression: Compression,
  what: string,
  { onProgress, signal }: RecompressOptions,
  made: Made,
): Promise<Descriptor> {
  const { digest } = descriptor;
  if ((await sniff(stored(content, digest))).compression === compression) return descriptor;
  const inside = new Digester();
  const outside = new Digester();
  async function* watched(): AsyncIterable<Uint8Array> {
    for await (const chunk of decompress(stored(content, digest))) {
      assertGoesOn(signal, what);
      inside.update(chunk);
      onProgress?.({ phase: 'pack', id: digest, done: inside.size });
      yield chunk;
    }
  }
  for await (const chunk of compress(watched(), compression)) outside.update(chunk);
  if (inside.digest() !== diffId) {
    throw new StoreError(
      'corrupt',
      what,
      `layer ${digest} has the diff ID ${inside.digest()}, not ${diffId}`,
    );
  }
  const [newDigest, size] = [outside.digest(), outside.size];
  made.set(newDigest, {
    size,
    stream: () => compress(decompress(stored(content, digest)), compression),
  });
  return { mediaType: LAYER_TYPES[compression], digest: newDigest, size };
}
