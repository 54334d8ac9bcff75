// Finds folders of a tree by paths that an archive names. A symlink on the way is followed as a process with
// that tree as its root would follow it, because real layers say `lib/x` where `lib` is a link to `usr/lib`;
// it is followed here, node by node, so that nothing can lead out of the tree (containerd's fs.RootPath).

import {
  type ByteString,
  Entry,
  type Filesystem,
  isFolder,
  isSymlink,
  joinPath,
  type NodeId,
  ROOT_NODE,
  toText,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';

/** As the kernel's MAXSYMLINKS. */
const LINK_LIMIT = 40;

export interface Folder {
  readonly node: NodeId;
  /** Its path without symlinks. */
  readonly path: ByteString;
}

const ROOT: Folder = { node: ROOT_NODE, path: '' };

export class InsideResolver {
  readonly #fs: Filesystem;
  readonly #makeFolder: (parent: Folder, name: ByteString, out: Entry) => void;
  readonly #entry = new Entry();
  /** The last answer: entries of a layer come folder by folder. Its node is held by one lookup. */
  #asked: ByteString = '';
  #answer = ROOT;

  /** `makeFolder` makes a folder that is missing and fills the entry, counting one lookup. */
  constructor(fs: Filesystem, makeFolder: (parent: Folder, name: ByteString, out: Entry) => void) {
    this.#fs = fs;
    this.#makeFolder = makeFolder;
  }

  /**
   * The folder at a clean path, valid until the next call. If it is missing it is made, or undefined with
   * `make` false. Throws 'corrupt' where a file stands in the way, and for too many symlinks.
   */
  folder(path: ByteString, make: boolean): Folder | undefined {
    if (path === this.#asked) return this.#answer;
    this.reset();
    const found = this.#walk(path, make);
    if (found === undefined) return undefined;
    this.#asked = path;
    this.#answer = found;
    return found;
  }

  /** Forgets the last answer: to be called when something other than a new name changed the tree. */
  reset(): void {
    this.#forget(this.#answer);
    this.#asked = '';
    this.#answer = ROOT;
  }

  #forget({ node }: Folder): void {
    if (node !== ROOT_NODE) this.#fs.forget(node, 1);
  }

  #walk(path: ByteString, make: boolean): Folder | undefined {
    const way: Folder[] = [ROOT];
    const names = path === '' ? [] : path.split('/').reverse();
    let links = 0;
    try {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        const here = way.at(-1)!;
        if (name === '' || name === '.') continue;
        if (name === '..') {
          // Above the root is the root, as in chroot(2).
          if (way.length > 1) this.#forget(way.pop()!);
          continue;
        }
        const entry = this.#entry;
        if (!this.#fs.lookup(here.node, name, entry)) {
          if (!make) return undefined;
          this.#makeFolder(here, name, entry);
        }
        const next = { node: entry.node, path: joinPath(here.path, name) };
        if (isSymlink(entry.attr.mode)) {
          const target = this.#fs.readlink(next.node);
          this.#forget(next);
          if (++links > LINK_LIMIT) throw inTheWay(path, 'leads through too many symlinks');
          names.push(...target.split('/').reverse());
          if (target.startsWith('/')) for (const left of way.splice(1)) this.#forget(left);
          continue;
        }
        way.push(next);
        if (isFolder(entry.attr.mode)) continue;
        if (!make) return undefined;
        throw inTheWay(path, `leads through ${JSON.stringify(toText(next.path))}, which is no folder`);
      }
      return way.pop()!;
    } finally {
      for (const left of way) this.#forget(left);
    }
  }
}

function inTheWay(path: ByteString, why: string): StoreError {
  return new StoreError('corrupt', 'cannot unpack layer', `${JSON.stringify(toText(path))} ${why}`);
}
