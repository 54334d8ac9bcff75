// How much room a folder takes, as du(1) counts: allocated blocks, and a file with several names once.

import { Attr, EACCES, isErrno, isFolder, sys } from '../../fs/index.js';

interface Usage {
  size: number;
  inodes: number;
}

/**
 * Bytes on disk and inodes of the tree at the folder `fd` (open for reading), the folder itself included. A
 * folder that this user may not list counts as itself.
 */
export function measureTree(fd: number): Readonly<Usage> {
  const steps = measuring(fd);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same in steps, for who has others to serve meanwhile. */
export function* measuring(fd: number): Generator<void, Readonly<Usage>> {
  const attr = new Attr();
  sys.statFd(fd, attr);
  const usage = { size: attr.blocks * 512, inodes: 1 };
  yield* addBelow(fd, usage, new Set());
  return usage;
}

/** How many names are a step. */
const STEP = 400;

/** Longer paths are walked from a descriptor on the way: no system call takes more than PATH_MAX. */
const LONG_PATH = sys.PATH_MAX / 2;

function* addBelow(fd: number, usage: Usage, seen: Set<number>): Generator<void, void> {
  const attr = new Attr();
  const folders = ['.'];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    if (folder.length > LONG_PATH) {
      yield* addBelowPath(fd, folder, usage, seen);
      continue;
    }
    for (const name of namesIn(fd, folder)) {
      const path = `${folder}/${name}`;
      if (!sys.statAt(fd, path, attr)) continue;
      if (isFolder(attr.mode)) {
        folders.push(path);
      } else if (attr.nlink > 1) {
        if (seen.has(attr.ino)) continue;
        seen.add(attr.ino);
      }
      usage.size += attr.blocks * 512;
      if (++usage.inodes % STEP === 0) yield;
    }
  }
}

function* addBelowPath(fd: number, path: string, usage: Usage, seen: Set<number>): Generator<void, void> {
  const folder = openFolder(fd, path);
  if (folder === undefined) return;
  try {
    yield* addBelow(folder, usage, seen);
  } finally {
    sys.closeFd(folder);
  }
}

/** undefined for one that this user may not list. */
function openFolder(root: number, path: string): number | undefined {
  try {
    return sys.openAt(root, path, sys.O_RDONLY | sys.O_DIRECTORY | sys.O_NOFOLLOW | sys.O_CLOEXEC);
  } catch (error) {
    if (isErrno(error, EACCES)) return undefined;
    throw error;
  }
}

function namesIn(root: number, path: string): readonly string[] {
  const fd = openFolder(root, path);
  if (fd === undefined) return [];
  try {
    const names: string[] = [];
    sys.listFolder(fd, (name) => {
      names.push(name);
      return undefined;
    });
    return names;
  } finally {
    sys.closeFd(fd);
  }
}
