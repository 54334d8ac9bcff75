// The writers of content on disk. Publishing goes: sync the bytes, take write permission away, give them their digest
// as a second name, sync the folder, commit the row, remove the ingest. Killed between any two of these, the store has
// either the blob or an ingest that can be resumed; a file that no row names is shared by whoever expects its digest
// next. A collection may take that name away as long as there is no row: the ingest keeps the bytes under a name of its
// own until then, and the transaction that puts the row gives the digest back to them.

import { closeSync, existsSync, fsyncSync, linkSync, openSync } from 'node:fs';
import { chmod, type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sys } from '../../fs/index.js';
import { type Digest, Digester } from '../digest.js';
import { StoreError } from '../errors.js';
import { timeNow } from '../time.js';
import { CHUNK, FileReader } from './blob-file.js';
import type {
  BlobInfo,
  BlobReader,
  BlobRows,
  CommitOptions,
  IngestStatus,
  ReadableWriter,
  WriterOptions,
} from './content.js';
import { type LockedIngest, removeIngest } from './ingest.js';
import { alreadyExists, assertCut, finishedRow, writerEnded } from './row-content.js';
import { asStoreError, hasCode } from './system-error.js';

/** Bytes of a blob that are sent to the disk in one go. */
const SENT_AT_A_TIME = 8 << 20;

/** What the writers need of their store. */
export interface Shelf {
  readonly rows: BlobRows;
  blobPath(digest: Digest): string;
}

abstract class LocalWriter implements ReadableWriter {
  readonly ref: string;
  protected readonly shelf: Shelf;
  protected readonly ingest: LockedIngest;
  protected readonly options: WriterOptions;
  #ended = false;

  constructor(shelf: Shelf, ingest: LockedIngest, options: WriterOptions) {
    this.ref = options.ref;
    this.shelf = shelf;
    this.ingest = ingest;
    this.options = options;
  }

  abstract readonly offset: number;
  abstract status(): IngestStatus;
  abstract write(chunk: Uint8Array): Promise<void>;
  abstract truncate(size: number): Promise<void>;
  abstract digest(): Digest;
  abstract reader(): Promise<BlobReader>;
  /** Makes the blob's file stand under its digest, whole and durable. */
  protected abstract publish(digest: Digest): Promise<void>;
  protected abstract closeFile(): Promise<void>;

