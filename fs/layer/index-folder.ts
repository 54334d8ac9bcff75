// The index of hard links: `WORK/index/<key>` is one more name of the copied-up object of a lower file that had
// several, so that all of them lead to one object (the kernel's index=on; keys are its origin values in hex).

import { Attr } from '../filesystem.js';
import { isFolder, isRegular, S_IFCHR, S_IFMT } from '../mode.js';
import type { ByteString } from '../name.js';
import {
  deviceOf,
  linkAt,
  linkFd,
  listFolder,
  O_NOFOLLOW,
  O_PATH,
  openAtIfAny,
  statFd,
  unlinkAtIfAny,
} from '../sys/index.js';
import { DirNode, UpperNode } from './dir-node.js';
import { LayerEntry, type LayerNode } from './layer.js';
import { hexName, NLINK, nlinkValue, parseNlink } from './marks.js';
import type { UpperRules } from './upper-rules.js';
import type { WorkFolder } from './work-folder.js';

export class IndexFolder {
  readonly #work: WorkFolder;
  readonly #rules: UpperRules;
  /** Keys by file number; read from the folder on first use and kept since. */
  #keys: Map<number, string> | undefined;
  /** Counts that cannot be stored on their object (user.* on symlinks and devices), for as long as this is open. */
  readonly #names = new Map<string, number>();
  readonly #attr = new Attr();

  constructor(work: WorkFolder, rules: UpperRules) {
    this.#work = work;
    this.#rules = rules;
  }

  /**
   * Drops entries of which no name is left (ovl_indexdir_cleanup). One link is not enough to tell: the remaining
   * names may all lie in lowers, and then the entry is the only place of what was written through the others.
   */
  dropOrphans(): void {
    for (const [ino, key] of this.#loadedKeys()) {
      if (this.#with(key, (node) => this.#isOrphan(node)) !== true) continue;
      unlinkAtIfAny(this.#work.index(), key);
      this.#loadedKeys().delete(ino);
    }
  }

  #isOrphan(node: UpperNode): boolean {
    statFd(node.fd, this.#attr);
    const { mode, rdev, nlink } = this.#attr;
    if (isFolder(mode) || nlink > 1) return false;
    const text = node.markText(NLINK);
    // Where a count cannot be stored (user.* on symlinks and devices), nothing is known, and nothing is dropped.
    if (text === undefined) return isRegular(mode);
    const names = parseNlink(text);
    return names !== undefined && names <= 0 && !((mode & S_IFMT) === S_IFCHR && rdev === 0);
  }

  /** The key of a lower object. Without file handles it is made of device and file number. */
  keyOfSource(source: LayerNode): string {
    const origin = source.origin?.();
    if (origin !== undefined) return hexName(origin);
    const entry = new LayerEntry(new Attr());
    source.stat(entry);
    const device = source instanceof DirNode ? deviceOf(source.fd) : 'none';
    return `mica-${device}-${entry.attr.ino}`;
  }

  /** The key of an object of the upper, whichever of its names led to it; undefined if it is in no entry. */
  keyOf(node: DirNode): string | undefined {
    const keys = this.#loadedKeys();
    if (keys.size === 0) return undefined;
    statFd(node.fd, this.#attr);
    return keys.get(this.#attr.ino);
  }

  /** Makes what `fd` stands for the entry `key`; `temp` is its name in `work/`, if it has one. EEXIST if the key is taken. */
  add(key: string, fd: number, temp: ByteString | undefined): void {
    const keys = this.#loadedKeys();
    if (temp === undefined) linkFd(fd, this.#work.index(), key);
    else linkAt(this.#work.fd, temp, this.#work.index(), key);
    statFd(fd, this.#attr);
    keys.set(this.#attr.ino, key);
  }

  /** The object of a key, held; undefined if there is none. */
  hold(key: string): UpperNode | undefined {
    if (this.#keys === undefined && !this.#work.hasIndex) return undefined;
    const fd = openAtIfAny(this.#work.index(), key, O_PATH | O_NOFOLLOW);
    return fd === undefined ? undefined : new UpperNode(fd, this.#rules);
  }

  names(key: string): number {
    const kept = this.#names.get(key);
    if (kept !== undefined) return kept;
    return this.#with(key, (node) => parseNlink(node.markText(NLINK) ?? '')) ?? 0;
  }

  setNames(key: string, names: number): void {
    const value = nlinkValue(names);
    const stored = this.#with(key, (node) => {
      node.setMarkText(NLINK, value);
      return node.markText(NLINK) === value;
    });
    if (stored === true) this.#names.delete(key);
    else this.#names.set(key, names);
  }

  remove(key: string): void {
    unlinkAtIfAny(this.#work.index(), key);
    this.#names.delete(key);
    for (const [ino, known] of this.#loadedKeys()) {
      if (known === key) this.#keys?.delete(ino);
    }
  }

  #loadedKeys(): Map<number, string> {
    if (this.#keys !== undefined) return this.#keys;
    const keys = new Map<number, string>();
    if (this.#work.hasIndex) {
      listFolder(this.#work.index(), (name, _type, ino) => {
        keys.set(ino, name);
        return undefined;
      });
    }
    this.#keys = keys;
    return keys;
  }

  #with<T>(key: string, use: (node: UpperNode) => T): T | undefined {
    const node = this.hold(key);
    if (node === undefined) return undefined;
    try {
      return use(node);
    } finally {
      node.release();
    }
  }
}
