// Writes a tree as an EROFS image with its side table. The result is a pure function of the tree, whatever the
// order in which entries were added. The kernel mounts it, fsck.erofs finds it clean, and reader.ts reads it
// back; data of files is not in it.

import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../mode.js';
import type { ByteString } from '../name.js';
import {
  BLOCK,
  CHUNK_BITS_MAX,
  CHUNKED,
  COMPAT_CHECKSUM,
  COMPAT_MTIME,
  crc32c,
  DIRENT,
  FILE_TYPES,
  INCOMPAT_CHUNKED,
  INLINE,
  INODE,
  MAGIC,
  NO_BLOCK,
  PLAIN,
  SIDE_BLOCKS,
  SIDE_BTIME,
  SIDE_CTIME,
  SIDE_INO,
  SIDE_LAYER,
  SIDE_PATH,
  SIDE_RECORD,
  SIDE_SIZE,
  SLOT,
  SUPERBLOCK,
  XATTR_HEADER,
} from './format.js';
import { isShared, type Plan, planImage, type StoredXattr, withDots } from './plan.js';
import type { Tree } from './tree.js';

const WORD = 2 ** 32;

export interface Image {
  /** Bytes 0-1023 are zero: room for a header. A multiple of 4 long. */
  readonly bytes: Uint8Array;
  /** The image proper, a multiple of the block size; the side table follows. */
  readonly length: number;
  readonly inodes: number;
}

/**
 * The image of a tree. The tree's folders are sorted by it. EINVAL for what the format cannot hold (see
 * `planImage`).
 */
export function writeImage(tree: Tree): Image {
  const plan = planImage(tree);
  const { paths, pathsSize } = placePaths(tree, plan);
  const sideAt = plan.size;
  const total = sideAt + plan.inodes * SIDE_RECORD + pathsSize;
  const out = new Output(total);
  let block = plan.dataAt / BLOCK;
  for (let i = 0; i < plan.inodes; i++) {
    const entry = plan.order[i]!;
    writeInode(out, tree, plan, { entry, ordinal: i, block });
    writeSide(out, tree, entry, (sideAt + i * SIDE_RECORD) / 4, paths[entry]);
    const path = paths[entry];
    if (path !== undefined) out.sized(sideAt + path, tree.path[entry]!);
    block += plan.blocks[entry]!;
  }
  for (const xattr of plan.shared) writeXattr(out, plan.sharedAt + xattr.shared, xattr);
  writeSuperblock(out, plan);
  return { bytes: out.bytes, length: plan.size, inodes: plan.inodes };
}

class Output {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly halves: Uint16Array;

  constructor(size: number) {
    const buffer = new ArrayBuffer(size);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.halves = new Uint16Array(buffer);
  }

  text(at: number, text: ByteString): void {
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i);
  }

  /** A length of 16 bits and the bytes. */
  sized(at: number, text: ByteString): void {
    this.bytes[at] = text.length & 0xff;
    this.bytes[at + 1] = text.length >>> 8;
    this.text(at + 2, text);
  }

  /** A signed or unsigned number of 64 bits at a word. */
  long(word: number, value: number): void {
    this.words[word] = value % WORD;
    this.words[word + 1] = Math.floor(value / WORD);
  }
}

interface Place {
  readonly entry: number;
  readonly ordinal: number;
  /** Where the blocks of this inode begin, if it has any. */
  readonly block: number;
}

function writeInode(out: Output, tree: Tree, plan: Plan, { entry, ordinal, block }: Place): void {
  const mode = tree.mode[entry]!;
  const type = mode & S_IFMT;
  const at = plan.address[entry]!;
  const xattrs = plan.xattrSize[entry]!;
  const tail = plan.tail[entry]!;
  const full = plan.blocks[entry]!;
  let layout = tail > 0 ? INLINE : PLAIN;
  let size = 0;
  let union = full > 0 ? block : 0;
  if (type === S_IFDIR) size = writeFolder(out, tree, plan, entry, block * BLOCK, at + INODE + xattrs);
  else if (type === S_IFLNK) {
    const target = tree.target[entry] ?? '';
    size = target.length;
    out.text(full > 0 ? block * BLOCK : at + INODE + xattrs, target);
  } else if (type === S_IFREG) {
    size = tree.size[entry]!;
    if (size > 0) {
      layout = CHUNKED;
      union = chunkBits(size) - 12;
    }
    for (let k = 0; k < tail; k += 4) out.words[(at + INODE + xattrs + k) / 4] = NO_BLOCK;
  } else if (type === S_IFCHR || type === S_IFBLK) union = tree.rdev[entry]!;
  const half = at / 2;
  const word = at / 4;
  out.halves[half] = (layout << 1) | 1;
  out.halves[half + 1] = xattrs > 0 ? (xattrs - XATTR_HEADER) / 4 + 1 : 0;
  out.halves[half + 2] = mode;
  out.long(word + 2, size);
  out.words[word + 4] = union;
  out.words[word + 5] = ordinal;
  out.words[word + 6] = tree.uid[entry]!;
  out.words[word + 7] = tree.gid[entry]!;
  out.long(word + 8, tree.mtimeSec[entry]!);
  out.words[word + 10] = tree.mtimeNsec[entry]!;
  out.words[word + 11] = tree.nlink[entry]!;
  const own = plan.xattrsOf[entry];
  if (own !== undefined) writeXattrs(out, at + INODE, own, plan);
}

