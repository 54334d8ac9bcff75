// Paths as LMDB keys: the parts in UTF-8, a NUL between them. NUL sorts before every other byte, so the rows below
// a path are one range, and rows of one folder are ordered by the bytes of their names.

import { StoreError } from '../errors.js';
import type { Key } from './transaction.js';

/** LMDB's limit with pages of 4 KiB (lmdb-js sets it alike for larger pages), in bytes. */
export const KEY_MAX = 1978;

/** Half of a pair: UTF-8 has no bytes for it, and two such names would become one key. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** invalid-argument for parts that are empty, hold a NUL or are together too long. */
export function encodeKey(key: Key): Buffer {
  for (const part of key) {
    if (part === '') throw badKey(key, 'a name is empty');
    if (part.includes('\0')) throw badKey(key, 'a name holds a NUL');
    if (LONE_SURROGATE.test(part)) throw badKey(key, 'a name is not well-formed text');
  }
  const bytes = Buffer.from(key.join('\0'));
  if (bytes.length > KEY_MAX) throw tooLong(key, bytes.length);
  return bytes;
}

export function decodeKey(bytes: Buffer): string[] {
  return bytes.toString().split('\0');
}

export function lastPart(bytes: Buffer): string {
  return bytes.toString('utf8', bytes.lastIndexOf(0) + 1);
}

/** First and end (exclusive) of all keys below `prefix`. */
export function rangeBelow(prefix: Key): { readonly start: Buffer; readonly end: Buffer } {
  const bytes = encodeKey(prefix);
  return { start: Buffer.concat([bytes, Buffer.of(0)]), end: Buffer.concat([bytes, Buffer.of(1)]) };
}

function tooLong(key: Key, length: number): StoreError {
  const names = key.slice(2);
  const used = names.reduce((sum, name) => sum + Buffer.byteLength(name), 0);
  const limit = KEY_MAX - (length - used);
  return badKey(key, `its names are ${used} bytes long together, namespace included; the limit is ${limit}`);
}

function badKey(key: Key, why: string): StoreError {
  const name = key.at(-1) ?? '';
  const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name;
  return new StoreError('invalid-argument', `cannot use the name ${JSON.stringify(shown)}`, why);
}
