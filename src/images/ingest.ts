// Takes blobs from a source into the content store, verified, under a ref made of the digest: whoever imports the
// same blob again after a crash goes on where the bytes ended. Remembers what it added, so that an import that
// fails later takes it out again.

import type { Content, ContentWriter } from '../content/content.js';
import type { Digest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import type { Descriptor } from '../metadata/rows.js';
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

  /** `what` begins the errors. */
  constructor(content: Content, what: string, options: IngestOptions = {}) {
    this.#content = content;
    this.#what = what;
    this.#options = options;
  }

  /** A blob that is in memory, verified already. */
  async put(descriptor: Descriptor, bytes: Uint8Array): Promise<void> {
    if (await this.#content.has(descriptor.digest)) return;
    await this.#content.put(refOf(descriptor.digest), bytes);
    this.#added.push(descriptor.digest);
  }

  /** corrupt if the source does not have the blob, or other bytes than its digest says. */
  async copy(descriptor: Descriptor, blob: SourceBlob | undefined, part: string): Promise<void> {
    const { digest, size } = descriptor;
    if (await this.#content.has(digest)) {
      this.#options.onProgress?.({ phase: 'skip', id: digest, done: size, total: size });
      return;
    }
    if (blob === undefined) throw new StoreError('corrupt', this.#what, `${part} ${digest} is missing`);
    if (blob.size !== size) {
      throw new StoreError(
        'corrupt',
        this.#what,
        `${part} ${digest} has ${blob.size} bytes instead of ${size}`,
      );
    }
    const writer = await this.#openWriter(digest, size);
    if (writer === undefined) return;
    try {
      await this.#fill(writer, descriptor, blob, part);
    } catch (error) {
      await writer.close();
      if (!isKind(error, 'canceled')) await this.#abort(writer.ref);
      throw error;
    }
  }

  /** Removes what was added, newest first, but for what others need by now. */
  async undo(needed: ReadonlySet<Digest>): Promise<void> {
    for (const digest of this.#added.reverse()) {
      if (!needed.has(digest)) await this.#content.discard(digest);
    }
    this.#added.length = 0;
  }

  /** undefined if somebody else has finished the blob in the meantime. */
  async #openWriter(digest: Digest, size: number): Promise<ContentWriter | undefined> {
    const options = { expected: digest, total: size };
    try {
      return await this.#content.writer({ ref: refOf(digest), ...options });
    } catch (error) {
      if (isKind(error, 'already-exists')) return undefined;
      if (!isKind(error, 'failed-precondition')) throw error;
      // Another process is writing the same blob. Both finish, and the second finds it there.
      const own = `${refOf(digest)}-${process.pid}-${Math.random().toString(36).slice(2)}`;
      return this.#content.writer({ ref: own, ...options });
    }
  }

  async #fill(writer: ContentWriter, descriptor: Descriptor, blob: SourceBlob, part: string): Promise<void> {
    const { digest, size } = descriptor;
    if (writer.offset > size) await writer.reset();
    const resumed = writer.offset > 0;
    for await (const chunk of blob.stream(writer.offset)) {
      assertGoesOn(this.#options.signal, this.#what);
      await writer.write(chunk);
      this.#options.onProgress?.({ phase: 'blob', id: digest, done: writer.offset, total: size });
    }
    const actual = writer.digest();
    if (actual !== digest || writer.offset !== size) {
      if (resumed) {
        // What an earlier try left may be from a damaged source: once more from the beginning.
        await writer.reset();
        return this.#fill(writer, descriptor, blob, part);
      }
      throw new StoreError('corrupt', this.#what, `${part} ${digest} has the digest ${actual}`);
    }
    try {
      await writer.commit({ expected: digest, size });
      this.#added.push(digest);
    } catch (error) {
      if (!isKind(error, 'already-exists')) throw error;
    }
  }

  async #abort(ref: string): Promise<void> {
    await this.#content.abort(ref).catch(ignoreKind('not-found'));
  }
}

function refOf(digest: Digest): string {
  return `import-${digest}`;
}

/** For cleaning up: what is gone already is as it should be. */
function ignoreKind(kind: 'not-found'): (error: unknown) => void {
  return (error) => {
    if (!isKind(error, kind)) throw error;
  };
}