  async commit(options: CommitOptions = {}): Promise<BlobInfo> {
    const what = `cannot commit ingest ${this.ref}`;
    this.assertOpen();
    try {
      const row = finishedRow(this, this.options, options);
      const known = this.shelf.rows.get(row.digest) !== undefined;
      if (!known) await this.publish(row.digest);
      await this.closeFile();
      // Another process may have published the same bytes meanwhile.
      const added =
        !known &&
        (await this.shelf.rows.add(row, () => {
          if (existsSync(this.shelf.blobPath(row.digest))) return;
          // Whoever shared these bytes has taken them back (Content.discard), or a collection found no row yet.
          if (!putBack(this.ingest, this.shelf.blobPath(row.digest))) throw takenAway(what);
        }));
      await removeIngest(this.ingest);
      if (!added) throw alreadyExists(what, row.digest);
      return row;
    } catch (error) {
      throw asStoreError(error, what);
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.closeFile();
    this.ingest.lock.release();
  }

  protected assertOpen(): void {
    if (this.#ended) throw writerEnded(this.ref);
  }
}

/** Writes the ingest's own bytes. */
export class IngestWriter extends LocalWriter {
  readonly #file: FileHandle;
  #digester: Digester;
  /** Bytes that are on their way to the disk. */
  #sent: number;
  #updatedAt: string;
  #closed = false;

  private constructor(
    shelf: Shelf,
    ingest: LockedIngest,
    options: WriterOptions,
    file: FileHandle,
    digester: Digester,
  ) {
    super(shelf, ingest, options);
    this.#file = file;
    this.#digester = digester;
    this.#sent = digester.size;
    this.#updatedAt = ingest.status.updatedAt;
  }

  /** Goes on where the ingest's bytes end: they are read and hashed again. */
  static async open(shelf: Shelf, ingest: LockedIngest, options: WriterOptions): Promise<IngestWriter> {
    const file = await openData(dataPath(ingest));
    try {
      return new IngestWriter(shelf, ingest, options, file, await hashSoFar(file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get offset(): number {
    return this.#digester.size;
  }

  digest(): Digest {
    return this.#digester.digest();
  }

  async reader(): Promise<BlobReader> {
    this.assertOpen();
    // Opened by itself: the name goes when the blob is published, the file stays.
    return FileReader.open(dataPath(this.ingest), undefined, `cannot read ingest ${this.ref}`);
  }

  status(): IngestStatus {
    return { ...this.ingest.status, offset: this.offset, updatedAt: this.#updatedAt };
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.assertOpen();
    try {
      for (let done = 0; done < chunk.length; ) {
        const { bytesWritten } = await this.#file.write(chunk, done);
        // Hashed as far as it got, so that offset and digest stay those of the file when the disk is full.
        this.#digester.update(chunk.subarray(done, done + bytesWritten));
        done += bytesWritten;
      }
      this.#updatedAt = timeNow();
      this.#sendLarge();
    } catch (error) {
      throw asStoreError(error, `cannot write ingest ${this.ref}`);
    }
  }

  /** The sync at the end then finds most of it on the disk. */
  #sendLarge(): void {
    const unsent = this.offset - this.#sent;
    if (unsent < SENT_AT_A_TIME || process.platform !== 'linux') return;
    sys.beginSync(this.#file.fd, this.#sent, unsent);
    this.#sent = this.offset;
  }

  async truncate(size: number): Promise<void> {
    this.assertOpen();
    assertCut(this, size);
    await this.#file.truncate(size);
    this.#sent = Math.min(this.#sent, size);
    // A digest cannot be taken back by a part of its bytes.
    this.#digester = size === 0 ? new Digester() : await hashSoFar(this.#file);
    this.#updatedAt = timeNow();
  }

  protected async publish(digest: Digest): Promise<void> {
    await this.#file.sync();
    await this.#file.chmod(0o444);
    const path = this.shelf.blobPath(digest);
    await this.#moveTo(path);
    await syncFolder(dirname(path));
  }

  /** Over whatever stands there: a file without a row may be damaged, and these bytes are verified. */
  async #moveTo(path: string): Promise<void> {
    const data = dataPath(this.ingest);
    const own = wholePath(this.ingest);
    await rm(own, { force: true });
    try {
      await link(data, own);
    } catch (error) {
      // A filesystem without links: a collection in this moment makes the commit fail.
      if (!LINKLESS.some((code) => hasCode(error, code))) throw error;
    }
    await rename(data, path);
  }

  async closeFile(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }
}

/**
 * The expected bytes lie on disk already, whole and verified, because another namespace names them. The ingest has
 * them under a name of its own, so they stay whatever that namespace does. Whoever goes on to write all the same gets
 * a copy of them first.
 */
export class SharedWriter extends LocalWriter {
  readonly #digest: Digest;
  readonly #size: number;
  #own: IngestWriter | undefined;

  constructor(shelf: Shelf, ingest: LockedIngest, options: WriterOptions, digest: Digest, size: number) {
    super(shelf, ingest, options);
    this.#digest = digest;
    this.#size = size;
  }

  get offset(): number {
    return this.#own?.offset ?? this.#size;
  }

  digest(): Digest {
    return this.#own?.digest() ?? this.#digest;
  }

  async reader(): Promise<BlobReader> {
    this.assertOpen();
    if (this.#own !== undefined) return this.#own.reader();
    return FileReader.open(this.shelf.blobPath(this.#digest), this.#size, `cannot read ingest ${this.ref}`);
  }

  status(): IngestStatus {
    return this.#own?.status() ?? { ...this.ingest.status, offset: this.#size, total: this.#size };
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.assertOpen();
    if (chunk.length === 0) return;
    // What goes beyond the expected blob is another one: commit says which.
    this.#own ??= await this.#copied(this.#size, { ref: this.ref });
    await this.#own.write(chunk);
  }

  async truncate(size: number): Promise<void> {
    this.assertOpen();
    assertCut(this, size);
    if (this.#own === undefined) this.#own = await this.#copied(size, this.options);
    else await this.#own.truncate(size);
  }

  async #copied(size: number, told: WriterOptions): Promise<IngestWriter> {
    const own = await IngestWriter.open(this.shelf, this.ingest, told);
    try {
      await own.truncate(0);
      const what = `cannot read blob ${this.#digest}`;
      const blob = await FileReader.open(wholePath(this.ingest), this.#size, what);
      try {
        for await (const chunk of blob.stream(0, size)) await own.write(chunk);
      } finally {
        await blob.close();
      }
      return own;
    } catch (error) {
      await own.closeFile();
      throw asStoreError(error, `cannot write ingest ${this.ref}`);
    }
  }

  override async commit(options: CommitOptions = {}): Promise<BlobInfo> {
    return this.#own === undefined ? super.commit(options) : this.#own.commit(options);
  }

  protected async publish(): Promise<void> {
    // It stands there: the row alone is missing.
  }

  protected async closeFile(): Promise<void> {
    await this.#own?.close();
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What link(2) says where two names for one file cannot be. */
export const LINKLESS: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'];

function dataPath(ingest: LockedIngest): string {
  return join(ingest.folder, 'data');
}

/** The finished bytes of an ingest under a name of its own. */
export function wholePath(ingest: Pick<LockedIngest, 'folder'>): string {
  return join(ingest.folder, 'whole');
}

/** Gives the finished bytes of an ingest their digest again. False if it does not have them. */
function putBack(ingest: LockedIngest, path: string): boolean {
  try {
    linkSync(wholePath(ingest), path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
  return true;
}

function takenAway(what: string): StoreError {
  return new StoreError('failed', what, 'its bytes were taken away meanwhile', { hint: 'try again' });
}

/** Readable and writable, made if missing, never emptied. */
async function openData(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a+');
  } catch (error) {
    if (!hasCode(error, 'EACCES')) throw error;
    // Its last writer was killed when it had taken write permission away, and before the blob had its name.
    await chmod(path, 0o600);
    return open(path, 'a+');
  }
}

async function hashSoFar(file: FileHandle): Promise<Digester> {
  const digester = new Digester();
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, digester.size);
    if (bytesRead === 0) return digester;
    digester.update(buffer.subarray(0, bytesRead));
  }
}
