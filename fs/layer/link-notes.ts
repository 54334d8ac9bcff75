// What is to be remembered of hard-linked objects that cannot carry a mark: under `user.` symlinks, fifos, sockets and
// devices (xattr(7)), and lower files of which names were removed and nothing was copied up. `WORK/links/<key>` is an
// empty file that carries it in their place, in one step each; overlayfs leaves alone what it does not know there.

import { EOPNOTSUPP, EPERM, isErrno } from '../errno.js';
import { type ByteString, fromBytes, toBytes } from '../name.js';
import {
  closeFd,
  getXattr,
  listFolder,
  O_CREAT,
  O_NOFOLLOW,
  O_RDWR,
  openAt,
  openAtIfAny,
  setXattr,
  unlinkAtIfAny,
} from '../sys/index.js';
import { markName, NLINK } from './marks.js';
import type { WorkFolder } from './work-folder.js';

/** How many more names an indexed object has, in the spelling of the mark. */
const NAMES = markName('user', NLINK);
/** Names of a lower object that went without a copy-up: `N`, or `N?PATH` for as long as the last may not be gone. */
const LOST = markName('user', 'mica.lost');

export interface Lost {
  readonly names: number;
  /** The last of them is gone if something lies at this path of the upper. */
  readonly last: ByteString | undefined;
}

export class LinkNotes {
  readonly #work: WorkFolder;

  constructor(work: WorkFolder) {
    this.#work = work;
  }

  names(key: string): string | undefined {
    return this.#read(key, NAMES);
  }

  setNames(key: string, text: string): void {
    this.#write(key, NAMES, text);
  }

  lost(key: string): Lost | undefined {
    const text = this.#read(key, LOST);
    const match = text === undefined ? null : /^(\d+)(?:\?(.*))?$/s.exec(text);
    return match === null ? undefined : { names: Number(match[1]), last: match[2] };
  }

  setLost(key: string, { names, last }: Lost): void {
    this.#write(key, LOST, last === undefined ? `${names}` : `${names}?${last}`);
  }

  drop(key: string): void {
    if (this.#work.hasLinks) unlinkAtIfAny(this.#work.links(), key);
  }

  /** Drops the notes on objects of the index that are not in it (`isThere`): a process died between the two. */
  dropOrphans(isThere: (key: string) => boolean): void {
    if (!this.#work.hasLinks) return;
    const keys: string[] = [];
    listFolder(this.#work.links(), (key) => {
      if (!isThere(key)) keys.push(key);
      return undefined;
    });
    for (const key of keys) if (this.#read(key, LOST) === undefined) this.drop(key);
  }

  #read(key: string, name: ByteString): string | undefined {
    if (!this.#work.hasLinks) return undefined;
    const fd = openAtIfAny(this.#work.links(), key, O_RDWR | O_NOFOLLOW);
    if (fd === undefined) return undefined;
    try {
      const value = getXattr(fd, name);
      return value === undefined ? undefined : fromBytes(value);
    } finally {
      closeFd(fd);
    }
  }

  #write(key: string, name: ByteString, text: string): void {
    const fd = openAt(this.#work.links(), key, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      setXattr(fd, name, toBytes(text), 0);
    } catch (error) {
      // As with marks: a filesystem without xattrs remembers nothing.
      if (!isErrno(error, EPERM) && !isErrno(error, EOPNOTSUPP)) throw error;
    } finally {
      closeFd(fd);
    }
  }
}
