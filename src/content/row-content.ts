// What every content store does alike, given the rows of a namespace and a way to the bytes.

import { type Digest, Digester, digestOf, parseDigest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import { filtered } from '../filter.js';
import { blobField, ingestField } from '../filter-fields.js';
import { KeyedLock } from '../keyed-lock.js';
import { assertLabels, keptLabels, type Labels, updateLabels } from '../labels.js';
import { timeNow } from '../time.js';
import type {
  BlobInfo,
  BlobReader,
  BlobRows,
  CommitOptions,
  Content,
  ContentWriter,
  IngestStatus,
  WriterOptions,
} from './content.js';

/** What `read` takes when not told: twice the manifest that every registry must accept. */
const READ_LIMIT = 8 * 1024 * 1024;
/** How often a blob is put that others put, or take away, at the same time. */
const PUT_ATTEMPTS = 5;
/** The most characters of a ref. */
const REF_MAX = 1024;

export abstract class RowContent implements Content {
  protected readonly rows: BlobRows;
  readonly #puts = new KeyedLock();

  constructor(rows: BlobRows) {
    this.rows = rows;
  }

  abstract open(digest: Digest): Promise<BlobReader>;
  abstract writer(options: WriterOptions): Promise<ContentWriter>;
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

  async read(digest: Digest, limit: number = READ_LIMIT): Promise<Uint8Array> {
    const what = `cannot read blob ${digest}`;
    const reader = await this.open(digest);
    try {
      if (reader.size > limit) {
        throw new StoreError('corrupt', what, `it has ${reader.size} bytes; at most ${limit} are expected`);
      }
      const bytes = new Uint8Array(reader.size);
      await reader.readAt(bytes, 0);
      if (digestOf(bytes) !== digest) throw new StoreError('corrupt', what, 'its bytes have another digest');
      return bytes;
    } finally {
      await reader.close();
    }
  }

  async verify(digest: Digest): Promise<void> {
    const reader = await this.open(digest);
    try {
      const digester = new Digester();
      for await (const chunk of reader.stream()) digester.update(chunk);
      if (digester.digest() === digest) return;
      throw new StoreError('corrupt', `cannot verify blob ${digest}`, 'its bytes have another digest');
    } finally {
      await reader.close();
    }
  }

  /** Labels of a blob that exists already are added to, none are taken away. */
  async put(ref: string, bytes: Uint8Array, labels: Labels = {}): Promise<BlobInfo> {
    return this.#puts.run(ref, async () => {
      const digest = digestOf(bytes);
      for (let attempt = 1; ; attempt++) {
        const old = this.rows.get(digest);
        try {
          if (old !== undefined) return await this.#addLabels(old, labels);
          // Whoever else writes the same just now keeps the ref, which is of use to him alone.
          const own = attempt === 1 ? ref : `${ref}-${process.pid}-${Math.random().toString(36).slice(2)}`;
          return await this.#putWhole(own, digest, bytes, labels);
        } catch (error) {
          // Somebody puts it too, was faster, or has just taken it away.
          const races =
            old === undefined ? (['unavailable', 'already-exists'] as const) : (['not-found'] as const);
          if (attempt === PUT_ATTEMPTS || !races.some((kind) => isKind(error, kind))) throw error;
        }
      }
    });
  }

  async #putWhole(ref: string, digest: Digest, bytes: Uint8Array, labels: Labels): Promise<BlobInfo> {
    const writer = await this.writer({ ref, expected: digest, total: bytes.length });
    try {
      // What an earlier writer left under this ref may be anything; a blob shared by another namespace is whole.
      if (writer.digest() !== digest) {
        if (writer.offset > 0) await writer.truncate(0);
        await writer.write(bytes);
      }
      return await writer.commit({ labels });
    } finally {
      await writer.close();
    }
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

  async #addLabels(old: BlobInfo, labels: Labels): Promise<BlobInfo> {
    const paths = Object.keys(labels).filter((key) => old.labels[key] !== labels[key]);
    if (paths.length === 0) return old;
    return this.update(
      old.digest,
      labels,
      paths.map((key) => `labels.${key}`),
    );
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
