// What every part of the union stands on: the layers, their number spaces, the inode table and the events.
//
// File numbers: two layers may lie on different filesystems, whose numbers overlap. Each filesystem gets an
// index in the order of its first appearance from the bottom up, and a number n of it is shown as
// index * 2^48 + n. The order from the bottom keeps the numbers of a chain stable when layers are added on top.

import { EROFS, FsError } from '../errno.js';
import { Attr } from '../filesystem.js';
import { LayerEntry, type ReadLayer, type WriteLayer } from '../layer/layer.js';
import type { ByteString } from '../name.js';
import type { EventKind } from './event.js';
import type { EventStream } from './event-stream.js';
import { IndexedNodes } from './indexed-nodes.js';
import { type Inode, InodeTable } from './inode.js';
import { type LongWork, Pace } from './long-work.js';
import { Found, type Where } from './lookup.js';
import { NameShelf } from './lower-names.js';

const SPACE = 2 ** 48;

export class Stack {
  /** Topmost first. Grows by what was the upper (`exchange`). */
  lowers: readonly ReadLayer[];
  upper: WriteLayer | undefined;
  /** Layers of data alone (overlayfs's `::`), topmost first: nothing is looked up in them but where a redirect points. */
  readonly data: readonly ReadLayer[];
  readonly events: EventStream | undefined;
  /** The nodes of the lower, where that is one index. */
  readonly indexed: IndexedNodes | undefined;
  readonly table: InodeTable;
  readonly lowerNames = new NameShelf();
  /** The result of the last `resolve` of a step; a second one for steps that need two. */
  readonly found = new Found();
  readonly other = new Found();
  /** For looking at one object. */
  readonly scratch = new LayerEntry(new Attr());
  readonly attr = new Attr();
  /** Others may change a lower: what was seen of it may not be so any more. */
  readonly lowersChange: boolean;
  /**
   * How many names of a lower file went without a copy-up, because this process may not read the file; by st_ino. The
   * upper keeps it over a remount.
   */
  readonly lostNames = new Map<number, number>();
  /** Who does what takes long; unset where everything is done at once. */
  work: LongWork | undefined;
  /** What is to be expected of reading, of making a file durable, and a filesystem; of the last always the worst at first. */
  readonly reads: Pace;
  readonly syncs = new Pace();
  readonly fullSyncs = new Pace(true);
  /** See WriteLayer; Infinity from when somebody else began to read the upper. */
  partsFrom: number;
  /** Set by freeze(): the upper changes no more. */
  frozen = false;
  /** How many of the lowers, the topmost ones, were the upper of this very union. */
  former = 0;
  /** What was the upper last may not be durable: whoever syncs a file next syncs everything, once. */
  unsyncedBelow = false;
  /** `unsettled`, as it was when all was settled but the guard (settle.ts). */
  settledAt: number | undefined;
  #unsettled = 0;
  #absentFrom: Inode | undefined;
  #absentName: ByteString = '';
  #absentWhere: Where | undefined;
  #lowerBase: readonly number[];
  readonly #upperBase: number;
  readonly #duplicateBase: number;
  readonly #duplicates = new Map<string, number>();

  constructor(
    lowers: readonly ReadLayer[],
    upper: WriteLayer | undefined,
    events: EventStream | undefined,
    data: readonly ReadLayer[] = [],
  ) {
    this.lowers = lowers;
    this.data = data;
    this.upper = upper;
    this.events = events;
    this.partsFrom = upper?.partsFrom ?? Number.POSITIVE_INFINITY;
    this.lowersChange = [...lowers, ...data].some(({ changes }) => changes === true);
    const all = [...lowers, ...data, ...(upper === undefined ? [] : [upper])];
    this.reads = new Pace(all.some(({ remote }) => remote === true));
    const bases = new Map<string, number>();
    const baseOf = (device: string): number => {
      const known = bases.get(device);
      if (known !== undefined) return known;
      const base = bases.size * SPACE;
      bases.set(device, base);
      return base;
    };
    this.#lowerBase = lowers
      .toReversed()
      .map((layer) => baseOf(layer.device))
      .toReversed();
    this.#upperBase = upper === undefined ? 0 : baseOf(upper.device);
    this.#duplicateBase = bases.size * SPACE;
    const only = lowers.length === 1 ? lowers[0] : undefined;
    if (only?.tree !== undefined) {
      const numberOf = (ino: number) => this.lowerNumber(0, ino);
      this.indexed = new IndexedNodes(only, only.tree, numberOf, upper !== undefined);
    }
    this.table = new InodeTable(this.indexed);
  }

