// Where each part of an image goes, before a byte of it is written: the order of the inodes, what lies behind
// each of them, which xattrs are shared. The order depends on names alone, so the same tree gives the same bytes:
// folders depth first, and the entries of one folder side by side, where a listing with attributes reads them.

import { EINVAL, FsError } from '../errno.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../mode.js';
import type { ByteString } from '../name.js';
import {
  BLOCK,
  CHUNK_BITS_MAX,
  DIRENT,
  INODE,
  roundUp,
  SLOT,
  SUPERBLOCK,
  SUPERBLOCK_SIZE,
  XATTR_HEADER,
  XATTR_PREFIXES,
  xattrIndex,
} from './format.js';
import type { Tree } from './tree.js';

/** A longer tail of a folder goes into a block of its own rather than behind the inode. */
const INLINE_MAX = (BLOCK * 3) / 4;
const SHARED_VALUE_MAX = 64;
const SHARED_PER_INODE = 255;

/** An xattr as it is stored. Equal ones of several inodes are stored once, at `shared` in the shared area. */
export interface StoredXattr {
  readonly index: number;
  readonly suffix: ByteString;
  readonly value: ByteString;
  readonly size: number;
  uses: number;
  /** Bytes from the start of the shared area; -1 if it is stored with its inode. */
  shared: number;
}

export interface Plan {
  /** Entries that have an inode, in the order of their inodes. */
  readonly order: Int32Array;
  readonly inodes: number;
  /** Byte address of each entry's inode; of further names that of the first. */
  readonly address: Float64Array;
  /** Bytes of xattrs behind the inode. */
  readonly xattrSize: Uint32Array;
  /** Bytes behind the xattrs: the tail of a folder, a symlink's target, indexes of chunks. */
  readonly tail: Uint32Array;
  /** Blocks of their own. */
  readonly blocks: Uint32Array;
  readonly xattrsOf: (StoredXattr[] | undefined)[];
  readonly shared: readonly StoredXattr[];
  /** The shared area's byte address. */
  readonly sharedAt: number;
  /** The first block of folder and symlink data. */
  readonly dataAt: number;
  /** Of the whole image, a multiple of the block size. */
  readonly size: number;
}

/** EINVAL for what the format cannot hold: an xattr of an unknown namespace or of 64 KiB and more. */
export function planImage(tree: Tree): Plan {
  const { order, inodes } = orderInodes(tree);
  const { xattrsOf, shared, sharedSize } = collectXattrs(tree, order, inodes);
  const address = new Float64Array(tree.count);
  const xattrSize = new Uint32Array(tree.count);
  const tail = new Uint32Array(tree.count);
  const blocks = new Uint32Array(tree.count);
  let at = SUPERBLOCK + SUPERBLOCK_SIZE;
  let dataBlocks = 0;
  for (let i = 0; i < inodes; i++) {
    const entry = order[i]!;
    const type = tree.mode[entry]! & S_IFMT;
    const xattrs = xattrBytes(xattrsOf[entry]);
    let full = 0;
    let rest = 0;
    at = roundUp(at, SLOT);
    if (type === S_IFDIR) {
      const length = folderLength(tree, entry);
      full = Math.floor(length / BLOCK);
      rest = length % BLOCK;
      if (rest > INLINE_MAX) {
        full++;
        rest = 0;
      }
      at = placeTail(at, INODE + xattrs, rest);
    } else if (type === S_IFLNK) {
      rest = tree.target[entry]?.length ?? 0;
      if (INODE + xattrs + rest > BLOCK) {
        full = 1;
        rest = 0;
      } else if (
        rest > 0 &&
        Math.floor(at / BLOCK) !== Math.floor((at + INODE + xattrs + rest - 1) / BLOCK)
      ) {
        // The kernel's fast path reads inode, xattrs and target from one block.
        at = roundUp(at, BLOCK);
      }
    } else if (type === S_IFREG) {
      rest = 4 * Math.ceil(tree.size[entry]! / 2 ** CHUNK_BITS_MAX);
    }
    address[entry] = at;
    xattrSize[entry] = xattrs;
    tail[entry] = rest;
    blocks[entry] = full;
    dataBlocks += full;
    at += INODE + xattrs + rest;
  }
  for (let entry = 0; entry < tree.count; entry++) {
    if (tree.link[entry]! >= 0) address[entry] = address[tree.link[entry]!]!;
  }
  const sharedAt = roundUp(at, SLOT);
  const dataAt = roundUp(sharedAt + sharedSize, BLOCK);
  const size = dataAt + dataBlocks * BLOCK;
  return { order, inodes, address, xattrSize, tail, blocks, xattrsOf, shared, sharedAt, dataAt, size };
}

