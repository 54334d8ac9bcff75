// A new layer on its way into the content store: one pass over a tar that hashes it, compresses it and writes the
// blob.

import { randomBytes } from 'node:crypto';
import type { Content } from '../content/content.js';
import { type Compression, compress } from '../diff/compression.js';
import { type Digest, Digester } from '../digest.js';
import { isKind } from '../errors.js';
import type { Descriptor } from '../metadata/rows.js';
import { timeNow } from '../time.js';
import type { WorkLease } from './at-work.js';
import { assertGoesOn } from './failure.js';
import type { OnProgress } from './images.js';
import { labelLayer } from './labels.js';
import { LAYER_TYPES } from './media-types.js';

export interface NewLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  /** False if the store had the blob already. */
  readonly added: boolean;
}

export interface LayerBlobOptions {
  /** Default gzip. */
  readonly compression?: Compression;
  /** SOURCE_DATE_EPOCH, in seconds: nothing of the image is of a later time, and it was made then. */
  readonly epochSec?: number;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** When an image is said to be made: RFC 3339. */
export function creationTime({ epochSec }: LayerBlobOptions): string {
  return epochSec === undefined ? timeNow() : new Date(epochSec * 1000).toISOString();
}

/**
 * Compresses a layer tar into a blob, which the lease holds; unsupported where nothing here writes zstd. Nothing is left of it
 * if the tar or the store fails.
 */
export async function storeLayer(
  content: Content,
  tar: AsyncIterable<Uint8Array>,
  what: string,
  lease: WorkLease,
  options: LayerBlobOptions = {},
): Promise<NewLayer> {
  const digester = new Digester();
  async function* hashed(): AsyncIterable<Uint8Array> {
    for await (const chunk of tar) {
      assertGoesOn(options.signal, what);
      digester.update(chunk);
      options.onProgress?.({ phase: 'pack', id: 'layer', done: digester.size });
      yield chunk;
    }
  }
  const { compression = 'gzip' } = options;
  const stored = await storeStream(content, compress(hashed(), compression), lease);
  const diffId = digester.digest();
  await labelLayer(content, stored.digest, diffId);
  const { digest, size, added } = stored;
  return { descriptor: { mediaType: LAYER_TYPES[compression], digest, size }, diffId, added };
}

/** Writes a stream of unknown length as a blob, which the lease holds. */
export async function storeStream(
  content: Content,
  stream: AsyncIterable<Uint8Array>,
  lease: WorkLease,
): Promise<{ readonly digest: Digest; readonly size: number; readonly added: boolean }> {
  const ref = `new-${process.hrtime.bigint()}-${randomBytes(6).toString('hex')}`;
  const writer = await content.writer({ ref });
  try {
    for await (const chunk of stream) await writer.write(chunk);
  } catch (error) {
    await writer.close();
    await content.abort(ref);
    throw error;
  }
  const [digest, size] = [writer.digest(), writer.offset];
  try {
    await lease.hold({ blobs: [digest] });
    await writer.commit();
    return { digest, size, added: true };
  } catch (error) {
    if (isKind(error, 'already-exists')) return { digest, size, added: false };
    throw error;
  }
}
