// The FUSE wire format as Linux has it on 64-bit machines, version 7.45 (include/uapi/linux/fuse.h), in the
// kernel's own spelling. This is the only file that knows opcodes, flag bits, sizes and offsets. Offsets of
// requests count from the end of fuse_in_header, those of replies from the end of fuse_out_header.
// All integers are of the machine's byte order, and both machines this runs on (x86-64, arm64) are little-endian.

export const FUSE_KERNEL_VERSION = 7;
/** The newest minor that the offsets below describe; what is spoken is the lower of this and the kernel's. */
export const FUSE_KERNEL_MINOR_VERSION = 45;
/** Older kernels (before 3.15) know a shorter INIT reply and shorter structs, and are refused. */
export const FUSE_OLDEST_MINOR = 23;

/** Every legal reply error lies above -512 (fs/fuse/dev.c). */
export const FUSE_MAX_ERRNO = 511;

/** fuse_out_header.error of a message that answers no request. */
export const FUSE_NOTIFY_INVAL_INODE = 2;
export const FUSE_NOTIFY_INVAL_ENTRY = 3;

export const FUSE_LOOKUP = 1;
export const FUSE_FORGET = 2;
export const FUSE_GETATTR = 3;
export const FUSE_SETATTR = 4;
export const FUSE_READLINK = 5;
export const FUSE_SYMLINK = 6;
export const FUSE_MKNOD = 8;
export const FUSE_MKDIR = 9;
export const FUSE_UNLINK = 10;
export const FUSE_RMDIR = 11;
export const FUSE_RENAME = 12;
export const FUSE_LINK = 13;
export const FUSE_OPEN = 14;
export const FUSE_READ = 15;
export const FUSE_WRITE = 16;
export const FUSE_STATFS = 17;
export const FUSE_RELEASE = 18;
export const FUSE_FSYNC = 20;
export const FUSE_SETXATTR = 21;
export const FUSE_GETXATTR = 22;
export const FUSE_LISTXATTR = 23;
export const FUSE_REMOVEXATTR = 24;
export const FUSE_FLUSH = 25;
export const FUSE_INIT = 26;
export const FUSE_OPENDIR = 27;
export const FUSE_READDIR = 28;
export const FUSE_RELEASEDIR = 29;
export const FUSE_FSYNCDIR = 30;
export const FUSE_GETLK = 31;
export const FUSE_SETLK = 32;
export const FUSE_SETLKW = 33;
export const FUSE_ACCESS = 34;
export const FUSE_CREATE = 35;
export const FUSE_INTERRUPT = 36;
export const FUSE_BMAP = 37;
export const FUSE_DESTROY = 38;
export const FUSE_IOCTL = 39;
export const FUSE_POLL = 40;
export const FUSE_NOTIFY_REPLY = 41;
export const FUSE_BATCH_FORGET = 42;
export const FUSE_FALLOCATE = 43;
export const FUSE_READDIRPLUS = 44;
export const FUSE_RENAME2 = 45;
export const FUSE_LSEEK = 46;
export const FUSE_COPY_FILE_RANGE = 47;
export const FUSE_SYNCFS = 50;
export const FUSE_TMPFILE = 51;
export const FUSE_STATX = 52;
export const FUSE_COPY_FILE_RANGE_64 = 53;
/** One more than the highest opcode that is listed here. */
export const FUSE_OPCODES = 54;

// INIT flags, first word.
export const FUSE_ASYNC_READ = 1 << 0;
export const FUSE_ATOMIC_O_TRUNC = 1 << 3;
export const FUSE_BIG_WRITES = 1 << 5;
export const FUSE_DONT_MASK = 1 << 6;
export const FUSE_AUTO_INVAL_DATA = 1 << 12;
export const FUSE_DO_READDIRPLUS = 1 << 13;
export const FUSE_READDIRPLUS_AUTO = 1 << 14;
export const FUSE_WRITEBACK_CACHE = 1 << 16;
export const FUSE_ASYNC_DIO = 1 << 15;
export const FUSE_NO_OPEN_SUPPORT = 1 << 17;
export const FUSE_PARALLEL_DIROPS = 1 << 18;
export const FUSE_POSIX_ACL = 1 << 20;
export const FUSE_ABORT_ERROR = 1 << 21;
export const FUSE_MAX_PAGES = 1 << 22;
export const FUSE_CACHE_SYMLINKS = 1 << 23;
export const FUSE_NO_OPENDIR_SUPPORT = 1 << 24;
export const FUSE_HANDLE_KILLPRIV_V2 = 1 << 28;
export const FUSE_SETXATTR_EXT = 1 << 29;
export const FUSE_INIT_EXT = 1 << 30;

// INIT flags, second word.
export const FUSE_PASSTHROUGH = 1 << 5;

export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_FH = 1 << 6;
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;
export const FATTR_KILL_SUIDGID = 1 << 11;

export const FOPEN_DIRECT_IO = 1 << 0;
export const FOPEN_KEEP_CACHE = 1 << 1;
export const FOPEN_PASSTHROUGH = 1 << 7;
/** In open_flags of OPEN and CREATE requests. */
export const FUSE_OPEN_KILL_SUIDGID = 1 << 0;
/** The write is one of pages that were changed in memory. */
export const FUSE_WRITE_CACHE = 1 << 0;
export const FUSE_WRITE_KILL_SUIDGID = 1 << 2;
export const FUSE_FSYNC_FDATASYNC = 1 << 0;
export const FUSE_SETXATTR_ACL_KILL_SGID = 1 << 0;

