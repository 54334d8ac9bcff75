// Moving a name within the layer, which may leave a whiteout at the old one: in one step where rename(2) can do that,
// else in two. Before the first of two the move is written down in the work folder; whoever opens the layer after a
// process that died between them makes the second, or takes the first back. Until then nobody looks.

import { attempt, EEXIST, EINVAL, ENOENT, ENOTDIR, ENOTEMPTY, FsError } from '../errno.js';
import { Attr, RENAME_EXCHANGE, RENAME_WHITEOUT } from '../filesystem.js';
import { isFolder } from '../mode.js';
import type { ByteString } from '../name.js';
import { hasFeature, linkAt, renameAt, renameErrno, statAt, unlinkAt } from '../sys/index.js';
import { assertNoContent, clearFolder, putInPlace } from './dir-replace.js';
import type { UpperRules } from './upper-rules.js';
import { expectWhiteoutFiles, whiteoutAt } from './whiteout-file.js';
import type { WorkFolder } from './work-folder.js';

/** A name of the layer: `folder` is the descriptor of what `dir` is the path of. */
export interface NamePlace {
  readonly folder: number;
  readonly dir: ByteString;
  readonly name: ByteString;
}

/** A move in two steps, as it is written down. */
interface Move {
  readonly dir: ByteString;
  readonly name: ByteString;
  readonly newDir: ByteString;
  readonly newName: ByteString;
  /** File numbers of what moves, and of what it replaces; 0 for nothing. */
  readonly ino: number;
  readonly replaced: number;
}

const attr = new Attr();

/**
 * Moves a name. What is at the new one (nothing but a folder with content is in the way) is replaced in the same
 * step, and `leave` puts a whiteout at the old one.
 */
export function moveName(
  rules: UpperRules,
  work: WorkFolder,
  from: NamePlace,
  to: NamePlace,
  leave: boolean,
): void {
  const flags = leave ? RENAME_WHITEOUT : 0;
  const rename = () =>
    leave && !hasFeature('rename-whiteout')
      ? EINVAL
      : renameErrno(from.folder, from.name, to.folder, to.name, flags);
  let failure = rename();
  if (failure === ENOTEMPTY || failure === EEXIST) {
    clearFolder(rules, work, to.folder, to.name);
    failure = rename();
  }
  const hidden = failure === ENOTDIR ? whiteoutAt(rules, to.folder, to.name) : undefined;
  if (hidden !== undefined) {
    // A folder over a whiteout: they change places, and the whiteout is where one is wanted, or is removed.
    if (hidden === 'file') expectWhiteoutFiles(from.folder, rules.marks);
    exchange(from, to);
    // Where it stays it hides nothing.
    if (!leave) attempt(() => unlinkAt(from.folder, from.name));
  } else if (failure === EINVAL && leave) moveInSteps(rules, work, from, to);
  else if (failure !== 0) throw new FsError(failure, 'rename');
}

/** `moveName` on a filesystem without RENAME_WHITEOUT; the first step is taken back where the second fails. */
function moveInSteps(rules: UpperRules, work: WorkFolder, from: NamePlace, to: NamePlace): void {
  const hidden = whiteoutAt(rules, to.folder, to.name);
  if (hidden !== undefined) {
    if (hidden === 'file') expectWhiteoutFiles(from.folder, rules.marks);
    exchange(from, to);
    return;
  }
  if (!statAt(from.folder, from.name, attr)) throw new FsError(ENOENT, 'rename');
  const { ino } = attr;
  const folder = isFolder(attr.mode);
  const replaced = statAt(to.folder, to.name, attr) ? attr.ino : 0;
  if (replaced !== 0) assertNoContent(rules, to.folder, to.name);
  const whiteout = work.makeWhiteout(rules.marks);
  const move: Move = {
    dir: from.dir,
    name: from.name,
    newDir: to.dir,
    newName: to.name,
    ino,
    replaced,
  };
  try {
    // A folder's new name has it for a moment.
    if (work.whiteoutsAreFiles) {
      expectWhiteoutFiles(from.folder, rules.marks);
      expectWhiteoutFiles(to.folder, rules.marks);
    }
    work.writeNote(JSON.stringify(move));
    if (!folder) moveFile(rules, work, from, to, replaced !== 0, whiteout);
    else if (replaced !== 0) moveOverFolder(rules, work, from, to, whiteout);
    else moveFolder(work, from, to, whiteout);
  } finally {
    work.dropNote();
    work.drop(whiteout);
  }
}

