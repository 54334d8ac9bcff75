// The numbers of the EROFS on-disk format (fs/erofs/erofs_fs.h of Linux) that our images use, and of the side
// table behind them. An image holds metadata only: little-endian, 4 KiB blocks, extended inodes, node ids
// (nids) in units of 32 bytes from byte 0. Whatever is added here must be understood by fsck.erofs 1.5.

import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../mode.js';
import type { ByteString } from '../name.js';

export const BLOCK = 4096;
/** Bytes 0-1023 are free for a header of our own; the superblock follows. */
export const SUPERBLOCK = 1024;
export const SUPERBLOCK_SIZE = 128;
export const MAGIC = 0xe0f5e1e2;
export const COMPAT_CHECKSUM = 1;
export const COMPAT_MTIME = 2;
export const INCOMPAT_CHUNKED = 4;
export const SLOT = 32;
export const INODE = 64;

/** Data layouts: in blocks of its own, behind the inode, in chunks of which none is there (reads as zeros). */
export const PLAIN = 0;
export const INLINE = 2;
export const CHUNKED = 4;
/** The largest chunk, as a power of two: 8 TiB. */
export const CHUNK_BITS_MAX = 43;
export const NO_BLOCK = 0xffffffff;

export const DIRENT = 12;
export const XATTR_HEADER = 12;

/** Types in directory entries. */
export const FILE_TYPES: Readonly<Record<number, number>> = {
  [S_IFREG]: 1,
  [S_IFDIR]: 2,
  [S_IFCHR]: 3,
  [S_IFBLK]: 4,
  [S_IFIFO]: 5,
  [S_IFSOCK]: 6,
  [S_IFLNK]: 7,
};

/** d_type by type in a directory entry. */
export const DIRENT_TYPES: readonly number[] = [0, 8, 4, 2, 6, 1, 12, 10];

/** Namespaces of xattrs by their number in an entry; those that end in a dot are followed by the rest of the name. */
export const XATTR_PREFIXES: readonly ByteString[] = [
  '',
  'user.',
  'system.posix_acl_access',
  'system.posix_acl_default',
  'trusted.',
  '',
  'security.',
];

/** The number of an xattr's namespace; undefined for a name that the format cannot say. */
export function xattrIndex(name: ByteString): number | undefined {
  const index = XATTR_PREFIXES.findIndex(
    (prefix) => prefix !== '' && (prefix.endsWith('.') ? name.startsWith(prefix) : name === prefix),
  );
  return index < 0 ? undefined : index;
}

/**
 * The side table: one record of 14 words for each inode, found by the inode's i_ino (which kernels of 64 bits do
 * not look at). It keeps what EROFS has no place for.
 */
export const SIDE_RECORD = 56;
/** Words of a record: the number on the source's filesystem, allocated units of 512 bytes, ctime, birth time. */
export const SIDE_INO = 0;
export const SIDE_BLOCKS = 2;
export const SIDE_CTIME = 4;
export const SIDE_BTIME = 7;
/** Offset from the side table of the path in the layer (u16 length, bytes); 0: the path in the image. */
export const SIDE_PATH = 10;
/** Which layer of the chain, 0 is the topmost. */
export const SIDE_LAYER = 11;
/** A folder's st_size on the source's filesystem; its size in the inode is that of its entries here. */
export const SIDE_SIZE = 12;

const table = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  table[i] = c;
}

/** CRC-32C without the final inversion, as the superblock has it. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return crc >>> 0;
}

/** `value` rounded up to a multiple of `unit`; exact beyond 32 bits. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
