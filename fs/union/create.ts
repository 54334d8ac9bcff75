// New objects: who owns them, with which mode, and how they get their name. An object that must be more than a
// plain new entry (over a whiteout, or with an inherited ACL) is staged complete and then replaces what is there.

import { EEXIST, EPERM, FsError } from '../errno.js';
import { type Caller, O_EXCL } from '../filesystem.js';
import type { NewNode, WritableFile } from '../layer/layer.js';
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from '../mode.js';
import { assertName, type ByteString, joinPath } from '../name.js';
import { assertLiveFolder, attributesAt, statLayer, withNode } from './access.js';
import { ACL_ACCESS, ACL_DEFAULT, inheritAcl } from './acl.js';
import { ensureUpper } from './copy-up.js';
import type { Inheritance, Inode } from './inode.js';
import { intern } from './intern.js';
import { gainedSubfolder } from './listing.js';
import { lowerHas, NONE, resolve, UPPER } from './lookup.js';
import type { Stack } from './stack.js';

/** What is asked for; owner and mode are the caller's affair until `inherit` has had its say. */
export interface Wanted {
  /** Type and permission bits. */
  readonly mode: number;
  readonly rdev?: number;
  readonly target?: ByteString;
}

interface Heritage {
  readonly what: NewNode;
  readonly access: Uint8Array | undefined;
  readonly defaultAcl: Uint8Array | undefined;
}

/** Makes an object and returns its inode, not yet counted; `stack.found` says what was made. EEXIST if the name exists. */
export function create(stack: Stack, parent: Inode, name: ByteString, wanted: Wanted, caller: Caller): Inode {
  const where = prepare(stack, parent, name);
  if ((wanted.mode & S_IFMT) === S_IFCHR && (wanted.rdev ?? 0) === 0) throw new FsError(EPERM, 'device 0:0');
  ensureUpper(stack, parent);
  const heritage = inherit(stack, parent, wanted, caller);
  const dir = stack.table.path(parent);
  if (where === NONE && heritage.access === undefined && heritage.defaultAcl === undefined) {
    stack.writable().make(dir, name, heritage.what);
  } else {
    makeStaged(stack, parent, name, heritage, false);
  }
  const inode = made(stack, parent, name);
  if (inode.isFolder) {
    gainedSubfolder(parent);
    if (heritage.defaultAcl === undefined) inode.inheritance = inheritanceFrom(heritage.what);
  } else hasNothingYet(inode, heritage);
  return inode;
}

/** As `create` for a regular file, which is then open for writing in the inode. */
export function createFile(
  stack: Stack,
  parent: Inode,
  name: ByteString,
  mode: number,
  caller: Caller,
): Inode {
  const where = prepare(stack, parent, name);
  ensureUpper(stack, parent);
  const heritage = inherit(stack, parent, { mode: S_IFREG | (mode & ~S_IFMT) }, caller);
  const writer =
    where === NONE && heritage.access === undefined
      ? stack.writable().makeFile(stack.table.path(parent), name, heritage.what)
      : makeStaged(stack, parent, name, heritage, true);
  try {
    const inode = made(stack, parent, name, writer);
    inode.writer = writer;
    hasNothingYet(inode, heritage);
    return inode;
  } catch (error) {
    writer.close();
    throw error;
  }
}

/** A regular file without a name; with O_EXCL in `flags` it can never get one. */
export function createNameless(
  stack: Stack,
  parent: Inode,
  mode: number,
  flags: number,
  caller: Caller,
): Inode {
  const upper = stack.writable();
  assertLiveFolder(parent);
  ensureUpper(stack, parent);
  const heritage = inherit(stack, parent, { mode: S_IFREG | (mode & ~S_IFMT) }, caller);
  const { what, access } = heritage;
  const staged = upper.stage(what);
  try {
    if (access !== undefined) staged.setxattr(ACL_ACCESS, access, 0);
    staged.stat(stack.scratch);
    const { ino } = stack.scratch.attr;
    const writer = staged.openWrite();
    const inode = stack.table.addNameless(stack.upperNumber(ino), S_IFREG);
    inode.upper = true;
    inode.upperIno = ino;
    inode.held = staged;
    inode.staged = staged;
    inode.linkable = (flags & O_EXCL) === 0;
    inode.writer = writer;
    hasNothingYet(inode, heritage);
    return inode;
  } catch (error) {
    staged.discard();
    throw error;
  }
}

