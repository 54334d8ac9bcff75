// The file of an index: the image, preceded by a header in the bytes that EROFS leaves free, and followed by a
// trailer with a digest of its own. It is only ever replaced by rename, never changed, and it is believed when
// both digests hold; everything in it can be made again from the layers, so whoever finds it missing or damaged
// makes it again or does without.
//
//   0     "MICAIDX\0", u32 version, u32 marks (0 trusted, 1 user)
//   16    u64 length of the image, u64 end of its side table, u64 length of the trailer's text
//   40    SHA-256 of everything from byte 1024 to the end of the side table
//   1024  the image and its side table; then the trailer: JSON in UTF-8 and its SHA-256

import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { ImageReader } from '../erofs/reader.js';
import type { Image } from '../erofs/writer.js';
import { EIO, FsError } from '../errno.js';
import { mapFile } from '../sys/index.js';
import type { MarkPrefix } from './layer.js';

const MAGIC = 'MICAIDX\0';
const VERSION = 1;
const HEADER = 1024;
const HEADER_USED = 72;
const DIGEST_AT = 40;
const DIGEST_SIZE = 32;
const TRAILER_MAX = 1 << 24;

/** What a file says of itself, its image unread. */
export interface IndexHead {
  /** Of the image and its side table, hex. */
  readonly digest: string;
  readonly marks: MarkPrefix;
  /** JSON text, whose digest holds. */
  readonly trailer: string;
}

export interface IndexFile extends IndexHead {
  readonly image: ImageReader;
  /** Its bytes need not be in memory until they are read again. */
  letGo(): void;
  /** Ends the reading: nothing is in the image afterwards. */
  release(): void;
}

interface Header {
  readonly digest: string;
  readonly marks: MarkPrefix;
  readonly length: number;
  readonly end: number;
  readonly trailerLength: number;
}

/** The whole file of an index, ready to be written or read. */
export function packIndex(image: Image, marks: MarkPrefix, trailer: string): Uint8Array {
  const text = Buffer.from(trailer);
  const file = Buffer.alloc(image.bytes.length + text.length + DIGEST_SIZE);
  file.set(image.bytes);
  file.write(MAGIC, 0, 'latin1');
  file.writeUInt32LE(VERSION, 8);
  file.writeUInt32LE(marks === 'trusted' ? 0 : 1, 12);
  writeLong(file, 16, image.length);
  writeLong(file, 24, image.bytes.length);
  writeLong(file, 32, text.length);
  sha256(file.subarray(HEADER, image.bytes.length)).copy(file, DIGEST_AT);
  file.set(text, image.bytes.length);
  sha256(text).copy(file, image.bytes.length + text.length);
  return file;
}

/** Header and trailer; EIO if they are damaged. Errors of node:fs if the file cannot be read. */
export function readIndexHead(path: string): IndexHead {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(HEADER_USED);
    readSync(fd, head, 0, HEADER_USED, 0);
    const { digest, marks, end, trailerLength } = parseHeader(head);
    const tail = Buffer.alloc(trailerLength + DIGEST_SIZE);
    readSync(fd, tail, 0, tail.length, end);
    return { digest, marks, trailer: parseTrailer(tail) };
  } finally {
    closeSync(fd);
  }
}

/** The whole file, read once and then where it lies; EIO if any of it is not what its digests say. */
export function readIndex(path: string): IndexFile {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    if (size < HEADER) throw damaged();
    const mapping = mapFile(fd, size);
    try {
      const index = parse(mapping.bytes, mapping);
      // The digest was of all of it.
      index.letGo();
      return index;
    } catch (error) {
      mapping.release();
      throw error;
    }
  } finally {
    closeSync(fd);
  }
}

/** As `readIndex` for bytes that are at hand. */
export function parseIndex(bytes: Uint8Array): IndexFile {
  return parse(bytes, { letGo: () => undefined, release: () => undefined });
}

function parse(bytes: Uint8Array, { letGo, release }: Pick<IndexFile, 'letGo' | 'release'>): IndexFile {
  const file = aligned(bytes);
  const { digest, marks, length, end, trailerLength } = parseHeader(file);
  if (end > file.length || length > end || end % 4 !== 0) throw damaged();
  const trailer = parseTrailer(file.subarray(end, end + trailerLength + DIGEST_SIZE));
  if (sha256(file.subarray(HEADER, end)).toString('hex') !== digest) throw damaged();
  const image = new ImageReader(file.subarray(0, end), length);
  return {
    digest,
    marks,
    trailer,
    image,
    letGo,
    release() {
      image.close();
      release();
    },
  };
}

/** Puts a file at `path` in one step, durable before its name is. */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.new-${randomBytes(6).toString('hex')}`;
  try {
    const fd = openSync(temporary, 'wx', 0o644);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function parseHeader(file: Buffer): Header {
  if (
    file.length < HEADER_USED ||
    file.toString('latin1', 0, 8) !== MAGIC ||
    file.readUInt32LE(8) !== VERSION
  ) {
    throw damaged();
  }
  const marks = file.readUInt32LE(12) === 0 ? 'trusted' : 'user';
  const header = {
    marks,
    length: readLong(file, 16),
    end: readLong(file, 24),
    trailerLength: readLong(file, 32),
    digest: file.toString('hex', DIGEST_AT, DIGEST_AT + DIGEST_SIZE),
  } as const;
  if (header.trailerLength > TRAILER_MAX || header.end < HEADER) throw damaged();
  return header;
}

function parseTrailer(tail: Buffer): string {
  const text = tail.subarray(0, tail.length - DIGEST_SIZE);
  if (tail.length < DIGEST_SIZE || !sha256(text).equals(tail.subarray(text.length))) throw damaged();
  return text.toString();
}

/** Words are read in place, so the bytes must begin at a multiple of 4. */
function aligned(bytes: Uint8Array): Buffer {
  if (bytes.byteOffset % 4 === 0) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Buffer.from(new Uint8Array(bytes).buffer);
}

function writeLong(file: Buffer, at: number, value: number): void {
  file.writeUInt32LE(value % 2 ** 32, at);
  file.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

function readLong(file: Buffer, at: number): number {
  return file.readUInt32LE(at) + file.readUInt32LE(at + 4) * 2 ** 32;
}

function damaged(): FsError {
  return new FsError(EIO, 'tree index');
}
