// Reads a whole tree, by ordinary file calls or through an in-process union. It runs on a worker, so that a mount
// that hangs stops neither the demo nor its clean-up: the main thread unmounts, and the worker's call fails.

import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import {
  Attr,
  type ByteString,
  Entry,
  type Filesystem,
  fromBytes,
  isFolder,
  isRegular,
  isSymlink,
  joinPath,
  kindOf,
  O_RDONLY,
  PERMISSION_BITS,
  ROOT_NODE,
  sys,
  toBytes,
} from '../../../fs/index.js';
import type { Tree, TreeEntry } from './tree.js';

const CHUNK = 1024 * 1024;

/** The tree below a folder, by file calls alone; symlinks are not followed. */
export function scanFolder(root: string): Tree {
  const tree = new Map<ByteString, TreeEntry>();
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  const place = (path: ByteString): Buffer =>
    Buffer.concat([Buffer.from(root), Buffer.from(path === '' ? '' : '/'), toBytes(path)]);
  const visit = (path: ByteString, xattrs: readonly string[]): void => {
    const stat = lstatSync(place(path), { bigint: true });
    tree.set(path, entryOf(stat, place(path), xattrs, buffer));
    if (!stat.isDirectory()) return;
    const names = readdirSync(place(path), { encoding: 'buffer' }).map((name) => fromBytes(name));
    const dir = process.platform === 'linux' ? openSync(place(path), constants.O_DIRECTORY) : undefined;
    try {
      for (const name of names.sort()) {
        visit(joinPath(path, name), dir === undefined ? [] : xattrsAt(dir, name));
      }
    } finally {
      if (dir !== undefined) closeSync(dir);
    }
  };
  visit('', []);
  return tree;
}

function entryOf(stat: BigIntStats, place: Buffer, xattrs: readonly string[], buffer: Buffer): TreeEntry {
  const mode = Number(stat.mode);
  let content = '';
  if (stat.isSymbolicLink()) content = fromBytes(readlinkSync(place, { encoding: 'buffer' }));
  if (stat.isFile()) {
    const fd = openSync(place, constants.O_RDONLY);
    try {
      content = digest((offset) => buffer.subarray(0, readSync(fd, buffer, 0, CHUNK, offset)));
    } finally {
      closeSync(fd);
    }
  }
  return {
    kind: kindOf(mode),
    mode: mode & PERMISSION_BITS,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    rdev: stat.isBlockDevice() || stat.isCharacterDevice() ? Number(stat.rdev) : 0,
    size: stat.isFile() ? Number(stat.size) : 0,
    mtimeNs: stat.mtimeNs,
    content,
    xattrs,
    nlink: stat.isDirectory() ? 1 : Number(stat.nlink),
    file: `${stat.dev}:${stat.ino}`,
  };
}

/** Labels of a security module belong to the machine, not to the tree. */
function ofTheTree(name: ByteString): boolean {
  return name !== 'security.selinux';
}

function xattrsAt(dir: number, name: ByteString): readonly string[] {
  const names = sys.listXattrsAt(dir, name).filter(ofTheTree);
  return [...names].sort().map((one) => xattrText(one, sys.getXattrAt(dir, name, one)));
}

function xattrText(name: ByteString, value: Uint8Array | undefined): string {
  return `${name}=${value === undefined ? '' : Buffer.from(value).toString('hex')}`;
}

function digest(read: (offset: number) => Uint8Array): string {
  const hash = createHash('sha256');
  for (let offset = 0; ; ) {
    const chunk = read(offset);
    if (chunk.length === 0) return hash.digest('hex');
    hash.update(chunk);
    offset += chunk.length;
  }
}

/** The same of a filesystem that is not mounted. */
export function scanFilesystem(filesystem: Filesystem): Tree {
  const tree = new Map<ByteString, TreeEntry>();
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  const visit = (path: ByteString, node: number, attr: Attr): void => {
    tree.set(path, filesystemEntry(filesystem, node, attr, buffer));
    if (!isFolder(attr.mode)) return;
    const names: ByteString[] = [];
    const handle = filesystem.opendir(node);
    filesystem.readdir(handle, 0, (name) => {
      if (name !== '.' && name !== '..') names.push(name);
      return true;
    });
    filesystem.releasedir(handle);
    for (const name of names.sort()) {
      const entry = new Entry();
      if (!filesystem.lookup(node, name, entry)) {
        throw new Error(`listed and not found: ${joinPath(path, name)}`);
      }
      visit(joinPath(path, name), entry.node, entry.attr);
      filesystem.forget(entry.node, 1);
    }
  };
  const root = new Attr();
  filesystem.getattr(ROOT_NODE, root);
  visit('', ROOT_NODE, root);
  return tree;
}

function filesystemEntry(filesystem: Filesystem, node: number, attr: Attr, buffer: Buffer): TreeEntry {
  const { mode } = attr;
  const kind = kindOf(mode);
  let content = '';
  if (isSymlink(mode)) content = filesystem.readlink(node);
  if (isRegular(mode)) {
    const handle = filesystem.open(node, O_RDONLY);
    content = digest((offset) => buffer.subarray(0, filesystem.read(handle, offset, buffer)));
    filesystem.release(handle);
  }
  const names = node === ROOT_NODE ? [] : filesystem.listxattr(node).filter(ofTheTree);
  return {
    kind,
    mode: mode & PERMISSION_BITS,
    uid: attr.uid,
    gid: attr.gid,
    rdev: kind === 'char' || kind === 'block' ? attr.rdev : 0,
    size: isRegular(mode) ? attr.size : 0,
    mtimeNs: BigInt(attr.mtimeSec) * 1_000_000_000n + BigInt(attr.mtimeNsec),
    content,
    xattrs: [...names].sort().map((name) => xattrText(name, filesystem.getxattr(node, name))),
    nlink: isFolder(mode) ? 1 : attr.nlink,
    file: String(attr.ino),
  };
}
