// The object behind a path that was looked up, for explain.ts: the one that was found, or the copy that the upper's index of
// hard links (work/index) has of it, which all names of the file show although the upper's tree has it at some of them only.

import { Attr } from '../filesystem.js';
import { LayerEntry, type LayerFile, type WriteLayer } from '../layer/layer.js';
import { isFolder } from '../mode.js';
import type { ByteString } from '../name.js';
import type { Inode, LowerPlace } from './inode.js';
import { type Found, LOWER, UPPER } from './lookup.js';
import type { Stack } from './stack.js';

/** To be used in one step, and released. */
export interface Shown {
  /** It is in the upper, at the name or in the index. */
  readonly inUpper: boolean;
  /** The upper has it in the index, and not at this name. */
  readonly indexed: boolean;
  /** As its layer sees it. */
  readonly entry: LayerEntry;
  /** How many names the union shows; not of folders. */
  readonly nlink: number;
  /** Of a file without data, or with some of it: where the rest is, and st_blocks of that. */
  readonly data: LowerPlace | undefined;
  readonly blocksBelow: number;
  /** Opens an object of the upper. */
  open(): LayerFile;
  release(): void;
}

/** `found` is what `name` of `parent` is, exists, and `findData` was asked where it has no data. */
export function shownObject(stack: Stack, parent: Inode, name: ByteString, found: Found): Shown {
  return indexedObject(stack, found) ?? foundObject(stack, parent, name, found);
}

function foundObject(stack: Stack, parent: Inode, name: ByteString, found: Found): Shown {
  const { where, entry, data, below } = found;
  const { upper } = stack;
  const dir = stack.table.path(parent);
  return {
    inUpper: where === UPPER,
    indexed: false,
    entry,
    nlink: namesOf(stack, found, dir, name),
    data: entry.metacopy ? data : undefined,
    blocksBelow: entry.metacopy && data !== undefined ? below.attr.blocks : 0,
    open: () => upper!.open(dir, name),
    release: () => undefined,
  };
}

/** A lower file with several names that was copied up through another of them. */
function indexedObject({ upper, lowers }: Stack, found: Found): Shown | undefined {
  const { where, entry: lower, depth, dir, name, below } = found;
  if (where !== LOWER || upper?.knowsLinks !== true || !hasNames(lower)) return undefined;
  const key = keyOf(upper, found, lowers[depth]!);
  const node = upper.indexed(key);
  if (node === undefined) return undefined;
  const entry = new LayerEntry(new Attr());
  node.stat(entry);
  return {
    inUpper: true,
    indexed: true,
    entry,
    nlink: entry.attr.nlink - 1 + upper.indexNames(key),
    // The lower file has the data, or leads on to it.
    data: lower.metacopy ? found.data : { layer: lowers[depth]!, dir, name },
    blocksBelow: lower.metacopy ? below.attr.blocks : lower.attr.blocks,
    open: () => node.open(),
    release: () => node.release(),
  };
}

function hasNames({ attr }: LayerEntry): boolean {
  return attr.nlink > 1 && !isFolder(attr.mode);
}

function keyOf(upper: WriteLayer, { dir, name }: Found, layer: LowerPlace['layer']): string {
  const source = layer.hold(dir, name);
  try {
    return upper.indexKey(source);
  } finally {
    source.release();
  }
}

function namesOf({ upper, lowers }: Stack, found: Found, dir: ByteString, name: ByteString): number {
  const { where, entry, depth } = found;
  const { nlink } = entry.attr;
  if (upper === undefined || !hasNames(entry)) return nlink;
  if (where === LOWER) {
    return upper.knowsLinks ? nlink - upper.lostNames(keyOf(upper, found, lowers[depth]!)) : nlink;
  }
  const node = upper.hold(dir, name);
  try {
    const key = upper.indexedKey(node);
    return key === undefined ? nlink : nlink - 1 + upper.indexNames(key);
  } finally {
    node.release();
  }
}
