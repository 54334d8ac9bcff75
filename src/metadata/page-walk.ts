// Walks the pages of an LMDB tree and looks at their frames, not at what they hold. LMDB trusts its pages: one that
// is missing or of another kind ends the process by SIGBUS or abort(3) in the middle of a lookup. Layout: mdb.c of
// lmdb-js, MDB_page_header (24 bytes: pgno, txnid, pad, flags, then lower and upper or a count of overflow pages),
// MDB_node and MDB_ovpage; offsets inside a page count from the end of its header. Little-endian.

import { readSync } from 'node:fs';

const HEADER = 24;
const NODE = 8;
const P_BRANCH = 0x01;
const P_LEAF = 0x02;
const P_OVERFLOW = 0x04;
const F_BIGDATA = 0x01;
/** LMDB's own bound (CURSOR_STACK). */
const DEPTH_MAX = 32;

export interface Tree {
  readonly root: bigint;
  readonly depth: number;
}

export interface PagedFile {
  readonly fd: number;
  readonly pageSize: number;
  /** Whole pages in the file. */
  readonly pages: number;
}

/** What is wrong with the pages of `tree`, as the end of a sentence; undefined if nothing is. */
export function flawIn(tree: Tree, file: PagedFile): string | undefined {
  if (tree.depth > DEPTH_MAX) return 'it is too deep';
  // A sound tree reaches no page twice; a damaged one might go round for ever.
  const seen = new Set<bigint>();
  const pending: { readonly page: bigint; readonly depth: number }[] = [{ page: tree.root, depth: 1 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { page, depth } = next;
    if (seen.has(page)) return `page ${page} is reached twice`;
    seen.add(page);
    const bytes = readPage(file, page);
    if (bytes === undefined) return `page ${page} is missing`;
    const kind = depth < tree.depth ? P_BRANCH : P_LEAF;
    if (bytes.readBigUInt64LE(0) !== page || bytes.readUInt16LE(18) !== kind) {
      return `page ${page} is of another kind`;
    }
    const nodes = nodesOf(bytes);
    if (nodes === undefined) return `page ${page} is malformed`;
    for (const node of nodes) {
      if (kind === P_BRANCH) pending.push({ page: childOf(bytes, node), depth: depth + 1 });
      else if (!leafHolds(bytes, node, file)) return `page ${page} is malformed`;
    }
  }
  return undefined;
}

function readPage(file: PagedFile, page: bigint): Buffer | undefined {
  if (page >= file.pages) return undefined;
  const bytes = Buffer.allocUnsafe(file.pageSize);
  const count = readSync(file.fd, bytes, 0, bytes.length, Number(page) * file.pageSize);
  return count === bytes.length ? bytes : undefined;
}

/** Where the nodes of a page begin; undefined unless all of them lie between the free space and the page's end. */
function nodesOf(bytes: Buffer): readonly number[] | undefined {
  const lower = bytes.readUInt16LE(20);
  const upper = bytes.readUInt16LE(22);
  if (lower % 2 !== 0 || lower > upper || HEADER + upper > bytes.length) return undefined;
  const nodes: number[] = [];
  for (let at = 0; at < lower; at += 2) {
    const offset = bytes.readUInt16LE(HEADER + at);
    const node = HEADER + offset;
    if (offset < upper || node + NODE > bytes.length) return undefined;
    if (node + NODE + keySize(bytes, node) > bytes.length) return undefined;
    nodes.push(node);
  }
  return nodes;
}

function keySize(bytes: Buffer, node: number): number {
  return bytes.readUInt16LE(node + 6);
}

/** A branch node's size and flags are the three words of a page number. */
function childOf(bytes: Buffer, node: number): bigint {
  return BigInt(bytes.readUInt32LE(node)) | (BigInt(bytes.readUInt16LE(node + 4)) << 32n);
}

/** True if the node's value ends inside its page or, for a big one, in overflow pages that are there. */
function leafHolds(bytes: Buffer, node: number, file: PagedFile): boolean {
  const size = bytes.readUInt32LE(node);
  const flags = bytes.readUInt16LE(node + 4);
  const value = node + NODE + keySize(bytes, node);
  if (flags === 0) return value + size <= bytes.length;
  if (flags !== F_BIGDATA || value + 24 > bytes.length) return false;
  const first = bytes.readBigUInt64LE(value);
  const count = bytes.readBigUInt64LE(value + 16);
  if (count * BigInt(file.pageSize) < BigInt(HEADER + size) || first + count > file.pages) return false;
  const overflow = readPage(file, first);
  return overflow?.readUInt16LE(18) === P_OVERFLOW && overflow.readBigUInt64LE(0) === first;
}
