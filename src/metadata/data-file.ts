// A look at LMDB's file before LMDB maps it: reading a page that a truncated file does not have is a SIGBUS, which
// ends the process without a word. Layout: mdb.c of lmdb-js (MDB_page header of 24 bytes, then MDB_meta; two meta
// pages, the one with the higher transaction id counts), little-endian on every platform that micafs runs on.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { damaged } from './lmdb-error.js';

const HEADER = 24;
const META_SIZE = 136;
const MAGIC = 0xbeefc0de;
/** A root page number that says "no page" (P_INVALID). */
const NONE = 0xffffffffffffffffn;

interface Meta {
  readonly pageSize: number;
  readonly roots: readonly bigint[];
  readonly transaction: bigint;
}

/** corrupt if the database file in `folder` cannot be what LMDB wrote; a missing or empty one is a new one. */
export function assertWhole(folder: string, what: string): void {
  const fd = openIfThere(join(folder, 'data.mdb'));
  if (fd === undefined) return;
  try {
    const size = fstatSync(fd).size;
    if (size === 0) return;
    const first = readMeta(fd, 0);
    const second = first === undefined ? undefined : readMeta(fd, first.pageSize);
    if (first === undefined || second === undefined)
      throw damaged(what, 'its first pages are not a database');
    const meta = second.transaction > first.transaction ? second : first;
    // Pages are written before the meta page that reaches them, so the size is taken after it. The last page
    // that a meta names may be missing in a sound file (LMDB does not write pages freed in their transaction).
    const pages = BigInt(Math.floor(fstatSync(fd).size / meta.pageSize));
    if (meta.roots.some((root) => root !== NONE && root >= pages)) throw damaged(what, 'its end is missing');
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function readMeta(fd: number, offset: number): Meta | undefined {
  const bytes = Buffer.alloc(HEADER + META_SIZE);
  if (readSync(fd, bytes, 0, bytes.length, offset) < bytes.length) return undefined;
  if (bytes.readUInt32LE(HEADER) !== MAGIC) return undefined;
  const pageSize = bytes.readUInt32LE(48);
  if (pageSize < 512 || pageSize > 65536) return undefined;
  return {
    pageSize,
    roots: [bytes.readBigUInt64LE(88), bytes.readBigUInt64LE(136)],
    transaction: bytes.readBigUInt64LE(152),
  };
}
