// Trees for the tests of images: arbitrary ones, and how an image of one reads back.

import fc from 'fast-check';
import { ImageReader } from '../../../fs/erofs/reader.js';
import { Tree } from '../../../fs/erofs/tree.js';
import { writeImage } from '../../../fs/erofs/writer.js';
import { Attr } from '../../../fs/filesystem.js';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../../fs/mode.js';
import { type ByteString, fromBytes, joinPath } from '../../../fs/name.js';

/** One file of a tree as plain data. */
export interface Planned {
  readonly name: ByteString;
  readonly type: number;
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly sec: number;
  readonly nsec: number;
  readonly size: number;
  readonly rdev: number;
  readonly target: ByteString;
  readonly xattrs: readonly (readonly [ByteString, ByteString])[];
  readonly children: readonly Planned[];
}

const byte = fc.integer({ min: 1, max: 255 }).filter((code) => code !== 0x2f);
export const names = fc
  .array(byte, { minLength: 1, maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes))
  .filter((name) => name !== '.' && name !== '..');
const text = (maxLength: number) =>
  fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength })
    .map((codes) => String.fromCharCode(...codes));
const xattr = fc.tuple(
  fc.oneof(
    fc.constantFrom(
      'user.a',
      'trusted.overlay.metacopy',
      'system.posix_acl_access',
      'system.posix_acl_default',
    ),
    names.map((name) => `user.${name}`),
    names.map((name) => `security.${name}`),
  ),
  fc.oneof(fc.constant(''), text(100)),
);

const TYPES = [S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK];
const u32 = fc.integer({ min: 0, max: 0xffffffff });

export const { planned } = fc.letrec<{ planned: Planned; children: readonly Planned[] }>((tie) => ({
  children: fc.uniqueArray(tie('planned'), { maxLength: 8, selector: ({ name }) => name }),
  planned: fc.record({
    name: names,
    type: fc.constantFrom(...TYPES),
    permissions: fc.integer({ min: 0, max: 0o7777 }),
    uid: u32,
    gid: u32,
    sec: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
    nsec: fc.integer({ min: 0, max: 999_999_999 }),
    size: fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.constantFrom(2 ** 32, 15 * 2 ** 40),
    ),
    rdev: u32,
    target: fc.oneof(text(60), text(4095)),
    xattrs: fc.uniqueArray(xattr, { maxLength: 6, selector: ([name]) => name }),
    children: fc.oneof({ maxDepth: 4 }, fc.constant([]), tie('children')),
  }),
}));

export function treeOf(children: readonly Planned[]): Tree {
  const tree = new Tree();
  const root = { ...ROOT, children };
  fill(tree, tree.add(-1, '', S_IFDIR | 0o755), root);
  return tree;
}

const ROOT: Planned = {
  name: '',
  type: S_IFDIR,
  permissions: 0o755,
  uid: 0,
  gid: 0,
  sec: 0,
  nsec: 0,
  size: 0,
  rdev: 0,
  target: '',
  xattrs: [],
  children: [],
};

function fill(tree: Tree, entry: number, from: Planned): void {
  tree.uid[entry] = from.uid;
  tree.gid[entry] = from.gid;
  tree.mtimeSec[entry] = from.sec;
  tree.mtimeNsec[entry] = from.nsec;
  tree.ctimeSec[entry] = from.sec + 1;
  tree.ino[entry] = entry + 2 ** 40;
  tree.blocks[entry] = Math.ceil(from.size / 512);
  if (from.type === S_IFREG) tree.size[entry] = from.size;
  if (from.type === S_IFCHR || from.type === S_IFBLK) tree.rdev[entry] = from.rdev;
  if (from.type === S_IFLNK) tree.target[entry] = from.target;
  tree.xattrs[entry] = from.xattrs.flat();
  if (from.type !== S_IFDIR) return;
  for (const child of from.children)
    fill(tree, tree.add(entry, child.name, child.type | child.permissions), child);
}

export function imageOf(tree: Tree): ImageReader {
  const { bytes, length } = writeImage(tree);
  return new ImageReader(bytes, length);
}

/** All that an image says of each path, as text. */
export function described(image: ImageReader): Map<ByteString, string> {
  const all = new Map<ByteString, string>();
  const attr = new Attr();
  const visit = (nid: number, path: ByteString): void => {
    image.stat(nid, attr);
    const xattrs: string[] = [];
    image.xattrs(nid, (name, value) => xattrs.push(`${name}=${fromBytes(value)}`));
    const type = attr.mode & S_IFMT;
    const target = type === S_IFLNK ? image.readlink(nid) : '';
    const { mode, uid, gid, size, mtimeSec, mtimeNsec, ctimeSec, ino, blocks, rdev } = attr;
    const numbers = [mode.toString(8), uid, gid, type === S_IFREG ? size : 0, mtimeSec, mtimeNsec, ctimeSec];
    all.set(path, [...numbers, ino, blocks, rdev, target, ...xattrs.sort()].join(' '));
    if (type !== S_IFDIR) return;
    image.list(nid, (name, _type, child) => visit(child, joinPath(path, name)));
  };
  visit(image.root, '');
  return all;
}

/** The same of the tree that an image was made of. */
export function expected(tree: Tree): Map<ByteString, string> {
  const all = new Map<ByteString, string>();
  const visit = (entry: number, path: ByteString): void => {
    const xattrs: string[] = [];
    const pairs = tree.xattrs[entry] ?? [];
    for (let k = 0; k < pairs.length; k += 2) xattrs.push(`${pairs[k]}=${pairs[k + 1]}`);
    const numbers = [
      tree.mode[entry]!.toString(8),
      tree.uid[entry],
      tree.gid[entry],
      tree.size[entry],
      tree.mtimeSec[entry],
      tree.mtimeNsec[entry],
      tree.ctimeSec[entry],
      tree.ino[entry],
      tree.blocks[entry],
      tree.rdev[entry],
    ];
    all.set(path, [...numbers, tree.target[entry] ?? '', ...xattrs.sort()].join(' '));
    for (const child of tree.children[entry] ?? []) visit(child, joinPath(path, tree.names[child]!));
  };
  visit(0, '');
  return all;
}
