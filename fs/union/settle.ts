// Settling: makes an upper plain, so that the kernel's overlayfs shows the tree that we show. What only we can
// read is turned into what everybody can: data that lies below is fetched; folders moved by a redirect that others
// do not follow (the kernel none under `user.`, fuse-overlayfs none) are copied up whole, made opaque and freed of
// whiteouts; then the names of hard links that were joined by the index alone are made, those of files copied up a
// moment ago included. The guard goes last; until then each step leaves a tree that we show unchanged, so a settling
// that was cut short goes on at the next one.

import { direntType, S_IFDIR, S_IFREG } from '../mode.js';
import type { ByteString } from '../name.js';
import { statLayer, withUpper } from './access.js';
import { ensureData } from './copy-up.js';
import { fetchAll } from './data-below.js';
import { ensureUpperName } from './hardlink.js';
import type { Inode } from './inode.js';
import { child } from './intern.js';
import { takeListing } from './listing.js';
import { LOWER } from './lookup.js';
import type { Stack } from './stack.js';

const DT_DIR = direntType(S_IFDIR);
const DT_REG = direntType(S_IFREG);

/** Returns false if the upper was plain already. */
export function settle(stack: Stack, root: Inode): boolean {
  const upper = stack.writable();
  if (!upper.guarded) return false;
  // Else there is nothing to be found.
  if (stack.settledAt !== stack.unsettled) fetchAllIn(stack, (act) => eachUpperFile(stack, root, act));
  if (!upper.redirectsArePlain) {
    copyUpMoved(stack, root);
    dropWhiteouts(stack, root);
  }
  if (upper.hasIndexed) joinNames(stack, root, true);
  upper.sync();
  upper.setGuard(false);
  stack.emit('settle', '');
  return true;
}

/** Fetches the data of every file that `each` tells and that has it below. */
function fetchAllIn(stack: Stack, each: (act: (inode: Inode) => void) => void): void {
  const without = new Set<Inode>();
  try {
    each((inode) => {
      // A file with several names is met several times.
      if (inode.dataBelow === undefined || without.has(inode)) return;
      inode.pins++;
      without.add(inode);
    });
    fetchAll(stack, [...without]);
  } finally {
    for (const inode of without) stack.table.unpin(inode);
  }
}

/** Files, and bytes of them, of which the data is fetched at a time. */
const BATCH_FILES = 64;
const BATCH_BYTES = 8 << 20;

/**
 * Does what takes longest of settling, in short steps between which the union may be used: what is left afterwards is what
 * came meanwhile, and a walk.
 */
export function* settleAhead(stack: Stack, root: Inode): Generator<void, void> {
  if (!stack.writable().guarded) return;
  const before = stack.unsettled;
  yield* eachFolder(stack, root, (folder, deeper) => settleFolder(stack, folder, deeper));
  if (stack.unsettled === before) stack.settledAt = before;
  if (!stack.writable().hasIndexed) return;
  const joined = new Map<string, Inode>();
  try {
    yield* eachFolder(stack, root, (folder, deeper) => makeNamesIn(stack, folder, joined, deeper));
    dropFromIndex(stack, joined);
  } finally {
    for (const inode of joined.values()) stack.table.unpin(inode);
  }
}

/** `act` works in a folder, and gives the ones to be visited after it to `deeper`, pinned. */
function* eachFolder(
  stack: Stack,
  root: Inode,
  act: (folder: Inode, deeper: Inode[]) => Generator<void, void>,
): Generator<void, void> {
  const folders = [root];
  root.pins++;
  try {
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      try {
        yield* act(folder, folders);
      } finally {
        stack.table.unpin(folder);
      }
    }
  } finally {
    for (const folder of folders) stack.table.unpin(folder);
  }
}

/** Names that are looked at at a time. */
const BATCH_NAMES = 256;

function* makeNamesIn(
  stack: Stack,
  folder: Inode,
  joined: Map<string, Inode>,
  deeper: Inode[],
): Generator<void, void> {
  const left = folder.removed ? [] : [...takeListing(stack, folder).names];
  while (left.length > 0 && !folder.removed) {
    visit(stack, folder, left.splice(-BATCH_NAMES), (inode, name, isLowerName) => {
      if (inode.isFolder) {
        inode.pins++;
        deeper.push(inode);
      } else joinOne(stack, folder, inode, name, isLowerName, joined);
    });
    yield;
  }
}

