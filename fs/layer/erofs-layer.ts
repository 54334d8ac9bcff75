// A layer that is read from an image: one layer's tree index, or the flattened index of a chain. Names, attributes,
// targets and xattrs come from the image without a system call; the data of a file is opened in the folder of
// the layer that the entry names, through that folder's own DirLayer, so nothing of a layer is followed that the
// folder would not follow. An object that is not what the index says is refused with ESTALE.

import type { ImageReader } from '../erofs/reader.js';
import { NO_LAYER } from '../erofs/tree.js';
import { EINVAL, ELOOP, ENOENT, ENOTDIR, ESTALE, FsError, isErrno } from '../errno.js';
import { Attr, type StatFs } from '../filesystem.js';
import { isFolder, isRegular, S_IFMT } from '../mode.js';
import { type ByteString, basename, dirname, fromBytes, joinPath } from '../name.js';
import type { IndexFile } from './index-file.js';
import type {
  IndexedTree,
  LayerEntry,
  LayerFile,
  LayerNode,
  LayerVisitor,
  MarkPrefix,
  ReadLayer,
} from './layer.js';
import {
  escapeXattr,
  isReservedXattr,
  MICA_BELOW,
  MICA_INO,
  markOf,
  OPAQUE,
  REDIRECT,
  unescapeXattr,
} from './marks.js';

/** Folders whose nid is remembered. */
const KNOWN_FOLDERS = 4096;

export interface ErofsLayerOptions {
  readonly id: string;
  /** Prefix of the marks in the image. */
  readonly marks: MarkPrefix;
  /** The folders of the layers that entries name, topmost first; closed with this layer. */
  readonly layers: readonly ReadLayer[];
  /** The image is of several layers, and no folder in it has marks any more. */
  readonly flattened: boolean;
}

type OpenIndex = Pick<IndexFile, 'image' | 'letGo' | 'release'>;

export class ErofsLayer implements ReadLayer {
  readonly id: string;
  readonly device: string;
  readonly uuid?: ByteString;
  readonly layers: readonly ReadLayer[];
  readonly tree?: IndexedTree;
  readonly #index: OpenIndex;
  readonly #image: ImageReader;
  readonly #prefixes: readonly MarkPrefix[];
  readonly #flattened: boolean;
  readonly #folders = new Map<ByteString, number>();
  #lastDir: ByteString = '';
  #lastFolder: number;