/** '.' and '..' are ordinary entries in the order of bytes; this is where each stands among the names. */
export function withDots(tree: Tree, folder: number): { name: ByteString; entry: number }[] {
  const names = tree.children[folder]!.map((entry) => ({ name: tree.names[entry]!, entry }));
  names.push({ name: '.', entry: folder }, { name: '..', entry: Math.max(0, tree.parent[folder]!) });
  return names.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function orderInodes(tree: Tree): { order: Int32Array; inodes: number } {
  const { names } = tree;
  const order = new Int32Array(tree.count);
  let inodes = 1;
  const folders = [0];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const children = tree.children[folder]!;
    children.sort((a, b) => (names[a]! < names[b]! ? -1 : 1));
    let below = 0;
    for (const child of children) {
      if (tree.link[child]! < 0) order[inodes++] = child;
      if (tree.children[child] !== undefined) below++;
    }
    tree.nlink[folder] = 2 + below;
    for (let i = children.length - 1; i >= 0; i--) {
      const child = children[i]!;
      if (tree.children[child] !== undefined) folders.push(child);
    }
  }
  return { order, inodes };
}

/** The size of a folder's data: whole blocks, and what the last one holds. */
function folderLength(tree: Tree, folder: number): number {
  let full = 0;
  let inBlock = 0;
  for (const { name } of withDots(tree, folder)) {
    if (inBlock + DIRENT + name.length > BLOCK) {
      full++;
      inBlock = 0;
    }
    inBlock += DIRENT + name.length;
  }
  return full * BLOCK + inBlock;
}

/** An inline tail must not cross the end of a block: the inode moves on in steps of a slot until it fits. */
function placeTail(at: number, before: number, tail: number): number {
  const left = BLOCK - ((at + before) % BLOCK);
  return tail <= left ? at : at + roundUp(left, SLOT);
}

function collectXattrs(tree: Tree, order: Int32Array, inodes: number) {
  const known = new Map<string, StoredXattr>();
  const xattrsOf: (StoredXattr[] | undefined)[] = [];
  for (let i = 0; i < inodes; i++) {
    const entry = order[i]!;
    const pairs = tree.xattrs[entry];
    if (pairs === undefined || pairs.length === 0) continue;
    const own: StoredXattr[] = [];
    for (let k = 0; k < pairs.length; k += 2) own.push(stored(known, pairs[k]!, pairs[k + 1]!));
    xattrsOf[entry] = own;
  }
  const shared: StoredXattr[] = [];
  let sharedSize = 0;
  for (const xattr of known.values()) {
    if (xattr.uses < 2) continue;
    xattr.shared = sharedSize;
    sharedSize += xattr.size;
    shared.push(xattr);
  }
  return { xattrsOf, shared, sharedSize };
}

function stored(known: Map<string, StoredXattr>, name: ByteString, value: ByteString): StoredXattr {
  const mayShare = value.length <= SHARED_VALUE_MAX;
  const key = `${name}\0${value}`;
  const before = mayShare ? known.get(key) : undefined;
  if (before !== undefined) {
    before.uses++;
    return before;
  }
  const index = xattrIndex(name);
  if (index === undefined || value.length > 0xffff) throw new FsError(EINVAL, 'xattr in an index');
  const suffix = name.slice(XATTR_PREFIXES[index]!.length);
  const size = roundUp(4 + suffix.length + value.length, 4);
  const xattr = { index, suffix, value, size, uses: 1, shared: -1 };
  if (mayShare) known.set(key, xattr);
  return xattr;
}

/** True for the xattr number `k` of an inode if it is named by its place in the shared area. */
export function isShared(xattr: StoredXattr, before: number): boolean {
  return xattr.shared >= 0 && before < SHARED_PER_INODE;
}

function xattrBytes(xattrs: readonly StoredXattr[] | undefined): number {
  if (xattrs === undefined) return 0;
  let size = XATTR_HEADER;
  let shared = 0;
  for (const xattr of xattrs) {
    if (isShared(xattr, shared)) {
      shared++;
      size += 4;
    } else size += xattr.size;
  }
  if ((size - XATTR_HEADER) / 4 + 1 > 0xffff) throw new FsError(EINVAL, 'xattrs in an index');
  return size;
}
