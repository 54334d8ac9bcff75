// One header block as an entry: its fields, and what an extension before it (PAX records, GNU long names) says
// instead. V7, USTAR, star and GNU headers differ in what they have behind the first 257 bytes.

import { type ByteString, fromBytes, PERMISSION_BITS, type Timestamp, toText } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { TarEntry, TarType } from './tar-entry.js';
import { corruptTar, FIELD, type Field, headerSums, readNumber, TYPE } from './tar-format.js';
import { type PaxRecord, parsePaxInteger, parsePaxTime, xattrsOf } from './tar-pax.js';
import { type PaxSparse, paxSparseOf } from './tar-sparse.js';

/** What was said of the next entry. */
export interface Extension {
  readonly pax: readonly PaxRecord[];
  readonly longName?: ByteString;
  readonly longLink?: ByteString;
}

export const NO_EXTENSION: Extension = { pax: [] };

export interface Header {
  readonly entry: Omit<TarEntry, 'sparse'>;
  /** Bytes that the archive holds for it, a map of holes included. */
  readonly stored: number;
  /** For a file that PAX records call sparse. */
  readonly sparse: PaxSparse | undefined;
}

/** What a typeflag makes; absent ones are refused or steer the reader. */
const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  [TYPE.file]: 'file',
  [TYPE.contiguous]: 'file',
  [TYPE.gnuSparse]: 'file',
  [TYPE.link]: 'link',
  [TYPE.symlink]: 'symlink',
  [TYPE.char]: 'char',
  [TYPE.block]: 'block',
  [TYPE.folder]: 'folder',
  [TYPE.gnuDumpdir]: 'folder',
  [TYPE.fifo]: 'fifo',
};

/** Throws 'corrupt' unless the checksum is that of the block. */
export function assertChecksum(bytes: Buffer, at: number, offset: number): void {
  const { unsigned, signed } = headerSums(bytes, at);
  const told = readNumber(bytes, at + FIELD.checksum[0], FIELD.checksum[1]);
  if (told !== unsigned && told !== signed) {
    throw corruptTar('the checksum of a header does not match', offset);
  }
}

export function flagOf(bytes: Buffer, at: number): string {
  return String.fromCharCode(bytes[at + FIELD.type[0]]!);
}

/** The size that the header itself tells. */
export function sizeOf(bytes: Buffer, at: number, offset: number): number {
  return new Fields(bytes, at, offset, []).count('size', FIELD.size);
}

/**
 * The entry of the header block at `at`, which is the byte `offset` of the stream. Throws 'corrupt' for fields
 * that make no sense, 'unsupported' for a type that nobody knows.
 */
export function readHeader(bytes: Buffer, at: number, offset: number, extension: Extension): Header {
  const { pax, longName, longLink } = extension;
  const fields = new Fields(bytes, at, offset, pax);
  const sparse = pax.length === 0 ? undefined : paxSparseOf(pax);
  if (sparse === 'malformed') throw corruptTar('the map of a sparse file is malformed', offset);

  // The order of Go's archive/tar: GNU's long names over PAX over the fields.
  const name = sparse?.name ?? longName ?? fields.record('path') ?? fields.name();
  if (name === '' || name.includes('\0')) throw corruptTar('an entry has no usable name', offset);
  const linkname = longLink ?? fields.record('linkpath') ?? fields.text(FIELD.linkname);
  if (linkname.includes('\0')) throw corruptTar('a link target holds a NUL', offset);

  const flag = flagOf(bytes, at);
  const known = TYPES[flag];
  if (known === undefined) {
    const why = `entry type ${JSON.stringify(flag)} of ${JSON.stringify(toText(name))} is unknown`;
    throw new StoreError('unsupported', 'cannot read layer tar', why);
  }
  const type = known === 'file' && name.endsWith('/') ? 'folder' : known;
  // Links and folders of some writers name a size but have no data.
  const stored = type === 'file' ? fields.count('size', FIELD.size) : 0;
  const sparseSize = flag === TYPE.gnuSparse ? fields.count('real size', FIELD.gnuRealSize) : sparse?.size;
  const device = type === 'char' || type === 'block';
  const atime = fields.time('atime');
  const entry = {
    path: name.replace(/\/+$/, '') || '/',
    type,
    mode: fields.number('mode', FIELD.mode) & PERMISSION_BITS,
    uid: fields.count('uid', FIELD.uid),
    gid: fields.count('gid', FIELD.gid),
    size: type === 'file' ? (sparseSize ?? stored) : 0,
    mtime: fields.time('mtime') ?? { sec: fields.number('mtime', FIELD.mtime), nsec: 0 },
    ...(atime === undefined ? {} : { atime }),
    linkname: type === 'link' || type === 'symlink' ? linkname : '',
    devmajor: device ? fields.count('SCHILY.devmajor', FIELD.devmajor) : 0,
    devminor: device ? fields.count('SCHILY.devminor', FIELD.devminor) : 0,
    xattrs: pax.length === 0 ? NO_XATTRS : xattrsOf(pax),
  };
  return { entry, stored, sparse: type === 'file' ? sparse : undefined };
}

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

/** The fields of one header, each replaced by the PAX record of the same meaning if there is one. */
class Fields {
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #offset: number;
  /** The last record of each key. */
  readonly #records: ReadonlyMap<ByteString, Uint8Array> | undefined;

  constructor(bytes: Buffer, at: number, offset: number, pax: readonly PaxRecord[]) {
    this.#bytes = bytes;
    this.#at = at;
    this.#offset = offset;
    this.#records = pax.length === 0 ? undefined : new Map(pax.map(({ key, value }) => [key, value]));
  }

  /** The record `key`. An empty value takes it back (POSIX pax). */
  record(key: ByteString): ByteString | undefined {
    const value = this.#records?.get(key);
    return value === undefined || value.length === 0 ? undefined : fromBytes(value);
  }

  number(key: string, [at, length]: Field): number {
    const record = this.record(key);
    const value =
      record === undefined ? readNumber(this.#bytes, this.#at + at, length) : parsePaxInteger(record);
    if (value === undefined) throw corruptTar(`the ${key} is not a number`, this.#offset);
    return value;
  }

  /** A number that cannot be negative. */
  count(key: string, field: Field): number {
    const value = this.number(key, field);
    if (value < 0) throw corruptTar(`the ${key} is negative`, this.#offset);
    return value;
  }

  time(key: string): Timestamp | undefined {
    const record = this.record(key);
    const time = record === undefined ? undefined : parsePaxTime(record);
    if (record !== undefined && time === undefined) {
      throw corruptTar(`the ${key} is not a time`, this.#offset);
    }
    return time;
  }

  /** A text field up to its first NUL. */
  text([at, length]: Field): ByteString {
    const start = this.#at + at;
    let end = start;
    while (end < start + length && this.#bytes[end] !== 0) end++;
    return this.#bytes.toString('latin1', start, end);
  }

  /** The name with its prefix, where the header has that field: POSIX writes 'ustar' and NUL, GNU a blank. */
  name(): ByteString {
    const name = this.text(FIELD.name);
    const magic = this.#at + FIELD.magic[0];
    if (this.#bytes[magic + 5] !== 0 || this.#bytes.toString('latin1', magic, magic + 5) !== 'ustar')
      return name;
    const trailer = this.#at + FIELD.starTrailer[0];
    const star = this.#bytes.toString('latin1', trailer, trailer + 4) === 'tar\0';
    const prefix = this.text(star ? [FIELD.prefix[0], 131] : FIELD.prefix);
    return prefix === '' ? name : `${prefix}/${name}`;
  }
}
