// Reading one file of bytes that never change: a blob. Offsets and sizes in bytes.

import { type FileHandle, open } from 'node:fs/promises';
import { type Digest, Digester } from '../digest.js';
import { StoreError } from '../errors.js';
import type { BlobReader } from './content.js';
import { asStoreError } from './system-error.js';

/** Chunks this large keep hashing at its full speed and cost few round trips to the thread pool. */
export const CHUNK = 1024 * 1024;

export class FileReader implements BlobReader {
  readonly size: number;
  readonly #file: FileHandle;
  readonly #what: string;

  private constructor(file: FileHandle, size: number, what: string) {
    this.#file = file;
    this.size = size;
    this.#what = what;
  }

  /** corrupt if the file does not have `size` bytes (undefined: any size). */
  static async open(path: string, size: number | undefined, what: string): Promise<FileReader> {
    const file = await open(path, 'r');
    try {
      const found = (await file.stat()).size;
      if (size !== undefined && found !== size) {
        throw new StoreError('corrupt', what, `its file has ${found} bytes, not ${size}`);
      }
      return new FileReader(file, found, what);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async readAt(into: Uint8Array, offset: number): Promise<number> {
    let done = 0;
    try {
      while (done < into.length) {
        const { bytesRead } = await this.#file.read(into, done, into.length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
    } catch (error) {
      throw asStoreError(error, this.#what);
    }
    return done;
  }

  async *stream(offset = 0, size = this.size): AsyncIterable<Uint8Array> {
    const end = Math.min(this.size, offset + size);
    for (let at = offset; at < end; ) {
      // A fresh buffer each time: the consumer may keep it while the next one is read.
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, end - at));
      const count = await this.readAt(chunk, at);
      if (count < chunk.length) throw new StoreError('corrupt', this.#what, 'its file ended early');
      at += count;
      yield chunk;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** The digest and size of a file's bytes. */
export async function hashFile(path: string, what: string): Promise<{ digest: Digest; size: number }> {
  const reader = await FileReader.open(path, undefined, what);
  try {
    const digester = new Digester();
    for await (const chunk of reader.stream()) digester.update(chunk);
    return { digest: digester.digest(), size: digester.size };
  } finally {
    await reader.close();
  }
}
