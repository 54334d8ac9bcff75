// A walk over a Filesystem as data: every entry once, folders before what is in them, names in the order of
// their bytes, so that what is made from it is the same each time. Lookups are given back as the walk goes on.

import {
  Attr,
  type ByteString,
  basename,
  dirname,
  Entry,
  type Filesystem,
  isFolder,
  joinPath,
  type NodeId,
  ROOT_NODE,
} from '../../fs/index.js';

/** An entry while it is visited; `node` is valid until the next one is asked for. */
export interface Visited {
  /** From the root of the filesystem; '' is the root. */
  readonly path: ByteString;
  readonly node: NodeId;
  readonly attr: Attr;
}

/** The names in a folder but '.' and '..', ordered by their bytes. */
export function namesIn(fs: Filesystem, folder: NodeId): ByteString[] {
  const names: ByteString[] = [];
  const handle = fs.opendir(folder);
  try {
    fs.readdir(handle, 0, (name) => {
      if (name !== '.' && name !== '..') names.push(name);
      return true;
    });
  } finally {
    fs.releasedir(handle);
  }
  return names.sort();
}

/** The entry `name` of a folder, or undefined. Its lookup counts: the caller forgets it. */
export function lookUp(fs: Filesystem, folder: NodeId, name: ByteString): Entry | undefined {
  const entry = new Entry();
  return fs.lookup(folder, name, entry) ? entry : undefined;
}

/** Everything below and including the folder `node` at `path`. An entry that vanishes meanwhile is left out. */
export function* walkTree(
  fs: Filesystem,
  path: ByteString = '',
  node: NodeId = ROOT_NODE,
): Generator<Visited, void> {
  const attr = new Attr();
  fs.getattr(node, attr);
  yield { path, node, attr };
  if (!isFolder(attr.mode)) return;
  // What was met and is held until all in it was, with the names that are left; a tree may be deeper than calls can be nested.
  const way: OnTheWay[] = [{ path, node, left: undefined }];
  try {
    for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
      last.left ??= namesIn(fs, last.node).reverse();
      const name = last.left.pop();
      if (name === undefined) {
        way.pop();
        if (way.length > 0) fs.forget(last.node, 1);
        continue;
      }
      const entry = lookUp(fs, last.node, name);
      if (entry === undefined) continue;
      const below = joinPath(last.path, name);
      way.push({ path: below, node: entry.node, left: isFolder(entry.attr.mode) ? undefined : [] });
      yield { path: below, node: entry.node, attr: entry.attr };
    }
  } finally {
    // The first one is the caller's.
    while (way.length > 1) fs.forget(way.pop()!.node, 1);
  }
}

interface OnTheWay {
  readonly path: ByteString;
  readonly node: NodeId;
  /** undefined for a folder that was not listed yet. */
  left: ByteString[] | undefined;
}

/** The node at a path, walked name by name without following symlinks; counts one lookup. Undefined if there is none. */
export function nodeAt(fs: Filesystem, path: ByteString): Entry | undefined {
  const entry = new Entry();
  entry.node = ROOT_NODE;
  fs.getattr(ROOT_NODE, entry.attr);
  if (path === '') return entry;
  for (const name of path.split('/')) {
    const parent = entry.node;
    const found = isFolder(entry.attr.mode) && fs.lookup(parent, name, entry);
    if (parent !== ROOT_NODE) fs.forget(parent, 1);
    if (!found) return undefined;
  }
  return entry;
}

/** `nodeAt` for many paths in the order of a listing: the folders above the last one are kept, held by one lookup each. */
export class PathFinder {
  readonly #fs: Filesystem;
  /** From the root down; a folder's name is in the one before it. */
  readonly #way: { readonly path: ByteString; readonly node: NodeId }[] = [];

  constructor(fs: Filesystem) {
    this.#fs = fs;
  }

  /** Counts one lookup, but for the root. */
  at(path: ByteString): Entry | undefined {
    if (path === '') return nodeAt(this.#fs, '');
    const folder = this.#folder(dirname(path));
    return folder === undefined ? undefined : lookUp(this.#fs, folder, basename(path));
  }

  close(): void {
    while (this.#way.length > 0) this.#fs.forget(this.#way.pop()!.node, 1);
  }

  #folder(path: ByteString): NodeId | undefined {
    if (path === '') return ROOT_NODE;
    const known = () => this.#way.at(-1);
    for (let last = known(); last !== undefined && !isWithin(path, last.path); last = known()) {
      this.#fs.forget(last.node, 1);
      this.#way.pop();
    }
    if (known()?.path === path) return known()?.node;
    const parent = this.#folder(dirname(path));
    const found = parent === undefined ? undefined : lookUp(this.#fs, parent, basename(path));
    if (found === undefined) return undefined;
    if (!isFolder(found.attr.mode)) {
      this.#fs.forget(found.node, 1);
      return undefined;
    }
    this.#way.push({ path, node: found.node });
    return found.node;
  }
}

/** True for the folder itself and everything below it. */
function isWithin(path: ByteString, folder: ByteString): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
