// The index of hard links: `WORK/index/<key>` is one more name of the copied-up object of a lower file that had
// several, so that all of them lead to one object (the kernel's index=on; keys are its origin values in hex). With
// the object is stored how many more names are shown than it has: as a difference to its links, which stays right
// while names come and go, and as their sum in the moment in which one of them is made.

import { attempt, EEXIST, ENOENT, FsError, isErrno } from '../errno.js';
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
  statAt,
  statFd,
  unlinkAtIfAny,
} from '../sys/index.js';
import { readOrigin } from './dir-marks.js';
import { DirNode, UpperNode } from './dir-node.js';
import { LayerEntry, type LayerNode } from './layer.js';
import { LinkNotes } from './link-notes.js';
import { bytesOfHex, hexName, NLINK, nlinkTotal, nlinkValue, parseNlink } from './marks.js';
import type { UpperRules } from './upper-rules.js';
import type { WorkFolder } from './work-folder.js';

export class IndexFolder {
  readonly #work: WorkFolder;
  readonly #rules: UpperRules;
  /** Keys by file number; read from the folder on first use and kept since. */
  #keys: Map<number, string> | undefined;
  /** Of objects that cannot carry their own. */
  readonly notes: LinkNotes;
  /** Names still to be counted, by key. */
  readonly #names = new Map<string, number>();
  /** Keys for which a sum is stored, or may be. */
  readonly #sums = new Set<string>();
  readonly #attr = new Attr();

  constructor(work: WorkFolder, rules: UpperRules) {
    this.#work = work;
    this.#rules = rules;
    this.notes = new LinkNotes(work);
  }

  /**
   * Drops entries of which no name is left (ovl_indexdir_cleanup). One link is not enough to tell: the remaining
   * names may all lie in lowers, and then the entry is the only place of what was written through the others.
   */
  dropOrphans(): void {
    for (const [ino, key] of this.#loadedKeys()) {
      if (this.#with(key, (node) => this.#isOrphan(key, node)) !== true) continue;
      unlinkAtIfAny(this.#work.index(), key);
      this.#loadedKeys().delete(ino);
    }
    const there = new Set(this.#loadedKeys().values());
    this.notes.dropOrphans((key) => there.has(key));
  }

  get hasEntries(): boolean {
    return this.#loadedKeys().size > 0;
  }

  /** Visits the attributes of all objects. */
  each(visit: (attr: Attr, key: string) => void): void {
    for (const key of this.#loadedKeys().values()) {
      if (statAt(this.#work.index(), key, this.#attr)) visit(this.#attr, key);
    }
  }

  #isOrphan(key: string, node: UpperNode): boolean {
    statFd(node.fd, this.#attr);
    const { mode, rdev, nlink } = this.#attr;
    if (isFolder(mode) || nlink > 1) return false;
    const text = this.#text(key, node);
    // Where a count is not stored, nothing is known, and of what may not have been able to carry it nothing is dropped.
    if (text === undefined) return isRegular(mode);
    const names = parseNlink(text, nlink);
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

  /** Gives the entry of an indexed object the origin that is its key, where no xattr can say it (user.* on symlinks and devices). */
  fillOrigin(out: LayerEntry): void {
    const key = this.#loadedKeys().get(out.attr.ino);
    if (key !== undefined) readOrigin(bytesOfHex(key), out);
  }

  /** Makes what `fd` stands for the entry `key`; `temp` is its name in `work/`, if it has one. */
  add(key: string, fd: number, temp: ByteString | undefined): void {
    const keys = this.#loadedKeys();
    const index = this.#work.index();
    statFd(fd, this.#attr);
    const { ino } = this.#attr;
    const link = () =>
      temp === undefined ? linkFd(fd, index, key) : linkAt(this.#work.fd, temp, index, key);
    try {
      link();
    } catch (error) {
      if (!isErrno(error, EEXIST)) throw error;
      // Left by a copy-up that failed and could not clear up: whoever adds has looked for the entry and has none.
      this.remove(key);
      link();
    }
    keys.set(ino, key);
  }

  /** Stores that an object has `names` names, however many links: before it gets one, or becomes an entry. */
  announce(key: string, node: UpperNode, names: number): void {
    this.#setText(key, node, nlinkTotal(names));
  }

  /** The object of a key that was just added has `names` more names than links, which were stored as a sum before. */
  counted(key: string, names: number, node: UpperNode): void {
    this.#names.set(key, names);
    this.#sums.add(key);
    // The sum is right as well, until names come or go.
    attempt(() => this.#store(key, names, node));
  }

  /** The object of a key, held; undefined if there is none. */
  hold(key: string): UpperNode | undefined {
    if (!this.hasEntries) return undefined;
    const fd = openAtIfAny(this.#work.index(), key, O_PATH | O_NOFOLLOW);
    return fd === undefined ? undefined : new UpperNode(fd, this.#rules);
  }

  names(key: string): number {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const names = this.#with(key, (node) => this.#read(key, node)) ?? 0;
    this.#names.set(key, names);
    return names;
  }

  setNames(key: string, names: number): void {
    this.#with(key, (node) => this.#store(key, names, node));
    this.#names.set(key, names);
  }

  /** As `names`; what is stored is a difference. */
  pin(key: string): number {
    const names = this.names(key);
    if (this.#sums.has(key)) this.setNames(key, names);
    return names;
  }

  /** Runs `link`, which makes one of the names that are still to be counted. */
  linking(key: string, link: (node: UpperNode) => void): void {
    const names = this.names(key);
    const node = this.hold(key);
    if (node === undefined) throw new FsError(ENOENT, 'index');
    try {
      statFd(node.fd, this.#attr);
      this.#sums.add(key);
      this.announce(key, node, this.#attr.nlink - 1 + names);
      link(node);
      this.counted(key, names - 1, node);
    } finally {
      node.release();
    }
  }

  remove(key: string): void {
    unlinkAtIfAny(this.#work.index(), key);
    this.notes.drop(key);
    this.#names.delete(key);
    this.#sums.delete(key);
    for (const [ino, known] of this.#loadedKeys()) {
      if (known === key) this.#keys?.delete(ino);
    }
  }

  #read(key: string, node: UpperNode): number {
    const text = this.#text(key, node);
    if (text === undefined) return 0;
    statFd(node.fd, this.#attr);
    if (text.startsWith('=')) this.#sums.add(key);
    return parseNlink(text, this.#attr.nlink) ?? 0;
  }

  /** user.* attributes exist on files and folders only (xattr(7)). */
  #carriesMarks(node: UpperNode): boolean {
    if (this.#rules.marks === 'trusted') return true;
    statFd(node.fd, this.#attr);
    return isRegular(this.#attr.mode);
  }

  #text(key: string, node: UpperNode): string | undefined {
    return this.#carriesMarks(node) ? node.markText(NLINK) : this.notes.names(key);
  }

  #setText(key: string, node: UpperNode, text: string): void {
    if (this.#carriesMarks(node)) node.setMarkText(NLINK, text);
    else this.notes.setNames(key, text);
  }

  #store(key: string, names: number, node: UpperNode): void {
    this.#setText(key, node, nlinkValue(names));
    this.#sums.delete(key);
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
