// Content in memory, for tests and for whatever needs a store that leaves nothing behind. Same rules as on disk;
// the bytes (`MemBytes`) may be shared by several, as namespaces share a disk.

import { type Digest, digestOf } from '../digest.js';
import { timeNow } from '../time.js';
import type {
  BlobInfo,
  BlobReader,
  BlobRows,
  CommitOptions,
  ContentWriter,
  IngestStatus,
  WriterOptions,
} from './content.js';
import {
  alreadyExists,
  assertRef,
  beingWritten,
  finishedRow,
  noIngest,
  RowContent,
  wholeAlready,
  writerEnded,
} from './row-content.js';

export type MemBytes = Map<Digest, Uint8Array>;

/** Rows in memory. */
export class MemBlobRows implements BlobRows {
  readonly #rows = new Map<Digest, BlobInfo>();

  get(digest: Digest): BlobInfo | undefined {
    return this.#rows.get(digest);
  }

  list(): readonly BlobInfo[] {
    return [...this.#rows.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  }

  async add(row: BlobInfo, check?: () => void): Promise<boolean> {
    if (this.#rows.has(row.digest)) return false;
    check?.();
    this.#rows.set(row.digest, row);
    return true;
  }

  async change(digest: Digest, change: (row: BlobInfo) => BlobInfo): Promise<BlobInfo | undefined> {
    const old = this.#rows.get(digest);
    if (old === undefined) return undefined;
    const row = change(old);
    this.#rows.set(digest, row);
    return row;
  }

  async remove(digest: Digest): Promise<boolean> {
    return this.#rows.delete(digest);
  }

  async unlessNamed(digest: Digest, act: () => void): Promise<void> {
    if (!this.#rows.has(digest)) act();
  }
}

interface MemIngest {
  readonly startedAt: string;
  readonly options: WriterOptions;
  bytes: Uint8Array;
  updatedAt: string;
  hasWriter: boolean;
}

export class MemContent extends RowContent {
  readonly #blobs: MemBytes;
  readonly #ingests = new Map<string, MemIngest>();

  constructor(rows: BlobRows = new MemBlobRows(), blobs: MemBytes = new Map()) {
    super(rows);
    this.#blobs = blobs;
  }

  async open(digest: Digest): Promise<BlobReader> {
    this.row(digest, 'cannot read blob');
    return new MemReader(this.#blobs.get(digest) ?? new Uint8Array());
  }

  async writer(options: WriterOptions): Promise<ContentWriter> {
    const { ref, expected } = options;
    this.assertWanted(options);
    const ingest = this.#ingest(options);
    if (ingest.hasWriter) throw beingWritten(`cannot write ingest ${ref}`);
    ingest.hasWriter = true;
    const shared = expected === undefined ? undefined : this.#blobs.get(expected);
    return new MemWriter(this.rows, this.#blobs, ingest, options, shared, () => this.#ingests.delete(ref));
  }

  async status(ref: string): Promise<IngestStatus> {
    assertRef(ref);
    const ingest = this.#ingests.get(ref);
    if (ingest === undefined) throw noIngest(`cannot find ingest ${ref}`);
    return statusOf(ref, ingest);
  }

  async statuses(): Promise<readonly IngestStatus[]> {
    const refs = [...this.#ingests].sort(([a], [b]) => (a < b ? -1 : 1));
    return refs.map(([ref, ingest]) => statusOf(ref, ingest));
  }

  async abort(ref: string): Promise<void> {
    assertRef(ref);
    const what = `cannot abort ingest ${ref}`;
    const ingest = this.#ingests.get(ref);
    if (ingest === undefined) throw noIngest(what);
    if (ingest.hasWriter) throw beingWritten(what);
    this.#ingests.delete(ref);
  }

  protected async dropUnnamed(): Promise<void> {
    // The bytes are shared with other namespaces, whose rows are not known here; they go with the map.
  }

  /** The ingest of the ref, new if there is none or if its bytes are on their way to another digest. */
  #ingest(options: WriterOptions): MemIngest {
    const old = this.#ingests.get(options.ref);
    const [was, is] = [old?.options.expected, options.expected];
    const other = was !== undefined && is !== undefined && was !== is;
    if (old !== undefined && (old.hasWriter || !other)) return old;
    const now = timeNow();
    const made: MemIngest = {
      startedAt: now,
      updatedAt: now,
      options,
      bytes: new Uint8Array(),
      hasWriter: false,
    };
    this.#ingests.set(options.ref, made);
    return made;
  }
}

class MemWriter implements ContentWriter {
  readonly ref: string;
  readonly #rows: BlobRows;
  readonly #blobs: MemBytes;
  readonly #ingest: MemIngest;
  readonly #options: WriterOptions;
  readonly #forget: () => void;
  #shared: Uint8Array | undefined;
  #ended = false;

  constructor(
    rows: BlobRows,
    blobs: MemBytes,
    ingest: MemIngest,
    options: WriterOptions,
    shared: Uint8Array | undefined,
    forget: () => void,
  ) {
    this.ref = options.ref;
    this.#rows = rows;
    this.#blobs = blobs;
    this.#ingest = ingest;
    this.#options = options;
    this.#shared = shared;
    this.#forget = forget;
  }

  get #bytes(): Uint8Array {
    return this.#shared ?? this.#ingest.bytes;
  }

  get offset(): number {
    return this.#bytes.length;
  }

  digest(): Digest {
    return digestOf(this.#bytes);
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#assertOpen();
    if (chunk.length > 0 && this.#shared !== undefined) throw wholeAlready(this.ref);
    this.#ingest.bytes = new Uint8Array(Buffer.concat([this.#ingest.bytes, chunk]));
    this.#ingest.updatedAt = timeNow();
  }

  async reset(): Promise<void> {
    this.#assertOpen();
    this.#shared = undefined;
    this.#ingest.bytes = new Uint8Array();
  }

  async commit(options: CommitOptions = {}): Promise<BlobInfo> {
    this.#assertOpen();
    try {
      const row = finishedRow(this, this.#options, options);
      this.#forget();
      this.#blobs.set(row.digest, this.#bytes);
      if (!(await this.#rows.add(row))) {
        throw alreadyExists(`cannot commit ingest ${this.ref}`, row.digest);
      }
      return row;
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#ingest.hasWriter = false;
  }

  #assertOpen(): void {
    if (this.#ended) throw writerEnded(this.ref);
  }
}

class MemReader implements BlobReader {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  async readAt(into: Uint8Array, offset: number): Promise<number> {
    const part = this.#bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }

  async *stream(offset = 0): AsyncIterable<Uint8Array> {
    if (offset < this.size) yield this.#bytes.slice(offset);
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}

function statusOf(ref: string, ingest: MemIngest): IngestStatus {
  const { expected, total } = ingest.options;
  return {
    ref,
    offset: ingest.bytes.length,
    total: total ?? 0,
    ...(expected === undefined ? {} : { expected }),
    startedAt: ingest.startedAt,
    updatedAt: ingest.updatedAt,
  };
}
