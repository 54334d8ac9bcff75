// Nodes of a lower that is one tree index (the flattened chain of a store's snapshot), as long as the union has not
// changed them. Such a node is kept without an inode in memory: its node id says where the index has it, and what
// the kernel was told of it, how often and by which name it was looked up, lies in flat tables, some twenty bytes
// a node. An inode is made when an operation needs one and goes with the operation. What was copied up, renamed or
// removed has an inode under the same node id for as long as it is referred to. A folder is referred to by the
// nodes that are kept in it, as it is by the inodes of the others.

import { type Attr, type Entry, type NodeId, ROOT_NODE } from '../filesystem.js';
import type { IndexedTree, ReadLayer } from '../layer/layer.js';
import { isFolder } from '../mode.js';
import type { ByteString } from '../name.js';
import type { Inode } from './inode.js';

/** A walk over a huge tree reads all of its index, and only what it is at is of use: so many nodes are some 12 MB of it. */
const LET_GO_EVERY = 65_536;

/** Node ids below are positions in the index, and one; those from here on are of inodes that are not in it. */
export const FIRST_OTHER_NODE = 2 ** 30;

export class IndexedNodes {
  readonly tree: IndexedTree;
  /** Whose index it is. */
  readonly layer: ReadLayer;
  readonly #numberOf: (ino: number) => number;
  readonly #joinsLinks: boolean;
  /** All by ordinal of the object. */
  readonly #lookups: Uint32Array;
  /** 1 for a node that is referred to and has no inode. */
  readonly #kept: Uint8Array;
  /** How many nodes are kept in a folder. */
  readonly #children: Uint32Array;
  /** Of nodes that are kept: the folder's node, and where in the index the name lies. */
  readonly #parents: Uint32Array;
  readonly #nameAt: Uint32Array;
  readonly #nameLength: Uint8Array;
  /** Who has a number that is shown; made when somebody first asks. */
  #byNumber: Map<number, number> | undefined;
  #nids: Uint32Array | undefined;
  #counted = 0;

  /**
   * @param numberOf the number that is shown for one of the index
   * @param joinsLinks files with several names have inodes of their own, because each name must lead to what was
   *   copied up through another, and names that went are counted by the union
   */
  constructor(layer: ReadLayer, tree: IndexedTree, numberOf: (ino: number) => number, joinsLinks: boolean) {
    this.tree = tree;
    this.layer = layer;
    this.#numberOf = numberOf;
    this.#joinsLinks = joinsLinks;
    this.#lookups = new Uint32Array(tree.objects);
    this.#kept = new Uint8Array(tree.objects);
    this.#children = new Uint32Array(tree.objects);
    this.#parents = new Uint32Array(tree.objects);
    this.#nameAt = new Uint32Array(tree.objects);
    this.#nameLength = new Uint8Array(tree.objects);
    if (joinsLinks) this.#nids = new Uint32Array(tree.objects);
  }

