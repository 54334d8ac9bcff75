// Writes a layer: changes of a tree as a tar that every reader of OCI layers takes, the same bytes for the same
// tree. A deletion is an explicit whiteout; the opaque mark is never written, because the specification asks
// writers for whiteouts (layer.md, "Opaque Whiteout") and they say the same at the price of 512 bytes a name. The
// folders above a change are entries too, changed or not, because most readers give a folder that a layer does not
// name the mode 0755 and an owner of their own; containerd does the same (`includeParents`).

import {
  type ByteString,
  basename,
  devMajor,
  devMinor,
  dirname,
  type Filesystem,
  joinPath,
  kindOf,
  type NodeId,
  O_RDONLY,
  PERMISSION_BITS,
  ROOT_NODE,
  toText,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { Change } from './change.js';
import { WHITEOUT_PREFIX } from './layer-path.js';
import { TAR_END, tarHeader, tarPadding } from './layer-tar-writer.js';
import type { TarEntry } from './tar-entry.js';
import { PathFinder, type Visited } from './tree-walk.js';

/** About how many bytes are handed out at a time. */
const CHUNK = 256 << 10;

/** As umoci writes it: no mode, no owner, no time. */
const WHITEOUT: Omit<TarEntry, 'path'> = {
  type: 'file',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { sec: 0, nsec: 0 },
  linkname: '',
  devmajor: 0,
  devminor: 0,
  xattrs: new Map(),
};

export interface LayerTarOptions {
  /** SOURCE_DATE_EPOCH, in seconds: later times of change are written as this one. */
  readonly epochSec?: number;
}

/**
 * The layer tar of `changes`, whose added and modified paths are read from `tree`. Parents come before what is
 * in them, whiteouts before their siblings; of several names of a file the first is the file and the others are
 * links to it. Sockets are left out, and what they took the place of is a deletion. Throws StoreError 'failed-precondition' for a name that begins with `.wh.`,
 * which the format cannot say.
 */
export async function* writeLayerTar(
  tree: Filesystem,
  changes: readonly Change[],
  options: LayerTarOptions = {},
): AsyncGenerator<Uint8Array, void> {
  const ordered = membersOf(changes);
  for (const { path } of ordered) assertSayable(path);
  const writing: Writing = { tree, links: new Map(), epochSec: options.epochSec ?? Number.POSITIVE_INFINITY };
  const finder = new PathFinder(tree);
  let parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (const { gone, path } of ordered) {
      for (const part of gone ? [whiteout(path)] : entryParts(writing, finder, path)) {
        parts.push(part);
        length += part.length;
        if (length < CHUNK) continue;
        yield parts.length === 1 ? part : Buffer.concat(parts);
        parts = [];
        length = 0;
      }
    }
  } finally {
    finder.close();
  }
  yield Buffer.concat([...parts, TAR_END]);
}

interface Member {
  readonly path: ByteString;
  readonly gone: boolean;
}

interface Writing {
  readonly tree: Filesystem;
  /** The first name of each file with several, by file number. */
  readonly links: Map<number, ByteString>;
  readonly epochSec: number;
}

/** What the tar says, in its order: the changes, and the folders above them. */
function membersOf(changes: readonly Change[]): readonly Member[] {
  const members = new Map<ByteString, Member>();
  const add = (path: ByteString, gone: boolean) => members.set(orderOf(path, gone), { path, gone });
  for (const { op, path, kind } of changes) {
    const isSocket = kind === 'socket';
    if (isSocket && op === 'A') continue;
    add(path, op === 'D' || isSocket);
    for (let above = dirname(path); above !== '' && !members.has(above); above = dirname(above))
      add(above, false);
  }
  return [...members.keys()].sort().map((key) => members.get(key)!);
}

/** Puts deletions first among their siblings; no name holds a NUL. */
function orderOf(path: ByteString, gone: boolean): ByteString {
  return gone ? joinPath(dirname(path), `\0${basename(path)}`) : path;
}

function assertSayable(path: ByteString): void {
  if (!path.startsWith(WHITEOUT_PREFIX) && !path.includes(`/${WHITEOUT_PREFIX}`)) return;
  const why = `the name ${JSON.stringify(toText(path))} begins with .wh., which means a deletion in a layer`;
  throw new StoreError('failed-precondition', 'cannot write layer tar', why, { hint: 'rename it' });
}

function whiteout(path: ByteString): Uint8Array {
  return tarHeader({ ...WHITEOUT, path: joinPath(dirname(path), WHITEOUT_PREFIX + basename(path)) });
}

function* entryParts(writing: Writing, finder: PathFinder, path: ByteString): Generator<Uint8Array, void> {
  const { tree } = writing;
  const found = finder.at(path);
  if (found === undefined) throw changed(path);
  try {
    const entry = entryOf(writing, { path, node: found.node, attr: found.attr });
    if (entry === undefined) return;
    yield tarHeader(entry);
    if (entry.type !== 'file') return;
    yield* content(tree, found.node, entry);
    yield tarPadding(entry.size);
  } finally {
    if (found.node !== ROOT_NODE) tree.forget(found.node, 1);
  }
}

/** The entry of a node; undefined for a socket. Remembers the first name of a file with several. */
function entryOf({ tree, links, epochSec }: Writing, { path, node, attr }: Visited): TarEntry | undefined {
  const kind = kindOf(attr.mode);
  if (kind === 'socket') return undefined;
  const first = kind !== 'folder' && attr.nlink > 1 ? links.get(attr.ino) : undefined;
  if (kind !== 'folder' && attr.nlink > 1 && first === undefined) links.set(attr.ino, path);
  const device = kind === 'char' || kind === 'block';
  const xattrs = new Map<ByteString, Uint8Array>();
  for (const name of tree.listxattr(node)) {
    const value = tree.getxattr(node, name);
    if (value !== undefined) xattrs.set(name, value);
  }
  return {
    path: path === '' ? '.' : path,
    type: first === undefined ? kind : 'link',
    mode: attr.mode & PERMISSION_BITS,
    uid: attr.uid,
    gid: attr.gid,
    size: kind === 'file' && first === undefined ? attr.size : 0,
    mtime:
      attr.mtimeSec >= epochSec ? { sec: epochSec, nsec: 0 } : { sec: attr.mtimeSec, nsec: attr.mtimeNsec },
    linkname: first ?? (kind === 'symlink' ? tree.readlink(node) : ''),
    devmajor: device ? devMajor(attr.rdev) : 0,
    devminor: device ? devMinor(attr.rdev) : 0,
    // Repeated on links: containerd sets a link's owner again, which clears capabilities, and then its xattrs.
    xattrs,
  };
}

function* content(tree: Filesystem, node: NodeId, { path, size }: TarEntry): Generator<Uint8Array, void> {
  if (size === 0) return;
  const handle = tree.open(node, O_RDONLY);
  try {
    for (let at = 0; at < size; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
      const count = tree.read(handle, at, chunk);
      if (count === 0) throw changed(path);
      yield chunk.subarray(0, count);
      at += count;
    }
  } finally {
    tree.release(handle);
  }
}

function changed(path: ByteString): StoreError {
  return new StoreError('failed', 'cannot write layer tar', `${toText(path)} changed meanwhile`);
}
