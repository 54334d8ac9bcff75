// Blobs on their way from a repository into the content store, several at a time, and their bytes for whoever unpacks
// them meanwhile: a reader follows the file of the ingest as it grows, so that neither waits for the other. A blob is
// stored under a ref made of its digest: what is cut short is gone on with by the next pull, and a blob that another
// process is fetching is waited for.

import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobReader, ReadableWriter, StoreContent } from '../content/content.js';
import type { Digest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import type { WorkLease } from '../images/at-work.js';
import { assertGoesOn } from '../images/failure.js';
import type { OnProgress } from '../images/images.js';
import type { Labels } from '../labels.js';
import type { Descriptor } from '../metadata/rows.js';
import { blobStream } from './blob-stream.js';
import type { Repository } from './repository.js';

export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Aborts the signal: one of the blobs will not come. */
  readonly stop: () => void;
  readonly onProgress?: OnProgress | undefined;
  /** Blobs at a time. */
  readonly parallel: number;
  /** Of the blobs that are stored. */
  readonly labels: Labels;
}

const CHUNK = 1 << 20;
const POLL_MS = 100;
/** How long another process may stand still before the blob is fetched beside it. */
const STALLED_MS = 20_000;

interface Download {
  readonly descriptor: Descriptor;
  /** Bytes that may be read. */
  written: number;
  /** Undefined until there is something to read. */
  reader: BlobReader | undefined;
  /** All bytes are there, and have the digest. */
  whole: boolean;
  failure: { readonly error: unknown } | undefined;
  /** Called at each change of the above. */
  wake: Set<() => void>;
}

export class Downloads {
  readonly #content: StoreContent;
  readonly #from: Repository;
  readonly #options: DownloadOptions;
  readonly #downloads = new Map<Digest, Download>();
  readonly #added: Digest[] = [];

  /** Each blob once, in this order. */
  constructor(
    content: StoreContent,
    from: Repository,
    blobs: readonly Descriptor[],
    options: DownloadOptions,
  ) {
    this.#content = content;
    this.#from = from;
    this.#options = options;
    for (const descriptor of blobs) {
      const fresh = {
        written: 0,
        reader: undefined,
        whole: false,
        failure: undefined,
        wake: new Set<() => void>(),
      };
      this.#downloads.set(descriptor.digest, { descriptor, ...fresh });
    }
  }

