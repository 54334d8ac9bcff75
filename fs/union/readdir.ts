// Listing a folder: the names of all its layers, merged once and then only stepped through, so that the cookie
// of an entry is its position and entries that come or go meanwhile neither skip nor repeat others.

import { EINVAL, FsError } from '../errno.js';
import type { DirVisitor, Entry } from '../filesystem.js';
import { direntType, S_IFDIR } from '../mode.js';
import type { ByteString } from '../name.js';
import { present, stat } from './access.js';
import type { Inode } from './inode.js';
import { child } from './lookup.js';
import type { Stack } from './stack.js';

const DOTS = 2;
const DT_DIR = direntType(S_IFDIR);

/** The merged names of one folder, in parallel arrays. Several readers may share it. */
export interface Listing {
  readonly names: readonly ByteString[];
  readonly types: readonly number[];
  /** st_ino, or 0 where only a lookup can tell (an upper entry may have an origin). */
  readonly inos: readonly number[];
}

const EMPTY: Listing = { names: [], types: [], inos: [] };

export function takeListing(stack: Stack, folder: Inode): Listing {
  if (folder.removed) return EMPTY;
  const { upper } = stack;
  const memo = stack.lowerNames.take(stack, folder);
  if (memo !== undefined && !folder.upper) return memo;
  const names: ByteString[] = [];
  const types: number[] = [];
  const inos: number[] = [];
  const listing: Listing = { names, types, inos };
  const sources = folder.folders.length + (folder.upper ? 1 : 0);
  const seen = sources > 1 ? new Set<ByteString>() : undefined;
  if (folder.upper && upper !== undefined) {
    upper.list(stack.table.path(folder), (name, type, _ino, whiteout) => {
      seen?.add(name);
      if (whiteout) return;
      names.push(name);
      types.push(type);
      inos.push(0);
    });
  }
  if (memo !== undefined) {
    for (let i = 0; i < memo.names.length; i++) {
      const name = memo.names[i]!;
      if (seen?.has(name) === true) continue;
      names.push(name);
      types.push(memo.types[i]!);
      inos.push(memo.inos[i]!);
    }
    return listing;
  }
  for (const { depth, path } of folder.folders) {
    stack.lowers[depth]!.list(path, (name, type, ino, whiteout) => {
      if (seen !== undefined) {
        if (seen.has(name)) return;
        seen.add(name);
      }
      if (whiteout) return;
      names.push(name);
      types.push(type);
      inos.push(stack.lowerNumber(depth, ino));
    });
  }
  return listing;
}

export function isEmpty(stack: Stack, folder: Inode): boolean {
  return takeListing(stack, folder).names.length === 0;
}

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
    if (from === 0 || this.#listing === undefined) this.#listing = takeListing(stack, this.inode);
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
