// An object of an upper that has no name in it yet. A regular file has no name at all (O_TMPFILE) where the
// filesystem can do that, everything else a temporary one in `work/`. It gets its name last, when it is complete.

import { attempt, FsError } from '../errno.js';
import { RENAME_NOREPLACE } from '../filesystem.js';
import type { ByteString } from '../name.js';
import { duplicate, linkFd, renameErrno, truncateFd, XATTRS, XATTRS_OF_OPEN } from '../sys/index.js';
import { UpperFile, UpperNode } from './dir-node.js';
import { putInPlace } from './dir-replace.js';
import type { IndexFolder } from './index-folder.js';
import type { Staged, WritableFile, WritableNode } from './layer.js';
import type { UpperRules } from './upper-rules.js';
import type { WorkFolder } from './work-folder.js';

/** Where stages live and go. */
export interface StagePlaces {
  readonly work: WorkFolder;
  readonly index: IndexFolder;
  /** The descriptor of a folder of the layer that must exist. */
  folder(dir: ByteString): number;
  /** Before an object comes to (to, name): EINVAL for a name that only marks have, EEXIST unless `replace`. */
  claim(to: number, name: ByteString, replace: boolean): void;
  /** After it came, if it `replaced` what was there: what was known of this path no longer holds. */
  settle(to: number, dir: ByteString, name: ByteString, replaced: boolean): void;
}

export class DirStaged extends UpperNode implements Staged {
  readonly #places: StagePlaces;
  readonly #isOpen: boolean;
  /** Its name in `work/`; undefined while it has none anywhere. */
  #temp: ByteString | undefined;

  /** `isOpen`: the descriptor is of a regular file that is open for reading and writing, else an O_PATH one. */
  constructor(
    fd: number,
    rules: UpperRules,
    places: StagePlaces,
    temp: ByteString | undefined,
    isOpen: boolean,
  ) {
    super(fd, rules, isOpen ? XATTRS_OF_OPEN : XATTRS);
    this.#isOpen = isOpen;
    this.#places = places;
    this.#temp = temp;
  }

  override openWrite(): WritableFile {
    return this.#isOpen ? new UpperFile(duplicate(this.fd), this.rules) : super.openWrite();
  }

  setSize(size: number): void {
    truncateFd(this.fd, size);
  }

  publish(dir: ByteString, name: ByteString, replace: boolean): void {
    this.#publish(dir, name, replace);
    this.release();
  }

  /** For a regular file: as `publish` at a free name, and the descriptor, open for reading and writing, lives on. */
  publishOpen(dir: ByteString, name: ByteString): number {
    const to = this.#places.folder(dir);
    this.#places.claim(to, name, false);
    this.#place(to, name);
    return this.fd;
  }

  publishIndexed(
    key: string,
    names: number,
    dir: ByteString,
    name: ByteString,
    replace: boolean,
  ): WritableNode {
    const index = this.#places.index;
    index.announce(key, this, names + 1);
    index.add(key, this.fd, this.#temp);
    try {
      this.#publish(dir, name, replace);
    } catch (error) {
      attempt(() => index.remove(key));
      throw error;
    }
    index.counted(key, names, this);
    return new UpperNode(this.fd, this.rules);
  }

  discard(): void {
    if (this.#temp !== undefined) this.#places.work.drop(this.#temp);
    this.release();
  }

  #publish(dir: ByteString, name: ByteString, replace: boolean): void {
    const to = this.#places.folder(dir);
    this.#places.claim(to, name, replace);
    if (replace) this.#replace(to, name);
    else this.#place(to, name);
    this.#temp = undefined;
    this.#places.settle(to, dir, name, replace);
  }

  #replace(to: number, name: ByteString): void {
    const work = this.#places.work;
    if (this.#temp === undefined) {
      // linkat(2) cannot replace.
      const temp = work.freeName();
      linkFd(this.fd, work.fd, temp);
      this.#temp = temp;
    }
    putInPlace(this.rules, work, this.#temp, to, name);
  }

  #place(to: number, name: ByteString): void {
    if (this.#temp === undefined) {
      linkFd(this.fd, to, name);
      return;
    }
    const failure = renameErrno(this.#places.work.fd, this.#temp, to, name, RENAME_NOREPLACE);
    if (failure !== 0) throw new FsError(failure, 'publish');
  }
}
