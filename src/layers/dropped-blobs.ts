// Blobs of layers that were dropped to save space: the layer's folder and the framing of its tar say the tar to the byte,
// and the tar, compressed again by this program, the blob, if it was this program that compressed it. Before a blob goes
// all of that has been tried.

import type { BlobReader } from '../content/content.js';
import { type Bytes, compress, compressionOf, decompress } from '../diff/compression.js';
import { type Digest, Digester } from '../digest.js';
import { StoreError } from '../errors.js';
import { atWork, type WorkLease } from '../images/at-work.js';
import { labelLayer, UNCOMPRESSED } from '../images/labels.js';
import { storeStream } from '../images/layer-blob.js';
import { withSnapshot } from '../images/open-snapshot.js';
import type { SelectedImage } from '../images/select.js';
import { openImage } from '../images/stored.js';
import { type DroppedBlob, getLayer, type LayerRow, putLayer } from '../metadata/layers.js';
import { leaseRows } from '../metadata/leases.js';
import type { ImageRow } from '../metadata/rows.js';
import { journalPath, writeJournal } from './journal.js';
import { layerTar } from './layer-store.js';
import type { LayerInfo, LayerParts } from './layers.js';
import { survey } from './survey.js';

/** With what the compressors of this program are tried: nothing tells how a blob came about. */
const LEVELS = { none: [undefined], gzip: [6, 9, 1], zstd: [3] } as const;

/** RFC 1952; what may follow it (a name, say) is not made again. */
const GZIP_HEADER = 10;

export interface Dropped {
  readonly digest: Digest;
  readonly size: number;
  /** It comes back under its digest; else its tar alone does. */
  readonly whole: boolean;
}

/**
 * Drops the blobs of a layer. failed-precondition, and nothing is dropped, for one that would not come back under its
 * digest, unless `force`; not-found if there is none.
 */
export async function dropBlobs(
  parts: LayerParts,
  layer: LayerInfo,
  force: boolean,
): Promise<readonly Dropped[]> {
  const what = `cannot drop the blobs of layer ${layer.chainId}`;
  const { diffId } = layer;
  const digests = diffId === undefined ? [] : await blobsOf(parts, diffId);
  if (diffId === undefined || digests.length === 0) {
    throw new StoreError('not-found', what, 'the store has none', {
      hint: 'mica layer get gives back its tar',
    });
  }
  const found: { readonly dropped: Dropped; readonly how: DroppedBlob | undefined }[] = [];
  for (const digest of digests) found.push(await tryDrop(parts, layer, diffId, digest, what));
  const lost = found.find(({ how }) => how === undefined);
  if (lost !== undefined && !force) {
    const why = `${lost.dropped.digest} was compressed by another program, and would not come back under its digest`;
    throw new StoreError('failed-precondition', what, why, {
      hint: 'mica layer drop --force keeps the tar alone',
    });
  }
  const ways = found.flatMap(({ how }) => (how === undefined ? [] : [how]));
  await changeRow(parts, layer, (row) => ({ ...row, dropped: [...without(row, digests), ...ways] }));
  for (const digest of digests) await parts.content.discard(digest);
  return found.map(({ dropped }) => dropped);
}

/** The digests of the namespace's blobs that hold this tar. */
async function blobsOf({ content }: LayerParts, diffId: Digest): Promise<readonly Digest[]> {
  const found: Digest[] = [];
  for await (const { digest, labels } of content.walk()) {
    if (labels[UNCOMPRESSED] === diffId || digest === diffId) found.push(digest);
  }
  return found;
}

async function tryDrop(
  parts: LayerParts,
  layer: LayerInfo,
  diffId: Digest,
  digest: Digest,
  what: string,
): Promise<{ readonly dropped: Dropped; readonly how: DroppedBlob | undefined }> {
  const blob = await parts.content.open(digest);
  try {
    if (!layer.hasTar) {
      await withSnapshot(parts.snapshots, layer.chainId, what, (tree) =>
        writeJournal(
          journalPath(parts.folders.snapshots, layer.cacheId),
          () => decompress(blob.stream()),
          tree,
          diffId,
        ),
      );
    }
    const how = await wayBack(parts, layer, digest, blob);
    return { dropped: { digest, size: blob.size, whole: how !== undefined }, how };
  } finally {
    await blob.close();
  }
}

/** How the blob is made of the layer's tar; undefined if it cannot be made. */
async function wayBack(
  parts: LayerParts,
  layer: LayerInfo,
  digest: Digest,
  blob: BlobReader,
): Promise<DroppedBlob | undefined> {
  const head = Buffer.alloc(GZIP_HEADER);
  const compression = compressionOf(head.subarray(0, await blob.readAt(head, 0)));
  const header = compression === 'gzip' ? { header: head.toString('hex') } : {};
  for (const level of LEVELS[compression]) {
    const how = {
      digest,
      size: blob.size,
      compression,
      ...(level === undefined ? {} : { level }),
      ...header,
    };
    const digester = new Digester();
    for await (const chunk of made(parts, layer, how)) digester.update(chunk);
    if (digester.digest() === digest) return how;
  }
  return undefined;
}

