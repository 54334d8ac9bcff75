// Removing trees whatever is in them: names of any bytes, folders that their owner may not enter, and paths that are
// longer than a system call takes. Everything is (folder descriptor, one name), and no symlink is followed.

import { EACCES, FsError } from '../errno.js';
import { Attr } from '../filesystem.js';
import { direntType, isFolder, PERMISSION_BITS, S_IFDIR } from '../mode.js';
import type { ByteString } from '../name.js';
import {
  AT_FDCWD,
  chmodFd,
  closeFd,
  listFolder,
  makeFolderAt,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  openAt,
  removeFolderAt,
  removeFolderErrno,
  renameAt,
  renameErrno,
  statAt,
  unlinkAt,
} from '../sys/index.js';

const DT_DIR = direntType(S_IFDIR);

/** Removes the folder at an absolute path with all that is in it. Until the end everything lies in that folder. */
export function removeFolderTree(path: ByteString): void {
  const fd = openPrivateFolder(AT_FDCWD, path);
  try {
    emptyFolder(fd, []);
  } finally {
    closeFd(fd);
  }
  removeFolderAt(AT_FDCWD, path);
}

/** Opens a folder of ours, made if it is missing; the kernel leaves them with mode 0, which only root can open. */
export function openPrivateFolder(dir: number, name: ByteString): number {
  if (!statAt(dir, name, new Attr())) makeFolderAt(dir, name, 0o700);
  const fd = openAt(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  try {
    // Also sheds a set-group-id bit, which new files would otherwise inherit.
    chmodFd(fd, 0o700);
    return openAt(fd, '.', O_RDONLY | O_DIRECTORY);
  } finally {
    closeFd(fd);
  }
}

/** Empties a folder that is open for reading, but for the entries `except`. */
export function emptyFolder(fd: number, except: readonly ByteString[]): void {
  const names: ByteString[] = [];
  listFolder(fd, (name) => {
    if (!except.includes(name)) names.push(name);
    return undefined;
  });
  let fresh = 0;
  const taken = new Set(names);
  const freeName = (): ByteString => {
    let name = `#x${fresh++}`;
    while (taken.has(name)) name = `#x${fresh++}`;
    return name;
  };
  for (const name of names) removeAny(fd, name, freeName);
}

/**
 * Removes a tree at a name of `dir`. A folder within is moved up before it is emptied, so that a tree of any
 * depth takes two descriptors and no path.
 */
export function removeAny(dir: number, name: ByteString, freeName: () => ByteString): void {
  const left = [name];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const attr = new Attr();
    if (!statAt(dir, next, attr)) continue;
    if (!isFolder(attr.mode)) unlinkAt(dir, next);
    else if (removeFolderErrno(dir, next) !== 0) {
      moveFoldersUp(dir, next, freeName, left);
      removeFolderAt(dir, next);
    }
  }
}

function moveFoldersUp(dir: number, name: ByteString, freeName: () => ByteString, moved: ByteString[]): void {
  const before = new Attr();
  if (!statAt(dir, name, before)) return;
  // Who has the folder open still sees its mode, so it is changed only where its owner could not empty it.
  const closed = (before.mode & 0o700) !== 0o700;
  const fd = closed ? openPrivateFolder(dir, name) : openAt(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const folders: ByteString[] = [];
    const files: ByteString[] = [];
    const attr = new Attr();
    listFolder(fd, (entry, type) => {
      const unknown = type === 0 && statAt(fd, entry, attr) && isFolder(attr.mode);
      (unknown || type === DT_DIR ? folders : files).push(entry);
      return undefined;
    });
    for (const entry of files) unlinkAt(fd, entry);
    for (const entry of folders) {
      if (removeFolderErrno(fd, entry) === 0) continue;
      const free = freeName();
      moveUp(fd, entry, dir, free);
      moved.push(free);
    }
    if (closed) chmodFd(fd, before.mode & PERMISSION_BITS);
  } finally {
    closeFd(fd);
  }
}

/** A folder that its owner may not write to gets no other parent: its entry `..` would change (vfs_rename of the kernel). */
function moveUp(from: number, name: ByteString, dir: number, free: ByteString): void {
  const failure = renameErrno(from, name, dir, free, 0);
  if (failure === 0) return;
  if (failure !== EACCES) throw new FsError(failure, 'rename');
  closeFd(openPrivateFolder(from, name));
  renameAt(from, name, dir, free, 0);
}
