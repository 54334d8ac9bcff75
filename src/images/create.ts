// An image with one layer, of a folder or of the tar of a root filesystem.

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { asStoreError, hasCode } from '../content/system-error.js';
import { decompress, sniff } from '../diff/compression.js';
import { layerOf } from '../diff/differ.js';
import { LayerTarReader } from '../diff/layer-tar-reader.js';
import { Digester } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Platform } from '../metadata/rows.js';
import { atWork, type WorkLease } from './at-work.js';
import { changedConfig, emptyConfig } from './config.js';
import { about, assertGoesOn } from './failure.js';
import type { UnpackStore } from './images.js';
import { nameImage } from './import.js';
import { labelLayer } from './labels.js';
import { creationTime, type LayerBlobOptions, type NewLayer, storeLayer, storeStream } from './layer-blob.js';
import { LAYER_TYPES } from './media-types.js';
import { readSource } from './members.js';
import { type NewImage, type StoredImage, storeImage } from './new-image.js';
import { withUnion } from './open-snapshot.js';
import { assertImageName } from './reference.js';
import { unpackImage } from './unpack.js';

export interface CreateOptions extends LayerBlobOptions {
  /** Default: this machine's. */
  readonly platform?: Platform;
  /** Default true: the layer is unpacked to a snapshot. */
  readonly unpack?: boolean;
  /** What `-` reads. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/**
 * Makes the image `ref` of `from`: a folder, a tar of a root (plain, gzip, zstd; stored as it is), or `-`. not-found
 * if it is not there, corrupt for a damaged tar, canceled by the signal; the store is then as before.
 */
export async function createImage(
  store: UnpackStore,
  ref: string,
  from: string,
  options: CreateOptions = {},
): Promise<NewImage> {
  const what = `cannot create image ${ref}`;
  assertImageName(ref);
  return atWork(store.leases, (lease) => created(store, ref, from, what, lease, options));
}

async function created(
  store: UnpackStore,
  ref: string,
  from: string,
  what: string,
  lease: WorkLease,
  options: CreateOptions,
): Promise<NewImage> {
  let layer: NewLayer | undefined;
  let stored: StoredImage | undefined;
  try {
    layer = (await isFolder(from, what))
      ? await folderLayer(store, resolve(from), what, lease, options)
      : await tarLayer(store, from, what, lease, options);
    const base = emptyConfig(options.platform);
    const config = changedConfig(base, [layer], {}, creationTime(options), 'mica image create');
    stored = await storeImage(store, config, [layer.descriptor], what, lease);
    if (options.unpack !== false) await unpackImage(store, stored.image, what, options);
    return { row: await nameImage(store, ref, stored.target), image: stored.image };
  } catch (error) {
    for (const digest of stored?.added ?? []) await store.content.discard(digest, lease.id);
    if (layer?.added) await store.content.discard(layer.descriptor.digest, lease.id);
    throw about(what, error);
  }
}

async function isFolder(from: string, what: string): Promise<boolean> {
  if (from === '-') return false;
  try {
    return (await stat(from)).isDirectory();
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ENOTDIR')) throw asStoreError(error, what);
    throw new StoreError('not-found', what, `no such file or folder: ${from}`, { cause: error });
  }
}

function folderLayer(
  store: UnpackStore,
  path: string,
  what: string,
  lease: WorkLease,
  options: CreateOptions,
): Promise<NewLayer> {
  const stack = { lowers: [{ path, id: path, dialect: 'overlay' as const }] };
  return withUnion(stack, what, (tree) =>
    storeLayer(store.content, layerOf({ from: undefined, to: tree }, options), what, lease, options),
  );
}

/** Stores a tar as it is, and reads through it on the way: a file that is no tar must not become a layer. */
async function tarLayer(
  { content }: UnpackStore,
  from: string,
  what: string,
  lease: WorkLease,
  options: CreateOptions,
): Promise<NewLayer> {
  const { compression, bytes } = await sniff(readSource(from, what, options));
  const stored = await storeStream(content, watched(bytes, what, options), lease);
  try {
    const digester = new Digester();
    const reader = new LayerTarReader(IGNORING);
    const blob = await content.open(stored.digest);
    try {
      for await (const chunk of decompress(blob.stream())) {
        assertGoesOn(options.signal, what);
        digester.update(chunk);
        reader.push(chunk);
      }
      reader.finish();
    } finally {
      await blob.close();
    }
    const diffId = digester.digest();
    await labelLayer(content, stored.digest, diffId);
    const { digest, size, added } = stored;
    return { descriptor: { mediaType: LAYER_TYPES[compression], digest, size }, diffId, added };
  } catch (error) {
    if (stored.added) await content.discard(stored.digest, lease.id);
    throw error;
  }
}

/** A reader of which only the checks are wanted. */
const IGNORING = { entry: nothing, data: nothing, end: nothing };
function nothing(): void {
  // The entries mean nothing here: they are made when the layer is unpacked.
}

async function* watched(
  bytes: AsyncIterable<Uint8Array>,
  what: string,
  { onProgress, signal }: CreateOptions,
): AsyncIterable<Uint8Array> {
  let done = 0;
  for await (const chunk of bytes) {
    assertGoesOn(signal, what);
    yield chunk;
    done += chunk.length;
    onProgress?.({ phase: 'pack', id: 'layer', done });
  }
}
