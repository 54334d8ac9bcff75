// One entry of a layer tar, as the reader hands it out and the writer takes it: names, link targets and xattrs
// are bytes, times have nanoseconds, and a sparse file is described by where its data lies.

import {
  type ByteString,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  type Timestamp,
} from '../../fs/index.js';

/** `link`: a further name for the file that `linkname` names, as a path from the root of the layer. */
export type TarType = 'file' | 'link' | 'symlink' | 'char' | 'block' | 'folder' | 'fifo';

/** Where data of a sparse file lies, in bytes of the file; between extents it is a hole. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface TarEntry {
  /** As it stands in the archive, but for slashes at its end, which are removed. */
  readonly path: ByteString;
  readonly type: TarType;
  /** Permission, set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the file, holes included; 0 for everything that is not a file. */
  readonly size: number;
  readonly mtime: Timestamp;
  readonly atime?: Timestamp;
  /** Of `link` and `symlink`; otherwise empty. */
  readonly linkname: ByteString;
  readonly devmajor: number;
  readonly devminor: number;
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
  /** Ascending, without overlap; undefined for a file without holes. */
  readonly sparse?: readonly Extent[];
}

const FORMATS = {
  file: S_IFREG,
  link: S_IFREG,
  symlink: S_IFLNK,
  char: S_IFCHR,
  block: S_IFBLK,
  folder: S_IFDIR,
  fifo: S_IFIFO,
} as const satisfies Record<TarType, number>;

/** The type bits of st_mode of what an entry makes. */
export function formatOf(type: TarType): number {
  return FORMATS[type];
}