/** `deeper` gets its subfolders, pinned. */
function* settleFolder(stack: Stack, folder: Inode, deeper: Inode[]): Generator<void, void> {
  const left = folder.removed || !folder.upper ? [] : namesInUpper(stack, folder);
  while (left.length > 0 && !folder.removed && stack.writable().guarded) {
    let bytes = 0;
    fetchAllIn(stack, (act) => {
      const names = left.splice(-BATCH_FILES);
      visit(stack, folder, names, (inode, name) => {
        if (inode.isFolder) {
          inode.pins++;
          deeper.push(inode);
        } else if (bytes > BATCH_BYTES) left.push(name);
        else {
          if (inode.dataBelow !== undefined) bytes += statLayer(stack, inode).attr.size;
          act(inode);
        }
      });
    });
    yield;
  }
}

function namesInUpper(stack: Stack, folder: Inode): ByteString[] {
  const names: ByteString[] = [];
  stack.writable().list(stack.table.path(folder), (name, type, _ino, whiteout) => {
    if (!whiteout && (type === DT_DIR || type === DT_REG)) names.push(name);
  });
  return names;
}

/** Files that the upper has a name for. */
function eachUpperFile(stack: Stack, root: Inode, act: (inode: Inode) => void): void {
  visitTree(stack, root, {
    enter: (folder) => namesInUpper(stack, folder),
    meet: (_folder, inode) => {
      if (!inode.isFolder) act(inode);
    },
  });
}

/**
 * Makes the names of hard links that are joined by the index alone, and fetches what files lack that have some of their
 * data, from now on at their first write: for who reads the upper as one more lower.
 */
export function joinLinks(stack: Stack, root: Inode): void {
  stack.partsFrom = Number.POSITIVE_INFINITY;
  if (stack.writable().hasRanges) {
    fetchAllIn(stack, (act) =>
      eachUpperFile(stack, root, (inode) => {
        if (inode.dataBelow?.own !== undefined) act(inode);
      }),
    );
  }
  if (stack.writable().hasIndexed) joinNames(stack, root, false);
}

/** `fetching`: the files get their data as well. */
function joinNames(stack: Stack, root: Inode, fetching: boolean): void {
  const joined = new Map<string, Inode>();
  try {
    makeNames(stack, root, joined);
    if (fetching) fetchAllIn(stack, (act) => joined.forEach(act));
    dropFromIndex(stack, joined);
  } finally {
    for (const inode of joined.values()) stack.table.unpin(inode);
  }
}

function copyUpMoved(stack: Stack, root: Inode): void {
  /** Of each folder on the way: it, or one above it, is going to be opaque, so everything below has to be in the upper. */
  const whole: boolean[] = [];
  visitTree(stack, root, {
    enter: (folder) => {
      whole.push(whole.at(-1) === true || hasRedirect(stack, folder));
      return takeListing(stack, folder).names;
    },
    meet: (folder, inode, name, isLowerName) => {
      if (whole.at(-1) === true && isLowerName) takeWhole(stack, inode, folder, name);
    },
    leave: (folder) => {
      if (whole.pop() !== true) return;
      const topmost = whole.at(-1) !== true;
      withUpper(stack, folder, (node) => {
        // Only the topmost needs the mark: below an opaque folder nothing of the lowers is looked at.
        if (topmost) node.setOpaque(true);
        node.setRedirect(undefined);
      });
      folder.folders = [];
      if (topmost) stack.emit('opaque', stack.table.path(folder));
    },
  });
}

/** The name leads to the upper, which has all of the object. */
function takeWhole(stack: Stack, inode: Inode, folder: Inode, name: ByteString): void {
  const wasCopied = inode.upper;
  ensureData(stack, inode);
  if (wasCopied) ensureUpperName(stack, inode, folder, name);
}

/**
 * A folder without lower parts needs no whiteouts, and the kernel, which lists such a folder as it is, would show
 * their names. Only once it is opaque: before that they hide what lies below.
 */
