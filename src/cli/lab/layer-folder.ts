// Layers of the lab as real folders: made from what a lesson says, and read with their marks and extended attributes.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ByteString,
  basename,
  type Dialect,
  dirname,
  EEXIST,
  ENOENT,
  FsError,
  fromText,
  ifAllowed,
  isErrno,
  type LayerNode,
  type LowerDescription,
  openLowerDir,
  sys,
  toText,
} from '../../../fs/index.js';
import { type Contents, contentsOf, type Reads } from '../../web/contents.js';
import { filler } from '../../web/filler.js';
import type { FileSetup, LinkIndex } from '../../web/model.js';

/** How many characters of an attribute are shown. */
const SHOWN = 40;
const WHITEOUT_MODE = 0o020000;

/** `trusted` for root, `user` for everybody else. */
export function marksHere(): 'trusted' | 'user' {
  return sys.mayUseTrustedXattrs() ? 'trusted' : 'user';
}

/** What a lesson's files may not have: its digests are the same for whoever plays it. */
const UMASK = 0o022;

/**
 * Makes files in a folder that is there and empty, with modes whatever the umask. Nothing is followed out of it, and nothing
 * that is there written over.
 */
export function fillFolder(top: string, files: Readonly<Record<string, FileSetup>>): void {
  const root = sys.openAt(sys.AT_FDCWD, fromText(top), sys.O_RDONLY | sys.O_DIRECTORY);
  const umask = process.umask(UMASK);
  try {
    for (const [path, what] of Object.entries(files)) {
      const real = fromText(path);
      within(ensureFolders(root, dirname(real)), (folder) => fill(root, folder, basename(real), what));
    }
  } finally {
    process.umask(umask);
    sys.closeFd(root);
  }
}

function fill(root: number, folder: number, name: ByteString, what: FileSetup): void {
  if (what === null) sys.makeNodeAt(folder, name, WHITEOUT_MODE, 0);
  else if (typeof what === 'string') makeFile(folder, name, Buffer.from(what));
  else if ('size' in what) makeFile(folder, name, filler(what.size));
  else if ('symlink' in what) sys.makeSymlinkAt(folder, name, fromText(what.symlink));
  else if ('link' in what) {
    const from = fromText(what.link);
    within(folderBeneath(root, dirname(from)), (dir) => sys.linkAt(dir, basename(from), folder, name));
  } else within(ensureFolder(folder, name), (fd) => what.opaque === true && makeOpaque(fd));
}

function makeFile(folder: number, name: ByteString, data: Uint8Array): void {
  const flags = sys.O_WRONLY | sys.O_CREAT | sys.O_EXCL | sys.O_NOFOLLOW;
  within(sys.openAt(folder, name, flags, 0o666), (fd) => sys.writeAllAt(fd, 0, data));
}

function makeOpaque(fd: number): void {
  sys.setXattr(fd, `${marksHere()}.overlay.opaque`, Buffer.from('y'), 0);
}

/** A descriptor of a folder that is there, reached through no symlink. */
function folderBeneath(root: number, path: ByteString): number {
  if (path.length > sys.PATH_MAX) {
    // Longer than one call takes.
    const cut = path.lastIndexOf('/', sys.PATH_MAX);
    return within(folderBeneath(root, path.slice(0, cut)), (above) =>
      folderBeneath(above, path.slice(cut + 1)),
    );
  }
  const folder = sys.openBeneath(root, path === '' ? '.' : path, sys.O_RDONLY | sys.O_DIRECTORY);
  if (folder === undefined) throw new FsError(ENOENT, path);
  return folder;
}

/** The same, made with those above it where it is missing. */
function ensureFolders(root: number, path: ByteString): number {
  let folder = sys.duplicate(root);
  for (const name of path === '' ? [] : path.split('/')) {
    folder = within(folder, (above) => ensureFolder(above, name));
  }
  return folder;
}

/** ENOTDIR for what is no folder, a symlink too. */
function ensureFolder(above: number, name: ByteString): number {
  try {
    sys.makeFolderAt(above, name, 0o777);
  } catch (error) {
    if (!isErrno(error, EEXIST)) throw error;
  }
  return sys.openAt(above, name, sys.O_RDONLY | sys.O_DIRECTORY | sys.O_NOFOLLOW);
}

/** Closes the descriptor afterwards. */
function within<T>(fd: number, act: (fd: number) => T): T {
  try {
    return act(fd);
  } finally {
    sys.closeFd(fd);
  }
}

type Described = Pick<LowerDescription, 'path' | 'id' | 'marks'> & {
  readonly dialect: Dialect;
  readonly work?: string;
};

/**
 * What lies in the folder of a layer, below `focus`, `depth` folders deep, and in the index of its work folder. `listed` is told
 * the bytes of the path of each entry, as Reads has it.
 */
export function readFolder(
  described: Described,
  focus = '',
  depth = Number.POSITIVE_INFINITY,
  listed?: Reads['listed'],
): Contents & { readonly folder: string } {
  const { path: folder, work } = described;
  const contents = contentsAt(described, focus, depth, listed);
  if (work === undefined) return { ...contents, folder };
  const index = ifAllowed(() => indexIn(described, join(work, 'index')), undefined);
  return { ...contents, folder, ...(index && { index }) };
}

/** undefined while nothing is in it. */
function indexIn(described: Described, path: string): LinkIndex | undefined {
  if (!existsSync(path)) return undefined;
  const { entries } = contentsAt({ ...described, path }, '', 1);
  return entries.length === 0 ? undefined : { path, entries };
}

function contentsAt(
  { path, id, dialect, marks }: Described,
  focus: string,
  depth: number,
  listed?: Reads['listed'],
): Contents {
  const layer = openLowerDir(fromText(path), {
    id,
    dialect,
    anyMayLackData: true,
    ...(marks && { marks: [marks] }),
  });
  try {
    const root = sys.openAt(sys.AT_FDCWD, fromText(path), sys.O_RDONLY | sys.O_DIRECTORY);
    return within(root, (top) => {
      const reads: Reads = {
        xattrs: (dir, name) => within(folderBeneath(top, dir), (folder) => xattrsOf(folder, name)),
        linkKey: keyOf,
        ...(listed && { listed }),
      };
      return contentsOf(layer, reads, fromText(focus), depth);
    });
  } finally {
    layer.close();
  }
}

/** The kernel's name of its file handle (ovl_get_index_name); what has none is found by this program in another way. */
function keyOf(node: LayerNode): string | undefined {
  const origin = node.origin?.();
  return origin && Buffer.from(origin).toString('hex');
}

function xattrsOf(folder: number, name: ByteString): Record<string, string> {
  const names = sys.listXattrsAt(folder, name);
  return Object.fromEntries(names.map((xattr) => [toText(xattr), shownValue(folder, name, xattr)]));
}

/** '' where this process may not read it: those of `user` are as closed as the file. */
function shownValue(folder: number, name: ByteString, xattr: ByteString): string {
  return valueText(ifAllowed(() => sys.getXattrAt(folder, name, xattr), undefined));
}

function valueText(value: Uint8Array | undefined): string {
  if (value === undefined) return '';
  const isText = value.every((byte) => byte >= 0x20 && byte < 0x7f);
  const text = isText ? Buffer.from(value).toString('latin1') : `0x${Buffer.from(value).toString('hex')}`;
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
