// Objects that go over from one upper to the next, because somebody uses them without asking the union: the kernel, which
// was given a file's descriptor (passthrough). The new upper gets names of the very object, in folders that are copied
// up for them; the old one gets a copy of it, in its place under all of its names. What is written into the object while
// it is copied may be in the copy or not. Of what fails before the copies take their places nothing is left in the old upper, and of the object no further name.

import { attempt } from '../errno.js';
import { Attr } from '../filesystem.js';
import {
  LayerEntry,
  type LayerNode,
  type Staged,
  type WritableNode,
  type WriteLayer,
} from '../layer/layer.js';
import { type ByteString, joinPath } from '../name.js';
import { acquireUpper, giveBack } from './access.js';
import { copyAttributes } from './copy-attributes.js';
import { copyData } from './copy-data.js';
import { type Inode, releaseHeld } from './inode.js';
import { child } from './intern.js';
import type { Stack } from './stack.js';

/** One name of an object of a layer. */
export interface Place {
  readonly dir: ByteString;
  readonly name: ByteString;
}

/** A name of the old upper under which there is to be a copy, in place of the object with this number. */
export interface HandedOver extends Place {
  readonly ino: number;
}

interface Kept {
  readonly inode: Inode;
  readonly node: WritableNode;
  readonly copy: Staged;
  readonly places: readonly Place[];
  /** The folder of the first place, pinned. */
  readonly parent: Inode;
}

export class HandOver {
  /** Folders of the new upper, with their numbers there. */
  readonly folders = new Map<Inode, number>();
  readonly list: HandedOver[] = [];
  readonly #stack: Stack;
  readonly #root: Inode;
  readonly #old: WriteLayer;
  readonly #fresh: WriteLayer;
  readonly #kept = new Map<Inode, Kept>();
  readonly #wanted: readonly Inode[];
  readonly #places: ReadonlyMap<number, readonly Place[]>;

  constructor(
    stack: Stack,
    root: Inode,
    fresh: WriteLayer,
    wanted: readonly Inode[],
    places: ReadonlyMap<number, readonly Place[]>,
  ) {
    this.#stack = stack;
    this.#root = root;
    this.#old = stack.writable();
    this.#fresh = fresh;
    this.#wanted = wanted;
    this.#places = places;
  }

  has(inode: Inode): boolean {
    return this.#kept.has(inode);
  }