  get readOnly(): boolean {
    return this.upper === undefined || this.frozen;
  }

  /** The upper, if it may be changed; EROFS otherwise. */
  writable(): WriteLayer {
    if (this.upper === undefined || this.frozen) throw new FsError(EROFS, 'union');
    this.#absentFrom = undefined;
    return this.upper;
  }

  /**
   * `fresh`, of the same filesystem as the upper, is the upper from now on; `lower`, which was it, is the topmost lower, or
   * if absent no part of the union any more. What inodes say of layers is the caller's affair.
   */
  exchange(fresh: WriteLayer, lower: ReadLayer | undefined): void {
    this.upper = fresh;
    this.partsFrom = fresh.partsFrom;
    this.unsyncedBelow = true;
    this.#absentFrom = undefined;
    if (lower === undefined) return;
    this.lowers = [lower, ...this.lowers];
    this.#lowerBase = [this.#upperBase, ...this.#lowerBase];
    this.former++;
    this.table.indexedDepth++;
  }

  /** To be called before the upper gets what other readers of it would show wrongly, or such a thing another place. */
  guard(): void {
    this.#unsettled++;
    this.writable().setGuard(true);
  }

  /** How often that was; what was settled when it was as often is settled. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** `found` says that a folder does not have a name: good until the next change, whoever makes it. */
  noteAbsent(parent: Inode, name: ByteString): void {
    this.#absentFrom = this.lowersChange || parent.removed ? undefined : parent;
    this.#absentName = name;
    this.#absentWhere = this.found.where;
  }

  /** NONE or WHITEOUT for a name that was just found absent; undefined for all that have to be looked up. */
  whereAbsent(parent: Inode, name: ByteString): Where | undefined {
    return this.#absentFrom === parent && this.#absentName === name ? this.#absentWhere : undefined;
  }

  lowerNumber(depth: number, ino: number): number {
    return this.#lowerBase[depth]! + (ino % SPACE);
  }

  /** As that, for a listing; 0 where only a lookup can tell, because what was copied up kept its number. */
  listedNumber(depth: number, ino: number): number {
    return depth < this.former ? 0 : this.lowerNumber(depth, ino);
  }

  upperNumber(ino: number): number {
    return this.#upperBase + (ino % SPACE);
  }

  /** The number that an upper object keeps from the lower one that it was copied from; it must have an origin. */
  originNumber({ origin, originUuid }: LayerEntry): number {
    if (originUuid === '') return origin;
    // As ovl_check_origin_fh: the first lower on a filesystem of this UUID.
    const depth = this.lowers.findIndex(({ uuid }) => uuid === originUuid);
    return this.lowers.length === 0 ? origin : this.lowerNumber(Math.max(0, depth), origin);
  }

  /**
   * A number for a second object that claims the number of another: an upper file that was copied with its
   * origin mark by some other program, or a layer folder that lies inside another layer. Such a number holds
   * for this mount only.
   */
  duplicateNumber(parent: Inode, name: ByteString): number {
    const key = `${parent.ino}/${name}`;
    let number = this.#duplicates.get(key);
    if (number === undefined) {
      number = this.#duplicateBase + this.#duplicates.size + 1;
      this.#duplicates.set(key, number);
    }
    return number;
  }

  isDuplicate(number: number): boolean {
    return number > this.#duplicateBase;
  }

  /** Tells that the upper was changed at `path`. */
  emit(kind: EventKind, path: ByteString, amounts?: { bytesCopied: number; bytesSaved: number }): void {
    if (this.events === undefined || this.upper === undefined) return;
    this.events.emit({ kind, path, layer: this.upper.id, ...amounts });
  }
}
