// A whole tree copied entry by entry: what the native driver does where others lay one folder over another. Data
// shares extents where the filesystem can (FICLONE), else is copied inside the kernel; holes, hard links, owners,
// modes, xattrs and times are kept. Paths are relative to the two roots, so no symlink of a tree leads out of it.

import {
  Attr,
  type ByteString,
  isFolder,
  isRegular,
  isSymlink,
  joinPath,
  PERMISSION_BITS,
  SEEK_DATA,
  SEEK_HOLE,
  sys,
} from '../../fs/index.js';

const O_HOLD = sys.O_PATH | sys.O_NOFOLLOW | sys.O_CLOEXEC;
const O_LIST = sys.O_RDONLY | sys.O_DIRECTORY | sys.O_NOFOLLOW | sys.O_CLOEXEC;
const CHUNK = 1 << 20;
const EMPTY = new Uint8Array(0);

/** Longer paths are gone on with from a descriptor on the way: no system call takes more than PATH_MAX. */
const LONG_PATH = sys.PATH_MAX / 2;

/** Copies everything in the folder `from` into the empty folder `to`, and `from`'s own attributes at the end. */
export function copyTree(from: number, to: number): void {
  copyBelow({ from, to, path: '' }, { root: to, first: new Map() });
}

/** A folder of both trees; `path` is where it is below the roots. */
interface Pair {
  readonly from: number;
  readonly to: number;
  readonly path: ByteString;
}

/** Where the first name of each file with several is, below the root of the copy. */
interface Links {
  readonly root: number;
  readonly first: Map<number, ByteString>;
}

function copyBelow(pair: Pair, links: Links): void {
  const { from, to } = pair;
  const folders: ByteString[] = ['.'];
  // Grows while it is walked: parents come before their children.
  for (let at = 0; at < folders.length; at++) {
    const folder = folders[at] ?? '.';
    if (folder.length > LONG_PATH) {
      within(pair, folder, (deeper) => copyBelow(deeper, links));
      continue;
    }
    for (const name of namesIn(from, folder)) {
      const path = folder === '.' ? name : `${folder}/${name}`;
      if (copyEntry(pair, path, links)) folders.push(path);
    }
  }
  // Deepest first, because making an entry changes its folder's times.
  for (const folder of folders.reverse())
    withEntry(from, folder, (fd, attr) => copyAttributes(fd, attr, to, folder));
}

function within(pair: Pair, folder: ByteString, use: (deeper: Pair) => void): void {
  const from = sys.openAt(pair.from, folder, O_LIST);
  try {
    const to = sys.openAt(pair.to, folder, O_LIST);
    try {
      use({ from, to, path: joinPath(pair.path, folder) });
    } finally {
      sys.closeFd(to);
    }
  } finally {
    sys.closeFd(from);
  }
}

/** Owner, mode, xattrs and times of the object `fromFd` (open, also by O_PATH), put on the entry `path` of `to`. */
export function copyAttributes(
  fromFd: number,
  attr: Attr,
  to: number,
  path: string,
  wanted: (xattr: string) => boolean = () => true,
): void {
  const fd = sys.openAt(to, path, O_HOLD);
  try {
    const now = new Attr();
    sys.statFd(fd, now);
    if (now.uid !== attr.uid || now.gid !== attr.gid) sys.chownFd(fd, attr.uid, attr.gid);
    // A change of owner clears set-id bits and file capabilities, so both come after it.
    for (const name of sys.listXattrs(fromFd).filter(wanted)) {
      const value = sys.getXattr(fromFd, name);
      if (value !== undefined) sys.setXattr(fd, name, value, 0);
    }
    if (!isSymlink(attr.mode)) sys.chmodFd(fd, attr.mode & PERMISSION_BITS);
    sys.utimesFd(
      fd,
      { sec: attr.atimeSec, nsec: attr.atimeNsec },
      { sec: attr.mtimeSec, nsec: attr.mtimeNsec },
    );
  } finally {
    sys.closeFd(fd);
  }
}