  /** Everything that can fail: copies without names, and names in the new upper. */
  prepare(): void {
    this.folders.set(this.#root, numberOf(this.#fresh, ''));
    for (const inode of this.#wanted) {
      const places = this.#places.get(inode.upperIno);
      if (places === undefined || this.#kept.has(inode)) continue;
      this.#prepareOne(inode, places);
    }
  }

  #prepareOne(inode: Inode, places: readonly Place[]): void {
    const stack = this.#stack;
    const node = acquireUpper(stack, inode);
    let isKept = false;
    let parent: Inode | undefined;
    const made: Place[] = [];
    try {
      const times = new Map<ByteString, Attr>();
      for (const { dir, name } of places) {
        const folder = this.#folderFor(dir, times);
        parent ??= folder;
        if (inode.ino !== stack.upperNumber(inode.upperIno)) markImpure(this.#fresh, dir);
        this.#fresh.link(node, dir, name, false);
        made.push({ dir, name });
        if (folder !== parent) stack.table.unpin(folder);
      }
      for (const [dir, attr] of times) restoreTimes(this.#fresh, dir, attr);
      const copy = copyOf(this.#old, node);
      this.#kept.set(inode, { inode, node, copy, places, parent: parent! });
      for (const place of places) this.list.push({ ...place, ino: inode.upperIno });
      isKept = true;
    } finally {
      if (!isKept) {
        for (const { dir, name } of made) attempt(() => this.#fresh.unlink(dir, name));
        giveBack(inode, node);
        if (parent !== undefined) stack.table.unpin(parent);
      }
    }
  }

  /** The inode of a folder, pinned, which the new upper has from now on; `times`: what those there are to show. */
  #folderFor(path: ByteString, times: Map<ByteString, Attr>): Inode {
    const stack = this.#stack;
    let folder = this.#root;
    let at = '';
    folder.pins++;
    for (const name of path === '' ? [] : path.split('/')) {
      this.#note(at, times);
      const next = child(stack, folder, name);
      if (next === undefined) throw new Error('the folder of a file is not found');
      next.pins++;
      if (!this.folders.has(next)) this.#copyFolder(next, at, name);
      stack.table.unpin(folder);
      folder = next;
      at = joinPath(at, name);
    }
    this.#note(at, times);
    return folder;
  }

  #note(dir: ByteString, times: Map<ByteString, Attr>): void {
    if (times.has(dir)) return;
    const attr = new Attr();
    withNode(this.#old, dir, (node) => node.attributes(attr));
    times.set(dir, attr);
  }

  #copyFolder(folder: Inode, dir: ByteString, name: ByteString): void {
    const path = joinPath(dir, name);
    withNode(this.#old, path, (source) => {
      const staged = stageLike(this.#fresh, source);
      try {
        staged.setOrigin(folder.ino, source);
        markImpure(this.#fresh, dir);
        staged.publish(dir, name, false);
      } catch (error) {
        staged.discard();
        throw error;
      }
    });
    this.folders.set(folder, numberOf(this.#fresh, path));
    // Until it is decided nobody must let go of it: memory follows by it.
    folder.pins++;
  }

  /** The inode is in the new upper. */
  settleDown(inode: Inode): void {
    const { parent, places } = this.#kept.get(inode)!;
    inode.lower = undefined;
    inode.indexKey = undefined;
    if (inode.held === undefined) return;
    this.#stack.table.place(inode, parent, places[0]!.name);
  }

  /** The copies take the places of the objects in the old upper. */
  replaceOld(): void {
    for (const kept of this.#kept.values()) {
      publishCopy(this.#old, kept.copy, kept.places);
      this.#letGo(kept);
      releaseHeld(kept.inode);
    }
    this.#kept.clear();
    this.#unpinFolders();
  }

  discard(): void {
    for (const kept of this.#kept.values()) {
      kept.copy.discard();
      for (const { dir, name } of kept.places) attempt(() => this.#fresh.unlink(dir, name));
      this.#letGo(kept);
    }
    this.#kept.clear();
    this.#unpinFolders();
  }

  #letGo({ inode, node, parent }: Kept): void {
    giveBack(inode, node);
    this.#stack.table.unpin(parent);
  }

  #unpinFolders(): void {
    for (const folder of this.folders.keys()) if (folder !== this.#root) this.#stack.table.unpin(folder);
  }
}

/**
 * What `replaceOld` has not done, because the process died: afterwards the layer has copies under all names of the list.
 * They are durable once the layer is synced.
 */
export function finishHandOver(layer: WriteLayer, list: readonly HandedOver[]): void {
  const entry = new LayerEntry(new Attr());
  const left = new Map<number, HandedOver[]>();
  for (const one of list) {
    if (!layer.lookup(one.dir, one.name, entry) || entry.attr.ino !== one.ino) continue;
    const others = left.get(one.ino);
    if (others === undefined) left.set(one.ino, [one]);
    else others.push(one);
  }
  for (const places of left.values()) {
    const [first] = places;
    if (first === undefined) continue;
    const node = layer.hold(first.dir, first.name);
    try {
      publishCopy(layer, copyOf(layer, node), places);
    } finally {
      node.release();
    }
  }
}

/** A copy of a file takes its place under all of its names; the folders keep their times. */
export function publishCopy(layer: WriteLayer, copy: Staged, places: readonly Place[]): void {
  const [first, ...others] = places;
  if (first === undefined) return;
  keepingTimes(layer, first.dir, () => copy.publish(first.dir, first.name, true));
  if (others.length === 0) return;
  const node = layer.hold(first.dir, first.name);
  try {
    for (const { dir, name } of others) keepingTimes(layer, dir, () => layer.link(node, dir, name, true));
  } finally {
    node.release();
  }
}

/** A copy of a regular file that has all of its data, without a name. */
export function copyOf(layer: WriteLayer, node: WritableNode): Staged {
  const attr = new Attr();
  node.attributes(attr);
  const staged = layer.stage({ mode: attr.mode, uid: attr.uid, gid: attr.gid });
  try {
    const from = node.open();
    try {
      const to = staged.openWrite();
      try {
        copyData(from, to, attr.size, true, { bytesCopied: 0, bytesSaved: 0 });
        to.truncate(attr.size);
      } finally {
        to.close();
      }
    } finally {
      from.close();
    }
    copyAttributes(node, node.listxattr(), staged, attr, true);
    return staged;
  } catch (error) {
    staged.discard();
    throw error;
  }
}

function stageLike(layer: WriteLayer, source: LayerNode): Staged {
  const attr = new Attr();
  source.attributes(attr);
  const staged = layer.stage({ mode: attr.mode, uid: attr.uid, gid: attr.gid });
  try {
    copyAttributes(source, source.listxattr(), staged, attr, true);
    return staged;
  } catch (error) {
    staged.discard();
    throw error;
  }
}

function markImpure(layer: WriteLayer, dir: ByteString): void {
  withNode(layer, dir, (node) => {
    if (!node.isImpure()) node.setImpure();
  });
}

function keepingTimes(layer: WriteLayer, dir: ByteString, act: () => void): void {
  const attr = new Attr();
  withNode(layer, dir, (node) => node.attributes(attr));
  act();
  restoreTimes(layer, dir, attr);
}

function restoreTimes(layer: WriteLayer, dir: ByteString, attr: Attr): void {
  const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = attr;
  withNode(layer, dir, (node) =>
    node.utimes({ sec: atimeSec, nsec: atimeNsec }, { sec: mtimeSec, nsec: mtimeNsec }),
  );
}

function numberOf(layer: WriteLayer, dir: ByteString): number {
  const attr = new Attr();
  withNode(layer, dir, (node) => node.attributes(attr));
  return attr.ino;
}

function withNode<T>(layer: WriteLayer, dir: ByteString, act: (node: WritableNode) => T): T {
  const node = layer.hold(dir, '.');
  try {
    return act(node);
  } finally {
    node.release();
  }
}
