// Maps of sparse files: where in the file the bytes that the archive holds belong. Four spellings exist (GNU
// tar manual, "Storing Sparse Files"): pairs in the header and in blocks after it (old GNU), and three of PAX.

import { type ByteString, fromBytes } from '../../fs/index.js';
import type { Extent } from './tar-entry.js';
import { BLOCK, FIELD, readNumber } from './tar-format.js';
import { type PaxRecord, parsePaxInteger } from './tar-pax.js';

/** The most bytes of a map that are read; a file with more extents than fit is refused. */
export const SPARSE_MAP_LIMIT = 16 << 20;

const PAIR = 24;

/** Adds the pairs of a header (4) or of a block that follows it (21) to `map`; undefined if a number is malformed. */
export function readGnuPairs(
  bytes: Uint8Array,
  at: number,
  count: number,
  map: Extent[],
): Extent[] | undefined {
  for (let i = 0; i < count; i++) {
    const pair = at + i * PAIR;
    // An empty field ends the list.
    if (bytes[pair] === 0) return map;
    const offset = readNumber(bytes, pair, 12);
    const length = readNumber(bytes, pair + 12, 12);
    if (offset === undefined || length === undefined) return undefined;
    map.push({ offset, length });
  }
  return map;
}

export const GNU_HEADER_PAIRS = FIELD.gnuSparse[1] / PAIR;
export const GNU_BLOCK_PAIRS = 21;
/** Where a block of pairs says whether another follows. */
export const GNU_BLOCK_EXTENDED = GNU_BLOCK_PAIRS * PAIR;

export interface PaxSparse {
  /** The real name; undefined where the header's own is it. */
  readonly name: ByteString | undefined;
  /** The size of the file with its holes. */
  readonly size: number;
  /** undefined: format 1.0, where the map stands in front of the data. */
  readonly map: Extent[] | undefined;
}

/** What the PAX records say of holes: undefined if nothing, 'malformed' if it makes no sense. */
export function paxSparseOf(records: readonly PaxRecord[]): PaxSparse | undefined | 'malformed' {
  const last = new Map<ByteString, ByteString>();
  const pairs: ByteString[] = [];
  for (const { key, value } of records) {
    if (!key.startsWith('GNU.sparse.')) continue;
    const text = fromBytes(value);
    // Format 0.0 repeats these two keys, in turn.
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      if ((pairs.length % 2 === 0) !== (key === 'GNU.sparse.offset')) return 'malformed';
      pairs.push(text);
    } else {
      last.set(key, text);
    }
  }
  const size = parsePaxInteger(last.get('GNU.sparse.realsize') ?? last.get('GNU.sparse.size') ?? '');
  const name = last.get('GNU.sparse.name');
  const major = last.get('GNU.sparse.major');
  if (major !== undefined && major !== '0') {
    if (major !== '1' || last.get('GNU.sparse.minor') !== '0') return 'malformed';
    return size === undefined ? 'malformed' : { name, size, map: undefined };
  }
  const list = last.get('GNU.sparse.map');
  if (list === undefined && pairs.length === 0 && !last.has('GNU.sparse.numblocks')) return undefined;
  const map = extentsOf(list === undefined ? pairs : list === '' ? [] : list.split(','));
  return map === undefined || size === undefined ? 'malformed' : { name, size, map };
}

function extentsOf(numbers: readonly ByteString[]): Extent[] | undefined {
  if (numbers.length % 2 !== 0) return undefined;
  const map: Extent[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    const offset = parsePaxInteger(numbers[i]!);
    const length = parsePaxInteger(numbers[i + 1]!);
    if (offset === undefined || length === undefined) return undefined;
    map.push({ offset, length });
  }
  return map;
}

/** Reads the map of format 1.0: decimal numbers, one a line: a count, then pairs; filled up to whole blocks. */
export class MapReader {
  readonly #numbers: number[] = [];
  #partial: number | undefined;
  #bytes = 0;

  /** Bytes of the archive that the map took so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes one block; true when the map is complete, 'malformed' if it cannot be one. */
  block(bytes: Uint8Array, at: number): boolean | 'malformed' {
    this.#bytes += BLOCK;
    if (this.#bytes > SPARSE_MAP_LIMIT) return 'malformed';
    for (let i = at; i < at + BLOCK; i++) {
      const byte = bytes[i]!;
      if (byte === 0x0a) {
        if (this.#partial === undefined) return 'malformed';
        this.#numbers.push(this.#partial);
        this.#partial = undefined;
        if (this.#numbers.length === 1 + 2 * this.#numbers[0]!) return true;
        continue;
      }
      if (byte < 0x30 || byte > 0x39) return 'malformed';
      this.#partial = (this.#partial ?? 0) * 10 + (byte - 0x30);
      if (!Number.isSafeInteger(this.#partial)) return 'malformed';
    }
    return false;
  }

  extents(): Extent[] {
    const map: Extent[] = [];
    for (let i = 1; i < this.#numbers.length; i += 2) {
      map.push({ offset: this.#numbers[i]!, length: this.#numbers[i + 1]! });
    }
    return map;
  }
}

/** True if the extents ascend without overlap, lie within `size`, and hold exactly `stored` bytes. */
export function isSoundMap(map: readonly Extent[], size: number, stored: number): boolean {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of map) {
    if (offset < end || length < 0 || offset + length > size) return false;
    end = offset + length;
    sum += length;
  }
  return sum === stored;
}
