// Moving finished objects from `work/` into the layer, in one step each: rename(2) where it can replace what is
// at the name, an exchange where it cannot (a folder against a file, a folder that still holds whiteouts); what
// comes out of an exchange lies in `work/` then and is removed there.

import { attempt, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, FsError } from '../errno.js';
import { Attr, RENAME_EXCHANGE, RENAME_WHITEOUT } from '../filesystem.js';
import { isFolder, PERMISSION_BITS } from '../mode.js';
import { type ByteString, toBytes } from '../name.js';
import {
  chmodFd,
  chownFd,
  closeFd,
  getXattr,
  hasFeature,
  linkAt,
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
  unlinkAt,
  utimesFd,
} from '../sys/index.js';
import { holdsOnlyMarks } from './dir-list.js';
import type { LayerRules } from './dir-marks.js';
import { markName, OPAQUE, REDIRECT } from './marks.js';
import type { UpperRules } from './upper-rules.js';
import { expectWhiteoutFiles, whiteoutAt } from './whiteout-file.js';
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
 * Moves a name. What is at the new one (nothing but a folder with content is in the way) is replaced in the same
 * step, and `leave` puts a whiteout at the old one.
 */
export function moveName(
  rules: UpperRules,
  work: WorkFolder,
  from: number,
  name: ByteString,
  to: number,
  newName: ByteString,
  leave: boolean,
): void {
  const flags = leave ? RENAME_WHITEOUT : 0;
  const rename = () =>
    leave && !hasFeature('rename-whiteout') ? EINVAL : renameErrno(from, name, to, newName, flags);
  let failure = rename();
  if (failure === ENOTEMPTY || failure === EEXIST) {
    clearFolder(rules, work, to, newName);
    failure = rename();
  }
  const hidden = failure === ENOTDIR ? whiteoutAt(rules, to, newName) : undefined;
  if (hidden !== undefined) {
    // A folder over a whiteout: they change places, and the whiteout is where one is wanted, or is removed.
    if (leave && hidden === 'file') expectWhiteoutFiles(from, rules.marks);
    renameAt(from, name, to, newName, RENAME_EXCHANGE);
    // Where it stays it hides nothing.
    if (!leave) attempt(() => unlinkAt(from, name));
  } else if (failure === EINVAL && leave) moveInSteps(rules, work, from, name, to, newName);
  else if (failure !== 0) throw new FsError(failure, 'rename');
}

/**
 * `moveName` on a filesystem without RENAME_WHITEOUT: nothing is lost and nothing hidden shows up between the steps,
 * and the first is taken back where the second fails.
 */
function moveInSteps(
  rules: UpperRules,
  work: WorkFolder,
  from: number,
  name: ByteString,
  to: number,
  newName: ByteString,
): void {
  const hidden = whiteoutAt(rules, to, newName);
  if (hidden !== undefined) {
    if (hidden === 'file') expectWhiteoutFiles(from, rules.marks);
    renameAt(from, name, to, newName, RENAME_EXCHANGE);
    return;
  }
  if (!statAt(from, name, attr)) throw new FsError(ENOENT, 'rename');
  const move = isFolder(attr.mode) ? moveFolderInSteps : moveFileInSteps;
  const whiteout = work.makeWhiteout(rules.marks);
  try {
    // A folder's new name has it for a moment.
    if (work.whiteoutsAreFiles) {
      expectWhiteoutFiles(from, rules.marks);
      expectWhiteoutFiles(to, rules.marks);
    }
    move(rules, work, whiteout, from, name, to, newName);
  } finally {
    // Also where it stands for what the new name was before.
    work.drop(whiteout);
  }
}

/** A folder cannot have two names, so the whiteout is at the new one first, and they change places. */
function moveFolderInSteps(
  rules: UpperRules,
  work: WorkFolder,
  whiteout: ByteString,
  from: number,
  name: ByteString,
  to: number,
  newName: ByteString,
): void {
  const replaces = statAt(to, newName, attr);
  if (replaces) assertNoContent(rules, to, newName);
  renameAt(work.fd, whiteout, to, newName, replaces ? RENAME_EXCHANGE : 0);
  try {
    renameAt(from, name, to, newName, RENAME_EXCHANGE);
  } catch (error) {
    attempt(() =>
      replaces ? renameAt(work.fd, whiteout, to, newName, RENAME_EXCHANGE) : unlinkAt(to, newName),
    );
    throw error;
  }
}

/** A file has both names for a moment; what it replaces keeps one in the work folder until all is done. */
function moveFileInSteps(
  rules: UpperRules,
  work: WorkFolder,
  whiteout: ByteString,
  from: number,
  name: ByteString,
  to: number,
  newName: ByteString,
): void {
  const second = work.freeName();
  const replaced = work.freeName();
  const replaces = statAt(to, newName, attr);
  try {
    linkAt(from, name, work.fd, second);
    if (replaces) linkAt(to, newName, work.fd, replaced);
    renameAt(work.fd, second, to, newName, 0);
    try {
      putInPlace(rules, work, whiteout, from, name);
    } catch (error) {
      attempt(() => (replaces ? renameAt(work.fd, replaced, to, newName, 0) : unlinkAt(to, newName)));
      throw error;
    }
  } finally {
    work.drop(second);
    work.drop(replaced);
  }
}

/**
 * Puts an empty opaque folder in the place of one that holds whiteouts, so that rename(2) can replace it: the same
 * folder for all who look (ovl_clear_empty).
 */
function clearFolder(rules: UpperRules, work: WorkFolder, dir: number, name: ByteString): void {
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
