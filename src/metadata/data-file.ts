// A look at LMDB's file before LMDB maps it, because damage that LMDB meets later ends the process without a word
// (page-walk.ts). A file begins with two meta pages (MDB_meta after a page header); the one with the higher
// transaction id counts. Other processes may be writing: LMDB never overwrites a page of the two newest trees, so
// what was seen holds if at most one transaction was committed meanwhile, and is looked at again otherwise.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { damaged } from './lmdb-error.js';
import { flawIn, type Tree } from './page-walk.js';

const MAGIC = 0xbeefc0de;
/** Where MDB_meta has its two MDB_db, and where a meta page's fields end. */
const TREES_AT = [48, 96];
const META_END = 160;
/** A root that says "no page": the tree is empty. */
const NONE = 0xffffffffffffffffn;
/** A larger file is not walked: that would take longer than the commands that open it. */
const WALK_MAX = 64 * 1024 * 1024;
const ATTEMPTS = 5;

interface Meta {
  readonly pageSize: number;
  readonly trees: readonly Tree[];
  readonly transaction: bigint;
}

/** corrupt if the database file in `folder` is not what LMDB wrote; a missing or empty one is a new one. */
export function assertWhole(folder: string, what: string): void {
  const fd = openIfThere(join(folder, 'data.mdb'));
  if (fd === undefined) return;
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (fstatSync(fd).size === 0) return;
      const meta = newestMeta(fd);
      if (meta === undefined) throw damaged(what, 'its first pages are not a database');
      const flaw = flawOf(fd, meta);
      if (flaw === undefined) return;
      const now = newestMeta(fd);
      if (now !== undefined && now.transaction - meta.transaction <= 1n) throw damaged(what, flaw);
    }
  } finally {
    closeSync(fd);
  }
}

function flawOf(fd: number, meta: Meta): string | undefined {
  // Taken after the meta page, because pages are written before the meta page that reaches them.
  const size = fstatSync(fd).size;
  const file = { fd, pageSize: meta.pageSize, pages: Math.floor(size / meta.pageSize) };
  const trees = meta.trees.filter((tree) => tree.root !== NONE);
  if (trees.some((tree) => tree.root >= file.pages)) return 'its end is missing';
  if (size > WALK_MAX) return undefined;
  for (const tree of trees) {
    const flaw = flawIn(tree, file);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function newestMeta(fd: number): Meta | undefined {
  const first = readMeta(fd, 0);
  if (first === undefined) return undefined;
  const second = readMeta(fd, first.pageSize);
  if (second === undefined) return undefined;
  return second.transaction > first.transaction ? second : first;
}

function readMeta(fd: number, offset: number): Meta | undefined {
  const bytes = Buffer.alloc(META_END);
  if (readSync(fd, bytes, 0, bytes.length, offset) < bytes.length) return undefined;
  if (bytes.readUInt32LE(24) !== MAGIC) return undefined;
  // LMDB keeps the page size where the first tree has a field of no use to it.
  const pageSize = bytes.readUInt32LE(48);
  if (pageSize < 512 || pageSize > 65536) return undefined;
  const trees = TREES_AT.map((at) => ({
    depth: bytes.readUInt16LE(at + 6),
    root: bytes.readBigUInt64LE(at + 40),
  }));
  return { pageSize, trees, transaction: bytes.readBigUInt64LE(152) };
}
