// Merges the images of a chain's layers into the tree that the chain shows: the resolution of union/lookup.ts,
// done once for every name. From the top down, absent goes on, a whiteout ends, a file is taken, a folder is
// collected unless it is opaque, and a redirect says where the layers below are looked at. Attributes are those of
// the topmost object alone; hard links of one layer stay one inode, whose count takes in the names that show; the
// marks are gone but for those that lead the kernel to the data of a file.

import { Attr } from '../filesystem.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../mode.js';
import { type ByteString, fromBytes, joinPath } from '../name.js';
import type { ImageReader } from './reader.js';
import { NO_LAYER, Tree } from './tree.js';

/** A folder of one layer that is part of a merged one. */
interface Part {
  readonly depth: number;
  readonly nid: number;
  /** In the layer. */
  readonly path: ByteString;
}

/** What a name means: the topmost object and, for a folder, all its parts. */
interface Found {
  top: Part | undefined;
  parts: Part[];
  /** The topmost object is a file without data: that is looked for now. */
  seeksData: boolean;
  /** Where it is. */
  data: Part | undefined;
}

interface FolderMarks {
  readonly opaque: boolean;
  readonly redirect: ByteString | undefined;
}

/**
 * The tree of a chain; `layers` topmost first. `marks` is the prefix under which all of them carry marks
 * (`trusted.overlay.`). EIO if an image is damaged.
 */
export function mergeImages(layers: readonly ImageReader[], marks: ByteString): Tree {
  return new Merge(layers, marks).run();
}

class Merge {
  readonly #layers: readonly ImageReader[];
  readonly #marks: ByteString;
  readonly #tree = new Tree();
  readonly #attr = new Attr();
  /** First names of files that have several, by nid, for each layer. */
  readonly #linked: Map<number, number>[];

  constructor(layers: readonly ImageReader[], marks: ByteString) {
    this.#layers = layers;
    this.#marks = marks;
    this.#linked = layers.map(() => new Map());
  }

  run(): Tree {
    const parts: Part[] = [];
    for (const [depth, layer] of this.#layers.entries()) {
      parts.push({ depth, nid: layer.root, path: '' });
      if (this.#folderMarks(depth, layer.root).opaque) break;
    }
    const root = this.#put(-1, '', { top: parts[0], parts, seeksData: false, data: undefined }, '');
    const folders: { entry: number; path: ByteString; parts: readonly Part[] }[] = [
      { entry: root, path: '', parts },
    ];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const { entry, path, parts: of } = folder;
      for (const name of this.#namesOf(of)) {
        const found = this.#collect(of, name);
        if (found.top === undefined) continue;
        const below = joinPath(path, name);
        const child = this.#put(entry, name, found, below);
        if (found.parts.length > 0) folders.push({ entry: child, path: below, parts: found.parts });
      }
    }
    return this.#tree;
  }

