// What fuse-native asks for, answered from a Filesystem: paths in, callbacks out. Each answer is given at once,
// and a failure is a negative errno, as the binding wants it.

import { Buffer } from 'node:buffer';
import { EIO, FsError } from '../errno.js';
import type { Attr, Filesystem } from '../filesystem.js';
import { PathFilesystem } from './path-filesystem.js';
import type { MountRequest } from './transport.js';

/** Called with 0 or a negative errno, and the result. */
// biome-ignore lint/suspicious/noExplicitAny: each operation has results of its own, and the binding has no types
type Done = (status: number, ...results: any[]) => void;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type Operations = Record<string, (...args: any[]) => void>;

/** Counts what libfuse asked for. */
export class Counter {
  requests = 0;
  readonly #counts: Record<string, number> = {};

  add(operation: string): void {
    this.requests++;
    this.#counts[operation] = (this.#counts[operation] ?? 0) + 1;
  }

  counts(): Record<string, number> {
    return { ...this.#counts };
  }
}

export function operationsOf(
  files: Filesystem,
  counter: Counter,
  onFault: MountRequest['onFault'],
): Operations {
  const paths = new PathFilesystem(files, process.geteuid?.() ?? 0, process.getegid?.() ?? 0);

  /** Runs one operation and tells `done` its result, or its errno alone. */
  const answer = (operation: string, done: Done, body: () => readonly unknown[] | undefined): void => {
    counter.add(operation);
    let results: readonly unknown[];
    try {
      results = body() ?? [];
    } catch (error) {
      if (!(error instanceof FsError)) {
        const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
        onFault?.({ operation, message });
      }
      done(error instanceof FsError ? -error.errno : -EIO);
      return;
    }
    done(0, ...results);
  };
  /** Reads and writes answer their count where others answer 0. */
  const count = (operation: string, done: Done, body: () => number): void => {
    counter.add(operation);
    try {
      done(body());
    } catch (error) {
      if (!(error instanceof FsError)) onFault?.({ operation, message: String(error) });
      done(error instanceof FsError ? -error.errno : -EIO);
    }
  };
  const nothing = (body: () => unknown) => () => {
    body();
    return undefined;
  };

  return {
    statfs: (_path: string, done: Done) => answer('statfs', done, () => [statfsOf(paths)]),
    getattr: (path: string, done: Done) => answer('getattr', done, () => [statOf(paths.getattr(path))]),
    readlink: (path: string, done: Done) => answer('readlink', done, () => [paths.readlink(path)]),
    readdir: (path: string, done: Done) => answer('readdir', done, () => [paths.readdir(path)]),
    chmod: (path: string, mode: number, done: Done) =>
      answer(
        'chmod',
        done,
        nothing(() => paths.setattr(path, { mode: mode & 0o7777 })),
      ),
    chown: (path: string, uid: number, gid: number, done: Done) =>
      answer(
        'chown',
        done,
        nothing(() => paths.setattr(path, ownerOf(uid, gid))),
      ),
    truncate: (path: string, size: number, done: Done) =>
      answer(
        'truncate',
        done,
        nothing(() => paths.setattr(path, { size })),
      ),
    ftruncate: (path: string, _fd: number, size: number, done: Done) =>
      answer(
        'truncate',
        done,
        nothing(() => paths.setattr(path, { size })),
      ),
    utimens: (path: string, atime: number, mtime: number, done: Done) =>
      answer(
        'utimens',
        done,
        nothing(() => paths.setattr(path, { atime: timeOf(atime), mtime: timeOf(mtime) })),
      ),
    mknod: (path: string, mode: number, rdev: number, done: Done) =>
      answer(
        'mknod',
        done,
        nothing(() => paths.mknod(path, mode, rdev)),
      ),
    mkdir: (path: string, mode: number, done: Done) =>
      answer(
        'mkdir',
        done,
        nothing(() => paths.mkdir(path, mode)),
      ),
    symlink: (target: string, path: string, done: Done) =>
      answer(
        'symlink',
        done,
        nothing(() => paths.symlink(target, path)),
      ),
    link: (path: string, newPath: string, done: Done) =>
      answer(
        'link',
        done,
        nothing(() => paths.link(path, newPath)),
      ),
    unlink: (path: string, done: Done) =>
      answer(
        'unlink',
        done,
        nothing(() => paths.unlink(path)),
      ),
    rmdir: (path: string, done: Done) =>
      answer(
        'rmdir',
        done,
        nothing(() => paths.rmdir(path)),
      ),
    rename: (path: string, newPath: string, done: Done) =>
      answer(
        'rename',
        done,
        nothing(() => paths.rename(path, newPath)),
      ),
    create: (path: string, mode: number, done: Done) =>
      answer('create', done, () => [paths.create(path, mode)]),
    open: (path: string, flags: number, done: Done) => answer('open', done, () => [paths.open(path, flags)]),
    read: (_path: string, fd: number, into: Buffer, length: number, offset: number, done: Done) =>
      count('read', done, () => files.read(fd, offset, into.subarray(0, length))),
    write: (_path: string, fd: number, data: Buffer, length: number, offset: number, done: Done) =>
      count('write', done, () => files.write(fd, offset, data.subarray(0, length), false)),
    fsync: (_path: string, dataOnly: number, fd: number, done: Done) =>
      answer(
        'fsync',
        done,
        nothing(() => files.fsync(fd, dataOnly !== 0)),
      ),
    release: (_path: string, fd: number, done: Done) =>
      answer(
        'release',
        done,
        nothing(() => files.release(fd)),
      ),
    getxattr: (path: string, name: string, _position: number, done: Done) =>
      answer('getxattr', done, () => {
        const value = paths.getxattr(path, name);
        return value === undefined ? [] : [Buffer.from(value)];
      }),
    setxattr: (path: string, name: string, value: Buffer, _position: number, flags: number, done: Done) =>
      answer(
        'setxattr',
        done,
        nothing(() => paths.setxattr(path, name, Uint8Array.from(value), flags)),
      ),
    listxattr: (path: string, done: Done) => answer('listxattr', done, () => [paths.listxattr(path)]),
    removexattr: (path: string, name: string, done: Done) =>
      answer(
        'removexattr',
        done,
        nothing(() => paths.removexattr(path, name)),
      ),
  };
}

/** -1, which C passes as 2^32 - 1, leaves an owner as it is. */
function ownerOf(uid: number, gid: number): { uid?: number; gid?: number } {
  const kept = (id: number) => id === -1 || id === 0xffffffff;
  return { ...(kept(uid) ? {} : { uid }), ...(kept(gid) ? {} : { gid }) };
}

/** Milliseconds as a time. */
function timeOf(ms: number): { sec: number; nsec: number } {
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) };
}

function statOf(attr: Attr): object {
  return {
    ...attr,
    dev: 0,
    atime: attr.atimeSec * 1000 + Math.floor(attr.atimeNsec / 1e6),
    mtime: attr.mtimeSec * 1000 + Math.floor(attr.mtimeNsec / 1e6),
    ctime: attr.ctimeSec * 1000 + Math.floor(attr.ctimeNsec / 1e6),
  };
}

function statfsOf(paths: PathFilesystem): object {
  const facts = paths.statfs();
  return { ...facts, favail: facts.ffree, namemax: facts.namelen };
}
