// Handles for a mount whose files and folders the kernel opens without asking (OPEN and OPENDIR answered
// ENOSYS), which saves two requests with every open. The node of a request stands for its file: the first read
// opens it for reading, the first write for writing, and only that copies a lower file up. A node lives as long
// as the kernel knows it, so a handle may be closed at any time; those used longest ago are, when there are many.
//
// A listing has to stay the same for its reader while others begin new ones of the same folder. So each reading
// from the beginning takes a listing of its own, whose number is part of the cookies it gives out.

import { type Filesystem, type Handle, type NodeId, O_RDWR } from '../filesystem.js';

const MAX_FILES = 256;
const MAX_LISTINGS = 64;
/** Cookies of one listing; below 2^53 that leaves room for 2^29 listings, and no folder is so large. */
const COOKIES = 2 ** 24;

interface OpenNode {
  readonly handle: Handle;
  readonly writable: boolean;
}

interface Listing {
  readonly node: NodeId;
  readonly handle: Handle;
}

/** Where to go on reading: the handle, its own cookie, and what to add to the cookies it gives out. */
export interface Place {
  handle: Handle;
  from: number;
  base: number;
}

export class ImplicitHandles {
  readonly #filesystem: Filesystem;
  /** In the order of use, oldest first. */
  readonly #files = new Map<NodeId, OpenNode>();
  /** By number; oldest first. */
  readonly #listings = new Map<number, Listing>();
  /** Of each folder, how many of them there are: most nodes that are forgotten have none. */
  readonly #listed = new Map<NodeId, number>();
  #lastListing = 0;
  readonly #place: Place = { handle: 0, from: 0, base: 0 };

  constructor(filesystem: Filesystem) {
    this.#filesystem = filesystem;
  }

  reader(node: NodeId): Handle {
    return this.#touch(node)?.handle ?? this.#keep(node, this.#filesystem.open(node, 0), false);
  }

  writer(node: NodeId): Handle {
    const known = this.#touch(node);
    if (known?.writable === true) return known.handle;
    const handle = this.#filesystem.open(node, O_RDWR);
    if (known !== undefined) this.#filesystem.release(known.handle);
    return this.#keep(node, handle, true);
  }

  /** Takes over the handle of a file that was just made. */
  adopt(node: NodeId, handle: Handle): void {
    const known = this.#files.get(node);
    this.#keep(node, handle, true);
    if (known !== undefined) this.#filesystem.release(known.handle);
  }

  /** The place in a folder that a reader means by `cookie`; filled anew by the next call. */
  listing(node: NodeId, cookie: number): Place {
    const place = this.#place;
    const number = Math.floor(cookie / COOKIES);
    const known = cookie === 0 ? undefined : this.#listings.get(number);
    // A listing that was closed since is taken again: whoever reads on so late may miss what changed meanwhile.
    const current = known?.node === node ? number : this.#takeListing(node);
    place.handle = this.#listings.get(current)!.handle;
    place.from = cookie % COOKIES;
    place.base = current * COOKIES;
    return place;
  }

  /** Closes what is open of a node that the kernel forgets. */
  drop(node: NodeId): void {
    const file = this.#files.get(node);
    if (file !== undefined) {
      this.#files.delete(node);
      this.#filesystem.release(file.handle);
    }
    if (!this.#listed.has(node)) return;
    for (const [number, listing] of this.#listings) {
      if (listing.node === node) this.#closeListing(number, listing);
    }
  }

  /** The open file of `node`, which becomes the one used last. */
  #touch(node: NodeId): OpenNode | undefined {
    const known = this.#files.get(node);
    if (known !== undefined) {
      this.#files.delete(node);
      this.#files.set(node, known);
    }
    return known;
  }

  #keep(node: NodeId, handle: Handle, writable: boolean): Handle {
    this.#files.set(node, { handle, writable });
    if (this.#files.size > MAX_FILES) {
      for (const [oldest, file] of this.#files) {
        this.#files.delete(oldest);
        this.#filesystem.release(file.handle);
        break;
      }
    }
    return handle;
  }

  #takeListing(node: NodeId): number {
    const number = ++this.#lastListing;
    this.#listings.set(number, { node, handle: this.#filesystem.opendir(node) });
    this.#listed.set(node, (this.#listed.get(node) ?? 0) + 1);
    if (this.#listings.size > MAX_LISTINGS) {
      for (const [oldest, listing] of this.#listings) {
        this.#closeListing(oldest, listing);
        break;
      }
    }
    return number;
  }

  #closeListing(number: number, { node, handle }: Listing): void {
    this.#listings.delete(number);
    const others = this.#listed.get(node)! - 1;
    if (others === 0) this.#listed.delete(node);
    else this.#listed.set(node, others);
    this.#filesystem.releasedir(handle);
  }
}