  /** Fetches all. When this returns nothing goes on; the first failure is thrown. */
  async run(): Promise<void> {
    const queue = [...this.#downloads.values()];
    let failure: { readonly error: unknown } | undefined;
    const work = async (): Promise<void> => {
      for (let download = queue.shift(); download !== undefined; download = queue.shift()) {
        try {
          await this.#fetch(download);
        } catch (error) {
          failure ??= { error };
          // Nobody waits for a blob that will not come.
          for (const left of [download, ...queue.splice(0)]) this.#giveUp(left, failure.error);
          this.#options.stop();
        }
      }
    };
    await Promise.all(Array.from({ length: this.#options.parallel }, work));
    if (failure !== undefined) throw failure.error;
  }

  /** The bytes of a blob as they come. The end is reached only if they have the digest. */
  async *follow(digest: Digest): AsyncGenerator<Uint8Array, void> {
    const download = this.#downloads.get(digest);
    if (download === undefined) throw new Error(`${digest} is not being fetched`);
    const { size } = download.descriptor;
    for (let at = 0; at < size; ) {
      await until(download, () => download.reader !== undefined && download.written > at);
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, download.written - at));
      const count = (await download.reader?.readAt(chunk, at)) ?? 0;
      if (count === 0) throw new StoreError('failed', this.#from.what, `the bytes of ${digest} went away`);
      at += count;
      yield chunk.subarray(0, count);
    }
    await until(download, () => download.whole);
  }

  /** Lets go of the files, when `run` has returned and nobody follows any more. */
  async close(): Promise<void> {
    for (const download of this.#downloads.values()) await download.reader?.close();
  }

  /**
   * Takes the names of the blobs back, but for what others need by now, or are going to: their leases say so. Their bytes stay until they are collected,
   * for the next try.
   */
  async undo(needed: ReadonlySet<Digest>, lease: WorkLease): Promise<void> {
    for (const digest of this.#added.splice(0)) {
      if (needed.has(digest)) continue;
      try {
        await this.#content.delete(digest, lease.id);
      } catch (error) {
        if (!isKind(error, 'not-found')) throw error;
      }
    }
  }

  #giveUp(download: Download, error: unknown): void {
    download.failure = { error };
    changed(download);
  }

  async #fetch(download: Download): Promise<void> {
    const { digest, size } = download.descriptor;
    const writer = await this.#openWriter(download.descriptor);
    if (writer === undefined) {
      this.#options.onProgress?.({ phase: 'skip', id: digest, done: size, total: size });
      download.reader = await this.#content.open(digest);
      if (download.reader.size !== size) throw this.#corrupt(download, `${download.reader.size} bytes`);
      return this.#finish(download);
    }
    try {
      await this.#fill(download, writer);
    } catch (error) {
      await writer.close();
      if (isKind(error, 'corrupt')) await this.#content.abort(writer.ref);
      throw error;
    }
    this.#finish(download);
    try {
      await writer.commit({ expected: digest, size, labels: this.#options.labels });
      this.#added.push(digest);
    } catch (error) {
      if (!isKind(error, 'already-exists')) throw error;
    }
  }

  async #fill(download: Download, writer: ReadableWriter): Promise<void> {
    const { descriptor } = download;
    const { digest, size } = descriptor;
    if (writer.offset > size) await writer.truncate(0);
    const resumed = writer.offset > 0;
    // What an earlier pull left is handed on when all of it is known to be right.
    if (!resumed) download.reader = await writer.reader();
    for await (const chunk of blobStream(this.#from, descriptor, writer.offset)) {
      assertGoesOn(this.#options.signal, this.#from.what);
      await writer.write(chunk);
      download.written = writer.offset;
      changed(download);
      this.#options.onProgress?.({ phase: 'blob', id: digest, done: writer.offset, total: size });
    }
    if (writer.digest() === digest) {
      download.reader ??= await writer.reader();
      return;
    }
    if (!resumed) throw this.#corrupt(download, `the digest ${writer.digest()}`);
    await writer.truncate(0);
    await this.#fill(download, writer);
  }

  #corrupt({ descriptor }: Download, has: string): StoreError {
    return new StoreError('corrupt', this.#from.what, `${descriptor.digest} has ${has}`);
  }

  #finish(download: Download): void {
    download.written = download.descriptor.size;
    download.whole = true;
    changed(download);
  }

  /** undefined if the blob is there. */
  async #openWriter({ digest, size }: Descriptor): Promise<ReadableWriter | undefined> {
    const { signal } = this.#options;
    const options = { ref: refOf(digest), expected: digest, total: size };
    let seen = -1;
    let movedMs = performance.now();
    for (;;) {
      assertGoesOn(signal, this.#from.what);
      try {
        return await this.#content.writer(options);
      } catch (error) {
        if (isKind(error, 'already-exists')) {
          await this.#dropLeft(options.ref);
          return undefined;
        }
        if (!isKind(error, 'unavailable')) throw error;
      }
      const offset = await this.#offsetOf(options.ref);
      if (offset !== seen) movedMs = performance.now();
      seen = offset;
      if (performance.now() - movedMs > STALLED_MS) {
        return this.#content.writer({
          ...options,
          ref: `${options.ref}-${process.pid}-${process.hrtime.bigint()}`,
        });
      }
      await sleep(POLL_MS * (0.5 + Math.random()));
    }
  }

  /** An ingest beside its blob was left by a process that was killed when the blob had its name. */
  async #dropLeft(ref: string): Promise<void> {
    try {
      await this.#content.abort(ref);
    } catch (error) {
      if (!isKind(error, 'not-found') && !isKind(error, 'unavailable')) throw error;
    }
  }

  async #offsetOf(ref: string): Promise<number> {
    try {
      return (await this.#content.status(ref)).offset;
    } catch (error) {
      if (isKind(error, 'not-found')) return -1;
      throw error;
    }
  }
}

/** The refs of imports, so that either goes on with what the other began. */
function refOf(digest: Digest): string {
  return `import-${digest}`;
}

function changed(download: Download): void {
  const waiting = [...download.wake];
  download.wake.clear();
  for (const wake of waiting) wake();
}

/** Waits until `condition` holds; throws if the download has failed before that. */
async function until(download: Download, condition: () => boolean): Promise<void> {
  while (!condition()) {
    if (download.failure !== undefined) throw download.failure.error;
    await new Promise<void>((resolve) => download.wake.add(resolve));
  }
}