/** The kernel looks a name up before it makes it, so most often it is known what is there. */
function prepare(stack: Stack, parent: Inode, name: ByteString): number {
  const known = stack.whereAbsent(parent, name);
  stack.writable();
  assertName(name);
  assertLiveFolder(parent);
  if (known !== undefined) return known;
  const where = resolve(stack, parent, name, stack.found);
  if (stack.found.exists) throw new FsError(EEXIST, 'create');
  return where;
}

/** The inode of what was just made, open as `file` or not: it has no marks, and nothing below shows through. */
function made(stack: Stack, parent: Inode, name: ByteString, file?: WritableFile): Inode {
  const { found } = stack;
  const { entry } = found;
  found.nothing();
  if (file !== undefined) file.stat(entry.attr);
  else if (!attributesAt(stack.writable(), stack.table.path(parent), name, entry)) {
    throw new Error('a new object is not found where it was made');
  }
  entry.unmarked();
  found.where = UPPER;
  return intern(stack, parent, name, found);
}

/** What the kernel asks for before it writes, and what chmod(2) asks for, need not be looked for in a new object. */
function hasNothingYet(inode: Inode, { what, access }: Heritage): void {
  inode.withoutCapability = true;
  inode.withoutAccessAcl = access === undefined;
  inode.unprivileged = (what.mode & (S_ISUID | S_ISGID)) === 0;
}

function makeStaged(
  stack: Stack,
  parent: Inode,
  name: ByteString,
  heritage: Heritage,
  open: true,
): WritableFile;
function makeStaged(
  stack: Stack,
  parent: Inode,
  name: ByteString,
  heritage: Heritage,
  open: false,
): undefined;
function makeStaged(
  stack: Stack,
  parent: Inode,
  name: ByteString,
  heritage: Heritage,
  open: boolean,
): WritableFile | undefined {
  const { what, access, defaultAcl } = heritage;
  const dir = stack.table.path(parent);
  const staged = stack.writable().stage(what);
  let file: WritableFile | undefined;
  try {
    if (access !== undefined) staged.setxattr(ACL_ACCESS, access, 0);
    if (defaultAcl !== undefined) staged.setxattr(ACL_DEFAULT, defaultAcl, 0);
    const opaque = (what.mode & S_IFMT) === S_IFDIR && lowerHas(stack, parent, name);
    // Opaque before it has its name: what the whiteout hid must not show up for a moment.
    if (opaque) staged.setOpaque(true);
    if (open) file = staged.openWrite();
    staged.publish(dir, name, true);
    if (opaque) stack.emit('opaque', joinPath(dir, name));
    return file;
  } catch (error) {
    file?.close();
    staged.discard();
    throw error;
  }
}

/** Owner, mode and ACLs of a new object: inode_init_owner and posix_acl_create of the kernel. */
function inherit(stack: Stack, parent: Inode, wanted: Wanted, caller: Caller): Heritage {
  const { gid, defaultAcl } = inheritanceOf(stack, parent);
  const type = wanted.mode & S_IFMT;
  let { mode } = wanted;
  let access: Uint8Array | undefined;
  const inheritsAcl = defaultAcl !== undefined && type !== S_IFLNK;
  if (inheritsAcl) ({ mode, access } = inheritAcl(defaultAcl, mode));
  else if (type !== S_IFLNK) mode &= ~(caller.umask & 0o777);
  if (gid !== undefined && type === S_IFDIR) mode |= S_ISGID;
  const what = { ...wanted, mode, uid: caller.uid, gid: gid ?? caller.gid };
  return { what, access, defaultAcl: inheritsAcl && type === S_IFDIR ? defaultAcl : undefined };
}

function inheritanceOf(stack: Stack, parent: Inode): Inheritance {
  if (parent.inheritance === undefined) {
    const { attr } = statLayer(stack, parent);
    const gid = (attr.mode & S_ISGID) !== 0 ? attr.gid : undefined;
    const defaultAcl = withNode(stack, parent, (node) => node.getxattr(ACL_DEFAULT));
    parent.inheritance = { gid, defaultAcl };
  }
  return parent.inheritance;
}

/** What a new folder without a default ACL hands down. */
function inheritanceFrom({ mode, gid }: NewNode): Inheritance {
  return (mode & S_ISGID) === 0 ? NOTHING_INHERITED : { gid, defaultAcl: undefined };
}

const NOTHING_INHERITED: Inheritance = { gid: undefined, defaultAcl: undefined };
