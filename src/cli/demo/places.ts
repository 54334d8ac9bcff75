// Chooses the files and folders that the demo works on, from a tree that it has never seen. No two of them lie
// within one another, so that each step shows its own mark and no other.

import { type ByteString, basename } from '../../../fs/index.js';
import { StoreError } from '../../errors.js';
import type { Tree, TreeEntry } from './tree.js';

export class Places {
  readonly #tree: Tree;
  readonly #taken = new Set<ByteString>();
  readonly #below: ReadonlyMap<ByteString, number>;
  readonly #uid = process.getuid?.() ?? 0;

  constructor(tree: Tree) {
    this.#tree = tree;
    this.#below = countBelow(tree);
  }

  /** Keeps a path, with all above and below it, from being chosen. */
  take(path: ByteString): void {
    this.#taken.add(path);
  }

  /** A regular file with one name and something in it, at best one whose name matches `favourite`. */
  file(favourite: RegExp, atMost: number): ByteString {
    const fits = (path: ByteString, entry: TreeEntry) =>
      entry.kind === 'file' &&
      entry.nlink === 1 &&
      entry.size > 0 &&
      entry.size <= atMost &&
      this.#mayWrite(path);
    return this.#choose('file', fits, (path) => favourite.test(basename(path)));
  }

  /** The biggest such file. */
  bigFile(atMost: number): ByteString {
    let biggest: ByteString | undefined;
    let size = 0;
    for (const [path, entry] of this.#tree) {
      const fits = entry.kind === 'file' && entry.nlink === 1 && entry.size > size && entry.size <= atMost;
      if (!fits || !this.#mayWrite(path) || !this.#isFree(path)) continue;
      biggest = path;
      size = entry.size;
    }
    return this.#taking('file', biggest);
  }

  /** A folder with a few entries, at best one that has folders in it if `deep`, else one that has none. */
  folder(deep: boolean): ByteString {
    const fits = (path: ByteString, entry: TreeEntry) => {
      const below = this.#below.get(path) ?? 0;
      return (
        entry.kind === 'folder' && path.includes('/') && below >= 2 && below <= 200 && this.#mayWrite(path)
      );
    };
    return this.#choose('folder', fits, (path) => this.#hasFolders(path) === deep);
  }

  #choose(
    what: string,
    fits: (path: ByteString, entry: TreeEntry) => boolean,
    favourite: (path: ByteString) => boolean,
  ): ByteString {
    let second: ByteString | undefined;
    for (const [path, entry] of this.#tree) {
      if (!fits(path, entry) || !this.#isFree(path)) continue;
      if (favourite(path)) return this.#taking(what, path);
      second ??= path;
    }
    return this.#taking(what, second);
  }

  #taking(what: string, path: ByteString | undefined): ByteString {
    if (path === undefined) {
      throw new StoreError(
        'failed-precondition',
        'cannot work on this image',
        `no ${what} in it that this user may change`,
        {
          hint: 'mica demo',
        },
      );
    }
    this.take(path);
    return path;
  }

  #hasFolders(path: ByteString): boolean {
    for (const [other, entry] of this.#tree) {
      if (entry.kind === 'folder' && other.startsWith(`${path}/`)) return true;
    }
    return false;
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
    const own = (entry: TreeEntry | undefined) => entry?.uid === this.#uid && (entry.mode & 0o200) !== 0;
    const above = path.lastIndexOf('/');
    if (!own(this.#tree.get(path)) || !own(this.#tree.get(above < 0 ? '' : path.slice(0, above))))
      return false;
    for (const [other, entry] of this.#tree) {
      if (entry.kind === 'folder' && other.startsWith(`${path}/`) && !own(entry)) return false;
    }
    return true;
  }
}

/** How many entries lie below each folder. */
function countBelow(tree: Tree): ReadonlyMap<ByteString, number> {
  const counts = new Map<ByteString, number>();
  for (const path of tree.keys()) {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const folder = path.slice(0, slash);
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
  }
  return counts;
}