function dropWhiteouts(stack: Stack, root: Inode): void {
  visitTree(stack, root, {
    enter: (folder) => {
      if (!folder.upper) return [];
      if (folder.folders.length === 0) dropWhiteoutsIn(stack, folder);
      return takeListing(stack, folder).names;
    },
  });
}

function dropWhiteoutsIn(stack: Stack, folder: Inode): void {
  const upper = stack.writable();
  const path = stack.table.path(folder);
  const names: ByteString[] = [];
  upper.list(path, (name, _type, _ino, whiteout) => {
    if (whiteout) names.push(name);
  });
  if (names.length === 0) return;
  withUpper(stack, folder, (node) => {
    node.stat(stack.scratch);
    const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = stack.scratch.attr;
    for (const name of names) upper.unlink(path, name);
    node.utimes({ sec: atimeSec, nsec: atimeNsec }, { sec: mtimeSec, nsec: mtimeNsec });
  });
}

function hasRedirect(stack: Stack, folder: Inode): boolean {
  if (!folder.upper) return false;
  return withUpper(stack, folder, (node) => {
    node.stat(stack.scratch);
    return stack.scratch.redirect !== undefined;
  });
}

/** `joined` collects the files of the index, pinned. */
function makeNames(stack: Stack, root: Inode, joined: Map<string, Inode>): void {
  visitTree(stack, root, {
    enter: (folder) => takeListing(stack, folder).names,
    meet: (folder, inode, name, isLowerName) => {
      if (!inode.isFolder) joinOne(stack, folder, inode, name, isLowerName, joined);
    },
  });
}

function joinOne(
  stack: Stack,
  folder: Inode,
  inode: Inode,
  name: ByteString,
  isLowerName: boolean,
  joined: Map<string, Inode>,
): void {
  if (inode.indexKey === undefined) return;
  if (isLowerName) ensureUpperName(stack, inode, folder, name);
  if (joined.has(inode.indexKey)) return;
  inode.pins++;
  joined.set(inode.indexKey, inode);
}

/** With all its names made a file needs the index no more. */
function dropFromIndex(stack: Stack, joined: Map<string, Inode>): void {
  const upper = stack.writable();
  for (const [key, inode] of joined) {
    if (upper.indexNames(key) > 0) continue;
    upper.unindex(key);
    inode.indexKey = undefined;
  }
}

/** What is done in each folder of a tree. */
interface TreeVisit {
  /** Returns the names in it that are visited. */
  enter(folder: Inode): readonly ByteString[];
  /** Of each of them, before what is in it. */
  meet?(folder: Inode, inode: Inode, name: ByteString, isLowerName: boolean): void;
  /** When all in it was visited. */
  leave?(folder: Inode): void;
}

/** Without a call in a call for each folder in a folder: a tree may be deeper than those can be nested. */
function visitTree(stack: Stack, root: Inode, { enter, meet, leave }: TreeVisit): void {
  const way: { readonly folder: Inode; names: readonly ByteString[] | undefined; at: number }[] = [];
  const goInto = (folder: Inode): void => {
    folder.pins++;
    way.push({ folder, names: undefined, at: 0 });
  };
  goInto(root);
  try {
    for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
      const { folder } = last;
      last.names ??= enter(folder);
      const next = last.names.slice(last.at, ++last.at);
      if (next.length === 0) {
        leave?.(folder);
        way.pop();
        stack.table.unpin(folder);
        continue;
      }
      visit(stack, folder, next, (inode, name, isLowerName) => {
        meet?.(folder, inode, name, isLowerName);
        if (inode.isFolder) goInto(inode);
      });
    }
  } finally {
    for (const { folder } of way.reverse()) stack.table.unpin(folder);
  }
}

function visit(
  stack: Stack,
  folder: Inode,
  names: readonly ByteString[],
  act: (inode: Inode, name: ByteString, isLowerName: boolean) => void,
): void {
  for (const name of names) {
    const inode = child(stack, folder, name);
    if (inode === undefined) continue;
    const isLowerName = stack.found.where === LOWER;
    inode.pins++;
    try {
      act(inode, name, isLowerName);
    } finally {
      stack.table.unpin(inode);
    }
  }
}
