// The operations of the differential test: what each asks of a filesystem, and which places it prefers so that
// most of them succeed. A call gets paths of one side, returns what a program would see (never numbers of files,
// devices or clocks, which are compared elsewhere) and throws what the system call throws.

import fs from 'node:fs';
import { sys } from '../../dist/fs/index.js';
import { SEEK_DATA, SEEK_HOLE } from './holes.mjs';
import {
  directWrite,
  lockFile,
  lockRange,
  mapRead,
  mapWrite,
  removeXattrOf,
  setTimes,
  setXattrOf,
} from './native.mjs';
import { content, listing, shown, xattrs } from './observe.mjs';

const { AT_FDCWD } = sys;
const S_IFSOCK = 0o140000;
const S_IFBLK = 0o060000;
const S_IFCHR = 0o020000;
const S_IFIFO = 0o010000;
/** Bytes. */
const COPIED = 2000;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 16;
const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_DIRECTORY, O_DIRECT } =
  fs.constants;

export const pick = (list, n) => list[n % list.length];

/** Bytes that tell which call wrote them; now and then more than a page. */
const data = (n) => Buffer.alloc(n % 7 === 0 ? 5000 : (n % 13) + 1, 65 + (n % 26));
export const offsetOf = (n) => pick([0, 3, 40, 4096, 9000], n >> 3);