  /** EINVAL if the layers' folders lie on several filesystems, whose file numbers could not be told apart. */
  constructor(index: OpenIndex, { id, marks, layers, flattened }: ErofsLayerOptions) {
    const top = layers[0];
    if (top === undefined || layers.some((layer) => layer.device !== top.device)) {
      throw new FsError(EINVAL, 'layers of an index');
    }
    this.id = id;
    this.device = top.device;
    if (top.uuid !== undefined) this.uuid = top.uuid;
    this.layers = layers;
    this.#index = index;
    this.#image = index.image;
    this.#prefixes = [marks];
    this.#flattened = flattened;
    this.#lastFolder = index.image.root;
    if (flattened) this.tree = new FlattenedTree(index, (dir, name) => this.#find(dir, name));
  }

  lookup(dir: ByteString, name: ByteString, out: LayerEntry): boolean {
    const nid = this.#find(dir, name);
    if (nid === 0) return false;
    this.describe(nid, out);
    return true;
  }

  list(dir: ByteString, visit: LayerVisitor): void {
    const image = this.#image;
    const nid = this.#folder(dir);
    if (nid === 0) throw new FsError(ENOENT, 'folder');
    if (!image.isFolder(nid)) throw new FsError(ENOTDIR, 'folder');
    image.list(nid, (name, type, child) => {
      visit(name, type, image.ino(child), image.isWhiteout(child));
    });
  }

  hold(dir: ByteString, name: ByteString): LayerNode {
    const nid = this.#find(dir, name);
    if (nid === 0) throw new FsError(ENOENT, 'hold');
    return new ErofsNode(this, this.#image, nid, name === '.' ? dir : joinPath(dir, name), this.#prefixes);
  }

  open(dir: ByteString, name: ByteString): LayerFile {
    const nid = this.#find(dir, name);
    if (nid === 0) throw new FsError(ENOENT, 'open');
    return this.openData(nid, joinPath(dir, name));
  }

  statfs(): StatFs {
    return this.layers[0]!.statfs();
  }

  close(): void {
    this.#index.release();
    for (const layer of this.layers) layer.close();
  }

  /** Fills `out` with what the image says of an inode. */
  describe(nid: number, out: LayerEntry): void {
    const image = this.#image;
    image.stat(nid, out.attr);
    out.unmarked();
    out.whiteout = image.isWhiteout(nid);
    // One that is left in a chain is without data in all of it.
    out.metacopy = isRegular(out.attr.mode) && image.layer(nid) === NO_LAYER;
    if (!this.#flattened && image.hasXattrs(nid)) this.#readMarks(nid, out);
  }

  /** The object itself, in its layer's folder; `path` is one of its paths in the image. */
  source(nid: number, path: ByteString): LayerNode {
    const layer = this.layers[this.#image.layer(nid)];
    const place = this.#image.path(nid) ?? path;
    if (layer === undefined) throw new FsError(ESTALE, 'layer of an index');
    try {
      return place === '' ? layer.hold('', '.') : layer.hold(dirname(place), basename(place));
    } catch (error) {
      if (!isErrno(error, ENOENT)) throw error;
      throw new FsError(ESTALE, `layer ${layer.id}`, { cause: error });
    }
  }

  /** The data of a file in its layer's folder; ESTALE if that is not what the index says. */
  openData(nid: number, path: ByteString): LayerFile {
    const layer = this.layers[this.#image.layer(nid)];
    const place = this.#image.path(nid) ?? path;
    if (layer === undefined) throw new FsError(ESTALE, 'layer of an index');
    let file: LayerFile;
    try {
      file = layer.open(dirname(place), basename(place));
    } catch (error) {
      if (!isErrno(error, ENOENT) && !isErrno(error, ELOOP)) throw error;
      throw new FsError(ESTALE, `layer ${layer.id}`, { cause: error });
    }
    try {
      this.#image.stat(nid, indexed);
      file.stat(actual);
      if (this.#isIndexed(nid)) return new IndexedFile(file, indexed.size);
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    throw new FsError(ESTALE, 'a file that is not as its index says');
  }

  /** `indexed` and `actual` are of the same file. */
  #isIndexed(nid: number): boolean {
    return (
      ((indexed.mode ^ actual.mode) & S_IFMT) === 0 &&
      indexed.size === actual.size &&
      ((indexed.mtimeSec === actual.mtimeSec && indexed.mtimeNsec === actual.mtimeNsec) || this.#isBelow(nid))
    );
  }

  /** The data is another object's than the attributes, times among them. */
  #isBelow(nid: number): boolean {
    let below = false;
    this.#image.xattrs(nid, (name) => {
      below ||= markOf(this.#prefixes, name) === MICA_BELOW;
    });
    return below;
  }

  #find(dir: ByteString, name: ByteString): number {
    if (name === '..' || name === '' || name.includes('/')) throw new FsError(EINVAL, 'name');
    const folder = this.#folder(dir);
    if (folder === 0) return 0;
    if (name === '.') return this.#image.isFolder(folder) ? folder : 0;
    return this.#image.lookup(folder, name);
  }

  /** The nid at a path; 0 if there is none. */
  #folder(dir: ByteString): number {
    if (dir === this.#lastDir) return this.#lastFolder;
    if (dir === '') return this.#image.root;
    let nid = this.#folders.get(dir);
    if (nid === undefined) {
      const above = this.#folder(dirname(dir));
      nid = above === 0 ? 0 : this.#image.lookup(above, basename(dir));
      if (this.#folders.size >= KNOWN_FOLDERS) this.#folders.clear();
      if (nid !== 0) this.#folders.set(dir, nid);
    }
    this.#lastDir = dir;
    this.#lastFolder = nid;
    return nid;
  }

  #readMarks(nid: number, out: LayerEntry): void {
    const folder = isFolder(out.attr.mode);
    this.#image.xattrs(nid, (name, value) => {
      const mark = markOf(this.#prefixes, name);
      if (mark === OPAQUE) out.opaque = folder && fromBytes(value) === 'y';
      else if (mark === REDIRECT && folder) out.redirect = fromBytes(value);
      else if (mark === MICA_BELOW && value.length > 0) out.redirect = fromBytes(value);
      else if (mark === MICA_INO) out.origin = Number(fromBytes(value));
    });
  }
}

/** The image of a flattened chain as the union reads it without paths. */
class FlattenedTree implements IndexedTree {
  readonly root: number;
  readonly objects: number;
  readonly find: IndexedTree['find'];
  readonly letGo: IndexedTree['letGo'];
  readonly #image: ImageReader;

  constructor({ image, letGo }: OpenIndex, find: IndexedTree['find']) {
    this.root = image.root;
    this.objects = image.inodes;
    this.find = find;
    this.letGo = letGo;
    this.#image = image;
  }

  get nameAt(): number {
    return this.#image.nameAt;
  }

  get nameLength(): number {
    return this.#image.nameLength;
  }

  ordinal(nid: number): number {
    return this.#image.ordinal(nid);
  }

  lookup(folder: number, name: ByteString): number {
    return this.#image.lookup(folder, name);
  }

  entries(
    folder: number,
    from: number,
    visit: (nid: number, type: number, position: number) => boolean,
  ): void {
    this.#image.entries(folder, from, visit);
  }

  text(at: number, length: number): ByteString {
    return this.#image.text(at, length);
  }

  isComplete(nid: number): boolean {
    return this.#image.layer(nid) !== NO_LAYER || !isRegular(this.#image.mode(nid));
  }

  mode(nid: number): number {
    return this.#image.mode(nid);
  }

  nlink(nid: number): number {
    return this.#image.nlink(nid);
  }

  ino(nid: number): number {
    return this.#image.ino(nid);
  }

  stat(nid: number, out: Attr): void {
    this.#image.stat(nid, out);
  }
}

/** An object of the image. It holds nothing: images do not change. */
class ErofsNode implements LayerNode {
  readonly #layer: ErofsLayer;
  readonly #image: ImageReader;
  readonly #nid: number;
  readonly #path: ByteString;
  readonly #prefixes: readonly MarkPrefix[];

  constructor(
    layer: ErofsLayer,
    image: ImageReader,
    nid: number,
    path: ByteString,
    prefixes: readonly MarkPrefix[],
  ) {
    this.#layer = layer;
    this.#image = image;
    this.#nid = nid;
    this.#path = path;
    this.#prefixes = prefixes;
  }

  stat(out: LayerEntry): void {
    this.#layer.describe(this.#nid, out);
  }

  attributes(out: Attr): void {
    this.#image.stat(this.#nid, out);
  }

  readlink(): ByteString {
    return this.#image.readlink(this.#nid);
  }

  getxattr(name: ByteString): Uint8Array | undefined {
    if (isReservedXattr(name) || !this.#image.hasXattrs(this.#nid)) return undefined;
    const wanted = escapeXattr(this.#prefixes, name);
    let found: Uint8Array | undefined;
    this.#image.xattrs(this.#nid, (stored, value) => {
      if (stored === wanted) found = new Uint8Array(value);
    });
    return found;
  }

  listxattr(): readonly ByteString[] {
    const names: ByteString[] = [];
    this.#image.xattrs(this.#nid, (stored) => {
      const shown = unescapeXattr(this.#prefixes, stored);
      if (shown !== undefined) names.push(shown);
    });
    return names;
  }

  open(): LayerFile {
    return this.#layer.openData(this.#nid, this.#path);
  }

  origin(): Uint8Array | undefined {
    const source = this.#layer.source(this.#nid, this.#path);
    try {
      return source.origin?.();
    } finally {
      source.release();
    }
  }

  release(): void {
    // There is nothing to give back.
  }
}

/** The data of a file of the image, which has the size that the image says. */
class IndexedFile implements LayerFile {
  readonly fd: number | undefined;
  readonly #file: LayerFile;
  readonly #size: number;

  constructor(file: LayerFile, size: number) {
    this.fd = file.fd;
    this.#file = file;
    this.#size = size;
  }

  /** The end is known: nothing is asked for beyond it. */
  read(offset: number, into: Uint8Array): number {
    const left = this.#size - offset;
    if (left <= 0) return 0;
    return this.#file.read(offset, left < into.length ? into.subarray(0, left) : into);
  }

  stat(out: Attr): void {
    this.#file.stat(out);
  }

  seek(offset: number, whence: number): number | undefined {
    return this.#file.seek(offset, whence);
  }

  close(): void {
    this.#file.close();
  }
}

const indexed = new Attr();
const actual = new Attr();
