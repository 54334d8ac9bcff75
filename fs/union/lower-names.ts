// Which lower parts of a merged folder have a name. Lowers never change while they are open, so each part is
// listed once, and from then on a lookup asks those layers that have the name instead of all of them in turn. It
// is a memo and decides nothing: what an object is (a whiteout, an opaque folder) its layer says when it is asked.
// It may be dropped at any time. A folder with one lower part has none: there is nothing to be saved; and where
// lowers change there is nothing to be remembered.

import { FsError } from '../errno.js';
import { direntType, S_IFDIR } from '../mode.js';
import type { ByteString } from '../name.js';
import type { Inode, LowerFolder } from './inode.js';
import type { Stack } from './stack.js';

/** Names kept in all folders of a union together; a name costs some 150 bytes. */
const NAMES_KEPT = 1_000_000;

/** Lookups that layers answered with nothing, after which listing the folder's parts is the cheaper way. */
const ASKED_IN_VAIN = 100;

const DT_DIR = direntType(S_IFDIR);
const NO_PARTS: readonly LowerFolder[] = [];

export class LowerNames {
  /** What was listed; the memo holds for a folder as long as these are its parts. */
  readonly parts: readonly LowerFolder[];
  /** The visible names, in parallel arrays. */
  readonly names: ByteString[] = [];
  readonly types: number[] = [];
  readonly inos: number[] = [];
  readonly #shelf: NameShelf;
  /** The topmost part that has a name; with the further ones where all above the last are folders. */
  readonly #having = new Map<ByteString, LowerFolder | LowerFolder[]>();
  /** Names whose topmost object is a folder, so that parts below matter as well; of use while building. */
  readonly #open = new Set<ByteString>();

  constructor(stack: Stack, parts: readonly LowerFolder[], shelf: NameShelf) {
    this.parts = parts;
    this.#shelf = shelf;
    for (const part of parts) this.#addPart(stack, part);
    this.#open.clear();
  }

  /** Names of all kinds, and one for the memo itself. */
  get size(): number {
    return this.#having.size + 1;
  }

  /** The parts that are to be asked for a name, topmost first; none if no part has it. */
  having(name: ByteString): readonly LowerFolder[] {
    const found = this.#having.get(name);
    if (found === undefined) return NO_PARTS;
    return Array.isArray(found) ? found : [found];
  }

  /** Takes the memo off its shelf: its folder is forgotten. */
  release(): void {
    this.#shelf.remove(this);
  }

  #addPart(stack: Stack, part: LowerFolder): void {
    const { depth, path } = part;
    stack.lowers[depth]!.list(path, (name, type, ino, whiteout) => {
      const above = this.#having.get(name);
      const folder = !whiteout && type === DT_DIR;
      if (above === undefined) {
        this.#having.set(name, part);
        if (folder) this.#open.add(name);
        if (whiteout) return;
        this.names.push(name);
        this.types.push(type);
        this.inos.push(stack.listedNumber(depth, ino));
      } else if (this.#open.has(name)) {
        if (Array.isArray(above)) above.push(part);
        else this.#having.set(name, [above, part]);
        if (!folder) this.#open.delete(name);
      }
    });
  }
}

/** The memos of a union, the one used longest ago first; together they keep a bounded number of names. */
export class NameShelf {
  readonly #inUse = new Map<LowerNames, Inode>();
  readonly #most: number;
  #names = 0;
  #last: LowerNames | undefined;

  constructor(most = NAMES_KEPT) {
    this.#most = most;
  }

  /** The memo of a folder, made now if there is none yet; undefined for a folder of one part. Fails as `list`. */
  take(stack: Stack, folder: Inode): LowerNames | undefined {
    if (folder.folders.length < 2 || stack.lowersChange) return undefined;
    const known = this.#known(folder);
    if (known !== undefined) return known;
    const made = new LowerNames(stack, folder.folders, this);
    folder.lowerNames?.release();
    folder.lowerNames = made;
    this.#inUse.set(made, folder);
    this.#names += made.size;
    for (const oldest of this.#inUse.keys()) {
      if (this.#names <= this.#most || oldest === made) break;
      this.remove(oldest);
    }
    return made;
  }

  /** The memo for a lookup: if there is one, or once so many lookups were in vain that it is worth its making. */
  forLookup(stack: Stack, folder: Inode): LowerNames | undefined {
    if (folder.folders.length < 2 || stack.lowersChange) return undefined;
    const known = this.#known(folder);
    if (known !== undefined || folder.askedInVain < ASKED_IN_VAIN) return known;
    try {
      return this.take(stack, folder);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      // A part may be searched but not read (mode 0711 for who is not root): it is asked name by name.
      folder.askedInVain = Number.NEGATIVE_INFINITY;
      return undefined;
    }
  }

  remove(memo: LowerNames): void {
    const folder = this.#inUse.get(memo);
    if (folder === undefined) return;
    this.#inUse.delete(memo);
    this.#names -= memo.size;
    folder.lowerNames = undefined;
    folder.askedInVain = 0;
  }

  #known(folder: Inode): LowerNames | undefined {
    const known = folder.lowerNames;
    if (known === undefined || known.parts !== folder.folders) return undefined;
    // In the order of use, but not for every name of one folder.
    if (this.#last !== known) {
      this.#last = known;
      this.#inUse.delete(known);
      this.#inUse.set(known, folder);
    }
    return known;
  }
}