  /** All names of the parts, whiteouts included, in the order of their bytes. */
  #namesOf(parts: readonly Part[]): ByteString[] {
    const names: ByteString[] = [];
    for (const { depth, nid } of parts) {
      this.#layers[depth]!.list(nid, (name) => {
        names.push(name);
      });
    }
    if (parts.length === 1) return names;
    return [...new Set(names)].sort((a, b) => (a < b ? -1 : 1));
  }

  #collect(parts: readonly Part[], name: ByteString): Found {
    const found: Found = { top: undefined, parts: [], seeksData: false, data: undefined };
    let wanted = name;
    for (const { depth, nid, path } of parts) {
      const child = this.#layers[depth]!.lookup(nid, wanted);
      if (child === 0) continue;
      const marks = this.#take(found, { depth, nid: child, path: joinPath(path, wanted) });
      if (marks === undefined) return found;
      const { redirect } = marks;
      if (redirect === undefined) continue;
      if (redirect.startsWith('/')) {
        this.#collectAbsolute(found, depth + 1, redirect.slice(1));
        return found;
      }
      wanted = redirect;
    }
    return found;
  }

  /** Goes on at another path, from the root of each layer from `from` on; see collectAbsolute of union/lookup.ts. */
  #collectAbsolute(found: Found, from: number, path: ByteString): void {
    let wanted = path;
    let last = false;
    for (let depth = from; depth < this.#layers.length && !last; depth++) {
      const layer = this.#layers[depth]!;
      const names = wanted.split('/');
      let nid = layer.root;
      let dir = '';
      let next = '';
      for (const [k, name] of names.entries()) {
        if (nid !== 0) nid = layer.lookup(nid, name);
        if (nid === 0) {
          next = joinPath(next, name);
          continue;
        }
        let marks: FolderMarks | undefined;
        if (k === names.length - 1) marks = this.#take(found, { depth, nid, path: joinPath(dir, name) });
        else if (layer.isFolder(nid)) marks = this.#folderMarks(depth, nid);
        if (marks === undefined) return;
        const { redirect } = marks;
        if (redirect === undefined) next = joinPath(next, name);
        else next = redirect.startsWith('/') ? redirect.slice(1) : joinPath(next, redirect);
        last ||= marks.opaque;
        dir = joinPath(dir, name);
      }
      wanted = next;
    }
  }

  /** Adds one object to the answer; undefined if what lies below it does not matter, else the folder's marks. */
  #take(found: Found, part: Part): FolderMarks | undefined {
    const layer = this.#layers[part.depth]!;
    if (layer.isWhiteout(part.nid)) return undefined;
    if (found.seeksData) return this.#takeData(found, part);
    if (!layer.isFolder(part.nid)) {
      if (found.top !== undefined) return undefined;
      found.top = part;
      found.seeksData = true;
      return this.#takeData(found, part);
    }
    found.top ??= part;
    found.parts.push(part);
    const marks = this.#folderMarks(part.depth, part.nid);
    return marks.opaque ? undefined : marks;
  }

  /** As `#take` for the data of a file: undefined once it is found, or something else is in the way. */
  #takeData(found: Found, part: Part): FolderMarks | undefined {
    const layer = this.#layers[part.depth]!;
    const isFile = (layer.mode(part.nid) & S_IFMT) === S_IFREG;
    if (isFile && layer.layer(part.nid) === NO_LAYER) {
      let redirect: ByteString | undefined;
      layer.xattrs(part.nid, (name, value) => {
        if (name === `${this.#marks}mica.below` && value.length > 0) redirect = fromBytes(value);
      });
      return { opaque: false, redirect };
    }
    if (isFile) found.data = part;
    return undefined;
  }

  #folderMarks(depth: number, nid: number): FolderMarks {
    const layer = this.#layers[depth]!;
    if (!layer.hasXattrs(nid)) return NO_MARKS;
    let opaque = false;
    let redirect: ByteString | undefined;
    layer.xattrs(nid, (name, value) => {
      if (name === `${this.#marks}opaque`) opaque = value.length === 1 && value[0] === 0x79;
      else if (name === `${this.#marks}redirect`) redirect = fromBytes(value);
    });
    return { opaque, redirect };
  }

  #put(parent: number, name: ByteString, { top, data }: Found, merged: ByteString): number {
    const tree = this.#tree;
    const { depth, nid } = top!;
    const { path } = data ?? top!;
    const layer = this.#layers[depth]!;
    const attr = this.#attr;
    layer.stat(nid, attr);
    const type = attr.mode & S_IFMT;
    const several = type !== S_IFDIR && attr.nlink > 1;
    const first = several ? this.#linked[depth]!.get(nid) : undefined;
    if (first !== undefined) {
      // Reached by names of which one was moved: the first name's path holds for all of them.
      if (path !== merged) tree.path[first] ??= path;
      tree.nlink[first]!++;
      return tree.addLink(parent, name, first);
    }
    const entry = tree.add(parent, name, attr.mode);
    fillEntry(tree, entry, attr, type === S_IFREG && data === undefined ? NO_LAYER : depth);
    if (several) {
      this.#linked[depth]!.set(nid, entry);
      // Layers above may hide some of its names.
      tree.nlink[entry] = 1;
    }
    if (type === S_IFLNK) tree.target[entry] = layer.readlink(nid);
    if (path !== merged) tree.path[entry] = path;
    if (layer.hasXattrs(nid)) tree.xattrs[entry] = this.#shown(layer, nid, type === S_IFREG);
    if (data !== undefined && data !== top) this.#putData(entry, data);
    return entry;
  }

  /** What lies elsewhere than the attributes: space, layer, and the marks that lead the kernel to it. */
  #putData(entry: number, { depth, nid }: Part): void {
    const tree = this.#tree;
    const layer = this.#layers[depth]!;
    layer.stat(nid, this.#attr);
    tree.blocks[entry] = this.#attr.blocks;
    tree.layer[entry] = depth;
    const pairs = [...(tree.xattrs[entry] ?? [])];
    layer.xattrs(nid, (name, value) => {
      if (name === `${this.#marks}metacopy` || name === `${this.#marks}redirect`) {
        pairs.push(name, fromBytes(value));
      }
    });
    tree.xattrs[entry] = pairs;
  }

  #shown(layer: ImageReader, nid: number, isFile: boolean): ByteString[] {
    const pairs: ByteString[] = [];
    layer.xattrs(nid, (name, value) => {
      const mark = name.startsWith(this.#marks) ? name.slice(this.#marks.length) : 'overlay.';
      const kept = mark.startsWith('overlay.') || (isFile && FILE_MARKS.has(mark));
      if (kept) pairs.push(name, fromBytes(value));
    });
    return pairs;
  }
}

/** Those of files that stay: they lead the kernel, and tell us that attributes and data are of two objects. */
const FILE_MARKS: ReadonlySet<string> = new Set(['metacopy', 'redirect', 'mica.below']);

const NO_MARKS: FolderMarks = { opaque: false, redirect: undefined };

/** Puts attributes into an entry of a tree. */
export function fillEntry(tree: Tree, entry: number, attr: Attr, layer: number): void {
  const type = attr.mode & S_IFMT;
  tree.uid[entry] = attr.uid;
  tree.gid[entry] = attr.gid;
  tree.nlink[entry] = attr.nlink;
  tree.rdev[entry] = attr.rdev;
  tree.size[entry] = type === S_IFREG || type === S_IFDIR ? attr.size : 0;
  tree.mtimeSec[entry] = attr.mtimeSec;
  tree.mtimeNsec[entry] = attr.mtimeNsec;
  tree.ino[entry] = attr.ino;
  tree.blocks[entry] = attr.blocks;
  tree.ctimeSec[entry] = attr.ctimeSec;
  tree.ctimeNsec[entry] = attr.ctimeNsec;
  tree.btimeSec[entry] = attr.btimeSec;
  tree.btimeNsec[entry] = attr.btimeNsec;
  tree.layer[entry] = layer;
}
