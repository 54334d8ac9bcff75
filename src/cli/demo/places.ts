// Chooses the files and folders that the demo works on, from a tree that it has never seen. No two of them lie
// within one another, so that each step shows its own mark and no other.
// A tree may have no fitting place: undefined then.

import { type ByteString, basename, dirname } from '../../../fs/index.js';
import type { Tree, TreeEntry } from './tree.js';

export class Places {
  readonly #tree: Tree;
  readonly #taken = new Set<ByteString>();
  /** How many entries lie below each folder. */
  readonly #below = new Map<ByteString, number>();
  /** Folders that have folders in them. */
  readonly #withFolders = new Set<ByteString>();
  /** Folders with a folder below that this user may not change. */
  readonly #foreignBelow = new Set<ByteString>();
  readonly #uid = process.getuid?.() ?? 0;

  constructor(tree: Tree) {
    this.#tree = tree;
    for (const [path, entry] of tree) {
      const isFolder = entry.kind === 'folder';
      for (const folder of foldersAbove(path)) {
        this.#below.set(folder, (this.#below.get(folder) ?? 0) + 1);
        if (isFolder) this.#withFolders.add(folder);
        if (isFolder && !this.#isOwn(entry)) this.#foreignBelow.add(folder);
      }
    }
  }

  /** Keeps a path, with all above and below it, from being chosen. */
  take(path: ByteString): void {
    this.#taken.add(path);
  }

  /** A regular file with one name and something in it, at best one whose name matches `favourite`. */
  file(favourite: RegExp, atMost: number): ByteString | undefined {
    const fits = (path: ByteString, entry: TreeEntry) =>
      entry.kind === 'file' &&
      entry.nlink === 1 &&
      entry.size > 0 &&
      entry.size <= atMost &&
      this.#mayWrite(path);
    return this.#choose(fits, (path) => favourite.test(basename(path)));
  }

  /** The biggest such file. */
  bigFile(atMost: number): ByteString | undefined {
    let biggest: ByteString | undefined;
    let size = 0;
    for (const [path, entry] of this.#tree) {
      const fits = entry.kind === 'file' && entry.nlink === 1 && entry.size > size && entry.size <= atMost;
      if (!fits || !this.#mayWrite(path) || !this.#isFree(path)) continue;
      biggest = path;
      size = entry.size;
    }
    return this.#taking(biggest);
  }

  /** A folder with a few entries, at best one that has folders in it if `deep`, else one that has none. */
  folder(deep: boolean): ByteString | undefined {
    const fits = (path: ByteString, entry: TreeEntry) => {
      const below = this.#below.get(path) ?? 0;
      return (
        entry.kind === 'folder' && path.includes('/') && below >= 2 && below <= 200 && this.#mayWrite(path)
      );
    };
    return this.#choose(fits, (path) => this.#withFolders.has(path) === deep);
  }

  #choose(
    fits: (path: ByteString, entry: TreeEntry) => boolean,
    favourite: (path: ByteString) => boolean,
  ): ByteString | undefined {
    let second: ByteString | undefined;
    for (const [path, entry] of this.#tree) {
      if (!fits(path, entry) || !this.#isFree(path)) continue;
      if (favourite(path)) return this.#taking(path);
      second ??= path;
    }
    return this.#taking(second);
  }

  #taking(path: ByteString | undefined): ByteString | undefined {
    if (path !== undefined) this.take(path);
    return path;
  }

  #isFree(path: ByteString): boolean {
    for (const taken of this.#taken) {
      if (path === taken || path.startsWith(`${taken}/`) || taken.startsWith(`${path}/`)) return false;
    }
    return true;
  }

  /** Whether this user may change an entry, its folder and all that is below it. */
  #mayWrite(path: ByteString): boolean {
    if (this.#uid === 0) return true;
    if (this.#foreignBelow.has(path)) return false;
    return this.#isOwn(this.#tree.get(path)) && this.#isOwn(this.#tree.get(dirname(path)));
  }

  #isOwn(entry: TreeEntry | undefined): boolean {
    return entry?.uid === this.#uid && (entry.mode & 0o200) !== 0;
  }
}

/** The folders above a path, nearest first, without the root. */
function* foldersAbove(path: ByteString): Generator<ByteString> {
  for (let folder = dirname(path); folder !== ''; folder = dirname(folder)) yield folder;
}
