// Resolution: what a name of a folder means, over all layers. From the top down: nothing there (go on), a
// whiteout (stop), a file (take it), a folder (collect it and go on, unless it is opaque; a redirect says where
// the layers below are looked at). Facts of one layer are never mixed with those of another: attributes come
// from the topmost object alone.

import { Attr } from '../filesystem.js';
import { LayerEntry } from '../layer/layer.js';
import { isFolder, isRegular } from '../mode.js';
import { type ByteString, joinPath } from '../name.js';
import type { DataBelow, Inode, LowerFolder, LowerPlace } from './inode.js';
import { OwnBlocks } from './own-blocks.js';
import type { Stack } from './stack.js';

/** No layer has the name, or a lower whiteout hides it. To create it: just make it. */
export const NONE = 0;
/** The upper has nothing at the name, a lower has. To change it: copy up. To remove it: whiteout. */
export const LOWER = 1;
/** The upper has it. To remove it: a whiteout if `lowerHas`, else nothing stays. */
export const UPPER = 2;
/** The upper has a whiteout. To create over it: stage and replace, and make a folder opaque. */
export const WHITEOUT = 3;
export type Where = typeof NONE | typeof LOWER | typeof UPPER | typeof WHITEOUT;

const NO_FOLDERS: readonly LowerFolder[] = [];

/** The answer to `resolve`. Made once and filled many times; valid until it is filled again. */
export class Found {
  where: Where = NONE;
  /** The topmost object, as its layer sees it. */
  readonly entry = new LayerEntry(new Attr());
  /** Where the topmost object lies, if `where` is LOWER. */
  depth = 0;
  dir: ByteString = '';
  name: ByteString = '';
  /** Folders: the lower parts. A new array each time that there are any, so an inode may keep it. */
  folders: readonly LowerFolder[] = NO_FOLDERS;
  /** Folders: see Inode.lowerPath. */
  lowerPath: ByteString = '';
  /** Folders: how many subfolders the parts have together; all that show are among them. Infinity where a layer does not count. */
  mostSubfolders = 0;
  /** The layer number of the lower part of a folder that gives it its number, and where that is. */
  lowerIno = 0;
  numberDepth = 0;
  /** Set while the data of a file is looked for that was found already: folders are of no use then. */
  seeksData = false;
  /** What was found then. */
  data: LowerPlace | undefined;
  /** Told what each lower holds at the name, as the search goes down; for explain.ts. */
  trace: ((depth: number, entry: LayerEntry) => void) | undefined;
  /** For the parts below the topmost object. */
  readonly below = new LayerEntry(new Attr());

  /** Nothing was found yet. */
  nothing(): void {
    this.where = NONE;
    this.folders = NO_FOLDERS;
    this.mostSubfolders = 0;
  }

  get exists(): boolean {
    return this.where === LOWER || this.where === UPPER;
  }

  get isFolder(): boolean {
    return isFolder(this.entry.attr.mode);
  }
}

/** Fills `out` with what `name` in `parent` is and returns `out.where`. */
export function resolve(stack: Stack, parent: Inode, name: ByteString, out: Found): Where {
  out.nothing();
  if (parent.removed) return NONE;
  const { upper } = stack;
  let below = name;
  if (upper !== undefined && parent.upper && upper.lookup(stack.table.path(parent), name, out.entry)) {
    const { entry } = out;
    if (entry.whiteout) {
      out.where = WHITEOUT;
      return WHITEOUT;
    }
    out.where = UPPER;
    if (!isFolder(entry.attr.mode)) return UPPER;
    out.mostSubfolders = subfoldersOf(entry.attr);
    const { redirect } = entry;
    if (entry.opaque) return UPPER;
    if (redirect?.startsWith('/')) {
      out.lowerPath = redirect.slice(1);
      collectAbsolute(stack, 0, out.lowerPath, out);
      return UPPER;
    }
    if (redirect !== undefined) below = redirect;
  }
  if (parent.folders.length > 0) {
    out.lowerPath = joinPath(parent.lowerPath, below);
    collect(stack, parent, below, out);
  }
  return out.where;
}

/** True if the lowers alone show something at a name, so that its absence needs a whiteout. */
export function lowerHas(stack: Stack, parent: Inode, name: ByteString): boolean {
  const { below } = stack.found;
  for (const { depth, path } of partsToAsk(stack, parent, name)) {
    if (stack.lowers[depth]!.lookup(path, name, below)) return !below.whiteout;
    parent.askedInVain++;
  }
  return false;
}

function partsToAsk(stack: Stack, parent: Inode, name: ByteString): readonly LowerFolder[] {
  return stack.lowerNames.forLookup(stack, parent)?.having(name) ?? parent.folders;
}

/**
 * Where the data of the file lies that `found` holds, which `name` of `parent` led to and which is without
 * (ovl_lookup of the kernel). The topmost object in `found` stays.
 */
export function findData(stack: Stack, parent: Inode, name: ByteString, found: Found): DataBelow {
  const { redirect, ranges } = found.entry;
  const from = found.where === LOWER ? found.depth + 1 : 0;
  found.seeksData = true;
  found.data = undefined;
  try {
    if (redirect?.startsWith('/')) collectAbsolute(stack, from, redirect.slice(1), found);
    else collectSibling(stack, parent.folders, from, redirect ?? name, found);
  } finally {
    found.seeksData = false;
  }
  return {
    // A lower that was an upper and was not settled: some of the data is in it, and which is not known here.
    place: found.where === LOWER && ranges !== undefined ? undefined : found.data,
    blocks: found.data === undefined ? found.entry.attr.blocks : found.below.attr.blocks,
    lowerPath: lowerPathOf(parent, name, found),
    pinned: redirect?.startsWith('/') === true,
    own: found.where === UPPER && ranges !== undefined ? new OwnBlocks(ranges) : undefined,
  };
}

