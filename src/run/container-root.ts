// The tree of a container: the mounted snapshot as root, and over it /proc, /sys, /dev, some files of /etc and what the
// caller binds. Sources are settled to descriptors of mounts while the machine's names hold; targets are looked up when
// the container's do, so that neither can be taken for the other.

import { existsSync, statSync, symlinkSync } from 'node:fs';
import { normalize } from 'node:path';
import { ENOSYS, EPERM, FsError, fromText, isErrno, sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { Bind, InitSpec, MadePoint } from './messages.js';
import { MountPoints } from './mount-points.js';

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const LINKS = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
] as const;
/** What root of the machine could change or read of it there without any capability. */
const PROC_READ_ONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];
const PROC_EMPTY = ['kcore', 'keys', 'timer_list'];

const QUIET = sys.MOUNT_ATTR_NOSUID | sys.MOUNT_ATTR_NODEV | sys.MOUNT_ATTR_NOEXEC;

interface Source {
  readonly tree: number;
  readonly to: string;
  readonly isFolder: boolean;
}

/** Makes the tree this process's own, and the machine's unreachable. Returns what it had to make in the snapshot. */
export function enterContainer(spec: InitSpec): readonly MadePoint[] {
  const proc = procTree();
  const sysfs = readOnlyIfPossible(sys.openTree('/sys'));
  const dev = newTree('tmpfs', { mode: '0755', size: '65536k' }, sys.MOUNT_ATTR_NOSUID);
  const pts = newTree(
    'devpts',
    { mode: '0620', ptmxmode: '0666' },
    sys.MOUNT_ATTR_NOSUID | sys.MOUNT_ATTR_NOEXEC,
  );
  const shm = newTree('tmpfs', { mode: '1777' }, QUIET);
  const queues = newTree('mqueue', {}, QUIET);
  const devices = DEVICES.filter((name) => existsSync(`/dev/${name}`)).map((name) =>
    sourceOf(`/dev/${name}`, `/dev/${name}`),
  );
  const terminal = spec.terminal === undefined ? [] : [sourceOf(spec.terminal, '/dev/console')];
  const covers = spec.coverProc ? PROC_EMPTY.map(() => sys.openTree('/dev/null')) : [];
  const files = spec.files.map(bindOf);
  const binds = spec.binds.map(bindOf);

  sys.changeRoot(fromText(spec.root));
  sys.setHostName(fromText(spec.hostName));

  const points = new MountPoints();
  const attach = (tree: number, place: string): void => sys.attachTree(tree, fromText(place));
  attach(proc, points.folder('/proc'));
  if (sysfs !== undefined) attach(sysfs, points.folder('/sys'));
  attach(dev, points.folder('/dev'));
  // What is made from here on to the next line is in /dev, and goes with it.
  const inDev = new MountPoints();
  attach(pts, inDev.folder('/dev/pts'));
  attach(shm, inDev.folder('/dev/shm'));
  attach(queues, inDev.folder('/dev/mqueue'));
  for (const { tree, to } of [...devices, ...terminal]) attach(tree, inDev.file(to));
  for (const [name, to] of LINKS) symlinkSync(to, `/dev/${name}`);
  coverProc(spec, covers);
  for (const { tree, to } of files) attachFile(tree, to, points);
  for (const { tree, to, isFolder } of binds) attach(tree, isFolder ? points.folder(to) : points.file(to));
  if (spec.readOnly) sys.mount('', '/', '', sys.MS_REMOUNT | sys.MS_BIND | sys.MS_RDONLY, '');
  return points.made;
}

/** An image that has no place for it, because /etc is a file, say, does without. */
function attachFile(tree: number, to: string, points: MountPoints): void {
  let place: string;
  try {
    place = points.file(to);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return;
  }
  sys.attachTree(tree, fromText(place));
}

function bindOf({ from, to, readOnly }: Bind): Source {
  const source = sourceOf(from, normalize(to));
  if (readOnly && readOnlyIfPossible(source.tree) === undefined) {
    throw new StoreError('unsupported', `cannot bind ${from} read only`, 'that needs Linux 5.12');
  }
  return source;
}

function sourceOf(from: string, to: string): Source {
  return { tree: sys.openTree(fromText(from)), to, isFolder: statSync(from).isDirectory() };
}

/** undefined before Linux 5.12, and nothing is said of the mount then. */
function readOnlyIfPossible(tree: number): number | undefined {
  try {
    sys.makeTreeReadOnly(tree);
    return tree;
  } catch (error) {
    if (isErrno(error, ENOSYS)) return undefined;
    throw error;
  }
}

function newTree(type: string, options: Readonly<Record<string, string>>, attributes: number): number {
  const context = new sys.FilesystemContext(fromText(type));
  try {
    context.setString('source', fromText(type));
    for (const [name, value] of Object.entries(options)) context.setString(fromText(name), fromText(value));
    return context.makeTree(attributes);
  } finally {
    context.close();
  }
}

/**
 * /proc of this pid namespace. Where the machine's own is covered in part, as in most containers, the kernel shows it to
 * no user namespace anew (mount_too_revealing of the kernel).
 */
function procTree(): number {
  try {
    return newTree('proc', {}, QUIET);
  } catch (error) {
    if (!(error instanceof FsError) || error.errno !== EPERM) throw error;
    throw new StoreError(
      'unsupported',
      'cannot run a container',
      'the kernel shows no /proc to a user here',
      {
        cause: error,
        hint: 'this machine is a container that covers parts of /proc itself: run there as root, or without that',
      },
    );
  }
}

function coverProc({ coverProc }: InitSpec, covers: readonly number[]): void {
  if (!coverProc) return;
  for (const name of PROC_READ_ONLY.filter((one) => existsSync(`/proc/${one}`))) {
    const tree = readOnlyIfPossible(sys.openTree(fromText(`/proc/${name}`)));
    if (tree !== undefined) sys.attachTree(tree, fromText(`/proc/${name}`));
  }
  for (const [at, tree] of covers.entries()) {
    const place = `/proc/${PROC_EMPTY[at]}`;
    if (existsSync(place)) sys.attachTree(tree, fromText(place));
  }
}
