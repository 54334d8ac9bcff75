// What of a tar is not the content of its files: headers, padding, whatever follows its end. With it and the files the
// tar comes back to the byte. The records and their lines are those of tar-split, which Docker and containers/storage
// keep as tar-split.json.gz: of each piece of framing its bytes, of each entry its name, size and the CRC-64 of its content.

import { type ByteString, fromBytes, fromText, isUtf8, toBytes, toText } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { Bytes } from './compression.js';
import { Crc64 } from './crc64.js';
import { LayerTarReader, type TarVisitor } from './layer-tar-reader.js';
import type { TarEntry } from './tar-entry.js';

export type FramingRecord =
  | { readonly type: 'segment'; readonly bytes: Uint8Array }
  /** `name` as the archive has it; `crc` of eight bytes, none for an entry without content. */
  | {
      readonly type: 'file';
      readonly name: ByteString;
      readonly size: number;
      readonly crc: Uint8Array | undefined;
    };

/** More framing than this is several segments. */
const SEGMENT = 256 << 10;

/** What is done with a tar while its framing is taken down. */
export interface FramingOptions {
  /** Gets the entries, too. */
  readonly visitor?: TarVisitor;
  /** True for entries (counted from 0) whose content is not to be looked for in files later: it becomes framing. */
  readonly keeps?: (entry: number) => boolean;
}

/**
 * Takes a tar as it comes and hands out the records that say all of it but the content of files. A sparse file, whose
 * content does not lie in the archive as it is read, is framing as a whole.
 */
export class TarFraming {
  readonly #reader: LayerTarReader;
  readonly #put: (record: FramingRecord) => void;
  readonly #keeps: (entry: number) => boolean;
  #parts: Uint8Array[] = [];
  #length = 0;
  #chunk: Uint8Array = new Uint8Array(0);
  /** Where the chunk begins in the stream, and up to where the stream has been taken down. */
  #base = 0;
  #at = 0;
  #entries = 0;
  #entry: TarEntry | undefined;
  #crc: Crc64 | undefined;
  #size = 0;

  constructor(put: (record: FramingRecord) => void, { visitor, keeps = () => false }: FramingOptions = {}) {
    this.#put = put;
    this.#keeps = keeps;
    this.#reader = new LayerTarReader({
      entry: (entry, end) => {
        this.#begin(entry, end);
        visitor?.entry(entry, end);
      },
      data: (offset, bytes) => {
        this.#data(bytes);
        visitor?.data(offset, bytes);
      },
      end: () => {
        this.#end();
        visitor?.end();
      },
    });
  }

  /** How many entries there were so far. */
  get entries(): number {
    return this.#entries;
  }

  /** Takes the next bytes; throws as `LayerTarReader.push`. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#reader.push(chunk);
    const end = this.#base + chunk.length;
    // In an entry's content nothing is framing until the next chunk says where it ends.
    if (this.#crc === undefined) this.#takeUpTo(end);
    this.#base = end;
  }

  /** Throws as `LayerTarReader.finish`. */
  finish(): void {
    this.#reader.finish();
    this.#flush();
  }

  #begin(entry: TarEntry, end: number): void {
    this.#takeUpTo(end);
    this.#entry = entry;
    this.#size = 0;
    const isContent = entry.type === 'file' && entry.sparse === undefined && entry.size > 0;
    this.#crc = isContent && !this.#keeps(this.#entries) ? new Crc64() : undefined;
    this.#entries++;
  }

  #data(bytes: Uint8Array): void {
    if (this.#crc === undefined) return;
    this.#crc.update(bytes);
    this.#size += bytes.length;
    this.#at += bytes.length;
  }

  #end(): void {
    const { path, type } = this.#entry!;
    // As archives name folders.
    const name = type === 'folder' ? `${path}/` : path;
    const crc = this.#crc;
    this.#crc = undefined;
    this.#flush();
    this.#put({ type: 'file', name, size: this.#size, crc: crc?.digest() });
  }

  #takeUpTo(end: number): void {
    if (end <= this.#at) return;
    const bytes = this.#chunk.subarray(this.#at - this.#base, end - this.#base);
    this.#at = end;
    this.#parts.push(Uint8Array.from(bytes));
    this.#length += bytes.length;
    if (this.#length >= SEGMENT) this.#flush();
  }

  #flush(): void {
    if (this.#length === 0) return;
    this.#put({
      type: 'segment',
      bytes: this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts),
    });
    this.#parts = [];
    this.#length = 0;
  }
}

