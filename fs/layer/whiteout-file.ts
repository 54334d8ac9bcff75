// Whiteouts where nobody can make a device 0:0: kernel overlayfs and our own union keep that device for themselves, so
// an upper that lies on either needs another form. It is overlayfs's own second one (since Linux 6.7): an empty
// file with the mark `whiteout`, in a folder whose mark `opaque` says "x". The folder is told first: without its
// mark a listing shows the file, with it and without the file nothing changes.

import { attempt } from '../errno.js';
import { Attr } from '../filesystem.js';
import { isRegular, S_IFCHR, S_IFMT, S_IFREG } from '../mode.js';
import { type ByteString, toBytes } from '../name.js';
import {
  closeFd,
  getXattr,
  getXattrAt,
  listFolder,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  openAt,
  reopen,
  setXattr,
  statAt,
  unlinkAt,
} from '../sys/index.js';
import { hasXattrWhiteouts, type LayerRules } from './dir-marks.js';
import type { MarkPrefix } from './layer.js';
import { IMPURE, markName, OPAQUE, WHITEOUT } from './marks.js';

const HOLDS_WHITEOUT_FILES = 'x';
const attr = new Attr();

/** Makes a whiteout of this form at a free name. */
export function makeWhiteoutFile(dir: number, name: ByteString, marks: MarkPrefix): void {
  const fd = openAt(dir, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600);
  try {
    setXattr(fd, markName(marks, WHITEOUT), toBytes('y'), 0);
  } catch (error) {
    attempt(() => unlinkAt(dir, name));
    throw error;
  } finally {
    closeFd(fd);
  }
}

/**
 * To be called before a whiteout of this form comes into a folder. An opaque folder has nothing below to hide. Of an
 * upper the kernel does not read "x"; but in a folder marked impure it looks each name up before it lists it.
 */
export function expectWhiteoutFiles(folder: number, marks: MarkPrefix): void {
  const name = markName(marks, OPAQUE);
  if (getXattr(folder, name) !== undefined) return;
  setXattr(folder, markName(marks, IMPURE), toBytes('y'), 0);
  setXattr(folder, name, toBytes(HOLDS_WHITEOUT_FILES), 0);
}

/** What kind of whiteout is at a name; undefined if there is none. */
export function whiteoutAt(rules: LayerRules, dir: number, name: ByteString): 'device' | 'file' | undefined {
  if (!statAt(dir, name, attr)) return undefined;
  if ((attr.mode & S_IFMT) === S_IFCHR) return attr.rdev === 0 ? 'device' : undefined;
  if (!isRegular(attr.mode) || attr.size !== 0) return undefined;
  const isMarked = rules.prefixes.some(
    (prefix) => getXattrAt(dir, name, markName(prefix, WHITEOUT)) !== undefined,
  );
  return isMarked ? 'file' : undefined;
}

/** Runs `makeOpaque` on a folder, whose mark has no room for both; then its whiteouts, which hide nothing any more, go. */
export function withoutWhiteoutFiles(rules: LayerRules, folder: number, makeOpaque: () => void): void {
  const held = hasXattrWhiteouts(rules, folder);
  makeOpaque();
  if (!held) return;
  const fd = reopen(folder, O_RDONLY | O_DIRECTORY);
  try {
    const files: ByteString[] = [];
    listFolder(fd, (name, type) => {
      if (type === 0 || type === S_IFREG >>> 12) files.push(name);
      return undefined;
    });
    for (const name of files) if (whiteoutAt(rules, fd, name) === 'file') unlinkAt(fd, name);
  } finally {
    closeFd(fd);
  }
}
