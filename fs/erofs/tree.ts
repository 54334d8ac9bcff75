// A tree of metadata on its way into an image: parallel arrays rather than objects, because a chain may have a
// million entries. Entry 0 is the root. An entry is a name in a folder; further names of one file are entries of
// their own that point at the first (`link`), and whose other columns mean nothing.

import { S_IFDIR, S_IFMT } from '../mode.js';
import type { ByteString } from '../name.js';

const START = 256;

/** In place of a layer's number: the entry is a file whose data is in none of them. */
export const NO_LAYER = 0xffff;

export class Tree {
  count = 0;
  /** Type and permission bits. */
  mode = new Uint16Array(START);
  uid = new Uint32Array(START);
  gid = new Uint32Array(START);
  nlink = new Uint32Array(START);
  /** As makeDev of mode.ts spells it. */
  rdev = new Uint32Array(START);
  /** st_size in bytes, of regular files and folders. */
  size = new Float64Array(START);
  mtimeSec = new Float64Array(START);
  mtimeNsec = new Uint32Array(START);
  /** The first name of the same file, or -1. */
  link = new Int32Array(START);
  parent = new Int32Array(START);
  /** What goes into the side table. */
  ino = new Float64Array(START);
  blocks = new Float64Array(START);
  ctimeSec = new Float64Array(START);
  ctimeNsec = new Uint32Array(START);
  btimeSec = new Float64Array(START);
  btimeNsec = new Uint32Array(START);
  /** Of the layers that the image is made of, the one with the entry's data; or NO_LAYER. */
  layer = new Uint16Array(START);
  readonly names: ByteString[] = [];
  /** Folders: their entries, in any order. */
  readonly children: (number[] | undefined)[] = [];
  /** Symlinks. */
  readonly target: (ByteString | undefined)[] = [];
  /** Names and values in turn. */
  readonly xattrs: (readonly ByteString[] | undefined)[] = [];
  /** The path in the entry's layer, where that is another than in the tree. */
  readonly path: (ByteString | undefined)[] = [];

  /** Adds an entry with `mode`; `parent` is -1 for the root, which is added first. Returns its number. */
  add(parent: number, name: ByteString, mode: number): number {
    if (this.count === this.mode.length) this.#grow();
    const entry = this.count++;
    this.mode[entry] = mode;
    this.nlink[entry] = 1;
    this.link[entry] = -1;
    this.parent[entry] = parent;
    this.names.push(name);
    this.children.push((mode & S_IFMT) === S_IFDIR ? [] : undefined);
    this.target.push(undefined);
    this.xattrs.push(undefined);
    this.path.push(undefined);
    if (parent >= 0) this.children[parent]!.push(entry);
    return entry;
  }

  /** Adds a further name of the file `first`. */
  addLink(parent: number, name: ByteString, first: number): number {
    const entry = this.add(parent, name, this.mode[first]!);
    this.link[entry] = first;
    return entry;
  }

  #grow(): void {
    const length = this.mode.length * 2;
    this.mode = grown(this.mode, new Uint16Array(length));
    this.uid = grown(this.uid, new Uint32Array(length));
    this.gid = grown(this.gid, new Uint32Array(length));
    this.nlink = grown(this.nlink, new Uint32Array(length));
    this.rdev = grown(this.rdev, new Uint32Array(length));
    this.size = grown(this.size, new Float64Array(length));
    this.mtimeSec = grown(this.mtimeSec, new Float64Array(length));
    this.mtimeNsec = grown(this.mtimeNsec, new Uint32Array(length));
    this.link = grown(this.link, new Int32Array(length));
    this.parent = grown(this.parent, new Int32Array(length));
    this.ino = grown(this.ino, new Float64Array(length));
    this.blocks = grown(this.blocks, new Float64Array(length));
    this.ctimeSec = grown(this.ctimeSec, new Float64Array(length));
    this.ctimeNsec = grown(this.ctimeNsec, new Uint32Array(length));
    this.btimeSec = grown(this.btimeSec, new Float64Array(length));
    this.btimeNsec = grown(this.btimeNsec, new Uint32Array(length));
    this.layer = grown(this.layer, new Uint16Array(length));
  }
}

function grown<T extends { set(from: ArrayLike<number>): void }>(from: ArrayLike<number>, to: T): T {
  to.set(from);
  return to;
}
