// Copies files of this machine into an active snapshot, through the in-process union, so that whiteouts and
// copy-up are what a mount would have made of it. Symlinks are copied, never followed.

import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { basename as pathBasename, resolve } from 'node:path';
import {
  Attr,
  type ByteString,
  basename,
  dirname,
  Entry,
  type Filesystem,
  fromBytes,
  fromText,
  isFolder,
  joinPath,
  O_WRONLY,
  PERMISSION_BITS,
  SYSTEM_CALLER,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { withUnion } from '../images/open-snapshot.js';
import { assertNotMounted } from './commit-key.js';
import type { Context } from './context.js';
import { find } from './files.js';
import type { MeantPlace } from './words.js';

const CHUNK = 1024 * 1024;

/** Copies the file or folder `from` to a place in an active snapshot; into it if the place is a folder. */
export async function copyIn(context: Context, from: string, to: MeantPlace, what: string): Promise<void> {
  const store = await context.store();
  const { name, kind } = to.snapshot;
  if (kind !== 'active') {
    throw new StoreError('failed-precondition', what, `${name} is ${kind}: only active snapshots change`, {
      hint: `mica snapshot prepare KEY ${name}`,
    });
  }
  await assertNotMounted(store, name, what);
  const source = resolve(from);
  if (lstatSync(source, { throwIfNoEntry: false }) === undefined) {
    throw new StoreError('not-found', what, `there is no ${from}`);
  }
  const copied = await withUnion(await store.snapshots.stack(name), what, (tree) => {
    const place = placeIn(tree, to.path, source, what);
    const parent = find(tree, dirname(place), what, true);
    const copy = new CopyIn(tree, context.signal);
    copy.copy(Buffer.from(source), parent.node, basename(place));
    tree.sync();
    return { path: place, entries: copy.entries };
  });
  if (context.output.json) context.output.document({ key: name, ...copied });
  else context.output.nameLine(`${name}:/`, copied.path);
}

function placeIn(tree: Filesystem, path: ByteString, source: string, what: string): ByteString {
  const own = fromText(pathBasename(source));
  if (path === '') return own;
  const parent = find(tree, dirname(path), what, true);
  const entry = new Entry();
  if (!tree.lookup(parent.node, basename(path), entry)) return path;
  tree.forget(entry.node, 1);
  return isFolder(entry.attr.mode) ? joinPath(path, own) : path;
}

class CopyIn {
  readonly #tree: Filesystem;
  readonly #signal: AbortSignal;
  readonly #attr = new Attr();
  /** Copied names of files with several names, by their number on this machine. */
  readonly #links = new Map<string, number>();
  entries = 0;

  constructor(tree: Filesystem, signal: AbortSignal) {
    this.#tree = tree;
    this.#signal = signal;
  }

  copy(from: Buffer, parent: number, name: ByteString): void {
    this.#signal.throwIfAborted();
    const stat = lstatSync(from);
    this.entries++;
    const entry = new Entry();
    const file = `${stat.dev}:${stat.ino}`;
    const first = stat.isDirectory() ? undefined : this.#links.get(file);
    const existing = this.#tree.lookup(parent, name, entry);
    if (existing && !(stat.isDirectory() && isFolder(entry.attr.mode))) this.#tree.unlink(parent, name);
    if (first !== undefined) {
      this.#tree.link(first, parent, name, entry);
      return;
    }
    if (stat.isDirectory()) {
      if (!existing) this.#tree.mkdir(parent, name, stat.mode & PERMISSION_BITS, SYSTEM_CALLER, entry);
      for (const child of readdirSync(from, { encoding: 'buffer' })) {
        this.copy(join2(from, child), entry.node, fromBytes(child));
      }
    } else if (stat.isSymbolicLink()) {
      const target = fromBytes(readlinkSync(from, { encoding: 'buffer' }));
      this.#tree.symlink(parent, name, target, SYSTEM_CALLER, entry);
    } else if (stat.isFile()) {
      this.#copyData(from, this.#tree.create(parent, name, 0o600, O_WRONLY, SYSTEM_CALLER, entry));
    } else {
      this.#tree.mknod(parent, name, stat.mode, stat.rdev, SYSTEM_CALLER, entry);
    }
    if (stat.nlink > 1 && !stat.isDirectory()) this.#links.set(file, entry.node);
    this.#setAttributes(entry.node, stat);
  }

  #copyData(from: Buffer, handle: number): void {
    const fd = openSync(from, 'r');
    const buffer = Buffer.allocUnsafe(CHUNK);
    try {
      for (let offset = 0; ; ) {
        const count = readSync(fd, buffer, 0, CHUNK, offset);
        if (count === 0) break;
        offset += this.#tree.write(handle, offset, buffer.subarray(0, count), false);
      }
    } finally {
      closeSync(fd);
      this.#tree.release(handle);
    }
  }

  #setAttributes(node: number, stat: Stats): void {
    const time = (ms: number) => ({
      sec: Math.floor(ms / 1000),
      nsec: Math.floor((ms - Math.floor(ms / 1000) * 1000) * 1e6),
    });
    const { uid, gid } = stat;
    const mode = stat.isSymbolicLink() ? {} : { mode: stat.mode & PERMISSION_BITS };
    const times = { atime: time(stat.atimeMs), mtime: time(stat.mtimeMs) };
    this.#tree.setattr(node, { uid, gid, ...times }, SYSTEM_CALLER, this.#attr);
    // After the owner, whose change clears set-id bits.
    if (mode.mode !== undefined) this.#tree.setattr(node, { ...mode, ...times }, SYSTEM_CALLER, this.#attr);
  }
}

function join2(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from('/'), name]);
}
