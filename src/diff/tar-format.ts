// The fixed parts of a tar archive: blocks, the header's fields, its numbers and its checksum. Sources: POSIX
// pax (ustar interchange format), tar(5) of libarchive, "Basic Tar Format" of the GNU tar manual. Everything
// that other files know about byte positions in a header stands here.

import { StoreError } from '../errors.js';

export const BLOCK = 512;

/** What the typeflag byte of a header says. */
export const TYPE = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  folder: '5',
  fifo: '6',
  contiguous: '7',
  paxHeader: 'x',
  paxGlobal: 'g',
  gnuLongName: 'L',
  gnuLongLink: 'K',
  gnuSparse: 'S',
  gnuDumpdir: 'D',
  gnuVolume: 'V',
  /** Solaris spells the extended header so. */
  sunHeader: 'X',
} as const;

/** Positions and lengths of header fields in bytes. */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
  /** GNU only: four pairs of offset and length, then the flag that says whether a block of pairs follows. */
  gnuSparse: [386, 96],
  gnuExtended: [482, 1],
  gnuRealSize: [483, 12],
  /** star only: 'tar' and NUL; then the prefix has 131 bytes. */
  starTrailer: [508, 4],
} as const satisfies Record<string, readonly [at: number, length: number]>;

export type Field = readonly [at: number, length: number];

/** The failure of an archive that is not one, or was cut short; `offset` counts bytes of the uncompressed tar. */
export function corruptTar(why: string, offset: number, options?: ErrorOptions): StoreError {
  return new StoreError('corrupt', 'cannot read layer tar', `${why} (at byte ${offset})`, options);
}

/** How many bytes of padding follow `size` bytes of data. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** True if the 512 bytes from `at` are all zero: an end mark. */
export function isZeroBlock(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** The sums over a header with its checksum field taken as blanks; historic tars summed signed characters. */
export function headerSums(bytes: Uint8Array, at: number): { unsigned: number; signed: number } {
  const [field, length] = FIELD.checksum;
  let unsigned = length * 0x20;
  let high = 0;
  for (let i = 0; i < BLOCK; i++) {
    if (i === field) i += length;
    const byte = bytes[at + i]!;
    unsigned += byte;
    high += byte >>> 7;
  }
  return { unsigned, signed: unsigned - 256 * high };
}

/**
 * A number of a header: octal digits between blanks, ended by a blank or NUL; or base-256, big-endian two's
 * complement behind a first bit that is set (GNU). Undefined if it is neither or does not fit a double exactly.
 */
export function readNumber(bytes: Uint8Array, at: number, length: number): number | undefined {
  const first = bytes[at]!;
  if ((first & 0x80) !== 0) return readBase256(bytes, at, length);
  let i = at;
  const end = at + length;
  while (i < end && (bytes[i] === 0x20 || bytes[i] === 0)) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) if (bytes[i] !== 0x20 && bytes[i] !== 0) return undefined;
  return value;
}

function readBase256(bytes: Uint8Array, at: number, length: number): number | undefined {
  const first = bytes[at]!;
  const negative = (first & 0x40) !== 0;
  let value = negative ? (first & 0x7f) - 0x80 : first & 0x7f;
  for (let i = at + 1; i < at + length; i++) {
    value = value * 256 + bytes[i]!;
    if (!Number.isSafeInteger(value)) return undefined;
  }
  return value;
}

/** Writes `value` as octal digits that fill the field but for a closing NUL; false if they do not fit. */
export function writeOctal(into: Uint8Array, [at, length]: Field, value: number): boolean {
  if (!Number.isInteger(value) || value < 0 || value >= 8 ** (length - 1)) return false;
  let rest = value;
  for (let i = at + length - 2; i >= at; i--) {
    into[i] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  into[at + length - 1] = 0;
  return true;
}

/** Fills in the checksum of a header that is otherwise complete: six digits, NUL, blank. */
export function writeChecksum(header: Uint8Array): void {
  const [at] = FIELD.checksum;
  writeOctal(header, [at, 7], headerSums(header, 0).unsigned);
  header[at + 7] = 0x20;
}
