// Where -o FILE goes. A file that is replaced is whole at every moment: the bytes go under a temporary name first. A
// device or a pipe is written to and never replaced, and what could not be written to its end is not left behind.

import { createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { asStoreError, hasCode } from '../content/system-error.js';
import { StoreError } from '../errors.js';

interface ToFile {
  /** Begins the errors. */
  readonly what: string;
  readonly signal: AbortSignal;
  /** Default: a file that is there is replaced. */
  readonly exclusive?: boolean;
  /** Of a new file, before umask; default 0o666. */
  readonly mode?: number;
}

/** already-exists if `exclusive` and there is something, invalid-argument for a folder, not-found without its folder. */
export async function writeToFile(
  file: string,
  bytes: AsyncIterable<Uint8Array>,
  { what, signal, exclusive = false, mode = 0o666 }: ToFile,
): Promise<void> {
  try {
    const found = await stat(file).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined;
      throw error;
    });
    if (found?.isDirectory()) throw new StoreError('invalid-argument', what, `${file} is a folder`);
    if (exclusive && found !== undefined) throw new StoreError('already-exists', what, `${file} exists`);
    if (found?.isFile() === false) {
      return await pipeline(bytes, createWriteStream(file, { flags: 'w' }), { signal });
    }
    await writeWhole(file, bytes, exclusive, mode, signal);
  } catch (error) {
    throw fileError(error, file, what);
  }
}

async function writeWhole(
  file: string,
  bytes: AsyncIterable<Uint8Array>,
  exclusive: boolean,
  mode: number,
  signal: AbortSignal,
): Promise<void> {
  const part = exclusive ? file : `${file}.${process.pid}.part`;
  // A stream that opens the file by itself may do so after an early failure has been cleaned up.
  const handle = await open(part, 'wx', mode);
  try {
    await pipeline(bytes, handle.createWriteStream(), { signal });
    if (part !== file) await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** What a failed file call says of FILE; the error of an abort stays as it is. */
function fileError(error: unknown, file: string, what: string): unknown {
  if (hasCode(error, 'ABORT_ERR')) return error;
  const because = { cause: error };
  if (hasCode(error, 'EEXIST')) return new StoreError('already-exists', what, `${file} exists`, because);
  if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) {
    return new StoreError('not-found', what, `the folder ${dirname(file)} does not exist`, because);
  }
  return asStoreError(error, what);
}