/** The path of the topmost lower object: it leads on to the data, which may have been moved below it. */
function lowerPathOf(parent: Inode, name: ByteString, { where, entry: { redirect } }: Found): ByteString {
  if (where === LOWER || redirect === undefined) return joinPath(parent.lowerPath, name);
  return redirect.startsWith('/') ? redirect.slice(1) : joinPath(parent.lowerPath, redirect);
}

function collect(stack: Stack, parent: Inode, name: ByteString, out: Found): void {
  for (const { depth, path } of partsToAsk(stack, parent, name)) {
    const entry = out.where === NONE ? out.entry : out.below;
    if (!stack.lowers[depth]!.lookup(path, name, entry)) {
      parent.askedInVain++;
      continue;
    }
    if (!take(stack, out, entry, depth, path, name)) return;
    const { redirect } = entry;
    if (redirect === undefined) continue;
    if (redirect.startsWith('/')) collectAbsolute(stack, depth + 1, redirect.slice(1), out);
    else collectSibling(stack, parent.folders, depth + 1, redirect, out);
    return;
  }
}

/** Goes on under another name of the same folder, in its parts from `from` on. */
function collectSibling(
  stack: Stack,
  folders: readonly LowerFolder[],
  from: number,
  name: ByteString,
  out: Found,
): void {
  let wanted = name;
  for (const { depth, path } of folders) {
    if (depth < from) continue;
    if (!stack.lowers[depth]!.lookup(path, wanted, out.below)) continue;
    if (!take(stack, out, out.below, depth, path, wanted)) return;
    const { redirect } = out.below;
    if (redirect === undefined) continue;
    if (redirect.startsWith('/')) {
      collectAbsolute(stack, depth + 1, redirect.slice(1), out);
      return;
    }
    wanted = redirect;
  }
}

/**
 * Goes on at another path, from the root of each lower from `depth` on (ovl_lookup_layer of the kernel). A
 * redirect met on the way holds for the layers below it; a whiteout, a file or an opaque folder on the way ends
 * the search.
 */
function collectAbsolute(stack: Stack, from: number, path: ByteString, out: Found): void {
  const last = followAbsolute(stack, from, path, out);
  if (out.seeksData && out.data === undefined) takeFromDataAlone(stack, last, out);
}

/** Returns the path that the next layer would have been asked for. */
function followAbsolute(stack: Stack, from: number, path: ByteString, out: Found): ByteString {
  let wanted = path;
  let last = false;
  for (let depth = from; depth < stack.lowers.length && !last; depth++) {
    const layer = stack.lowers[depth]!;
    const names = wanted.split('/');
    let dir = '';
    let next = '';
    let missing = false;
    for (let k = 0; k < names.length; k++) {
      const name = names[k]!;
      const entry = out.where === NONE ? out.entry : out.below;
      if (missing || !layer.lookup(dir, name, entry)) {
        missing = true;
        next = joinPath(next, name);
        continue;
      }
      if (k === names.length - 1) {
        if (!take(stack, out, entry, depth, dir, name)) return wanted;
      } else if (entry.whiteout || !isFolder(entry.attr.mode)) return wanted;
      const { redirect } = entry;
      if (redirect?.startsWith('/')) {
        // What is opaque above hides nothing of a folder that came from elsewhere (ovl_check_redirect).
        next = redirect.slice(1);
        last = false;
      } else next = joinPath(next, redirect ?? name);
      last ||= entry.opaque;
      dir = joinPath(dir, name);
    }
    wanted = next;
  }
  return wanted;
}

/**
 * Only an absolute path leads into layers of data alone, and only to a regular file: what else one of them has there is
 * passed over (ovl_lookup_data_layers).
 */
function takeFromDataAlone(stack: Stack, path: ByteString, out: Found): void {
  const slash = path.lastIndexOf('/');
  const dir = slash < 0 ? '' : path.slice(0, slash);
  const name = path.slice(slash + 1);
  for (const layer of stack.data) {
    if (!layer.lookup(dir, name, out.below) || !isRegular(out.below.attr.mode)) continue;
    out.data = { layer, dir, name };
    return;
  }
}

/** Adds one lower object to the answer; false if what lies below it does not matter. */
function take(
  stack: Stack,
  out: Found,
  entry: LayerEntry,
  depth: number,
  dir: ByteString,
  name: ByteString,
): boolean {
  out.trace?.(depth, entry);
  if (entry.whiteout) return false;
  if (out.seeksData) {
    if (!isRegular(entry.attr.mode)) return false;
    if (!entry.metacopy) out.data = { layer: stack.lowers[depth]!, dir, name };
    return entry.metacopy && entry.ranges === undefined;
  }
  const folder = isFolder(entry.attr.mode);
  if (out.where === NONE) {
    out.where = LOWER;
    out.depth = depth;
    out.dir = dir;
    out.name = name;
  } else if (!folder) return false;
  if (!folder) return false;
  // What was copied up into a former upper has the number of what it was copied from.
  if (out.folders.length === 0 || out.numberDepth < stack.former) {
    out.lowerIno = entry.attr.ino;
    out.numberDepth = depth;
  }
  out.folders = [...out.folders, { depth, path: joinPath(dir, name) }];
  out.mostSubfolders += subfoldersOf(entry.attr);
  return !entry.opaque;
}

/** What a layer says of its own folder, see LayerEntry. */
function subfoldersOf({ nlink }: Attr): number {
  return nlink < 2 ? Number.POSITIVE_INFINITY : nlink - 2;
}
