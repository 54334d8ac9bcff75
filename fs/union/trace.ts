// The union as it is watched: each operation becomes a `request` event with its path, its result and its time,
// while somebody asks for them (`events.requests`). While nobody does, an operation costs one test more.

import { FsError } from '../errno.js';
import type { Filesystem } from '../filesystem.js';
import { Later } from '../later.js';
import { type ByteString, joinPath } from '../name.js';
import type { EventStream } from './event.js';
import type { Union } from './union.js';

type Operation = {
  [Name in keyof Filesystem]: Filesystem[Name] extends (...args: never[]) => unknown ? Name : never;
}[keyof Filesystem];

/** Which path an operation is about, from its first arguments: a node, a folder's node and a name, or a handle. */
type Subject = 'node' | 'name' | 'handle' | 'none';

const SUBJECTS: Readonly<Record<Operation, Subject>> = {
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

/** Not asked for by anybody. */
const UNTOLD: ReadonlySet<Operation> = new Set(['forget', 'backing', 'destroy']);

/** The same filesystem, with `request` events. */
export function traced(union: Union, events: EventStream): Filesystem {
  const watched: Partial<Record<Operation, unknown>> = {};
  for (const operation of Object.keys(SUBJECTS) as Operation[]) {
    watched[operation] = watch(union, events, operation);
  }
  Object.defineProperty(watched, 'readOnly', { get: () => union.readOnly });
  return watched as unknown as Filesystem;
}

function watch(union: Union, events: EventStream, operation: Operation): unknown {
  const act = union[operation].bind(union) as (...args: unknown[]) => unknown;
  if (UNTOLD.has(operation)) return act;
  return (...args: unknown[]): unknown => {
    if (!events.requests) return act(...args);
    const path = pathOf(union, SUBJECTS[operation], args);
    const begin = performance.now();
    let errno: number | undefined;
    let waits = false;
    try {
      return act(...args);
    } catch (error) {
      if (error instanceof FsError) errno = error.errno;
      // It will be called again.
      waits = error instanceof Later;
      throw error;
    } finally {
      const durationNs = Math.round((performance.now() - begin) * 1e6);
      const failure = errno === undefined ? {} : { errno };
      if (!waits) events.emit({ kind: 'request', operation, path, durationNs, ...failure });
    }
  };
}

/** The path before the operation, which may change it. A node or handle that is not known has none. */
function pathOf(union: Union, subject: Subject, args: readonly unknown[]): ByteString {
  const [first, second] = args;
  if (subject === 'none' || typeof first !== 'number') return '';
  const path = subject === 'handle' ? union.pathOfHandle(first) : union.pathOf(first);
  return subject === 'name' && typeof second === 'string' ? joinPath(path ?? '', second) : (path ?? '');
}
