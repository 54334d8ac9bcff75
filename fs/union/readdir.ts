// Reading an open folder: its listing is taken once and then only stepped through, so that the cookie of an entry
// is its position and entries that come or go meanwhile neither skip nor repeat others.

import { EINVAL, FsError } from '../errno.js';
import { type DirVisitor, type Entry, UNKNOWN_INO } from '../filesystem.js';
import { direntType, S_IFDIR } from '../mode.js';
import type { ByteString } from '../name.js';
import { present, stat } from './access.js';
import { DOTS, listInIndex, listPlusInIndex } from './index-walk.js';
import type { Inode } from './inode.js';
import { child } from './intern.js';
import { type Listing, readListing } from './listing.js';
import type { Stack } from './stack.js';

const DT_DIR = direntType(S_IFDIR);

/** An open folder: see Filesystem.readdir. */
export class OpenFolder {
  readonly inode: Inode;
  /** What a reading from the beginning found; a number where that is the folder in the index, which never changes. */
  #listing: Listing | number | undefined;

  constructor(inode: Inode) {
    this.inode = inode;
  }

  read(stack: Stack, from: number, visit: DirVisitor): void {
    const listing = this.#listingAt(stack, from);
    if (!this.#dots(from, visit)) return;
    const first = Math.max(from, DOTS);
    if (typeof listing === 'number') {
      listInIndex(stack, listing, first, visit);
      return;
    }
    for (let at = first; at < listing.names.length + DOTS; at++) {
      const name = listing.names[at - DOTS]!;
      let ino = listing.inos[at - DOTS]!;
      if (ino === 0) ino = this.#numberOf(stack, name);
      if (ino === 0) continue;
      if (!visit(name, ino, listing.types[at - DOTS]!, at + 1)) return;
    }
  }

  readPlus(stack: Stack, from: number, out: Entry, visit: DirVisitor): void {
    const listing = this.#listingAt(stack, from);
    out.node = 0;
    if (!this.#dots(from, visit)) return;
    const first = Math.max(from, DOTS);
    if (typeof listing === 'number') {
      listPlusInIndex(stack, this.inode, listing, first, out, visit, (name, ino, type, next) =>
        this.#handOut(stack, name, ino, type, next, out, visit),
      );
      return;
    }
    for (let at = first; at < listing.names.length + DOTS; at++) {
      const i = at - DOTS;
      if (!this.#handOut(stack, listing.names[i]!, listing.inos[i]!, listing.types[i]!, at + 1, out, visit))
        return;
    }
  }

  /** The number of an entry that only a lookup can tell; 0 if it is gone. */
  #numberOf(stack: Stack, name: ByteString): number {
    let inode: Inode | undefined;
    try {
      inode = child(stack, this.inode, name);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      return UNKNOWN_INO;
    }
    if (inode === undefined) return 0;
    const { ino } = inode;
    stack.table.tidy(inode);
    return ino;
  }

  /**
   * Looks an entry up and visits it, if it is still there; false if it did not fit. One that cannot be looked up is
   * a name with the number and the type that were listed, and fails by itself when it is asked for.
   */
  #handOut(
    stack: Stack,
    name: ByteString,
    ino: number,
    type: number,
    next: number,
    out: Entry,
    visit: DirVisitor,
  ): boolean {
    let inode: Inode | undefined;
    try {
      inode = child(stack, this.inode, name);
      if (inode === undefined) return true;
      fillEntry(stack, inode, out);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      if (inode !== undefined) stack.table.tidy(inode);
      out.node = 0;
      return visit(name, ino === 0 ? UNKNOWN_INO : ino, type, next);
    }
    // Counted before the visit, so that nothing in it can drop the inode.
    stack.table.count(inode);
    const taken = visit(name, inode.ino, direntType(inode.type), next);
    if (!taken) stack.table.forget(inode.node, 1);
    return taken;
  }

  #listingAt(stack: Stack, from: number): Listing | number {
    if (!Number.isSafeInteger(from) || from < 0) throw new FsError(EINVAL, 'readdir');
    if (from === 0 || this.#listing === undefined) {
      const inIndex = stack.table.folderInIndex(this.inode.node);
      this.#listing = inIndex === 0 ? readListing(stack, this.inode) : inIndex;
      if (stack.events?.requests === true) tellMerge(stack, this.inode);
    }
    return this.#listing;
  }

  #dots(from: number, visit: DirVisitor): boolean {
    const { inode } = this;
    if (from < 1 && !visit('.', inode.ino, DT_DIR, 1)) return false;
    return from >= DOTS || visit('..', (inode.parent ?? inode).ino, DT_DIR, 2);
  }
}

function tellMerge(stack: Stack, folder: Inode): void {
  const parts = folder.folders.length + (folder.upper ? 1 : 0);
  if (parts > 1) stack.events?.emit({ kind: 'merge', path: stack.table.path(folder), parts });
}

/** Fills `out` for an inode that `child` has just returned: what the lookup saw is used where it is the truth. */
export function fillEntry(stack: Stack, inode: Inode, out: Entry): void {
  out.node = inode.node;
  out.generation = 0;
  if (inode.held === undefined) present(stack, inode, stack.found.entry.attr, out.attr);
  else stat(stack, inode, out.attr);
}
