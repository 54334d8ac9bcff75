// Takes blobs from a source into the content store, verified, under a ref made of the digest: whoever imports the
// same blob again after a crash goes on where the bytes ended. Remembers what it added, so that an import that
// fails later takes it out again.

import type { Content, ContentWriter } from '../content/content.js';
import type { Digest } from '../digest.js';
import { type ErrorKind, isKind, StoreError } from '../errors.js';
import type { Labels } from '../labels.js';
import type { Descriptor } from '../metadata/rows.js';
import type { WorkLease } from './at-work.js';
import { assertGoesOn } from './failure.js';
import type { OnProgress } from './images.js';
import type { SourceBlob } from './source.js';

export interface IngestOptions {
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Ingest {
  readonly #content: Content;
  readonly #what: string;
  readonly #options: IngestOptions;
  /** In the order in which they were added. */
  readonly #added: Digest[] = [];
  /** Blobs whose bytes are complete, on their way to the disk. */
  readonly #finishing = new Map<Digest, Promise<void>>();

  /** `what` begins the errors. */
  constructor(content: Content, what: string, options: IngestOptions = {}) {
    this.#content = content;
    this.#what = what;
    this.#options = options;
  }

  /** A blob that is in memory, verified already. One that is there keeps the labels that it has. */
  async put(descriptor: Descriptor, bytes: Uint8Array, labels: Labels = {}): Promise<void> {
    if (await this.#isStored(descriptor.digest)) return;
    await this.#content.put(refOf(descriptor.digest), bytes, labels);
    this.#added.push(descriptor.digest);
  }

  /** corrupt if the source does not have a blob of this size; nothing is read. */
  async check({ digest, size }: Descriptor, blob: SourceBlob | undefined, part: string): Promise<void> {
    if (blob?.size === size || (await this.#content.has(digest))) return;
    const why =
      blob === undefined
        ? `${part} ${digest} is missing`
        : `${part} ${digest} has ${blob.size} bytes instead of ${size}`;
    throw new StoreError('corrupt', this.#what, why);
  }

  /** corrupt if the source does not have the blob, or other bytes than its digest says. */
  async copy(descriptor: Descriptor, blob: SourceBlob | undefined, part: string): Promise<void> {
    if (await this.#isThere(descriptor)) return;
    for await (const _ of this.#take(descriptor, blob, part, false));
    await this.#finishing.get(descriptor.digest);
  }

  /**
   * As `copy`, and hands the bytes on as they are stored, so that they are read once. They are verified when they have
   * come to their end, and durable when `finish` returns.
   */
  async *pass(
    descriptor: Descriptor,
    blob: SourceBlob | undefined,
    part: string,
  ): AsyncGenerator<Uint8Array, void> {
    if (await this.#isThere(descriptor)) yield* stored(this.#content, descriptor.digest);
    else yield* this.#take(descriptor, blob, part, true);
  }

  /** Waits for blobs that are on their way to the disk. */
  async finish(): Promise<void> {
    for (const done of [...this.#finishing.values()]) await done;
  }

  /** Removes what was added, newest first, but for what others need by now, or are going to: their leases say so. */
  async undo(needed: ReadonlySet<Digest>, lease: WorkLease): Promise<void> {
    await Promise.allSettled(this.#finishing.values());
    for (const digest of this.#added.reverse()) {
      if (!needed.has(digest)) await this.#content.discard(digest, lease.id);
    }
    this.#added.length = 0;
  }

  /** undefined if somebody else has finished the blob in the meantime. */
  async #openWriter(digest: Digest, size: number): Promise<ContentWriter | undefined> {
    const options = { expected: digest, total: size };
    try {
      return await unlessThere(this.#content.writer({ ref: refOf(digest), ...options }));
    } catch (error) {
      if (!isKind(error, 'unavailable')) throw error;
      // Another process is writing the same blob. Both finish, and the second finds it there: now, or at its end.
      const own = `${refOf(digest)}-${process.pid}-${Math.random().toString(36).slice(2)}`;
      return unlessThere(this.#content.writer({ ref: own, ...options }));
    }
  }

  async #isThere({ digest, size }: Descriptor): Promise<boolean> {
    await this.#finishing.get(digest);
    if (!(await this.#isStored(digest))) return false;
    this.#options.onProgress?.({ phase: 'skip', id: digest, done: size, total: size });
    return true;
  }

  /** True if the blob is there. An ingest beside it was left by a process that was killed when the blob had its name. */
  async #isStored(digest: Digest): Promise<boolean> {
    if (!(await this.#content.has(digest))) return false;
    // Who writes it just now keeps it.
    await this.#content.abort(refOf(digest)).catch(ignoring('not-found', 'unavailable'));
    return true;
  }

  /** Stores a blob and, if `whole`, yields all of its bytes. Only what was called off leaves a part to go on with. */
  async *#take(
    descriptor: Descriptor,
    blob: SourceBlob | undefined,
    part: string,
    whole: boolean,
  ): AsyncGenerator<Uint8Array, void> {
    await this.check(descriptor, blob, part);
    const { digest, size } = descriptor;
    const writer = blob === undefined ? undefined : await this.#openWriter(digest, size);
    if (blob === undefined || writer === undefined) {
      if (whole) yield* stored(this.#content, digest);
      return;
    }
    let filled = false;
    try {
      yield* this.#fill(writer, descriptor, blob, part, whole);
      filled = true;
    } finally {
      if (!filled) {
        await writer.close();
        if (this.#options.signal?.aborted !== true) await this.#abort(writer.ref);
      }
    }
    this.#finishing.set(digest, this.#commit(writer, descriptor));
    // Whoever never asks is not to be killed by it.
    this.#finishing.get(digest)?.catch(() => undefined);
  }

  async *#fill(
    writer: ContentWriter,
    descriptor: Descriptor,
    blob: SourceBlob,
    part: string,
    whole: boolean,
  ): AsyncGenerator<Uint8Array, void> {
    const { digest, size } = descriptor;
    if (writer.offset > size) await writer.truncate(0);
    const resumed = writer.offset > 0;
    let at = whole ? 0 : writer.offset;
    for await (const chunk of blob.stream(at)) {
      assertGoesOn(this.#options.signal, this.#what);
      const missing = chunk.subarray(Math.max(0, writer.offset - at));
      at += chunk.length;
      if (missing.length > 0) {
        await writer.write(missing);
        this.#options.onProgress?.({ phase: 'blob', id: digest, done: writer.offset, total: size });
      }
      if (whole) yield chunk;
    }
    const actual = writer.digest();
    if (actual === digest && writer.offset === size) return;
    if (!resumed) throw new StoreError('corrupt', this.#what, `${part} ${digest} has the digest ${actual}`);
    // What an earlier try left may be from a damaged source: once more from the beginning.
    await writer.truncate(0);
    yield* this.#fill(writer, descriptor, blob, part, false);
  }

  async #commit(writer: ContentWriter, { digest, size }: Descriptor): Promise<void> {
    try {
      await writer.commit({ expected: digest, size });
      this.#added.push(digest);
    } catch (error) {
      if (isKind(error, 'already-exists')) return;
      await writer.close();
      await this.#abort(writer.ref);
      throw error;
    }
  }

  async #abort(ref: string): Promise<void> {
    await this.#content.abort(ref).catch(ignoring('not-found'));
  }
}

/** The bytes of a blob of the store. */
export async function* stored(content: Content, digest: Digest): AsyncGenerator<Uint8Array, void> {
  const blob = await content.open(digest);
  try {
    yield* blob.stream();
  } finally {
    await blob.close();
  }
}

async function unlessThere<T>(opening: Promise<T>): Promise<T | undefined> {
  try {
    return await opening;
  } catch (error) {
    if (isKind(error, 'already-exists')) return undefined;
    throw error;
  }
}

function refOf(digest: Digest): string {
  return `import-${digest}`;
}

/** For cleaning up: what is gone already is as it should be. */
function ignoring(...kinds: readonly ErrorKind[]): (error: unknown) => void {
  return (error) => {
    if (!kinds.some((kind) => isKind(error, kind))) throw error;
  };
}
