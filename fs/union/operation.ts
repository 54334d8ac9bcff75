// The operations of a Filesystem as they are told to who watches: their names, and which path each of them is about.

import type { Filesystem } from '../filesystem.js';

export type Operation = {
  [Name in keyof Filesystem]: Filesystem[Name] extends (...args: never[]) => unknown ? Name : never;
}[keyof Filesystem];

/** Which path an operation is about, from its first arguments: a node, a folder's node and a name, or a handle. */
export type Subject = 'node' | 'name' | 'handle' | 'none';

export const SUBJECTS: Readonly<Record<Operation, Subject>> = {
  lookup: 'name',
  forget: 'none',
  getattr: 'node',
  setattr: 'node',
  readlink: 'node',
  mknod: 'name',
  mkdir: 'name',
  symlink: 'name',
  link: 'node',
  unlink: 'name',
  rmdir: 'name',
  rename: 'name',
  create: 'name',
  tmpfile: 'node',
  open: 'node',
  backing: 'node',
  read: 'handle',
  write: 'handle',
  writeMapped: 'handle',
  lseek: 'handle',
  fallocate: 'handle',
  copyFileRange: 'handle',
  flush: 'handle',
  fsync: 'handle',
  release: 'handle',
  opendir: 'node',
  readdir: 'handle',
  readdirPlus: 'handle',
  fsyncdir: 'handle',
  releasedir: 'handle',
  getxattr: 'node',
  setxattr: 'node',
  listxattr: 'node',
  removexattr: 'node',
  statfs: 'none',
  sync: 'none',
  destroy: 'none',
};

export const OPERATIONS = Object.keys(SUBJECTS) as readonly Operation[];

/** Those that return how many bytes they read or wrote. */
export const MOVES_DATA: ReadonlySet<Operation> = new Set(['read', 'write', 'writeMapped', 'copyFileRange']);

/** Not asked for by anybody. */
export const UNTOLD: ReadonlySet<Operation> = new Set(['forget', 'backing', 'destroy']);
