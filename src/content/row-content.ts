// What every content store does alike, given the rows of a namespace and a way to the bytes.

import { type Digest, parseDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import { filtered } from '../filter.js';
import { blobField, ingestField } from '../filter-fields.js';
import { assertLabels, keptLabels, type Labels, updateLabels } from '../labels.js';
import { timeNow } from '../time.js';
import type {
  BlobInfo,
  BlobReader,
  BlobRows,
  CommitOptions,
  ContentWriter,
  IngestStatus,
  ReadableWriter,
  StoreContent,
  WriterOptions,
} from './content.js';
import { Puts, readWhole, verifyWhole } from './whole-blob.js';

/** The most characters of a ref. */
const REF_MAX = 1024;

export abstract class RowContent implements StoreContent {
  protected readonly rows: BlobRows;
  readonly #puts = new Puts(this);

  constructor(rows: BlobRows) {
    this.rows = rows;
  }

  abstract open(digest: Digest): Promise<BlobReader>;
  abstract writer(options: WriterOptions): Promise<ReadableWriter>;
  abstract status(ref: string): Promise<IngestStatus>;
  abstract abort(ref: string): Promise<void>;

  async info(digest: Digest): Promise<BlobInfo> {
    return this.row(digest, 'cannot find blob');
  }

  async has(digest: Digest): Promise<boolean> {
    return this.rows.get(digest) !== undefined;
  }

  async *walk(filters: readonly string[] = []): AsyncIterable<BlobInfo> {
    yield* filtered(this.rows.list(), filters, blobField);
  }

  async statuses(filters: readonly string[] = []): Promise<readonly IngestStatus[]> {
    const ordered = [...(await this.ingests())].sort((a, b) => (a.ref < b.ref ? -1 : 1));
    return filtered(ordered, filters, ingestField);
  }

  async update(digest: Digest, labels: Labels, fieldPaths: readonly string[]): Promise<BlobInfo> {
    const what = `cannot label blob ${digest}`;
    const row = await this.rows.change(parseDigest(digest), (old) => ({
      ...old,
      labels: updateLabels(old.labels, labels, fieldPaths, what),
      updated: timeNow(),
    }));
    if (row === undefined) throw unnamed(what);
    return row;
  }

  async delete(digest: Digest, lease?: string): Promise<void> {
    if (!(await this.rows.remove(parseDigest(digest), lease))) throw unnamed(`cannot remove blob ${digest}`);
  }

  async discard(digest: Digest, lease?: string): Promise<void> {
    await this.rows.remove(digest, lease);
    await this.dropUnnamed(digest);
  }

  read(digest: Digest, limit?: number): Promise<Uint8Array> {
    return readWhole(this, digest, limit);
  }

  verify(digest: Digest): Promise<void> {
    return verifyWhole(this, digest);
  }

  put(ref: string, bytes: Uint8Array, labels: Labels = {}): Promise<BlobInfo> {
    return this.#puts.put(ref, bytes, labels);
  }

  /** All of the namespace, in any order. */
  protected abstract ingests(): Promise<readonly IngestStatus[]>;
  /** Removes the bytes of a blob that no namespace names. */
  protected abstract dropUnnamed(digest: Digest): Promise<void>;

  protected row(digest: Digest, verb: string): BlobInfo {
    const row = this.rows.get(parseDigest(digest));
    if (row !== undefined) return row;
    throw unnamed(`${verb} ${digest}`);
  }

  /** Refuses a bad ref, a bad digest, and one that this namespace has. */
  protected assertWanted({ ref, expected }: WriterOptions): void {
    assertRef(ref);
    if (expected === undefined) return;
    if (this.rows.get(parseDigest(expected)) !== undefined) {
      throw alreadyExists(`cannot write ingest ${ref}`, expected);
    }
  }
}

/** invalid-argument unless `ref` may name an ingest. */
export function assertRef(ref: string): void {
  if (ref === '') throw new StoreError('invalid-argument', 'cannot use an ingest', 'its ref is empty');
  if (ref.length <= REF_MAX) return;
  throw new StoreError(
    'invalid-argument',
    `cannot use ingest ${ref.slice(0, 40)}…`,
    `a ref has at most ${REF_MAX} characters`,
  );
}

/**
 * The row of the blob that `writer` is about to publish. failed-precondition if digest or size are not those that
 * the writer or the commit were told (a total of 0 says nothing), invalid-argument for bad labels.
 */
export function finishedRow(writer: ContentWriter, told: WriterOptions, options: CommitOptions): BlobInfo {
  const what = `cannot commit ingest ${writer.ref}`;
  const labels = options.labels ?? {};
  assertLabels(labels, what);
  const size = options.size ?? (told.total === 0 ? undefined : told.total);
  if (size !== undefined && size !== writer.offset) {
    throw new StoreError('failed-precondition', what, `it has ${writer.offset} bytes, not ${size}`);
  }
  const digest = writer.digest();
  const expected = options.expected ?? told.expected;
  if (expected !== undefined && expected !== digest) {
    throw new StoreError('failed-precondition', what, `its digest is ${digest}, not ${expected}`);
  }
  const now = timeNow();
  return { digest, size: writer.offset, created: now, updated: now, labels: keptLabels(labels) };
}

function unnamed(what: string): StoreError {
  return new StoreError('not-found', what, 'there is none in this namespace');
}

export function alreadyExists(what: string, digest: Digest): StoreError {
  return new StoreError('already-exists', what, `the blob ${digest} is in this namespace already`);
}

export function beingWritten(what: string): StoreError {
  return new StoreError('unavailable', what, 'it is being written by somebody else', {
    hint: 'wait for that writer to end',
  });
}

export function writerEnded(ref: string): StoreError {
  return new StoreError('failed-precondition', `cannot write ingest ${ref}`, 'its writer has ended');
}

/** out-of-range unless `size` is a number of bytes that the writer has. */
export function assertCut(writer: ContentWriter, size: number): void {
  if (Number.isSafeInteger(size) && size >= 0 && size <= writer.offset) return;
  const what = `cannot cut ingest ${writer.ref} to ${size} bytes`;
  throw new StoreError('out-of-range', what, `it has ${writer.offset}`);
}

/**
 * Brings a writer to where bytes are to go on, by containerd's rule for a message of its Write: 0 begins again, and
 * any other offset must be where the bytes end (out-of-range).
 */
export async function goOnAt(writer: ContentWriter, offset: number): Promise<void> {
  if (offset === writer.offset) return;
  if (offset === 0) return writer.truncate(0);
  const what = `cannot write ingest ${writer.ref} at ${offset}`;
  throw new StoreError('out-of-range', what, `it has ${writer.offset} bytes`);
}

/** What is known of an ingest that `told` speaks of, when its folder or an earlier writer said `known` before. */
export function onTheWayElsewhere(
  known: Pick<WriterOptions, 'expected' | 'total'>,
  told: Pick<WriterOptions, 'expected' | 'total'>,
): boolean {
  const differ = <T>(a: T | undefined, b: T | undefined) => a !== undefined && b !== undefined && a !== b;
  return differ(known.expected, told.expected) || differ(known.total || undefined, told.total || undefined);
}

export function noIngest(what: string): StoreError {
  return new StoreError('not-found', what, 'there is none');
}