function chunkBits(size: number): number {
  let bits = 12;
  while (bits < CHUNK_BITS_MAX && 2 ** bits < size) bits++;
  return bits;
}

/** Blocks of entries with their names behind them; the last block may lie behind the inode. Returns the folder's size. */
function writeFolder(
  out: Output,
  tree: Tree,
  plan: Plan,
  folder: number,
  data: number,
  tailAt: number,
): number {
  const names = withDots(tree, folder);
  const full = plan.blocks[folder]!;
  let from = 0;
  let block = 0;
  while (from < names.length) {
    let length = 0;
    let to = from;
    for (; to < names.length; to++) {
      const need = DIRENT + names[to]!.name.length;
      if (length + need > BLOCK) break;
      length += need;
    }
    const base = block < full ? data + block * BLOCK : tailAt;
    let nameAt = (to - from) * DIRENT;
    for (let i = from; i < to; i++) {
      const { name, entry } = names[i]!;
      const word = (base + (i - from) * DIRENT) / 4;
      out.long(word, plan.address[entry]! / SLOT);
      out.words[word + 2] = nameAt | (FILE_TYPES[tree.mode[entry]! & S_IFMT]! << 16);
      out.text(base + nameAt, name);
      nameAt += name.length;
    }
    from = to;
    block++;
  }
  return full * BLOCK + plan.tail[folder]!;
}

function writeXattrs(out: Output, at: number, xattrs: readonly StoredXattr[], plan: Plan): void {
  // Ids are in units of 4 bytes from the block in which the shared area begins.
  const areaBlock = Math.floor(plan.sharedAt / BLOCK) * BLOCK;
  let next = at + XATTR_HEADER;
  let shared = 0;
  for (const xattr of xattrs) {
    if (!isShared(xattr, shared)) continue;
    out.words[next / 4] = (plan.sharedAt + xattr.shared - areaBlock) / 4;
    next += 4;
    shared++;
  }
  out.bytes[at + 4] = shared;
  let before = 0;
  for (const xattr of xattrs) {
    if (isShared(xattr, before)) {
      before++;
      continue;
    }
    writeXattr(out, next, xattr);
    next += xattr.size;
  }
}

function writeXattr(out: Output, at: number, { index, suffix, value }: StoredXattr): void {
  out.bytes[at] = suffix.length;
  out.bytes[at + 1] = index;
  out.bytes[at + 2] = value.length & 0xff;
  out.bytes[at + 3] = value.length >>> 8;
  out.text(at + 4, suffix);
  out.text(at + 4 + suffix.length, value);
}

function writeSide(out: Output, tree: Tree, entry: number, word: number, path: number | undefined): void {
  out.long(word + SIDE_INO, tree.ino[entry]!);
  out.long(word + SIDE_BLOCKS, tree.blocks[entry]!);
  out.long(word + SIDE_CTIME, tree.ctimeSec[entry]!);
  out.words[word + SIDE_CTIME + 2] = tree.ctimeNsec[entry]!;
  out.long(word + SIDE_BTIME, tree.btimeSec[entry]!);
  out.words[word + SIDE_BTIME + 2] = tree.btimeNsec[entry]!;
  out.words[word + SIDE_PATH] = path ?? 0;
  out.words[word + SIDE_LAYER] = tree.layer[entry]!;
  if (tree.children[entry] !== undefined) out.long(word + SIDE_SIZE, tree.size[entry]!);
}

/** Where the paths that differ from those in the tree go: behind the records, from the start of the side table. */
function placePaths(tree: Tree, plan: Plan): { paths: (number | undefined)[]; pathsSize: number } {
  const paths: (number | undefined)[] = [];
  const start = plan.inodes * SIDE_RECORD;
  let pathsSize = 0;
  for (let i = 0; i < plan.inodes; i++) {
    const entry = plan.order[i]!;
    const path = tree.path[entry];
    if (path === undefined) continue;
    paths[entry] = start + pathsSize;
    pathsSize += 2 + path.length;
  }
  return { paths, pathsSize: Math.ceil(pathsSize / 4) * 4 };
}

function writeSuperblock(out: Output, plan: Plan): void {
  const word = SUPERBLOCK / 4;
  out.words[word] = MAGIC;
  out.words[word + 2] = COMPAT_CHECKSUM | COMPAT_MTIME;
  out.bytes[SUPERBLOCK + 12] = 12;
  out.halves[SUPERBLOCK / 2 + 7] = plan.address[0]! / SLOT;
  out.long(word + 4, plan.inodes);
  out.words[word + 9] = plan.size / BLOCK;
  out.words[word + 11] = Math.floor(plan.sharedAt / BLOCK);
  out.words[word + 20] = INCOMPAT_CHUNKED;
  out.words[word + 1] = crc32c(out.bytes.subarray(SUPERBLOCK, BLOCK));
}
