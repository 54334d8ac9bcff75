// Moving finished objects from `work/` into the layer, in one step each: rename(2) where it can replace what is
// at the name, an exchange where it cannot (a folder against a file, a folder that still holds whiteouts); what
// comes out of an exchange lies in `work/` then and is removed there. Moves within the layer are dir-move.ts.

import { EEXIST, EISDIR, ENOTDIR, ENOTEMPTY, FsError } from '../errno.js';
import { Attr, RENAME_EXCHANGE } from '../filesystem.js';
import { isFolder, PERMISSION_BITS } from '../mode.js';
import { type ByteString, toBytes } from '../name.js';
import {
  chmodFd,
  chownFd,
  closeFd,
  getXattr,
  listXattrs,
  makeFolderAt,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  openAt,
  removeFolderErrno,
  renameAt,
  renameErrno,
  setXattr,
  statAt,
  statFd,
  utimesFd,
} from '../sys/index.js';
import { holdsOnlyMarks } from './dir-list.js';
import type { LayerRules } from './dir-marks.js';
import { markName, OPAQUE, REDIRECT } from './marks.js';
import type { UpperRules } from './upper-rules.js';
import type { WorkFolder } from './work-folder.js';

const attr = new Attr();

/** Puts what is at `temp` of the work folder at (to, name), in place of anything but a folder with content. */
export function putInPlace(
  rules: LayerRules,
  work: WorkFolder,
  temp: ByteString,
  to: number,
  name: ByteString,
): void {
  const failure = renameErrno(work.fd, temp, to, name, 0);
  if (failure === 0) return;
  if (failure !== EISDIR && failure !== ENOTDIR && failure !== ENOTEMPTY && failure !== EEXIST) {
    throw new FsError(failure, 'publish');
  }
  assertNoContent(rules, to, name);
  renameAt(work.fd, temp, to, name, RENAME_EXCHANGE);
  work.drop(temp);
}

/**
 * Puts an empty opaque folder in the place of one that holds whiteouts, so that rename(2) can replace it: the same
 * folder for all who look (ovl_clear_empty).
 */
export function clearFolder(rules: UpperRules, work: WorkFolder, dir: number, name: ByteString): void {
  assertNoContent(rules, dir, name);
  const old = openAt(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const temp = work.freeName();
  try {
    makeFolderAt(work.fd, temp, 0o700);
    const empty = openAt(work.fd, temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      copyFolder(rules, old, empty);
      renameAt(work.fd, temp, dir, name, RENAME_EXCHANGE);
    } finally {
      closeFd(empty);
    }
  } finally {
    closeFd(old);
    work.drop(temp);
  }
}

/** `to` becomes what `from` is, without its entries and its redirect, and opaque. */
function copyFolder(rules: UpperRules, from: number, to: number): void {
  statFd(from, attr);
  const { uid, gid, mode, atimeSec, atimeNsec, mtimeSec, mtimeNsec } = attr;
  const redirect = markName(rules.marks, REDIRECT);
  for (const xattr of listXattrs(from)) {
    const value = xattr === redirect ? undefined : getXattr(from, xattr);
    if (value !== undefined) setXattr(to, xattr, value, 0);
  }
  setXattr(to, markName(rules.marks, OPAQUE), toBytes('y'), 0);
  statFd(to, attr);
  if (attr.uid !== uid || attr.gid !== gid) chownFd(to, uid, gid);
  chmodFd(to, mode & PERMISSION_BITS);
  utimesFd(to, { sec: atimeSec, nsec: atimeNsec }, { sec: mtimeSec, nsec: mtimeNsec });
}

/** Removes a folder that holds whiteouts at most: in one step out of sight, then bit by bit. */
export function takeFolderOut(rules: LayerRules, work: WorkFolder, from: number, name: ByteString): void {
  const failure = removeFolderErrno(from, name);
  if (failure === 0) return;
  if (failure !== ENOTEMPTY && failure !== EEXIST) throw new FsError(failure, 'rmdir');
  assertNoContent(rules, from, name);
  const temp = work.freeName();
  renameAt(from, name, work.fd, temp, 0);
  work.drop(temp);
}

/** ENOTEMPTY if there is a folder at (dir, name) that holds more than whiteouts. */
export function assertNoContent(rules: LayerRules, dir: number, name: ByteString): void {
  if (!statAt(dir, name, attr) || !isFolder(attr.mode)) return;
  const fd = openAt(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    if (!holdsOnlyMarks(rules, fd)) throw new FsError(ENOTEMPTY);
  } finally {
    closeFd(fd);
  }
}
