// A Filesystem by paths, for tests: each call walks from the root as a kernel without a cache would, and gives
// back every lookup that it took, so a test also shows when the union forgets to count.

import { ENOENT, FsError } from '../../fs/errno.js';
import {
  Attr,
  type AttrChange,
  type Caller,
  Entry,
  type Filesystem,
  type Handle,
  type NodeId,
  O_RDONLY,
  O_RDWR,
  ROOT_NODE,
  SYSTEM_CALLER,
} from '../../fs/filesystem.js';
import { type FileKind, kindOf } from '../../fs/mode.js';
import { type ByteString, basename, dirname } from '../../fs/name.js';

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

export interface Listed {
  readonly name: ByteString;
  readonly ino: number;
  readonly type: number;
}

export class Paths {
  readonly fs: Filesystem;
  caller: Caller = SYSTEM_CALLER;
  /** False: lookups are never given back, as by a kernel that caches for ever. */
  forgets = true;
  /** Lookups that were not given back. */
  readonly #kept: NodeId[] = [];

  constructor(fs: Filesystem) {
    this.fs = fs;
  }

  /** Gives back all that was kept, as a kernel that drops its caches. */
  forgetKept(): void {
    for (const node of this.#kept.splice(0)) this.fs.forget(node, 1);
  }

  /** The node at a path; the caller must `forget` it once (the root is free). */
  node(path: ByteString): NodeId {
    const node = this.find(path);
    if (node === undefined) throw new FsError(ENOENT, path);
    return node;
  }

  find(path: ByteString): NodeId | undefined {
    if (path === '') return ROOT_NODE;
    const entry = new Entry();
    let node = ROOT_NODE;
    for (const name of path.split('/')) {
      const found = this.fs.lookup(node, name, entry);
      this.#forget(node, 1);
      if (!found) return undefined;
      node = entry.node;
    }
    return node;
  }

  with<T>(path: ByteString, act: (node: NodeId) => T): T {
    const node = this.node(path);
    try {
      return act(node);
    } finally {
      this.#forget(node, 1);
    }
  }

  exists(path: ByteString): boolean {
    const node = this.find(path);
    if (node !== undefined) this.#forget(node, 1);
    return node !== undefined;
  }

  stat(path: ByteString): Attr {
    const attr = new Attr();
    this.with(path, (node) => this.fs.getattr(node, attr));
    return attr;
  }

  kind(path: ByteString): FileKind {
    return kindOf(this.stat(path).mode);
  }

  setattr(path: ByteString, change: AttrChange): Attr {
    const attr = new Attr();
    this.with(path, (node) => this.fs.setattr(node, change, this.caller, attr));
    return attr;
  }

  chmod(path: ByteString, mode: number): void {
    this.setattr(path, { mode });
  }

  mkdir(path: ByteString, mode = 0o755): Attr {
    return this.#made(path, (dir, name, out) => this.fs.mkdir(dir, name, mode, this.caller, out));
  }

  mknod(path: ByteString, mode: number, rdev = 0): Attr {
    return this.#made(path, (dir, name, out) => this.fs.mknod(dir, name, mode, rdev, this.caller, out));
  }

  symlink(target: ByteString, path: ByteString): Attr {
    return this.#made(path, (dir, name, out) => this.fs.symlink(dir, name, target, this.caller, out));
  }

  readlink(path: ByteString): ByteString {
    return this.with(path, (node) => this.fs.readlink(node));
  }

  link(old: ByteString, path: ByteString): Attr {
    return this.with(old, (node) => this.#made(path, (dir, name, out) => this.fs.link(node, dir, name, out)));
  }

  unlink(path: ByteString): void {
    this.with(dirname(path), (dir) => this.fs.unlink(dir, basename(path)));
  }

  rmdir(path: ByteString): void {
    this.with(dirname(path), (dir) => this.fs.rmdir(dir, basename(path)));
  }

  rename(from: ByteString, to: ByteString, flags = 0): void {
    this.with(dirname(from), (dir) =>
      this.with(dirname(to), (newDir) => this.fs.rename(dir, basename(from), newDir, basename(to), flags)),
    );
  }

  open(path: ByteString, flags = O_RDONLY): Handle {
    return this.with(path, (node) => this.fs.open(node, flags));
  }

  create(path: ByteString, mode = 0o644, flags = O_RDWR): Handle {
    const entry = new Entry();
    const handle = this.with(dirname(path), (dir) =>
      this.fs.create(dir, basename(path), mode, flags, this.caller, entry),
    );
    this.#forget(entry.node, 1);
    return handle;
  }

  /** Makes a file, or replaces the content of one. */
  write(path: ByteString, content: string, mode = 0o644): void {
    const handle = this.create(path, mode, O_RDWR | 0o1000);
    this.#writeAll(handle, 0, bytes(content));
    this.fs.release(handle);
  }

  writeAt(path: ByteString, offset: number, content: string): void {
    const handle = this.open(path, O_RDWR);
    this.#writeAll(handle, offset, bytes(content));
    this.fs.release(handle);
  }

  #writeAll(handle: Handle, offset: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      done += this.fs.write(handle, offset + done, data.subarray(done), false);
    }
  }

