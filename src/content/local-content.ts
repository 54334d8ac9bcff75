// Content on disk: blobs/sha256/<hex> (mode 0444, never changed) and ingest/<id>/. The bytes are shared by all
// namespaces; which blobs a namespace names stands in the rows that it was given. A namespace's ingests are kept
// apart by `scope`, which begins their refs on disk.

import { rmSync } from 'node:fs';
import { link, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, digestHex, parseDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import { FileReader, hashFile } from './blob-file.js';
import type { BlobReader, BlobRows, IngestStatus, ReadableWriter, WriterOptions } from './content.js';
import { lockFolder } from './folder-lock.js';
import { ingestFolder, type LockedIngest, lockIngest, readStatus, removeIngest } from './ingest.js';
import { IngestWriter, LINKLESS, SharedWriter, type Shelf, syncFolder, wholePath } from './local-writer.js';
import { assertRef, beingWritten, noIngest, RowContent } from './row-content.js';
import { asStoreError, hasCode } from './system-error.js';

export class LocalContent extends RowContent {
  readonly #blobs: string;
  readonly #ingests: string;
  readonly #scope: string;
  readonly #shelf: Shelf;

  /** `scope` is the namespace; two stores of one folder and scope have the same ingests. */
  constructor(folder: string, rows: BlobRows, scope: string) {
    super(rows);
    this.#blobs = join(folder, 'blobs', 'sha256');
    this.#ingests = join(folder, 'ingest');
    this.#scope = `${scope}/`;
    this.#shelf = { rows, blobPath: (digest) => this.#blobPath(digest) };
  }

  async open(digest: Digest): Promise<BlobReader> {
    const what = `cannot read blob ${digest}`;
    const { size } = this.row(digest, 'cannot read blob');
    try {
      return await FileReader.open(this.#blobPath(digest), size, what);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw asStoreError(error, what);
      // not-found if it was removed in this moment.
      this.row(digest, 'cannot read blob');
      throw new StoreError('corrupt', what, 'its file is missing', {
        cause: error,
        hint: `mica content rm ${digest}, then bring it in again`,
      });
    }
  }

  async writer(options: WriterOptions): Promise<ReadableWriter> {
    const what = `cannot write ingest ${options.ref}`;
    this.assertWanted(options);
    try {
      const made = await mkdir(this.#blobs, { recursive: true });
      if (made !== undefined) await this.#syncFrom(made);
      const ingest = await lockIngest(this.#ingests, this.#scope + options.ref, options);
      try {
        return await this.#openWriter(ingest, options);
      } catch (error) {
        ingest.lock.release();
        throw error;
      }
    } catch (error) {
      throw asStoreError(error, what);
    }
  }

  async status(ref: string): Promise<IngestStatus> {
    assertRef(ref);
    const status = await readStatus(this.#folderOf(ref));
    if (status === undefined) throw noIngest(`cannot find ingest ${ref}`);
    return this.#withoutScope(status);
  }

  protected async ingests(): Promise<readonly IngestStatus[]> {
    const found: IngestStatus[] = [];
    for (const name of await namesIn(this.#ingests)) {
      const status = await readStatus(join(this.#ingests, name));
      if (status?.ref.startsWith(this.#scope)) found.push(this.#withoutScope(status));
    }
    return found;
  }

  async abort(ref: string): Promise<void> {
    assertRef(ref);
    const what = `cannot abort ingest ${ref}`;
    const folder = this.#folderOf(ref);
    try {
      const lock = lockFolder(folder);
      if (lock === 'busy') throw beingWritten(what);
      if (lock === 'gone') throw noIngest(what);
      await removeIngest({ folder, lock });
    } catch (error) {
      throw asStoreError(error, what);
    }
  }

  protected async dropUnnamed(digest: Digest): Promise<void> {
    try {
      await this.rows.unlessNamed(digest, () => rmSync(this.#blobPath(digest), { force: true }));
    } catch (error) {
      throw asStoreError(error, `cannot discard blob ${digest}`);
    }
  }

  /** Makes the names of the folders durable from the first one made down to that of the blobs. */
  async #syncFrom(made: string): Promise<void> {
    for (let folder = this.#blobs; folder.length >= made.length; folder = dirname(folder)) {
      await syncFolder(dirname(folder));
    }
  }

  async #openWriter(ingest: LockedIngest, options: WriterOptions): Promise<ReadableWriter> {
    const { expected, total } = options;
    const size =
      expected !== undefined && this.rows.mayShare(expected)
        ? await this.#wholeSize(ingest, expected)
        : undefined;
    // Of another size than the writer expects it is hardly what is meant: commit will tell.
    if (expected === undefined || size === undefined || (total || size) !== size) {
      return IngestWriter.open(this.#shelf, ingest, options);
    }
    return new SharedWriter(this.#shelf, ingest, options, expected, size);
  }

  /**
   * The size of the blob's file, if it is there and sound: what is shared on trust would spread its damage. The ingest
   * then has it under a name of its own.
   */
  async #wholeSize(ingest: LockedIngest, digest: Digest): Promise<number | undefined> {
    const own = wholePath(ingest);
    try {
      await rm(own, { force: true });
      await link(this.#blobPath(digest), own);
      const found = await hashFile(own, `cannot read blob ${digest}`);
      return found.digest === digest ? found.size : undefined;
    } catch (error) {
      // Gone, or on a filesystem without links, where the bytes are sent again.
      if (hasCode(error, 'ENOENT') || LINKLESS.some((code) => hasCode(error, code))) return undefined;
      throw error;
    }
  }

  #withoutScope(status: IngestStatus): IngestStatus {
    return { ...status, ref: status.ref.slice(this.#scope.length) };
  }

  #folderOf(ref: string): string {
    return ingestFolder(this.#ingests, this.#scope + ref);
  }

  #blobPath(digest: Digest): string {
    return join(this.#blobs, digestHex(parseDigest(digest)));
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