/** A folder cannot have two names, so the whiteout is at the new one first, and they change places. */
function moveFolder(work: WorkFolder, from: NamePlace, to: NamePlace, whiteout: ByteString): void {
  renameAt(work.fd, whiteout, to.folder, to.name, 0);
  try {
    exchange(from, to);
  } catch (error) {
    attempt(() => unlinkAt(to.folder, to.name));
    throw error;
  }
}

/** What is moved over goes to the old name first, where the whiteout replaces it: no step needs space. */
function moveOverFolder(
  rules: UpperRules,
  work: WorkFolder,
  from: NamePlace,
  to: NamePlace,
  whiteout: ByteString,
): void {
  exchange(from, to);
  try {
    putInPlace(rules, work, whiteout, from.folder, from.name);
  } catch (error) {
    attempt(() => exchange(from, to));
    throw error;
  }
}

/**
 * A file has both names for a moment; what it replaces keeps one in the work folder until all is done. Filesystems
 * without RENAME_WHITEOUT may have no RENAME_EXCHANGE either.
 */
function moveFile(
  rules: UpperRules,
  work: WorkFolder,
  from: NamePlace,
  to: NamePlace,
  replaces: boolean,
  whiteout: ByteString,
): void {
  const second = work.freeName();
  const replaced = work.freeName();
  try {
    linkAt(from.folder, from.name, work.fd, second);
    if (replaces) linkAt(to.folder, to.name, work.fd, replaced);
    renameAt(work.fd, second, to.folder, to.name, 0);
    try {
      putInPlace(rules, work, whiteout, from.folder, from.name);
    } catch (error) {
      attempt(() =>
        replaces ? renameAt(work.fd, replaced, to.folder, to.name, 0) : unlinkAt(to.folder, to.name),
      );
      throw error;
    }
  } finally {
    work.drop(second);
    work.drop(replaced);
  }
}

/**
 * Ends a move that was written down and whose process died between its steps. `folderAt`: the descriptor of the
 * folder at a path. Where that fails, what the first step left stays, a second name of an object or a whiteout at the new
 * name of a folder: the note goes in any case, because it would not be true of what changes from now on.
 */
export function finishMove(
  rules: UpperRules,
  work: WorkFolder,
  folderAt: (dir: ByteString) => number | undefined,
): void {
  const note = work.readNote();
  if (note === undefined) return;
  const move = parseMove(note);
  if (move !== undefined) {
    const folder = folderAt(move.dir);
    const newFolder = folder === undefined ? undefined : folderAt(move.newDir);
    if (folder !== undefined && newFolder !== undefined) {
      const from = { folder, dir: move.dir, name: move.name };
      const to = { folder: newFolder, dir: move.newDir, name: move.newName };
      attempt(() => endMove(rules, work, move, from, to));
    }
  }
  work.dropNote();
}

/** Anything but what the first step left means that it was not made, or that both were and the note stayed behind. */
function endMove(
  rules: UpperRules,
  work: WorkFolder,
  { ino, replaced }: Move,
  from: NamePlace,
  to: NamePlace,
): void {
  const there = statAt(from.folder, from.name, attr) ? attr.ino : 0;
  if (there === ino && isFolder(attr.mode) && replaced === 0 && whiteoutAt(rules, to.folder, to.name)) {
    unlinkAt(to.folder, to.name);
    return;
  }
  if (there !== 0 && there !== ino && there !== replaced) return;
  if (!statAt(to.folder, to.name, attr) || attr.ino !== ino) return;
  const whiteout = work.makeWhiteout(rules.marks);
  try {
    putInPlace(rules, work, whiteout, from.folder, from.name);
  } finally {
    work.drop(whiteout);
  }
}

/** undefined for a note that was not written to its end. */
function parseMove(text: string): Move | undefined {
  try {
    return JSON.parse(text) as Move;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function exchange(from: NamePlace, to: NamePlace): void {
  renameAt(from.folder, from.name, to.folder, to.name, RENAME_EXCHANGE);
}
