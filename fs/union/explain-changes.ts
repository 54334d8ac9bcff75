// What a write, a delete, a rename and a change of mode would do at a path, and how many bytes of data each would copy. It
// asks the same questions as copy-up.ts, whiteout.ts, rename.ts and attributes.ts do when it comes to it, and answers before
// anything is changed.

import { attempt } from '../errno.js';
import { SEEK_DATA, SEEK_HOLE } from '../filesystem.js';
import type { LayerFile } from '../layer/layer.js';
import { isFolder, isRegular, isSymlink } from '../mode.js';
import type { ByteString } from '../name.js';
import { mayLeaveBelow } from './data-below.js';
import { isWorthIt } from './in-part.js';
import type { Inode, LowerPlace } from './inode.js';
import { type Found, LOWER, lowerHas } from './lookup.js';
import { BLOCK } from './own-blocks.js';
import { sharesBlocks } from './sharing.js';
import type { Shown } from './shown-object.js';
import type { Stack } from './stack.js';
import { CAPABILITY } from './xattr-names.js';

/** A change that would be made here. */
export interface ExplainedChange {
  /** Of data, from a lower to the upper; folders, attributes and marks are not counted. */
  readonly copiesBytes: number;
  /** A sentence or two. */
  readonly does: string;
}

export interface ExplainedChanges {
  /**
   * What a first write would do, of one byte where it matters; absent where nothing could be written. It copies `copiesBytes`
   * at most: nothing where it empties the file first, or covers whole blocks of a large one.
   */
  readonly onWrite?: ExplainedChange;
  /** What a delete would do. */
  readonly onDelete: string;
  readonly onDeleteCopiesBytes: number;
  readonly onRename: ExplainedChange;
  /** What chmod, chown or touch would do; absent for symlinks, which have no mode of their own. */
  readonly onChmod?: ExplainedChange;
}

/** What the sentences depend on. */
interface Facts {
  readonly kind: 'data' | 'folder' | 'other';
  readonly inUpper: boolean;
  /** The upper has it in the index of hard links alone. */
  readonly indexed: boolean;
  /** More than one. */
  readonly hasNames: boolean;
  /** A folder with parts in several layers, or moved. */
  readonly merged: boolean;
  /** A change of names or attributes leaves the data of a lower file where it is. */
  readonly leaves: boolean;
  /** Of data, by such a change. */
  readonly sizeCopied: number;
  /** No lower shows anything at the name. */
  readonly nothingBelow: boolean;
}

/** `found` is what `name` of `parent` is, and exists. It is of no use afterwards, because the lowers are asked again. */
export function explainChanges(
  stack: Stack,
  parent: Inode,
  name: ByteString,
  found: Found,
  shown: Shown,
): ExplainedChanges {
  const { inUpper, indexed, entry, nlink } = shown;
  const { mode, size } = entry.attr;
  const kind = isRegular(mode) ? 'data' : isFolder(mode) ? 'folder' : 'other';
  const leaves = kind === 'data' && !inUpper && mayLeave(stack, found, shown);
  const shares = kind === 'data' && size > 0 && mayShare(stack, found, shown);
  const toCopy = kind === 'data' && !shares ? dataSize(stack, found, shown) : 0;
  const onWrite =
    kind === 'data' ? withEmptying(whatWriteDoes(stack, found, shown, { shares, toCopy })) : undefined;
  const merged = kind === 'folder' && found.folders.length > 0;
  const facts: Facts = {
    kind,
    inUpper,
    indexed,
    hasNames: kind !== 'folder' && nlink > 1,
    merged,
    leaves,
    sizeCopied: inUpper || leaves ? 0 : toCopy,
    // From here on `found` is of no use.
    nothingBelow: !lowerHas(stack, parent, name),
  };
  const isCounted = !inUpper && facts.hasNames;
  return {
    ...(onWrite && { onWrite }),
    onDelete: whatDeleteDoes(facts),
    onDeleteCopiesBytes: isCounted ? facts.sizeCopied : 0,
    onRename: { copiesBytes: facts.sizeCopied, does: whatRenameDoes(facts) },
    ...(!isSymlink(mode) && { onChmod: { copiesBytes: facts.sizeCopied, does: whatChmodDoes(facts) } }),
  };
}