/** Returns true for a folder, which gets its attributes later. */
function copyEntry(pair: Pair, path: ByteString, { root, first }: Links): boolean {
  const { to } = pair;
  return withEntry(pair.from, path, (fd, attr) => {
    if (isFolder(attr.mode)) {
      sys.makeFolderAt(to, path, 0o700);
      return true;
    }
    const known = attr.nlink > 1 ? first.get(attr.ino) : undefined;
    if (known !== undefined) {
      link(root, known, to, path);
      return false;
    }
    if (attr.nlink > 1) first.set(attr.ino, joinPath(pair.path, path));
    if (isRegular(attr.mode)) copyFile(fd, attr.size, to, path);
    else if (isSymlink(attr.mode)) sys.makeSymlinkAt(to, path, sys.readlinkFd(fd));
    else sys.makeNodeAt(to, path, attr.mode, attr.rdev);
    copyAttributes(fd, attr, to, path);
    return false;
  });
}

/** `first` may be longer than a path of one call. */
function link(root: number, first: ByteString, to: number, path: ByteString): void {
  const cut = first.length > LONG_PATH ? first.lastIndexOf('/', LONG_PATH) : -1;
  if (cut < 0) {
    sys.linkAt(root, first, to, path);
    return;
  }
  const nearer = sys.openAt(root, first.slice(0, cut), O_HOLD | sys.O_DIRECTORY);
  try {
    link(nearer, first.slice(cut + 1), to, path);
  } finally {
    sys.closeFd(nearer);
  }
}

function copyFile(held: number, size: number, to: number, path: string): void {
  const source = sys.reopen(held, sys.O_RDONLY | sys.O_CLOEXEC);
  try {
    const target = sys.openAt(to, path, sys.O_RDWR | sys.O_CREAT | sys.O_EXCL | sys.O_CLOEXEC, 0o600);
    try {
      if (size > 0 && !sys.cloneFile(source, target)) copyData(source, target, size);
    } finally {
      sys.closeFd(target);
    }
  } finally {
    sys.closeFd(source);
  }
}

/** Only what is data is copied; the rest stays a hole. */
function copyData(source: number, target: number, size: number): void {
  sys.truncateFd(target, size);
  for (let at = 0; at < size; ) {
    const start = sys.seekFd(source, at, SEEK_DATA);
    if (start === undefined) return;
    const end = sys.seekFd(source, start, SEEK_HOLE) ?? size;
    copyExtent(source, target, start, end);
    at = end;
  }
}

/** In the kernel where it can; copy_file_range(2) is refused between filesystems and by some of them. */
function copyExtent(source: number, target: number, start: number, end: number): void {
  let at = start;
  while (at < end) {
    const copied = sys.copyRange(source, at, target, at, end - at);
    if (copied === 0) return;
    if (copied < 0) break;
    at += copied;
  }
  const buffer = at < end ? new Uint8Array(CHUNK) : EMPTY;
  while (at < end) {
    const count = sys.readAt(source, at, buffer.subarray(0, Math.min(CHUNK, end - at)));
    if (count === 0) return;
    sys.writeAllAt(target, at, buffer.subarray(0, count));
    at += count;
  }
}

function withEntry<T>(root: number, path: string, use: (fd: number, attr: Attr) => T): T {
  const fd = sys.openAt(root, path, O_HOLD);
  try {
    const attr = new Attr();
    sys.statFd(fd, attr);
    return use(fd, attr);
  } finally {
    sys.closeFd(fd);
  }
}

function namesIn(root: number, path: string): readonly string[] {
  const fd = sys.openAt(root, path, O_LIST);
  try {
    const names: string[] = [];
    sys.listFolder(fd, (name) => {
      names.push(name);
      return undefined;
    });
    return names;
  } finally {
    sys.closeFd(fd);
  }
}
