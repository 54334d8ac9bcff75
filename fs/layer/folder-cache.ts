// Descriptors of a layer's folders, so that a name is one system call away however deep it lies. Each is opened
// beneath the layer's root and follows no symlink. Bounded; the owner says when a folder has moved or gone,
// because a cached descriptor would still show it. A descriptor handed out is good until the next call here
// but one: the least recently used goes first, and there is room for more than two.

import type { ByteString } from '../name.js';
import { closeFd, O_DIRECTORY, O_PATH, openBeneath, PATH_MAX } from '../sys/index.js';

const CAPACITY = 256;

export class FolderCache {
  readonly #root: number;
  /** In order of use, oldest first. */
  readonly #folders = new Map<ByteString, number>();
  #lastDir: ByteString = '';
  #lastFd: number;

  /** `root` stays the caller's to close. */
  constructor(root: number) {
    this.#root = root;
    this.#lastFd = root;
  }

  /** The O_PATH descriptor of a folder; undefined if there is none at this path. */
  get(dir: ByteString): number | undefined {
    if (dir === this.#lastDir) return this.#lastFd;
    if (dir === '') return this.#root;
    let fd = this.#folders.get(dir);
    if (fd !== undefined) this.#folders.delete(dir);
    else fd = this.#open(dir);
    if (fd === undefined) return undefined;
    this.#folders.set(dir, fd);
    this.#lastDir = dir;
    this.#lastFd = fd;
    if (this.#folders.size > CAPACITY) this.#dropOldest();
    return fd;
  }

  /** The folder at `path` and all beneath it are not what they were. */
  forget(path: ByteString): void {
    if (this.#folders.size === 0) return;
    const beneath = `${path}/`;
    for (const [dir, fd] of this.#folders) {
      if (dir !== path && !dir.startsWith(beneath)) continue;
      this.#folders.delete(dir);
      closeFd(fd);
    }
    this.#lastDir = '';
    this.#lastFd = this.#root;
  }

  close(): void {
    for (const fd of this.#folders.values()) closeFd(fd);
    this.#folders.clear();
    this.#lastDir = '';
    this.#lastFd = this.#root;
  }

  #open(dir: ByteString): number | undefined {
    if (dir.length < PATH_MAX) return openBeneath(this.#root, dir, O_PATH | O_DIRECTORY);
    // Longer than one call takes: from the longest ancestor that fits twice over.
    const cut = dir.lastIndexOf('/', dir.length - Math.ceil(PATH_MAX / 2));
    const ancestor = this.get(dir.slice(0, cut));
    return ancestor === undefined
      ? undefined
      : openBeneath(ancestor, dir.slice(cut + 1), O_PATH | O_DIRECTORY);
  }

  #dropOldest(): void {
    for (const [dir, fd] of this.#folders) {
      this.#folders.delete(dir);
      closeFd(fd);
      return;
    }
  }
}
