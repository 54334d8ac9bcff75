// The bits of st_mode and the d_type of a directory entry, Linux numbering (inode(7), readdir(3)).

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IXGRP = 0o0010;
/** Permission, set-id and sticky bits: what chmod(2) may change. */
export const PERMISSION_BITS = 0o7777;

export type FileKind = 'file' | 'folder' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block';

const KINDS: Readonly<Record<number, FileKind>> = {
  [S_IFREG]: 'file',
  [S_IFDIR]: 'folder',
  [S_IFLNK]: 'symlink',
  [S_IFIFO]: 'fifo',
  [S_IFSOCK]: 'socket',
  [S_IFCHR]: 'char',
  [S_IFBLK]: 'block',
};

export function isFolder(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

export function isRegular(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG;
}

export function isSymlink(mode: number): boolean {
  return (mode & S_IFMT) === S_IFLNK;
}

/** The kind of a file from its st_mode. A mode without a type is a bug of the caller. */
export function kindOf(mode: number): FileKind {
  const kind = KINDS[mode & S_IFMT];
  if (kind === undefined) throw new Error(`mode without a file type: ${mode.toString(8)}`);
  return kind;
}

/** d_type of a directory entry (DT_REG and so on) from st_mode. */
export function direntType(mode: number): number {
  return (mode & S_IFMT) >>> 12;
}

/**
 * Device numbers as the kernel and statx spell them in 32 bits (new_encode_dev): low 8 bits of the minor,
 * 12 bits of the major, then the rest of the minor.
 */
export function makeDev(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

export function devMajor(rdev: number): number {
  return (rdev >>> 8) & 0xfff;
}

export function devMinor(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
}