  read(path: ByteString): string {
    const handle = this.open(path);
    try {
      return this.readHandle(handle);
    } finally {
      this.fs.release(handle);
    }
  }

  readHandle(handle: Handle): string {
    const into = new Uint8Array(65536);
    return text(into.subarray(0, this.fs.read(handle, 0, into)));
  }

  list(path: ByteString): Listed[] {
    const handle = this.with(path, (node) => this.fs.opendir(node));
    const listed: Listed[] = [];
    this.fs.readdir(handle, 0, (name, ino, type) => {
      if (name !== '.' && name !== '..') listed.push({ name, ino, type });
      return true;
    });
    this.fs.releasedir(handle);
    return listed;
  }

  /** Names only, sorted. */
  ls(path: ByteString): ByteString[] {
    return this.list(path)
      .map(({ name }) => name)
      .sort();
  }

  getxattr(path: ByteString, name: ByteString): string | undefined {
    return this.with(path, (node) => {
      const value = this.fs.getxattr(node, name);
      return value && text(value);
    });
  }

  setxattr(path: ByteString, name: ByteString, value: string | Uint8Array, flags = 0): void {
    const data = typeof value === 'string' ? bytes(value) : value;
    this.with(path, (node) => this.fs.setxattr(node, name, data, flags, false));
  }

  /** One line an entry: path, kind, mode, owner, content or target, in path order. */
  tree(path: ByteString = ''): string[] {
    const lines: string[] = [];
    for (const name of this.ls(path)) {
      const at = path === '' ? name : `${path}/${name}`;
      const { mode, uid, gid } = this.stat(at);
      const kind = kindOf(mode);
      let content = '';
      if (kind === 'file') content = JSON.stringify(this.read(at));
      if (kind === 'symlink') content = this.readlink(at);
      lines.push(`${at} ${kind} ${(mode & 0o7777).toString(8)} ${uid}:${gid} ${content}`.trimEnd());
      if (kind === 'folder') lines.push(...this.tree(at));
    }
    return lines;
  }

  #forget(node: NodeId, count: number): void {
    if (node === ROOT_NODE) return;
    if (this.forgets) this.fs.forget(node, count);
    else for (let i = 0; i < count; i++) this.#kept.push(node);
  }

  #made(path: ByteString, make: (dir: NodeId, name: ByteString, out: Entry) => void): Attr {
    const entry = new Entry();
    this.with(dirname(path), (dir) => make(dir, basename(path), entry));
    this.#forget(entry.node, 1);
    return entry.attr;
  }
}

/** The errno that `act` fails with; 0 if it does not fail. */
export function errnoOf(act: () => unknown): number {
  try {
    act();
    return 0;
  } catch (error) {
    if (error instanceof FsError) return error.errno;
    throw error;
  }
}