/** Its data, which is in a lower, would become the upper's without a copy. */
function mayShare(stack: Stack, found: Found, shown: Shown): boolean {
  const { upper } = stack;
  const source = sourceOf(stack, found, shown);
  return upper !== undefined && source !== undefined && sharesBlocks(upper, source);
}

/** Where a lower has the data that a change would bring to the upper whole. */
function sourceOf(
  stack: Stack,
  { where, depth, dir, name }: Found,
  { inUpper, entry, data }: Shown,
): LowerPlace | undefined {
  if (inUpper && (!entry.metacopy || entry.ranges !== undefined)) return undefined;
  if (data !== undefined) return data;
  return where === LOWER && !entry.metacopy ? { layer: stack.lowers[depth]!, dir, name } : undefined;
}

/** How much a copy of all the data is: holes are left out (copy-data.ts). */
function dataSize(stack: Stack, found: Found, shown: Shown): number {
  const { size, blocks } = shown.entry.attr;
  const source = sourceOf(stack, found, shown);
  if (source === undefined || (shown.entry.metacopy ? shown.blocksBelow : blocks) * 512 >= size) return size;
  let counted = size;
  // What may not be opened cannot be copied either.
  attempt(() => {
    const file = source.layer.open(source.dir, source.name);
    try {
      counted = dataIn(file, size);
    } finally {
      file.close();
    }
  });
  return counted;
}

/** The server of a mount answers nobody else meanwhile, so of a file in very many pieces the rest counts as data. */
const MOST_PIECES = 10_000;

function dataIn(file: LayerFile, size: number): number {
  let counted = 0;
  let at = 0;
  for (let pieces = 0; pieces < MOST_PIECES && at < size; pieces++) {
    const start = file.seek(at, SEEK_DATA) ?? size;
    at = Math.min(file.seek(start, SEEK_HOLE) ?? size, size);
    counted += Math.max(0, at - start);
  }
  return counted + size - at;
}

function mayLeave(stack: Stack, found: Found, { entry, inUpper }: Shown): boolean {
  return mayLeaveBelow(stack, entry.attr, !inUpper && hasCapability(stack, found));
}

function hasCapability(stack: Stack, { where, depth, dir, name }: Found): boolean {
  let has = false;
  if (where !== LOWER) return has;
  // What may not be looked at has none as far as is known.
  attempt(() => {
    const node = stack.lowers[depth]!.hold(dir, name);
    try {
      has = node.getxattr(CAPABILITY) !== undefined;
    } finally {
      node.release();
    }
  });
  return has;
}

const BLOCK_TEXT = `its block of ${BLOCK / 1024} KiB`;

/** The same, with the word on how nothing of it is copied (open-file.ts). */
function withEmptying({ copiesBytes, does }: ExplainedChange): ExplainedChange {
  const emptied = 'A write that empties the file first, as > of a shell does, copies nothing.';
  return { copiesBytes, does: copiesBytes === 0 ? does : `${does} ${emptied}` };
}