/** A line of the journal, as encoding/json of Go writes tar-split's Entry. */
export function framingLine(record: FramingRecord, position: number): string {
  if (record.type === 'segment') {
    return `${JSON.stringify({ type: 2, payload: base64(record.bytes), position })}\n`;
  }
  const { name, size, crc } = record;
  const named = isUtf8(name) ? { name: toText(name) } : { name_raw: base64(toBytes(name)) };
  return `${JSON.stringify({
    type: 1,
    ...named,
    ...(size === 0 ? {} : { size }),
    payload: crc === undefined ? null : base64(crc),
    position,
  })}\n`;
}

/** The records of a journal, in order. corrupt for what is none. */
export async function* readFraming(journal: Bytes): AsyncGenerator<FramingRecord, void> {
  let position = 0;
  for await (const line of lines(journal)) yield recordOf(line, position++);
}

async function* lines(source: Bytes): AsyncGenerator<string, void> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of source) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a)) {
      if (end > 0) yield Buffer.from(bytes.subarray(0, end)).toString();
      bytes = bytes.subarray(end + 1);
    }
    rest = Uint8Array.from(bytes);
  }
  if (rest.length > 0) yield Buffer.from(rest).toString();
}

interface Line {
  readonly type?: unknown;
  readonly name?: unknown;
  readonly name_raw?: unknown;
  readonly size?: unknown;
  readonly payload?: unknown;
  readonly position?: unknown;
}

function recordOf(line: string, position: number): FramingRecord {
  const { type, name, name_raw: rawName, size = 0, payload, position: stored } = parsed(line, position);
  if (stored !== position) throw damaged(position, 'it stands at the wrong place');
  if (type === 2) {
    if (typeof payload !== 'string') throw damaged(position, 'a piece of framing has no bytes');
    return { type: 'segment', bytes: Buffer.from(payload, 'base64') };
  }
  if (type !== 1) throw damaged(position, 'it is neither framing nor a file');
  if (!Number.isSafeInteger(size) || (size as number) < 0) throw damaged(position, 'its size is none');
  const crc = typeof payload === 'string' ? Buffer.from(payload, 'base64') : undefined;
  if ((size as number) > 0 && crc?.length !== 8) throw damaged(position, 'it has no checksum');
  const path =
    typeof rawName === 'string' ? fromBytes(Buffer.from(rawName, 'base64')) : fromText(String(name ?? ''));
  return { type: 'file', name: path, size: size as number, crc };
}

function parsed(line: string, position: number): Line {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw damaged(position, 'it is no JSON object');
}

/** The content of a file of the layer, by its name in the archive; undefined if there is no such file. */
export type ContentOf = (name: ByteString) => Iterable<Uint8Array> | undefined;

/**
 * The tar that a journal was taken down of. corrupt, naming the file, where one is not there any more or is not what it
 * was; what came before has been handed out by then.
 */
export async function* replayFraming(
  records: AsyncIterable<FramingRecord>,
  contentOf: ContentOf,
): AsyncGenerator<Uint8Array, void> {
  for await (const record of records) {
    if (record.type === 'segment') yield record.bytes;
    else if (record.size > 0) yield* checked(record, contentOf);
  }
}

function* checked(
  { name, size, crc }: Extract<FramingRecord, { type: 'file' }>,
  contentOf: ContentOf,
): Generator<Uint8Array, void> {
  const content = contentOf(name);
  if (content === undefined) throw lost(name, 'it is not there');
  const actual = new Crc64();
  let done = 0;
  for (const chunk of content) {
    actual.update(chunk);
    done += chunk.length;
    if (done > size) break;
    yield chunk;
  }
  if (done !== size) throw lost(name, `it has not the ${size} bytes that it had`);
  if (crc === undefined || Buffer.compare(actual.digest(), crc) !== 0)
    throw lost(name, 'its content is another');
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

function damaged(position: number, why: string): StoreError {
  return new StoreError('corrupt', `cannot read record ${position} of the framing of a layer tar`, why);
}

function lost(name: ByteString, why: string): StoreError {
  return new StoreError('corrupt', `cannot give back ${toText(name)} of a layer tar`, why);
}