  /** The node id of an object of the index; 0 for one that needs an inode of its own. */
  nodeOf(nid: number): NodeId {
    const { tree } = this;
    if (nid + 1 >= FIRST_OTHER_NODE || !tree.isComplete(nid)) return 0;
    if (nid === tree.root) return ROOT_NODE;
    if (this.#joinsLinks && tree.nlink(nid) > 1 && !isFolder(tree.mode(nid))) return 0;
    return nid + 1;
  }

  /** The object that a node id means; 0 if it is none of the index. */
  nidOf(node: NodeId): number {
    if (node === ROOT_NODE) return this.tree.root;
    return node < FIRST_OTHER_NODE && this.tree.mode(node - 1) !== 0 ? node - 1 : 0;
  }

  /** The number that is shown for an object. */
  number(nid: number): number {
    return this.#numberOf(this.tree.ino(nid));
  }

  lookups(nid: number): number {
    return this.#lookups[this.tree.ordinal(nid)]!;
  }

  /** Lookups that were not given back, or nodes that are kept in it, refer to the node. */
  isReferred(nid: number): boolean {
    const slot = this.tree.ordinal(nid);
    return this.#lookups[slot]! > 0 || this.#children[slot]! > 0;
  }

  isKept(nid: number): boolean {
    return this.#kept[this.tree.ordinal(nid)] === 1;
  }

  /** Counts a lookup. */
  count(nid: number): void {
    const slot = this.tree.ordinal(nid);
    this.#lookups[slot]!++;
    if (++this.#counted % LET_GO_EVERY === 0) this.tree.letGo();
    if (this.#nids !== undefined) this.#nids[slot] = nid;
    this.#byNumber?.set(this.number(nid), nid);
  }

  /** Gives lookups back. */
  forget(nid: number, count: number): void {
    const slot = this.tree.ordinal(nid);
    const left = Math.max(0, this.#lookups[slot]! - count);
    this.#lookups[slot] = left;
    if (left === 0) this.#byNumber?.delete(this.number(nid));
  }

  /** The object that is referred to and shown under a number; 0 if none is. */
  holderOf(number: number): number {
    if (this.#byNumber === undefined) {
      this.#byNumber = new Map();
      this.#lookups.forEach((count, slot) => {
        const nid = this.#nids?.[slot] ?? 0;
        if (count > 0 && nid !== 0) this.#byNumber?.set(this.number(nid), nid);
      });
    }
    return this.#byNumber.get(number) ?? 0;
  }

  /** Attributes and node of an object; false where the index alone cannot say them. */
  describe(nid: number, out: Entry): boolean {
    const node = this.nodeOf(nid);
    if (node === 0) return false;
    out.node = node;
    out.generation = 0;
    return this.stat(nid, out.attr);
  }

  /** The attributes that are shown; false where the index alone cannot say them. */
  stat(nid: number, out: Attr): boolean {
    this.tree.stat(nid, out);
    out.ino = this.#numberOf(out.ino);
    // A folder of which the subfolders were not counted.
    return out.nlink > 1 || !isFolder(out.mode);
  }

  /** A node without an inode was found in a folder, where the index has its name: counts a lookup and keeps it there. */
  found(nid: number, parent: NodeId, nameAt: number, nameLength: number): void {
    this.count(nid);
    const slot = this.tree.ordinal(nid);
    // By another name of a file the first is as good: only where nothing changes are such files kept.
    if (this.#kept[slot] === 0) this.#keepAt(slot, parent, nameAt, nameLength);
  }

  #keepAt(slot: number, parent: NodeId, nameAt: number, nameLength: number): void {
    this.#kept[slot] = 1;
    this.#parents[slot] = parent;
    this.#nameAt[slot] = nameAt;
    this.#nameLength[slot] = nameLength;
    this.#children[this.#slotOf(parent)]!++;
  }

  /** Keeps what an inode stands for, and is then all that there is of it; false for an inode that the index does not say. */
  keep(inode: Inode): boolean {
    const { nid, parent } = inode;
    if (parent === undefined || parent.nid === 0 || parent.upper || parent.removed) return false;
    if (inode.upper || inode.removed || inode.held !== undefined || inode.dataBelow !== undefined)
      return false;
    const { tree } = this;
    if (inode.ino !== this.number(nid) || tree.lookup(parent.nid, inode.name) !== nid) return false;
    this.#keepAt(tree.ordinal(nid), parent.node, tree.nameAt, tree.nameLength);
    return true;
  }

  /** The nodes that are kept in folders with these node ids. */
  keptIn(folders: ReadonlySet<NodeId>): number[] {
    const nids: number[] = [];
    if (folders.size === 0) return nids;
    this.#kept.forEach((kept, slot) => {
      const nid = this.#nids?.[slot] ?? 0;
      if (kept === 1 && nid !== 0 && folders.has(this.#parents[slot]!)) nids.push(nid);
    });
    return nids;
  }

  /** The name of a node that is kept. */
  nameOf(nid: number): ByteString {
    const slot = this.tree.ordinal(nid);
    return this.tree.text(this.#nameAt[slot]!, this.#nameLength[slot]!);
  }

  /** The folder of a node that is kept. */
  parentOf(nid: number): NodeId {
    return this.#parents[this.tree.ordinal(nid)]!;
  }

  /** The node is kept no longer; its folder has one less. */
  letGo(nid: number): void {
    const slot = this.tree.ordinal(nid);
    this.#kept[slot] = 0;
    this.#children[this.#slotOf(this.#parents[slot]!)]!--;
  }

  #slotOf(node: NodeId): number {
    return this.tree.ordinal(this.nidOf(node));
  }
}