function made(parts: LayerParts, layer: LayerInfo, { compression, level, header }: DroppedBlob): Bytes {
  const bytes = compress(layerTar(parts, layer), compression, level);
  return header === undefined ? bytes : withHeader(bytes, Buffer.from(header, 'hex'));
}

/** The stream with another beginning. Compressors hand out their header in one piece with what follows. */
async function* withHeader(bytes: Bytes, header: Uint8Array): AsyncGenerator<Uint8Array, void> {
  let isFirst = true;
  for await (const chunk of bytes) {
    if (isFirst) chunk.set(header.subarray(0, chunk.length));
    isFirst = false;
    yield chunk;
  }
}

/** Puts the dropped blobs of a layer back. Returns their digests. unsupported where they come out as others now. */
export async function restoreBlobs(parts: LayerParts, layer: LayerInfo): Promise<readonly Digest[]> {
  const { metadata, namespace } = parts;
  const dropped = metadata.read((tx) => getLayer(tx, namespace, layer.chainId)?.dropped) ?? [];
  const what = `cannot restore the blobs of layer ${layer.chainId}`;
  await atWork(leaseRows(metadata, namespace), (lease) => restored(parts, layer, dropped, what, lease));
  return dropped.map(({ digest }) => digest);
}

async function restored(
  parts: LayerParts,
  layer: LayerInfo,
  dropped: readonly DroppedBlob[],
  what: string,
  lease: WorkLease,
): Promise<void> {
  const { content } = parts;
  for (const blob of dropped) {
    const stored = await storeStream(content, made(parts, layer, blob), lease);
    if (stored.digest !== blob.digest) {
      if (stored.added) await content.discard(stored.digest);
      throw new StoreError('unsupported', what, `${blob.digest} comes out as ${stored.digest} here`, {
        hint: 'use the Node with which it was dropped, or fetch the image again',
      });
    }
    await labelLayer(content, blob.digest, layer.diffId!);
    await changeRow(parts, layer, (row) => ({ ...row, dropped: without(row, [blob.digest]) }));
  }
}

/** A blob that is not in the content store and that a layer gives back; undefined if none does. */
export async function droppedBlob(
  parts: LayerParts,
  digest: Digest,
): Promise<Pick<BlobReader, 'size' | 'stream' | 'close'> | undefined> {
  for (const layer of (await survey(parts)).layers.values()) {
    if (!layer.hasTar) continue;
    const row = parts.metadata.read((tx) => getLayer(tx, parts.namespace, layer.chainId));
    const how = row?.dropped?.find((blob) => blob.digest === digest);
    if (how === undefined && layer.diffId !== digest) continue;
    return {
      // Of a tar nothing says its length.
      size: how?.size ?? Number.MAX_SAFE_INTEGER,
      stream: (offset = 0, size = Number.MAX_SAFE_INTEGER) =>
        part(how === undefined ? layerTar(parts, layer) : made(parts, layer, how), offset, size),
      close: () => Promise.resolve(),
    };
  }
  return undefined;
}

async function* part(bytes: Bytes, offset: number, size: number): AsyncGenerator<Uint8Array, void> {
  let at = 0;
  for await (const chunk of bytes) {
    const from = Math.max(0, offset - at);
    const wanted = chunk.subarray(from, Math.max(from, offset + size - at));
    at += chunk.length;
    if (wanted.length > 0) yield wanted;
    // All of it is read, because only its end tells that it is right.
  }
}

function without({ dropped = [] }: LayerRow, digests: readonly Digest[]): readonly DroppedBlob[] {
  return dropped.filter(({ digest }) => !digests.includes(digest));
}

async function changeRow(
  { metadata, namespace }: LayerParts,
  { chainId, diffId }: LayerInfo,
  change: (row: LayerRow) => LayerRow,
): Promise<void> {
  await metadata.write((tx) => {
    const row = getLayer(tx, namespace, chainId) ?? { chainId, diffId: diffId!, holds: 0 };
    putLayer(tx, namespace, change(row));
  });
}

/** Puts back whatever of an image was dropped, for who is about to read all of it. */
export async function restoreImage(parts: LayerParts, row: ImageRow): Promise<void> {
  let image: SelectedImage;
  try {
    image = await openImage(parts, row, `cannot read image ${row.name}`);
  } catch (error) {
    // Whoever reads it says what is wrong with it.
    if (error instanceof StoreError) return;
    throw error;
  }
  for (const { descriptor, chainId } of image.layers) {
    if (await parts.content.has(descriptor.digest)) continue;
    const layer = (await survey(parts)).layers.get(chainId);
    if (layer?.hasTar === true) await restoreBlobs(parts, layer);
  }
}