export const fuse_in_header = {
  size: 40,
  len: 0,
  opcode: 4,
  unique: 8,
  nodeid: 16,
  uid: 24,
  gid: 28,
  pid: 32,
} as const;

export const fuse_out_header = { size: 16, len: 0, error: 4, unique: 8 } as const;

export const fuse_init_in = {
  size: 16,
  major: 0,
  minor: 4,
  max_readahead: 8,
  flags: 12,
  flags2: 16,
} as const;

export const fuse_init_out = {
  size: 64,
  major: 0,
  minor: 4,
  max_readahead: 8,
  flags: 12,
  /** u16 max_background, and u16 congestion_threshold above it. */
  max_background: 16,
  max_write: 20,
  time_gran: 24,
  /** u16 max_pages, and u16 map_alignment above it. */
  max_pages: 28,
  flags2: 32,
  max_stack_depth: 36,
} as const;

export const fuse_attr = {
  size: 88,
  ino: 0,
  bytes: 8,
  blocks: 16,
  atime: 24,
  mtime: 32,
  ctime: 40,
  atimensec: 48,
  mtimensec: 52,
  ctimensec: 56,
  mode: 60,
  nlink: 64,
  uid: 68,
  gid: 72,
  rdev: 76,
  blksize: 80,
  flags: 84,
} as const;

export const fuse_entry_out = {
  size: 128,
  nodeid: 0,
  generation: 8,
  entry_valid: 16,
  attr_valid: 24,
  entry_valid_nsec: 32,
  attr_valid_nsec: 36,
  attr: 40,
} as const;

export const fuse_attr_out = { size: 104, attr_valid: 0, attr_valid_nsec: 8, attr: 16 } as const;
export const fuse_open_out = { size: 16, fh: 0, open_flags: 8, backing_id: 12 } as const;
export const fuse_write_out = { size: 8 } as const;
export const fuse_notify_inval_inode_out = { size: 24, ino: 0, off: 8, len: 16 } as const;
export const fuse_notify_inval_entry_out = { size: 16, parent: 0, namelen: 8, flags: 12 } as const;
export const fuse_getxattr_out = { size: 8 } as const;

export const fuse_dirent = { head: 24, ino: 0, off: 8, namelen: 16, type: 20, name: 24 } as const;

export const fuse_setattr_in = {
  size: 88,
  valid: 0,
  fh: 8,
  bytes: 16,
  atime: 32,
  mtime: 40,
  atimensec: 56,
  mtimensec: 60,
  mode: 68,
  uid: 76,
  gid: 80,
} as const;

/** READ, WRITE, READDIR and READDIRPLUS begin alike. */
export const fuse_read_in = { size: 40, fh: 0, offset: 8, bytes: 16 } as const;
export const fuse_write_in = { size: 40, fh: 0, offset: 8, bytes: 16, write_flags: 20 } as const;
export const fuse_create_in = { size: 16, flags: 0, mode: 4, umask: 8, open_flags: 12 } as const;
export const fuse_mknod_in = { size: 16, mode: 0, rdev: 4, umask: 8 } as const;
export const fuse_mkdir_in = { size: 8, mode: 0, umask: 4 } as const;
export const fuse_rename_in = { size: 8, newdir: 0 } as const;
export const fuse_rename2_in = { size: 16, newdir: 0, flags: 8 } as const;
export const fuse_link_in = { size: 8, oldnodeid: 0 } as const;
export const fuse_open_in = { size: 8, flags: 0, open_flags: 4 } as const;
export const fuse_release_in = { size: 24, fh: 0, flags: 8 } as const;
export const fuse_fsync_in = { size: 16, fh: 0, fsync_flags: 8 } as const;
export const fuse_setxattr_in = { size: 16, compat_size: 8, bytes: 0, flags: 4, setxattr_flags: 8 } as const;
export const fuse_getxattr_in = { size: 8, bytes: 0 } as const;
export const fuse_fallocate_in = { size: 32, fh: 0, offset: 8, length: 16, mode: 24 } as const;
export const fuse_lseek_in = { size: 24, fh: 0, offset: 8, whence: 16 } as const;
export const fuse_copy_file_range_in = {
  size: 56,
  fh_in: 0,
  off_in: 8,
  nodeid_out: 16,
  fh_out: 24,
  off_out: 32,
  len: 40,
  flags: 48,
} as const;
export const fuse_batch_forget_in = { size: 8, count: 0 } as const;
export const fuse_forget_one = { size: 16, nodeid: 0, nlookup: 8 } as const;

export const fuse_kstatfs = {
  size: 80,
  blocks: 0,
  bfree: 8,
  bavail: 16,
  files: 24,
  ffree: 32,
  bsize: 40,
  namelen: 44,
  frsize: 48,
} as const;

/** fuse_statx_out with the fuse_statx that begins at 32. */
export const fuse_statx_out = {
  size: 288,
  attr_valid: 0,
  attr_valid_nsec: 8,
  mask: 32,
  blksize: 36,
  nlink: 48,
  uid: 52,
  gid: 56,
  /** u16. */
  mode: 60,
  ino: 64,
  bytes: 72,
  blocks: 80,
  /** Each time: s64 seconds, u32 nanoseconds. */
  atime: 96,
  btime: 112,
  ctime: 128,
  mtime: 144,
  rdev_major: 160,
  rdev_minor: 164,
} as const;
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
