// Unpacks a layer into a union whose upper becomes the layer: one pass over the stream in which it is
// decompressed, hashed and applied, whatever its size. What the entries mean stands in unpacking.ts.

import { setImmediate as turn } from 'node:timers/promises';
import { type Digest, Digester } from '../digest.js';
import { StoreError } from '../errors.js';
import { type Bytes, decompress } from './compression.js';
import { LayerTarReader } from './layer-tar-reader.js';
import { type FramingRecord, TarFraming } from './tar-split.js';
import { type ApplyTarget, Unpacking } from './unpacking.js';

export interface ApplyOptions {
  /** Ends the work between two chunks with StoreError 'canceled'. */
  readonly signal?: AbortSignal;
  /** Gets the framing of the tar (tar-split.ts); `flush` is waited for between chunks. */
  readonly framing?: FramingSink;
}

export interface FramingSink {
  put(record: FramingRecord): void;
  flush(): Promise<void>;
}

export interface Applied {
  /** Of the uncompressed tar. */
  readonly diffId: Digest;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
  /** Entries of the archive, marks included. */
  readonly entries: number;
  /** Xattrs that the layer's filesystem does not take. */
  readonly skippedXattrs: number;
}

/** Applied at a time; between two of them whatever reads and decompresses in the background goes on. */
const SLICE = 128 << 10;

/**
 * Applies the layer tar `source` (gzip, zstd or plain) to `target`, whose upper should be empty. Throws
 * StoreError: 'corrupt' for damaged data or an archive that cannot be a layer, 'failed' where the filesystem
 * refuses; the upper then holds a part of the layer and is to be thrown away.
 */
export async function apply(
  source: Bytes,
  target: ApplyTarget,
  options: ApplyOptions = {},
): Promise<Applied> {
  const digester = new Digester();
  const unpacking = new Unpacking(target);
  const { framing } = options;
  const reader =
    framing === undefined
      ? new LayerTarReader(unpacking)
      : new TarFraming((record) => framing.put(record), { visitor: unpacking });
  try {
    for await (const chunk of decompress(source)) {
      digester.update(chunk);
      for (let at = 0; at < chunk.length; at += SLICE) {
        if (options.signal?.aborted) throw new StoreError('canceled', 'cannot unpack layer', 'interrupted');
        reader.push(chunk.subarray(at, at + SLICE));
        await (framing === undefined ? turn() : framing.flush().then(() => turn()));
      }
    }
    reader.finish();
    unpacking.finish();
  } finally {
    unpacking.close();
  }
  const { entries, skippedXattrs } = unpacking;
  return { diffId: digester.digest(), size: digester.size, entries, skippedXattrs };
}
