// The content store: immutable blobs named by the digest of their bytes.
//
// Words (containerd's): a blob is whole, verified and durable the moment it appears under its digest. An
// ingest is a blob on its way, named by a `ref` that its writer chooses, so that after a crash or a lost
// connection the same ref goes on where the bytes ended. Labels belong to the view of a namespace; bytes on
// disk are shared by all namespaces.
//
// Life of an ingest: writer(ref) -> write, truncate ... -> commit (blob, ingest gone)
//                                                       -> close  (ingest kept, resumable)
//                    abort(ref) removes it.
//
// A writer that expects a blob of another namespace finds it whole under the policy `shared`: its offset is the
// blob's size, and commit only names it. Under `isolated` it must send all of the bytes to prove that it has them,
// but for blobs of a namespace with the label `containerd.io/namespace.shareable=true`. These are the policies of
// containerd's metadata plugin (`content_sharing_policy`).
//
// `Content` is what can be asked of a server as well (src/containerd/client); `StoreContent` adds what only who has the
// files at hand can do.

import type { Digest } from '../digest.js';
import type { Labels } from '../labels.js';

export interface BlobInfo {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  readonly updated: string;
  readonly labels: Labels;
}

export interface IngestStatus {
  readonly ref: string;
  /** Bytes received. */
  readonly offset: number;
  /** Bytes expected; 0 if unknown. */
  readonly total: number;
  readonly expected?: Digest;
  readonly startedAt: string;
  readonly updatedAt: string;
}

export interface WriterOptions {
  /** 1 to 1024 characters; one writer at a time has a ref, over all processes (unavailable otherwise). */
  readonly ref: string;
  readonly expected?: Digest;
  /** Bytes; 0 and absent: not known. */
  readonly total?: number;
}

export interface CommitOptions {
  /** Checked when given: failed-precondition on a mismatch, and the ingest stays. */
  readonly expected?: Digest;
  readonly size?: number;
  readonly labels?: Labels;
}

/** One writer of one ingest. Exactly one of `commit` and `close` ends it. */
export interface ContentWriter {
  readonly ref: string;
  /** Bytes of the ingest so far; above 0 right after opening when an earlier writer left some. */
  readonly offset: number;
  /** Of this ingest, as it is now. */
  status(): IngestStatus;
  /** Appends. */
  write(chunk: Uint8Array): Promise<void>;
  /** The digest of all bytes so far. */
  digest(): Digest;
  /**
   * Keeps the first `size` bytes only; out-of-range if there are not so many. A server may know all or none alone, and
   * anything between is unsupported then.
   */
  truncate(size: number): Promise<void>;
  /** Verifies, syncs and publishes the blob. already-exists if this namespace has it (the ingest is gone then). */
  commit(options?: CommitOptions): Promise<BlobInfo>;
  close(): Promise<void>;
}

/** A writer whose bytes are here. */
export interface ReadableWriter extends ContentWriter {
  /** Reads the bytes so far and those that follow. It outlives the writer, and sees no `truncate`. */
  reader(): Promise<BlobReader>;
}

export interface BlobReader {
  readonly size: number;
  /** Reads up to `into.length` bytes from `offset`; fewer only at the end. */
  readAt(into: Uint8Array, offset: number): Promise<number>;
  /** The bytes from `offset` on, `size` of them or all, in chunks. */
  stream(offset?: number, size?: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** invalid-argument everywhere for a digest or a ref that is none. */
export interface Content {
  /** not-found if this namespace does not name the blob. */
  info(digest: Digest): Promise<BlobInfo>;
  has(digest: Digest): Promise<boolean>;
  /** The blobs of the namespace that any of `filters` means (all without one), ordered by digest: blobField. */
  walk(filters?: readonly string[]): AsyncIterable<BlobInfo>;
  /** Changes labels; field paths as `updateLabels`. */
  update(digest: Digest, labels: Labels, fieldPaths: readonly string[]): Promise<BlobInfo>;
  /**
   * Removes the namespace's name of a blob; its bytes go with garbage collection. not-found if there is none, and, with
   * the id of the caller's lease, for one that another lease holds.
   */
  delete(digest: Digest, lease?: string): Promise<void>;
  /**
   * Takes back a blob that the caller has just added: its name, and its bytes unless another namespace names them.
   * What failed leaves the disk as it was. No error if there is none. With the id of the caller's lease: one that another
   * lease holds stays.
   */
  discard(digest: Digest, lease?: string): Promise<void>;
  open(digest: Digest): Promise<BlobReader>;
  /** A blob of at most `limit` bytes (manifests, configs); corrupt if it is longer. */
  read(digest: Digest, limit?: number): Promise<Uint8Array>;
  /** Reads the whole blob again: corrupt unless its bytes still have the digest. */
  verify(digest: Digest): Promise<void>;
  /**
   * Opens the ingest `ref`, new or where it ended; one that was on its way to another digest or size begins again.
   * already-exists if `expected` is a blob of this namespace, unavailable while somebody else writes the ingest.
   */
  writer(options: WriterOptions): Promise<ContentWriter>;
  /** Writes a whole blob; one that exists already is not an error. */
  put(ref: string, bytes: Uint8Array, labels?: Labels): Promise<BlobInfo>;
  status(ref: string): Promise<IngestStatus>;
  /** The ingests of the namespace that any of `filters` means, ordered by ref: ingestField. */
  statuses(filters?: readonly string[]): Promise<readonly IngestStatus[]>;
  /** not-found if there is no such ingest, unavailable while somebody writes it. */
  abort(ref: string): Promise<void>;
}

/** The blobs of a store that is open here. */
export interface StoreContent extends Content {
  writer(options: WriterOptions): Promise<ReadableWriter>;
}

/**
 * Where a content store keeps what a namespace knows of its blobs; the metadata implements it. Each change is one
 * step that no other process can come between, and resolves when it is durable.
 */
export interface BlobRows {
  get(digest: Digest): BlobInfo | undefined;
  /** All rows, ordered by digest. */
  list(): readonly BlobInfo[];
  /** False if there is a row of this digest already; it stays as it is. What `check` throws leaves no row. */
  add(row: BlobInfo, check?: () => void): Promise<boolean>;
  /** Replaces the row by what `change` makes of it, and returns that; undefined if there is none. */
  change(digest: Digest, change: (row: BlobInfo) => BlobInfo): Promise<BlobInfo | undefined>;
  /** False if there was none. With the id of a lease: as `Content.discard`. */
  remove(digest: Digest, lease?: string): Promise<boolean>;
  /** True if bytes that this namespace does not name may become its own without being sent: see the policies above. */
  mayShare(digest: Digest): boolean;
  /** Runs `act` unless a row of any namespace names the digest; none can be added meanwhile. */
  unlessNamed(digest: Digest, act: () => void): Promise<void>;
}
