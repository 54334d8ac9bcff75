// Moving finished objects from `work/` into the layer, in one step each: rename(2) where it can replace what is
// at the name, an exchange where it cannot (a folder against a file, a folder that still holds whiteouts); what
// comes out of an exchange lies in `work/` then and is removed there.

import { EEXIST, EISDIR, ENOTDIR, ENOTEMPTY, FsError } from '../errno.js';
import { Attr, RENAME_EXCHANGE } from '../filesystem.js';
import { isFolder } from '../mode.js';
import type { ByteString } from '../name.js';
import {
  closeFd,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  openAt,
  removeFolderErrno,
  renameAt,
  renameErrno,
  statAt,
} from '../sys/index.js';
import { holdsOnlyMarks } from './dir-list.js';
import type { LayerRules } from './dir-marks.js';
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
  work.remove(temp);
}

/** Removes a folder that holds whiteouts at most: in one step out of sight, then bit by bit. */
export function takeFolderOut(rules: LayerRules, work: WorkFolder, from: number, name: ByteString): void {
  const failure = removeFolderErrno(from, name);
  if (failure === 0) return;
  if (failure !== ENOTEMPTY && failure !== EEXIST) throw new FsError(failure, 'rmdir');
  assertNoContent(rules, from, name);
  const temp = work.freeName();
  renameAt(from, name, work.fd, temp, 0);
  work.remove(temp);
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
