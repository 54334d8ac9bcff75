// Content in memory, for tests and for whatever needs a store that leaves nothing behind. Same rules as on disk;
// the bytes (`MemBytes`) may be shared by several, as namespaces share a disk.

import { type Digest, digestOf } from '../digest.js';
import { timeNow } from '../time.js';
import type {
  BlobInfo,
  BlobReader,
  BlobRows,
  CommitOptions,
  IngestStatus,
  ReadableWriter,
  WriterOptions,
} from './content.js';
import {
  alreadyExists,
  assertCut,
  assertRef,
  beingWritten,
  finishedRow,
  noIngest,
  onTheWayElsewhere,
  RowContent,
  writerEnded,
} from './row-content.js';

export type MemBytes = Map<Digest, Uint8Array>;

/** Rows in memory. */
export class MemBlobRows implements BlobRows {
  readonly #rows = new Map<Digest, BlobInfo>();
  readonly #mayShare: (digest: Digest) => boolean;

  /** Default: everything is shared. */
  constructor(mayShare: (digest: Digest) => boolean = () => true) {
    this.#mayShare = mayShare;
  }

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

  mayShare(digest: Digest): boolean {
    return this.#mayShare(digest);
  }

  async unlessNamed(digest: Digest, act: () => void): Promise<void> {
    if (!this.#rows.has(digest)) act();
  }
}

interface MemIngest {
  readonly ref: string;
  readonly startedAt: string;
  total: number;
  expected: Digest | undefined;
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
    const bytes = this.#blobs.get(digest) ?? new Uint8Array();
    return new MemReader(() => bytes);
  }

  async writer(options: WriterOptions): Promise<ReadableWriter> {
    const { ref, expected, total } = options;
    this.assertWanted(options);
    const ingest = this.#ingest(options);
    if (ingest.hasWriter) throw beingWritten(`cannot write ingest ${ref}`);
    ingest.hasWriter = true;
    const mayShare = expected !== undefined && this.rows.mayShare(expected);
    const there = mayShare ? this.#blobs.get(expected) : undefined;
    const shared = there !== undefined && (total || there.length) === there.length ? there : undefined;
    return new MemWriter(this.rows, this.#blobs, ingest, options, shared, () => this.#ingests.delete(ref));
  }

  async status(ref: string): Promise<IngestStatus> {
    assertRef(ref);
    const ingest = this.#ingests.get(ref);
    if (ingest === undefined) throw noIngest(`cannot find ingest ${ref}`);
    return statusOf(ingest);
  }

  protected async ingests(): Promise<readonly IngestStatus[]> {
    return [...this.#ingests.values()].map(statusOf);
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

  /** The ingest of the ref, new if there is none or if its bytes are on their way elsewhere. */
  #ingest(options: WriterOptions): MemIngest {
    const { ref, expected, total = 0 } = options;
    const old = this.#ingests.get(ref);
    if (old?.hasWriter) return old;
    if (old !== undefined && !onTheWayElsewhere(statusOf(old), options)) {
      old.total ||= total;
      old.expected ??= expected;
      return old;
    }
    const now = timeNow();
    const bytes = new Uint8Array();
    const made = { ref, startedAt: now, updatedAt: now, total, expected, bytes, hasWriter: false };
    this.#ingests.set(ref, made);
    return made;
  }
}

class MemWriter implements ReadableWriter {
  readonly ref: string;
  readonly #rows: BlobRows;
  readonly #blobs: MemBytes;
  readonly #ingest: MemIngest;
  #told: WriterOptions;
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
    this.#told = options;
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

  status(): IngestStatus {
    const status = statusOf(this.#ingest);
    return this.#shared === undefined ? status : { ...status, offset: this.offset, total: this.offset };
  }

  async reader(): Promise<BlobReader> {
    this.#assertOpen();
    return new MemReader(() => this.#bytes);
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#assertOpen();
    if (chunk.length === 0) return;
    // What goes beyond the expected blob is another one: commit says which.
    if (this.#shared !== undefined) this.#told = { ref: this.ref };
    this.#become(Buffer.concat([this.#bytes, chunk]));
  }

  async truncate(size: number): Promise<void> {
    this.#assertOpen();
    assertCut(this, size);
    this.#become(this.#bytes.slice(0, size));
  }

  #become(bytes: Uint8Array): void {
    this.#shared = undefined;
    this.#ingest.bytes = new Uint8Array(bytes);
    this.#ingest.updatedAt = timeNow();
  }

  async commit(options: CommitOptions = {}): Promise<BlobInfo> {
    this.#assertOpen();
    try {
      const row = finishedRow(this, this.#told, options);
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
  readonly #bytes: () => Uint8Array;

  constructor(bytes: () => Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes().length;
  }

  async readAt(into: Uint8Array, offset: number): Promise<number> {
    const part = this.#bytes().subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }

  async *stream(offset = 0, size = this.size): AsyncIterable<Uint8Array> {
    const part = this.#bytes().slice(offset, offset + size);
    if (part.length > 0) yield part;
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}

function statusOf({ ref, bytes, total, expected, startedAt, updatedAt }: MemIngest): IngestStatus {
  return {
    ref,
    offset: bytes.length,
    total,
    ...(expected === undefined ? {} : { expected }),
    startedAt,
    updatedAt,
  };
}
