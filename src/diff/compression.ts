// Compressed layers: what a stream is compressed with is read from its first bytes, never from a media type
// or file name, because archives hold gzip under names that say tar (docker save) and the reverse. Streams of
// several gzip members or zstd frames are one stream; both are made by parallel compressors and by estargz.

import { Readable } from 'node:stream';
import { StoreError } from '../errors.js';
import { gunzip, gzip } from './gzip.js';
import { unzstd, zstd } from './zstd.js';

export type Compression = 'none' | 'gzip' | 'zstd';

/** A stream of bytes in chunks; a Node Readable is one. */
export type Bytes = AsyncIterable<Uint8Array>;

/** What a stream is compressed with that begins with these bytes (4 or more, unless it is shorter). */
export function compressionOf(head: Uint8Array): Compression {
  const [a = -1, b = -1, c = -1, d = -1] = head;
  if (a === 0x1f && b === 0x8b) return 'gzip';
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd';
  // A skippable frame (RFC 8878, 3.1.2): zstd:chunked and pzstd put one first.
  if ((a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return 'zstd';
  const other =
    a === 0xfd && b === 0x37 && c === 0x7a ? 'xz' : a === 0x42 && b === 0x5a && c === 0x68 ? 'bzip2' : '';
  // A tar may begin with a file name like 'BZh...'; its byte 4 is then hardly the '1' to '9' and pi of bzip2.
  if (
    other === 'xz' ||
    (other === 'bzip2' && d >= 0x31 && d <= 0x39 && head[4] === 0x31 && head[5] === 0x41)
  ) {
    throw new StoreError('unsupported', 'cannot read layer', `it is compressed with ${other}`, {
      hint: `decompress it first: ${other} -d`,
    });
  }
  return 'none';
}

/** Says what `source` is compressed with; `bytes` is the whole stream, its beginning included. */
export async function sniff(source: Bytes): Promise<{ compression: Compression; bytes: Bytes }> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < 6) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  const rest: Bytes = { [Symbol.asyncIterator]: () => iterator };
  return { compression: compressionOf(head), bytes: prefixed(head, rest) };
}

async function* prefixed(head: Uint8Array, rest: Bytes): AsyncGenerator<Uint8Array, void> {
  if (head.length > 0) yield head;
  yield* rest;
}

/**
 * The uncompressed bytes of a stream. Throws StoreError 'corrupt' for damaged or cut data, 'unsupported' for zstd
 * where nothing here reads it; errors of the source pass through.
 */
export async function* decompress(source: Bytes): AsyncGenerator<Uint8Array, void> {
  const { compression, bytes } = await sniff(source);
  if (compression === 'gzip') yield* gunzip(bytes);
  else if (compression === 'zstd') yield* unzstd(bytes);
  else yield* bytes;
}

/**
 * The stream compressed; the same bytes for the same input with the same release of the compressor. `level` is
 * gzip's (1 to 9, 6 unless given) or zstd's (1 to 19, 3 unless given).
 */
export function compress(source: Bytes, compression: Compression, level?: number): Bytes {
  if (compression === 'gzip') return gzip(source, level ?? 6);
  if (compression === 'zstd') return zstd(source, level ?? 3);
  return source;
}

/** Throws StoreError 'unsupported' where `compress` would later: for who must not fail half way. */
export async function assertCompresses(compression: Compression): Promise<void> {
  for await (const _ of compress(Readable.from([]), compression));
}
