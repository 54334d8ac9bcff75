// Lower files that came into the upper for one reason only: a hard link of the archive needs the file there, and
// copying it up gave it its old name too. They are not the layer's own, so what the archive says of the layers
// below (a whiteout of the name, of a folder above it) must take them away again.

import {
  type ByteString,
  basename,
  dirname,
  type Filesystem,
  type NodeId,
  ROOT_NODE,
} from '../../fs/index.js';
import { namesIn, nodeAt } from './tree-walk.js';

/** What tells whether a node was there before it was borrowed. */
interface Upper extends Filesystem {
  isUpper(node: NodeId): boolean;
}

export class Borrowed {
  readonly #target: Upper;
  readonly #files = new Set<ByteString>();
  readonly #folders = new Set<ByteString>();

  constructor(target: Upper) {
    this.#target = target;
  }

  /** To be called before the file at `path` is linked. */
  note(path: ByteString, node: NodeId): void {
    if (this.#target.isUpper(node)) return;
    this.#files.add(path);
    for (let dir = dirname(path); dir !== ''; dir = dirname(dir)) {
      const folder = nodeAt(this.#target, dir);
      if (folder === undefined) return;
      const own = this.#target.isUpper(folder.node);
      this.#forget(folder.node);
      if (own) return;
      this.#folders.add(dir);
    }
  }

  /** The archive itself has an entry at `path`. */
  isOwn(path: ByteString): void {
    this.#files.delete(path);
    this.#folders.delete(path);
  }

  /** Removes borrowed files at and below `path`: to be called before lower parts of it are hidden. */
  returnFiles(path: ByteString): void {
    for (const file of this.#files) {
      if (!isWithin(file, path)) continue;
      this.#files.delete(file);
      this.#inParent(file, (parent, name) => this.#target.unlink(parent, name));
    }
  }

  /** Removes borrowed folders at and below `path` that hold nothing: to be called after that. */
  returnFolders(path: ByteString): void {
    const within = [...this.#folders].filter((folder) => isWithin(folder, path));
    for (const folder of within.sort((a, b) => b.length - a.length)) {
      this.#folders.delete(folder);
      const found = nodeAt(this.#target, folder);
      if (found === undefined) continue;
      const empty = namesIn(this.#target, found.node).length === 0;
      this.#forget(found.node);
      if (empty) this.#inParent(folder, (parent, name) => this.#target.rmdir(parent, name));
    }
  }

  #inParent(path: ByteString, act: (parent: NodeId, name: ByteString) => void): void {
    const parent = nodeAt(this.#target, dirname(path));
    if (parent === undefined) return;
    act(parent.node, basename(path));
    this.#forget(parent.node);
  }

  #forget(node: NodeId): void {
    if (node !== ROOT_NODE) this.#target.forget(node, 1);
  }
}

function isWithin(path: ByteString, folder: ByteString): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`);
}