/** Of a large file a first write of a byte copies one block at most (in-part.ts). */
function whatWriteDoes(
  stack: Stack,
  found: Found,
  shown: Shown,
  { shares, toCopy }: { readonly shares: boolean; readonly toCopy: number },
): ExplainedChange {
  const { inUpper, indexed, entry, blocksBelow } = shown;
  const { size, blocks } = entry.attr;
  const forAll = indexed ? ', for all of its names' : '';
  if (inUpper && !entry.metacopy) {
    const where = indexed ? 'The copy is written' : 'It is written where it is, in the upper';
    return { copiesBytes: 0, does: `${where}${forAll}; nothing is copied.` };
  }
  if (inUpper && entry.ranges !== undefined) {
    const does = `A byte that is written brings the rest of ${BLOCK_TEXT} up from below, unless the upper has that already; all else stays there.`;
    return { copiesBytes: Math.min(size, BLOCK), does };
  }
  if (shares) {
    const first = inUpper ? 'It gets its data first' : 'It is copied up first';
    const does = `${first}, by sharing the blocks below, of which nothing is copied; what is written then gets blocks of its own.`;
    return { copiesBytes: 0, does };
  }
  const inLower = entry.metacopy ? blocksBelow : blocks;
  if (isWorthIt(stack, size, inLower, size) && mayLeave(stack, found, shown)) {
    const does = `A sparse file in the upper takes what is written; a byte brings the rest of ${BLOCK_TEXT} along; all else stays below.`;
    return { copiesBytes: BLOCK, does };
  }
  if (inUpper) return { copiesBytes: toCopy, does: 'Its data is fetched into the upper first, all of it.' };
  const what = toCopy === 0 ? 'It is copied up first, and has no data' : 'It is copied up first, all of it';
  return { copiesBytes: toCopy, does: `${what}, after the folders above it that the upper lacks.` };
}

function whatDeleteDoes(facts: Facts): string {
  const { kind, inUpper, indexed, hasNames, nothingBelow } = facts;
  const others = hasNames ? 'the file stays for its other names' : undefined;
  if (kind === 'folder') {
    return nothingBelow
      ? 'Once it is empty, it is removed from the upper, and nothing stays.'
      : 'Once it is empty, a whiteout in the upper hides it; nothing is removed below.';
  }
  if (nothingBelow) {
    return others === undefined
      ? 'It is removed from the upper, and nothing stays.'
      : `This name is removed from the upper; ${others}.`;
  }
  if (indexed) {
    return `A whiteout in the upper hides this name; ${others ?? 'the copy goes with it, its last one'}.`;
  }
  if (inUpper) {
    const goes =
      others === undefined
        ? 'It is removed from the upper'
        : `This name is removed from the upper; ${others}`;
    return `${goes}, and a whiteout there hides what is below.`;
  }
  const hides = 'a whiteout in the upper hides it; nothing is removed below.';
  if (!hasNames) return `A${hides.slice(1)}`;
  return `${copiedUp(facts)} first, to keep the count of its other names; then ${hides}`;
}

/** How something of a lower comes to the upper for a change of names or attributes. */
function copiedUp({ kind, leaves, sizeCopied }: Facts): string {
  if (leaves) return 'Its attributes alone are copied up';
  return kind === 'data' && sizeCopied > 0 ? 'It is copied up, all of it,' : 'It is copied up';
}

function whatRenameDoes(facts: Facts): string {
  const { inUpper, indexed, merged, leaves, nothingBelow } = facts;
  const left = nothingBelow ? 'nothing stays here.' : 'a whiteout takes its place here.';
  if (merged) {
    return `A folder of the upper takes the new name, with a redirect to where its lower part lies; ${left}`;
  }
  if (indexed) return `The copy in the upper gets the new name; ${left}`;
  if (inUpper) return `It gets its new name in the upper; ${left}`;
  const below = leaves ? ', and say where its data lies below' : '';
  return `${copiedUp(facts)} under the new name${below}; ${left}`;
}

function whatChmodDoes(facts: Facts): string {
  const { kind, inUpper, indexed, leaves } = facts;
  if (indexed) return 'The copy in the upper is changed, for all of its names.';
  if (inUpper) return 'It is changed where it is, in the upper.';
  if (kind === 'folder') return 'A folder in the upper gets the new attributes; what is in it stays below.';
  const below = leaves ? '; its data stays below until it is written' : '';
  return `${copiedUp(facts)} and changed in the upper${below}.`;
}
