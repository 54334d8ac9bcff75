// Descriptors of a layer's folders, so that a name is one system call away however deep it lies. Each is opened
// beneath the layer's root and follows no symlink. All caches of a thread share one bound, because a stack may
// have hundreds of layers and the process has one limit of open files. The owner says when a folder has moved or
// gone, because a cached descriptor would still show it. A descriptor handed out is good until the next call here
// but one: the least recently used goes first, and there is room for more than two.

import { type ByteString, dirname } from '../name.js';
import { closeFd, O_DIRECTORY, O_PATH, openBeneath, openFilesLimit, PATH_MAX } from '../sys/index.js';

/**
 * Bounds of what the caches of a thread keep; between them an eighth of the files that the process may open, for all
 * threads together.
 */
const LEAST = 64;
const MOST = 2048;
const SHARE = 8;

/** An open folder of a cache. */
interface OpenFolder {
  readonly cache: FolderCache;
  readonly dir: ByteString;
  readonly fd: number;
}

/** Of all caches, in order of use, oldest first. */
const inUse = new Set<OpenFolder>();
let share = 0;

/** How many folders the threads of this process keep; one that is alone counts its own. */
interface KeptFolders {
  readonly all: Int32Array;
  readonly mine: Int32Array;
}

let kept: KeptFolders | undefined;

/** From now on this thread counts what it keeps in shared memory (one number each), and leaves the other threads room. */
export function shareFolderRoom(counts: KeptFolders): void {
  kept = counts;
}

/** A thread that counted what it kept has ended, and its descriptors are closed. */
export function returnFolderRoom({ all, mine }: KeptFolders): void {
  Atomics.sub(all, 0, Atomics.exchange(mine, 0, 0));
}

function makeRoom(): void {
  if (share === 0) share = Math.max(LEAST, Math.floor(openFilesLimit() / SHARE));
  for (const oldest of inUse) {
    if (inUse.size < LEAST) return;
    const all = kept === undefined ? inUse.size : Atomics.load(kept.all, 0);
    if (all < share && inUse.size < MOST) return;
    oldest.cache.drop(oldest.dir);
  }
}

function countKept(by: 1 | -1): void {
  if (kept === undefined) return;
  Atomics.add(kept.all, 0, by);
  Atomics.add(kept.mine, 0, by);
}

export class FolderCache {
  readonly #root: number;
  readonly #keeps: boolean;
  readonly #folders = new Map<ByteString, OpenFolder>();
  /**
   * The paths at or beneath which a folder is open, so that most changes of names need no search: at each, whether it is
   * open and how many of the paths right beneath it are here.
   */
  readonly #within = new Map<ByteString, number>();
  #lastDir: ByteString = '';
  #lastFd: number;

  /** `root` stays the caller's to close. `keeps` false: others move folders, so each is opened whenever it is asked for. */
  constructor(root: number, keeps = true) {
    this.#root = root;
    this.#keeps = keeps;
    this.#lastFd = root;
  }

  /** A descriptor of a folder, O_PATH or for reading; undefined if there is none at this path. */
  get(dir: ByteString): number | undefined {
    if (dir === '') return this.#root;
    if (!this.#keeps) this.drop(dir);
    if (dir === this.#lastDir) return this.#lastFd;
    const known = this.#folders.get(dir);
    if (known !== undefined) {
      inUse.delete(known);
      inUse.add(known);
      return this.#last(dir, known.fd);
    }
    const fd = this.open(dir, O_PATH | O_DIRECTORY);
    if (fd === undefined) return undefined;
    this.#add(dir, fd);
    return this.#last(dir, fd);
  }

  /** Takes over a descriptor of a folder that was opened by `open`; false if there is one already. */
  keep(dir: ByteString, fd: number): boolean {
    if (this.#folders.has(dir)) return false;
    this.#add(dir, fd);
    return true;
  }

  /** A folder opened afresh, which is the caller's to close; undefined if there is none at this path. */
  open(dir: ByteString, flags: number): number | undefined {
    if (dir.length < PATH_MAX) return openBeneath(this.#root, dir, flags);
    // Longer than one call takes: from the longest ancestor that fits twice over.
    const cut = dir.lastIndexOf('/', dir.length - Math.ceil(PATH_MAX / 2));
    const ancestor = this.get(dir.slice(0, cut));
    return ancestor === undefined ? undefined : openBeneath(ancestor, dir.slice(cut + 1), flags);
  }

  /** The folder at `path` and all beneath it are not what they were. */
  forget(path: ByteString): void {
    if (!this.#within.has(path)) return;
    const beneath = `${path}/`;
    for (const dir of this.#folders.keys()) {
      if (dir === path || dir.startsWith(beneath)) this.drop(dir);
    }
  }

  /** Closes what is kept of one folder. */
  drop(dir: ByteString): void {
    const folder = this.#folders.get(dir);
    if (folder === undefined) return;
    this.#folders.delete(dir);
    inUse.delete(folder);
    countKept(-1);
    this.#count(dir, -1);
    if (this.#lastDir === dir) this.#last('', this.#root);
    closeFd(folder.fd);
  }

  close(): void {
    for (const dir of this.#folders.keys()) this.drop(dir);
  }

  #add(dir: ByteString, fd: number): void {
    makeRoom();
    const folder = { cache: this, dir, fd };
    this.#folders.set(dir, folder);
    inUse.add(folder);
    countKept(1);
    this.#count(dir, 1);
  }

  /** No further up than it must: a path is as long as its tree is deep. */
  #count(dir: ByteString, by: 1 | -1): void {
    for (let at = dir; at !== ''; at = dirname(at)) {
      const before = this.#within.get(at) ?? 0;
      const count = before + by;
      if (count === 0) this.#within.delete(at);
      else this.#within.set(at, count);
      if (before !== 0 && count !== 0) return;
    }
  }

  #last(dir: ByteString, fd: number): number {
    this.#lastDir = dir;
    this.#lastFd = fd;
    return fd;
  }
}
