// Reading an open folder: its listing is taken once and then only stepped through, so that the cookie of an entry
// is its position and entries that come or go meanwhile neither skip nor repeat others.

import { EINVAL, FsError } from '../errno.js';
import type { DirVisitor, Entry } from '../filesystem.js';
import { direntType, S_IFDIR } from '../mode.js';
import { present, stat } from './access.js';
import type { Inode } from './inode.js';
import { type Listing, readListing } from './listing.js';
import { child } from './lookup.js';
import type { Stack } from './stack.js';

const DOTS = 2;
const DT_DIR = direntType(S_IFDIR);

/** An open folder: see Filesystem.readdir. */
export class OpenFolder {
  readonly inode: Inode;
  #listing: Listing | undefined;

  constructor(inode: Inode) {
    this.inode = inode;
  }

  read(stack: Stack, from: number, visit: DirVisitor): void {
    const listing = this.#listingAt(stack, from);
    if (!this.#dots(from, visit)) return;
    for (let at = Math.max(from, DOTS); at < listing.names.length + DOTS; at++) {
      const name = listing.names[at - DOTS]!;
      let ino = listing.inos[at - DOTS]!;
      if (ino === 0) {
        const inode = child(stack, this.inode, name);
        if (inode === undefined) continue;
        ino = inode.ino;
        stack.table.tidy(inode);
      }
      if (!visit(name, ino, listing.types[at - DOTS]!, at + 1)) return;
    }
  }

  readPlus(stack: Stack, from: number, out: Entry, visit: DirVisitor): void {
    const listing = this.#listingAt(stack, from);
    out.node = 0;
    if (!this.#dots(from, visit)) return;
    for (let at = Math.max(from, DOTS); at < listing.names.length + DOTS; at++) {
      const name = listing.names[at - DOTS]!;
      const inode = child(stack, this.inode, name);
      if (inode === undefined) continue;
      fillEntry(stack, inode, out);
      // Counted before the visit, so that nothing in it can drop the inode.
      inode.lookups++;
      if (!visit(name, inode.ino, direntType(inode.type), at + 1)) {
        stack.table.forget(inode.node, 1);
        return;
      }
    }
  }

  #listingAt(stack: Stack, from: number): Listing {
    if (!Number.isSafeInteger(from) || from < 0) throw new FsError(EINVAL, 'readdir');
    if (from === 0 || this.#listing === undefined) this.#listing = readListing(stack, this.inode);
    return this.#listing;
  }

  #dots(from: number, visit: DirVisitor): boolean {
    const { inode } = this;
    if (from < 1 && !visit('.', inode.ino, DT_DIR, 1)) return false;
    return from >= DOTS || visit('..', (inode.parent ?? inode).ino, DT_DIR, 2);
  }
}

/** Fills `out` for an inode that `child` has just returned: what the lookup saw is used where it is the truth. */
export function fillEntry(stack: Stack, inode: Inode, out: Entry): void {
  out.node = inode.node;
  out.generation = 0;
  if (inode.held === undefined) present(stack, inode, stack.found.entry.attr, out.attr);
  else stat(stack, inode, out.attr);
}