function withFd(path, flags, act, mode) {
  // Without O_NONBLOCK a fifo would wait for its other end.
  const fd = fs.openSync(path, flags | O_NONBLOCK, mode);
  try {
    return act(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** An ACL as its xattr carries it: owner, named user 12345, group, mask, others. */
function acl(n) {
  const entries = [
    [0x01, 6 + (n & 1), -1],
    [0x02, n % 8, 12345],
    [0x04, (n >> 3) % 8, -1],
    [0x10, (n >> 6) % 8, -1],
    [0x20, (n >> 9) % 8, -1],
  ];
  const plain = n % 5 === 0;
  const kept = plain ? entries.filter(([tag]) => tag !== 0x02 && tag !== 0x10) : entries;
  const value = Buffer.alloc(4 + kept.length * 8);
  value.writeUInt32LE(2, 0);
  kept.forEach(([tag, perm, id], i) => {
    value.writeUInt16LE(tag, 4 + i * 8);
    value.writeUInt16LE(perm, 6 + i * 8);
    value.writeInt32LE(id, 8 + i * 8);
  });
  return value;
}

const between = (p, q, act) => withFd(p, O_RDONLY, (from) => withFd(q, O_RDWR, (to) => act(from, to)));

/** What programs do where copy_file_range(2) cannot: the same with a read and a write. */
export function copyByHand(p, q, n) {
  return between(p, q, (from, to) => {
    const bytes = Buffer.alloc(COPIED);
    const count = fs.readSync(from, bytes, 0, COPIED, offsetOf(n));
    return count === 0 ? 0 : fs.writeSync(to, bytes, 0, count, offsetOf(n >> 2));
  });
}

/** How many bytes a copy takes from a file. */
export function copiedFrom(p, n) {
  return withFd(p, O_RDONLY, (fd) => Math.min(COPIED, Math.max(0, fs.fstatSync(fd).size - offsetOf(n))));
}

function allocate(fd, n) {
  const mode = pick([0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE], n);
  sys.allocateFd(fd, mode, offsetOf(n), 3000);
}

function seek(fd, n) {
  const at = offsetOf(n);
  return [sys.seekFd(fd, at, SEEK_DATA) ?? 'none', sys.seekFd(fd, at, SEEK_HOLE) ?? 'none'];
}

function rename(flags) {
  return (p, q) => {
    const errno = sys.renameErrno(AT_FDCWD, p, AT_FDCWD, q, flags);
    if (errno !== 0) throw Object.assign(new Error('rename'), { errno });
  };
}

export function removeTree(path) {
  if (!fs.lstatSync(path).isDirectory()) return fs.unlinkSync(path);
  for (const name of fs.readdirSync(path).sort()) removeTree(`${path}/${name}`);
  fs.rmdirSync(path);
}

const XATTRS = ['user.one', 'user.two', 'trusted.three', 'security.four'];
const REMOVED = [...XATTRS, 'security.capability', 'system.posix_acl_access', 'system.posix_acl_default'];
/**
 * Spelled like marks of overlayfs, and what they would mean; as attributes of users they mean nothing. Names of
 * stand-ins (`user.containers.override_*`, `user.fuseoverlayfs.*`) are not here: ours keeps them to itself (EPERM).
 */
const MARKS = [
  ['trusted.overlay.opaque', 'y'],
  ['trusted.overlay.redirect', '/a'],
  ['trusted.overlay.metacopy', ''],
  ['trusted.overlay.whiteout', ''],
  ['trusted.overlay.overlay.opaque', 'y'],
  ['user.overlay.opaque', 'y'],
  ['user.overlay.redirect', 'b'],
  ['user.overlay.overlay.origin', '1'],
];
/** Version 2, effective, CAP_NET_RAW permitted (linux/capability.h). */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');
/** NOREPLACE with EXCHANGE, WHITEOUT alone and with each, and a flag that does not exist. */
const STRANGE_FLAGS = [3, 4, 5, 6, 8];
const TIMES = ['now', 'omit', 1_234_567_890_123_456_789n, 5n];
/**
 * chown(2) leaves an id of -1 as it is. Not both: POSIX leaves open what that does, and what FUSE sends for it is
 * what it sends before a write, too.
 */
const UNCHANGED = 0xffff_ffff;
const OWNERS = [
  [0, 0],
  [1, 0],
  [12345, 1],
  [UNCHANGED, 12345],
  [12345, UNCHANGED],
  [0, 12345],
];
const MODES = [0o644, 0o600, 0o755, 0o4755, 0o2755, 0o6777, 0o1777, 0o444, 0o000, 0o666];

const file = (place) => place.kind === 'f';
const folder = (place) => place.kind === 'd';
const notFolder = (place) => place.kind !== 'd';
const free = (place) => place.kind === undefined;
const link = (place) => place.kind === 'l';

/**
 * name -> how it acts. `p` and `q` are paths of one side, `n` a number that varies it. `one`: which places it
 * prefers; `two`: it takes a second place, and which;
 * `names`: it is about a name, not about what the name leads to; `fd`: it acts on an open file instead, and gets its number;
 * `reads`: it changes nothing, so that places need not be looked at again.
 */
export const CALLS = {
  mkdir: {
    names: true,
    one: free,
    act: (p, _q, n) => fs.mkdirSync(p, pick([0o755, 0o700, 0o2775, 0o1777], n)),
  },
  create: {
    names: true,
    one: free,
    act: (p, _q, n) =>
      withFd(p, O_RDWR | O_CREAT | O_EXCL, (fd) => fs.writeSync(fd, data(n), 0), pick(MODES, n)),
  },
  mknod: {
    names: true,
    one: free,
    act: (p, _q, n) => {
      const [type, dev] = pick(
        [
          [S_IFIFO, 0],
          [S_IFSOCK, 0],
          [S_IFCHR, 0x103],
          [S_IFBLK, 0x12345],
          [S_IFCHR, 0],
        ],
        n,
      );
      sys.makeNodeAt(AT_FDCWD, p, type | 0o640, dev);
    },
  },
  symlink: {
    names: true,
    one: free,
    act: (p, _q, n) => fs.symlinkSync(pick(['a', 'b/c', 'nowhere', 'd'], n), p),
  },
  tmpfile: {
    names: true,
    one: free,
    // A file without a name in the folder of the place, which then gets the place as its name.
    act: (p, _q, n) => {
      const at = p.lastIndexOf('/');
      const fd = sys.openAt(
        AT_FDCWD,
        p.slice(0, at),
        sys.O_TMPFILE | O_RDWR | (n % 5 === 0 ? O_EXCL : 0),
        0o640,
      );
      try {
        fs.writeSync(fd, data(n));
        const before = shown(fs.fstatSync(fd));
        sys.linkFd(fd, AT_FDCWD, p);
        return [before, shown(fs.fstatSync(fd))];
      } finally {
        fs.closeSync(fd);
      }
    },
  },
  link: {
    one: notFolder,
    two: free,
    act: (p, q) => {
      const open = /^\/proc\/self\/fd\/(\d+)$/.exec(p);
      if (open) sys.linkFd(Number(open[1]), AT_FDCWD, q);
      else sys.linkAt(AT_FDCWD, p, AT_FDCWD, q);
    },
  },
  unlink: { names: true, one: notFolder, act: (p) => fs.unlinkSync(p) },
  rmdir: { names: true, one: (place) => folder(place) && place.empty, act: (p) => fs.rmdirSync(p) },
  rmtree: { names: true, one: folder, act: (p) => removeTree(p) },
  rename: { names: true, one: (place) => !free(place), two: free, act: rename(0) },
  replace: { names: true, one: notFolder, two: notFolder, act: rename(0) },
  'replace-folder': {
    names: true,
    one: folder,
    two: (place) => folder(place) && place.empty,
    act: rename(0),
  },
  noreplace: { names: true, one: (place) => !free(place), two: free, act: rename(1) },
  exchange: { names: true, one: (place) => !free(place), two: (place) => !free(place), act: rename(2) },
  'rename-flags': {
    names: true,
    one: (place) => !free(place),
    two: free,
    act: (p, q, n) => rename(pick(STRANGE_FLAGS, n))(p, q),
  },
  write: {
    one: file,
    act: (p, _q, n) => withFd(p, O_WRONLY, (fd) => fs.writeSync(fd, data(n), 0, null, offsetOf(n))),
  },
  append: {
    one: file,
    act: (p, _q, n) => withFd(p, O_WRONLY | O_APPEND, (fd) => fs.writeSync(fd, data(n))),
  },
  'open-trunc': {
    one: file,
    act: (p, _q, n) => withFd(p, O_RDWR | O_TRUNC, (fd) => (n % 2 ? fs.writeSync(fd, data(n)) : 0)),
  },
  'open-creat': {
    one: file,
    act: (p, _q, n) => withFd(p, O_RDWR | O_CREAT, (fd) => fs.writeSync(fd, data(n)), 0o640),
  },
  truncate: { one: file, act: (p, _q, n) => fs.truncateSync(p, pick([0, 1, 5, 100, 10000], n)) },
  read: { one: file, reads: true, act: (p) => withFd(p, O_RDONLY, content) },
  stat: {
    one: (place) => !free(place),
    reads: true,
    act: (p) => shown(p.startsWith('/proc/') ? fs.statSync(p) : fs.lstatSync(p)),
  },
  list: {
    one: folder,
    reads: true,
    act: (p) => withFd(p, O_RDONLY | O_DIRECTORY, (fd) => listing(fd, p)),
  },
  readlink: { one: link, reads: true, act: (p) => (p.startsWith('/proc/') ? 'open' : fs.readlinkSync(p)) },
  access: { one: (place) => !free(place), reads: true, act: (p, _q, n) => fs.accessSync(p, n % 8) },
  chmod: { one: (place) => !free(place), act: (p, _q, n) => fs.chmodSync(p, pick(MODES, n)) },
  chown: {
    one: (place) => !free(place),
    act: (p, _q, n) => (p.startsWith('/proc/') ? fs.chownSync : fs.lchownSync)(p, ...pick(OWNERS, n)),
  },
  utimes: {
    one: (place) => !free(place),
    act: (p, _q, n) =>
      (p.startsWith('/proc/') ? fs.utimesSync : fs.lutimesSync)(p, 1e9 + n, (n % 4 ? 1.2e9 : -1e6) + n),
  },
  utimensat: {
    one: (place) => !free(place),
    act: (p, _q, n) => setTimes(p, pick(TIMES, n), pick(TIMES, n >> 2)),
  },
  setxattr: {
    one: (place) => file(place) || folder(place),
    act: (p, _q, n) =>
      withFd(p, O_RDONLY, (fd) =>
        sys.setXattr(fd, pick(XATTRS, n), data(n >> 2).subarray(0, 20), pick([0, 0, 1, 2], n >> 2)),
      ),
  },
  removexattr: {
    one: (place) => file(place) || folder(place),
    act: (p, _q, n) => withFd(p, O_RDONLY, (fd) => sys.removeXattr(fd, pick(REMOVED, n))),
  },
  listxattr: {
    one: (place) => file(place) || folder(place),
    reads: true,
    act: (p) => withFd(p, O_RDONLY, xattrs),
  },
  'xattr-of-any': {
    one: (place) => !free(place),
    act: (p, _q, n) => {
      if (n % 3 === 0) removeXattrOf(p, pick(XATTRS, n >> 2));
      else setXattrOf(p, pick(XATTRS, n >> 2), data(n >> 4).subarray(0, 20), 0);
    },
  },
  'xattr-like-mark': {
    one: (place) => file(place) || folder(place),
    act: (p, _q, n) => {
      const [name, value] = pick(MARKS, n >> 2);
      if (n % 3 === 0) removeXattrOf(p, name);
      else setXattrOf(p, name, Buffer.from(value), 0);
    },
  },
  setcap: {
    one: file,
    act: (p) => withFd(p, O_RDONLY, (fd) => sys.setXattr(fd, 'security.capability', CAPABILITY, 0)),
  },
  setfacl: {
    one: (place) => file(place) || folder(place),
    act: (p, _q, n) => withFd(p, O_RDONLY, (fd) => sys.setXattr(fd, 'system.posix_acl_access', acl(n), 0)),
  },
  'setfacl-default': {
    one: folder,
    act: (p, _q, n) => withFd(p, O_RDONLY, (fd) => sys.setXattr(fd, 'system.posix_acl_default', acl(n), 0)),
  },
  'map-read': { one: file, reads: true, act: (p) => withFd(p, O_RDONLY, (fd) => mapRead(fd, 6000)) },
  'map-write': {
    one: file,
    act: (p, _q, n) => withFd(p, O_RDWR, (fd) => mapWrite(fd, data(n), offsetOf(n))),
  },
  'direct-write': {
    one: file,
    act: (p, _q, n) =>
      withFd(p, O_WRONLY | O_DIRECT, (fd) => directWrite(fd, data(n), pick([0, 4096, 12288], n >> 3))),
  },
  fallocate: {
    one: file,
    act: (p, _q, n) => withFd(p, O_RDWR, (fd) => allocate(fd, n)),
  },
  seek: {
    one: file,
    reads: true,
    act: (p, _q, n) => withFd(p, O_RDONLY, (fd) => seek(fd, n)),
  },
  'copy-range': {
    one: file,
    two: file,
    act: (p, q, n) =>
      between(p, q, (from, to) => {
        const copied = sys.copyRange(from, offsetOf(n), to, offsetOf(n >> 2), COPIED);
        if (copied < 0) throw Object.assign(new Error('copy_file_range'), { errno: -copied });
        return copied;
      }),
  },
  fsync: {
    one: (place) => file(place) || folder(place),
    reads: true,
    act: (p) => withFd(p, O_RDONLY, (fd) => fs.fsyncSync(fd)),
  },
  'fd-read': { fd: true, one: file, reads: true, act: (fd) => content(fd) },
  'fd-write': { fd: true, one: file, act: (fd, _q, n) => fs.writeSync(fd, data(n), 0, null, offsetOf(n)) },
  'fd-map-read': { fd: true, one: file, reads: true, act: (fd) => mapRead(fd, 6000) },
  'fd-map-write': { fd: true, one: file, act: (fd, _q, n) => mapWrite(fd, data(n), offsetOf(n)) },
  'fd-allocate': { fd: true, one: file, act: (fd, _q, n) => allocate(fd, n) },
  'fd-seek': { fd: true, one: file, reads: true, act: (fd, _q, n) => seek(fd, n) },
  'fd-flock': {
    fd: true,
    one: (place) => !free(place),
    reads: true,
    act: (fd, _q, n) => lockFile(fd, pick([1, 2, 8], n)),
  },
  'fd-lock': {
    fd: true,
    one: file,
    reads: true,
    act: (fd, _q, n) => lockRange(fd, n % 3, pick([0, 2, 10], n >> 2), pick([0, 5, 100], n >> 4)),
  },
  'fd-truncate': { fd: true, one: file, act: (fd, _q, n) => fs.ftruncateSync(fd, pick([0, 4, 300], n)) },
  'fd-stat': { fd: true, one: (place) => !free(place), reads: true, act: (fd) => shown(fs.fstatSync(fd)) },
  'fd-chmod': {
    fd: true,
    one: (place) => !free(place),
    act: (fd, _q, n) => fs.fchmodSync(fd, pick(MODES, n)),
  },
  'fd-chown': { fd: true, one: (place) => !free(place), act: (fd, _q, n) => fs.fchownSync(fd, n % 2, 12345) },
  'fd-list': { fd: true, one: folder, reads: true, act: (fd) => listing(fd, `/proc/self/fd/${fd}`) },
  'fd-xattr': {
    fd: true,
    one: (place) => !free(place),
    act: (fd, _q, n) => {
      sys.setXattr(fd, 'user.fd', data(n).subarray(0, 9), 0);
      return xattrs(fd);
    },
  },
  'fd-utimes': {
    fd: true,
    one: (place) => !free(place),
    act: (fd, _q, n) => fs.futimesSync(fd, 1e9 + n, 1.1e9 + n),
  },
};

/** How a place is opened for the calls on open files. */
export const OPEN_FLAGS = { f: [O_RDWR, O_RDONLY, O_RDWR | O_APPEND, O_RDONLY], d: [O_RDONLY] };
