// A layer as a tree of metadata, marks included: what the index of a committed layer is made from. It goes
// through the layer's own interface, so stand-ins, dialects and escapes are understood in one place. The same
// folder gives the same tree, whatever the order in which it lists its names.

import { fillEntry } from '../erofs/merge.js';
import { NO_LAYER, Tree } from '../erofs/tree.js';
import { EINVAL, ESTALE, FsError } from '../errno.js';
import { Attr } from '../filesystem.js';
import { isFolder, isRegular, isSymlink, PERMISSION_BITS, S_IFCHR } from '../mode.js';
import { type ByteString, fromBytes, joinPath } from '../name.js';
import { LayerEntry, type LayerNode, type MarkPrefix, type ReadLayer } from './layer.js';
import { escapeXattr, METACOPY, MICA_BELOW, MICA_INO, markName, OPAQUE, REDIRECT } from './marks.js';

/** How the tree is spelled. */
export interface ScanOptions {
  /** Prefix of the marks in the tree. */
  readonly marks: MarkPrefix;
  /** The layer's folder as seen from the folder of all layers, absolute: files carry `<dataPath>/<path>` as redirect. */
  readonly dataPath: ByteString;
}

/** ESTALE if the layer changes meanwhile. */
export function scanLayer(layer: ReadLayer, options: ScanOptions): Tree {
  return new Scan(layer, options).run();
}

class Scan {
  readonly #layer: ReadLayer;
  readonly #options: ScanOptions;
  readonly #tree = new Tree();
  readonly #entry = new LayerEntry(new Attr());
  /** First names of files that have several, by file number. */
  readonly #linked = new Map<number, number>();

  constructor(layer: ReadLayer, options: ScanOptions) {
    this.#layer = layer;
    this.#options = options;
  }

  run(): Tree {
    const folders = [{ entry: this.#put(-1, '', '.'), path: '' }];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const { entry, path } = folder;
      for (const name of this.#namesIn(path)) {
        const child = this.#put(entry, path, name);
        if (this.#tree.children[child] !== undefined)
          folders.push({ entry: child, path: joinPath(path, name) });
      }
    }
    return this.#tree;
  }

  #namesIn(path: ByteString): ByteString[] {
    const names: ByteString[] = [];
    this.#layer.list(path, (name) => {
      names.push(name);
    });
    return names.sort((a, b) => (a < b ? -1 : 1));
  }

  #put(parent: number, dir: ByteString, name: ByteString): number {
    const tree = this.#tree;
    const found = this.#entry;
    const shown = parent < 0 ? '' : name;
    if (!this.#layer.lookup(dir, name, found)) throw new FsError(ESTALE, 'a layer that changes');
    const { attr } = found;
    // Where the rest of its data is the upper knew, which was not settled.
    if (found.metacopy && found.ranges !== undefined) throw new FsError(EINVAL, `${name}: in part its own`);
    if (found.whiteout) {
      attr.mode = S_IFCHR | (attr.mode & PERMISSION_BITS);
      attr.rdev = 0;
    }
    const several = !isFolder(attr.mode) && attr.nlink > 1;
    const first = several ? this.#linked.get(attr.ino) : undefined;
    if (first !== undefined) return tree.addLink(parent, shown, first);
    const entry = tree.add(parent, shown, attr.mode);
    if (several) this.#linked.set(attr.ino, entry);
    fillEntry(tree, entry, attr, found.metacopy ? NO_LAYER : 0);
    if (!found.whiteout) this.#putContent(entry, dir, name);
    return entry;
  }

  #putContent(entry: number, dir: ByteString, name: ByteString): void {
    const layer = this.#layer;
    const found = this.#entry;
    const xattrs = this.#marksOf(found, joinPath(dir, name));
    // Most have none.
    if (layer.listxattr?.(dir, name).length !== 0)
      this.#held(dir, name, (node) => this.#addXattrs(node, xattrs));
    if (xattrs.length > 0) this.#tree.xattrs[entry] = xattrs;
    if (!isSymlink(found.attr.mode)) return;
    this.#tree.target[entry] =
      layer.readlink?.(dir, name) ?? this.#held(dir, name, (node) => node.readlink());
  }

  #held<T>(dir: ByteString, name: ByteString, ask: (node: LayerNode) => T): T {
    const node = this.#layer.hold(dir, name);
    try {
      return ask(node);
    } finally {
      node.release();
    }
  }

  #marksOf(found: LayerEntry, path: ByteString): ByteString[] {
    const { marks, dataPath } = this.#options;
    const pairs: ByteString[] = [];
    const { attr, opaque, redirect, metacopy, origin } = found;
    if (opaque) pairs.push(markName(marks, OPAQUE), 'y');
    if (metacopy) pairs.push(markName(marks, MICA_BELOW), redirect ?? '');
    else if (redirect !== undefined) pairs.push(markName(marks, REDIRECT), redirect);
    if (origin !== 0) pairs.push(markName(marks, MICA_INO), String(origin));
    // An empty file has no data to lead to: the kernel would believe the other file's size.
    if (isRegular(attr.mode) && attr.size > 0 && !metacopy) {
      pairs.push(markName(marks, METACOPY), '', markName(marks, REDIRECT), `${dataPath}/${path}`);
    }
    return pairs;
  }

  #addXattrs(node: LayerNode, pairs: ByteString[]): void {
    const names = node.listxattr();
    for (const name of names.length > 1 ? [...names].sort() : names) {
      const value = node.getxattr(name);
      if (value !== undefined) pairs.push(escapeXattr([this.#options.marks], name), fromBytes(value));
    }
  }
}
