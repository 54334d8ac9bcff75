// The files of an image archive, by name and at any offset, whether they lie in a folder or in a tar. The headers of a
// tar are read first to learn where each member lies, because the member that says what the others are may come
// last; a compressed one, or one from a pipe, is written out to a temporary file first, whose name is removed at
// once so that nothing is left behind however the program ends.

import { constants, createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asStoreError, hasCode } from '../content/system-error.js';
import { compressionOf, decompress } from '../diff/compression.js';
import { StoreError } from '../errors.js';
import { about, assertGoesOn } from './failure.js';
import { indexTar, type TarMember } from './tar-index.js';

export interface Members {
  /** Size in bytes of the file at `path` (as archives name it: `blobs/sha256/…`); undefined if there is none. */
  size(path: string): Promise<number | undefined>;
  /** Its bytes from `offset` on. not-found if there is no such file. */
  stream(path: string, offset?: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Where a compressed archive is unwrapped; the system's folder for temporary files by default. */
  readonly tempFolder?: string;
  /** What `-` reads. */
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}

const CHUNK = 1024 * 1024;

/** Opens the archive or folder `source`, `-` for the standard input; `what` begins the errors. */
export async function openMembers(source: string, what: string, options: OpenOptions = {}): Promise<Members> {
  if (source === '-') return spool(options.stdin ?? process.stdin, what, options);
  const file = await openSource(source, what);
  try {
    const stat = await file.stat();
    if (stat.isDirectory()) {
      await file.close();
      return new FolderMembers(source);
    }
    if (!stat.isFile()) return await spool(streamOf(file, 0, Number.POSITIVE_INFINITY), what, options, file);
    if (await isCompressed(file)) return await spool(streamOf(file, 0, stat.size), what, options, file);
    const members = await indexTar(file, stat.size, what, options.signal);
    return new TarMembers(file, members);
  } catch (error) {
    await file.close();
    throw about(what, asStoreError(error, what));
  }
}

/** The bytes of a file, or of the standard input for `-`, as they are. */
export async function* readSource(
  source: string,
  what: string,
  options: OpenOptions = {},
): AsyncIterable<Uint8Array> {
  if (source === '-') {
    yield* options.stdin ?? process.stdin;
    return;
  }
  const file = await openSource(source, what);
  try {
    yield* streamOf(file, 0, Number.POSITIVE_INFINITY);
  } finally {
    await file.close();
  }
}

class FolderMembers implements Members {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async size(path: string): Promise<number | undefined> {
    const file = await open(join(this.#folder, path)).catch(absent);
    if (file === undefined) return undefined;
    try {
      const stat = await file.stat();
      return stat.isFile() ? stat.size : undefined;
    } finally {
      await file.close();
    }
  }

  stream(path: string, offset = 0): AsyncIterable<Uint8Array> {
    return createReadStream(join(this.#folder, path), { start: offset, highWaterMark: CHUNK });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class TarMembers implements Members {
  readonly #file: FileHandle;
  readonly #members: ReadonlyMap<string, TarMember>;

  constructor(file: FileHandle, members: ReadonlyMap<string, TarMember>) {
    this.#file = file;
    this.#members = members;
  }

  async size(path: string): Promise<number | undefined> {
    return this.#members.get(path)?.size;
  }

  stream(path: string, offset = 0): AsyncIterable<Uint8Array> {
    const member = this.#members.get(path);
    if (member === undefined)
      throw new StoreError('not-found', `cannot read ${path}`, 'the archive has no such file');
    return streamOf(this.#file, member.offset + offset, member.size - offset);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function openSource(source: string, what: string): Promise<FileHandle> {
  try {
    return await open(source, constants.O_RDONLY);
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) {
      throw new StoreError('not-found', what, 'no such file or folder', { cause: error });
    }
    throw asStoreError(error, what);
  }
}

/** Unwraps `from` into a file without a name and indexes that. `source` is closed when it was read. */
async function spool(
  from: AsyncIterable<Uint8Array>,
  what: string,
  options: OpenOptions,
  source?: FileHandle,
): Promise<Members> {
  const folder = await mkdtemp(join(options.tempFolder ?? tmpdir(), 'mica-import-'));
  let file: FileHandle;
  try {
    file = await open(join(folder, 'archive'), 'wx+', 0o600);
  } finally {
    await rm(folder, { recursive: true });
  }
  try {
    let size = 0;
    for await (const chunk of decompress(from)) {
      assertGoesOn(options.signal, what);
      await file.writeFile(chunk);
      size += chunk.length;
    }
    const members = await indexTar(file, size, what, options.signal);
    await source?.close();
    return new TarMembers(file, members);
  } catch (error) {
    await file.close();
    throw about(what, asStoreError(error, what));
  }
}

async function* streamOf(file: FileHandle, start: number, length: number): AsyncIterable<Uint8Array> {
  const end = start + length;
  for (let at = start; at < end; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
    // A pipe has no offsets.
    const position = Number.isFinite(end) ? at : null;
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

async function isCompressed(file: FileHandle): Promise<boolean> {
  const head = Buffer.alloc(6);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  return compressionOf(head.subarray(0, bytesRead)) !== 'none';
}

function absent(error: unknown): undefined {
  if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined;
  throw error;
}
