// What changed from one tree to another. With the layer between them at hand only its own places are looked
// at: what it does not hold cannot have changed, except inside folders that it replaces or moves (opaque,
// redirect), which are compared as a whole.
//
// A file with several names is one file: if one of its names is new or changed, all of its names are changes,
// because a layer that names only some would split the file where it is applied.

import {
  Attr,
  type ByteString,
  type Filesystem,
  isFolder,
  isRegular,
  joinPath,
  kindOf,
  LayerEntry,
  type NodeId,
  type ReadLayer,
  ROOT_NODE,
} from '../../fs/index.js';
import type { Change } from './change.js';
import { EntryComparer } from './compare-entry.js';
import { lookUp, namesIn, nodeAt, type Visited, walkTree } from './tree-walk.js';

export interface ChangesOptions {
  /**
   * The layer that makes `to` of `from`: the upper of `to`, or its topmost lower. One in whose index hard links
   * are joined is not looked at, because files change there through names that it does not hold.
   */
  readonly layer?: ReadLayer & { readonly hasIndexed?: boolean };
}

/**
 * What one must change in `from` to get `to`, ordered by the bytes of the path. Everything in a new folder is
 * listed; a folder that is gone is listed once. The root is listed only if its mode, owner or xattrs changed.
 * `from` undefined: there is nothing below, and everything in `to` is new.
 */
export function changesBetween(
  from: Filesystem | undefined,
  to: Filesystem,
  options: ChangesOptions = {},
): Change[] {
  const layer = options.layer?.hasIndexed === true ? undefined : options.layer;
  const finder = new ChangeFinder(from, to, layer);
  finder.run();
  return finder.changes();
}

class ChangeFinder {
  readonly #from: Filesystem | undefined;
  readonly #to: Filesystem;
  readonly #layer: ReadLayer | undefined;
  readonly #comparer: EntryComparer;
  readonly #changes = new Map<ByteString, Change>();
  /** Files with several names of which one is a change: how many names are not known yet, by file number. */
  readonly #missingNames = new Map<number, number>();
  readonly #layerEntry = new LayerEntry(new Attr());

  constructor(from: Filesystem | undefined, to: Filesystem, layer: ReadLayer | undefined) {
    this.#from = from;
    this.#to = to;
    this.#layer = layer;
    this.#comparer = new EntryComparer(from ?? to, to, true);
  }

  run(): void {
    if (this.#from === undefined) {
      for (const visited of walkTree(this.#to)) if (visited.path !== '') this.#add('A', visited);
      return;
    }
    this.#root(this.#from);
    this.#folder('', ROOT_NODE, ROOT_NODE, this.#layer !== undefined);
    this.#completeLinks();
  }

  changes(): Change[] {
    return [...this.#changes.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  }

  #root(from: Filesystem): void {
    const visited = (fs: Filesystem) => ({ path: '', node: ROOT_NODE, attr: nodeAt(fs, '')!.attr });
    const root = visited(this.#to);
    for (const { aspect } of this.#comparer.differences(visited(from), root)) {
      // Its time changes with every name in it, and no other program puts the root into a layer for that.
      if (aspect !== 'mtime') this.#add('M', root);
    }
  }

  /** `byLayer`: the folder is the same one in both trees, and what the layer does not hold in it is unchanged. */
  #folder(path: ByteString, fromFolder: NodeId, toFolder: NodeId, byLayer: boolean): void {
    for (const name of byLayer ? this.#namesOfLayer(path) : this.#allNames(fromFolder, toFolder)) {
      const below = joinPath(path, name);
      const from = lookUp(this.#from!, fromFolder, name);
      const to = lookUp(this.#to, toFolder, name);
      try {
        if (to === undefined) {
          if (from !== undefined) this.#add('D', { path: below, node: from.node, attr: from.attr });
        } else if (from === undefined) {
          for (const visited of walkTree(this.#to, below, to.node)) this.#add('A', visited);
        } else {
          const pair = [
            { path: below, node: from.node, attr: from.attr },
            { path: below, node: to.node, attr: to.attr },
          ] as const;
          this.#pair(...pair, byLayer && this.#continues(path, name));
        }
      } finally {
        if (from !== undefined) this.#from!.forget(from.node, 1);
        if (to !== undefined) this.#to.forget(to.node, 1);
      }
    }
  }

  #pair(from: Visited, to: Visited, byLayer: boolean): void {
    if (this.#comparer.differ(from, to)) this.#add('M', to);
    if (!isFolder(to.attr.mode)) return;
    if (isFolder(from.attr.mode)) {
      this.#folder(to.path, from.node, to.node, byLayer);
      return;
    }
    for (const visited of walkTree(this.#to, to.path, to.node)) {
      if (visited.path !== to.path) this.#add('A', visited);
    }
  }

  /** True if the layer's folder goes on with what the layers below have at the same path. */
  #continues(dir: ByteString, name: ByteString): boolean {
    const entry = this.#layerEntry;
    if (this.#layer?.lookup(dir, name, entry) !== true || entry.whiteout) return false;
    return isFolder(entry.attr.mode) && !entry.opaque && entry.redirect === undefined;
  }

  #namesOfLayer(path: ByteString): ByteString[] {
    const names: ByteString[] = [];
    this.#layer?.list(path, (name) => names.push(name));
    return names.sort();
  }

  #allNames(fromFolder: NodeId, toFolder: NodeId): ByteString[] {
    const names = new Set([...namesIn(this.#from!, fromFolder), ...namesIn(this.#to, toFolder)]);
    return [...names].sort();
  }

  #add(op: Change['op'], { path, attr }: Visited): void {
    const size = isRegular(attr.mode) ? attr.size : 0;
    this.#changes.set(path, { op, path, kind: kindOf(attr.mode), size });
    if (op === 'D' || isFolder(attr.mode) || attr.nlink < 2) return;
    this.#missingNames.set(attr.ino, (this.#missingNames.get(attr.ino) ?? attr.nlink) - 1);
  }

  /** Finds the names that the walk did not come by, if there are such, with one walk over everything. */
  #completeLinks(): void {
    const incomplete = new Set<number>();
    for (const [ino, missing] of this.#missingNames) if (missing > 0) incomplete.add(ino);
    if (incomplete.size === 0) return;
    for (const visited of walkTree(this.#to)) {
      if (incomplete.has(visited.attr.ino) && !this.#changes.has(visited.path)) this.#add('M', visited);
    }
  }
}
