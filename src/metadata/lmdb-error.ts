// LMDB's failures in the words of the store. lmdb-js sets `code` to the return code: negative ones are LMDB's own
// (lmdb.h, "Return Codes"), positive ones are errno.

import { StoreError } from '../errors.js';

const MDB_PAGE_NOTFOUND = -30797;
const MDB_CORRUPTED = -30796;
const MDB_PANIC = -30795;
const MDB_VERSION_MISMATCH = -30794;
const MDB_INVALID = -30793;
const MDB_MAP_FULL = -30792;
const MDB_READERS_FULL = -30790;
const MDB_PROBLEM = -30779;

const DAMAGED = new Set([
  MDB_PAGE_NOTFOUND,
  MDB_CORRUPTED,
  MDB_PANIC,
  MDB_VERSION_MISMATCH,
  MDB_INVALID,
  MDB_PROBLEM,
]);

/** The return code, if `error` is LMDB's. */
export function lmdbCode(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** `error` as a StoreError about `what`; one that is a StoreError already stays what it is. */
export function asStoreError(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) return error;
  const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  const code = lmdbCode(error);
  if (code !== undefined && DAMAGED.has(code)) return damaged(what, reason, error);
  if (code === MDB_MAP_FULL) {
    return new StoreError('failed', what, 'the metadata has outgrown its map', { cause: error });
  }
  if (code === MDB_READERS_FULL) {
    return new StoreError('failed', what, 'too many processes have the metadata open', {
      cause: error,
      hint: 'end some of them and try again',
    });
  }
  return new StoreError('failed', what, reason, { cause: error });
}

/** The error for metadata whose bytes are not what they must be. */
export function damaged(what: string, reason: string, cause?: unknown): StoreError {
  return new StoreError('corrupt', what, `the metadata is damaged (${reason})`, {
    cause,
    hint: 'put a copy of the metadata folder back, or mica fsck --repair makes it again from the other folders',
  });
}
