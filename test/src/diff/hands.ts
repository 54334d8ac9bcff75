// Changes of a tree as a process would make them, on a union.

import {
  type Attr,
  Entry,
  isFolder,
  O_EXCL,
  O_WRONLY,
  SYSTEM_CALLER,
  type Timestamp,
  type Union,
} from '../../../fs/index.js';
import { namesIn, nodeAt, walkTree } from '../../../src/diff/tree-walk.js';

export class Hands {
  readonly union: Union;
  readonly #out = new Entry();
  /** For calls that fill one. */
  readonly attr: Attr = this.#out.attr;

  constructor(union: Union) {
    this.union = union;
  }

  node(path: string): number {
    const entry = nodeAt(this.union, path);
    if (entry === undefined) throw new Error(`${path} is missing`);
    return entry.node;
  }

  parent(path: string): [node: number, name: string] {
    const slash = path.lastIndexOf('/');
    return [this.node(slash < 0 ? '' : path.slice(0, slash)), path.slice(slash + 1)];
  }

  write(path: string, text: string): void {
    const exists = nodeAt(this.union, path) !== undefined;
    const handle = exists
      ? this.union.open(this.node(path), O_WRONLY)
      : this.union.create(...this.parent(path), 0o644, O_WRONLY | O_EXCL, SYSTEM_CALLER, this.#out);
    this.union.write(handle, 0, Buffer.from(text), false);
    this.union.release(handle);
  }

  mkdir(path: string): void {
    this.union.mkdir(...this.parent(path), 0o755, SYSTEM_CALLER, this.#out);
  }

  remove(path: string): void {
    this.union.unlink(...this.parent(path));
  }

  /** A name and all that is below it. */
  removeTree(path: string): void {
    if (isFolder(nodeAt(this.union, path)?.attr.mode ?? 0)) {
      for (const name of namesIn(this.union, this.node(path))) this.removeTree(`${path}/${name}`);
      this.union.rmdir(...this.parent(path));
    } else this.remove(path);
  }

  rename(from: string, to: string): void {
    this.union.rename(...this.parent(from), ...this.parent(to), 0);
  }

  link(from: string, to: string): void {
    this.union.link(this.node(from), ...this.parent(to), this.#out);
  }

  chmod(path: string, mode: number): void {
    this.union.setattr(this.node(path), { mode }, SYSTEM_CALLER, this.#out.attr);
  }

  chown(path: string, uid: number, gid: number): void {
    this.union.setattr(this.node(path), { uid, gid }, SYSTEM_CALLER, this.attr);
  }

  touch(path: string, mtime: Timestamp): void {
    this.union.setattr(this.node(path), { mtime }, SYSTEM_CALLER, this.attr);
  }

  symlink(path: string, target: string): void {
    this.union.symlink(...this.parent(path), target, SYSTEM_CALLER, this.#out);
  }

  /** `mode` with its type. */
  mknod(path: string, mode: number, rdev = 0): void {
    this.union.mknod(...this.parent(path), mode, rdev, SYSTEM_CALLER, this.#out);
  }

  setXattr(path: string, name: string, value: Uint8Array): void {
    this.union.setxattr(this.node(path), name, value, 0, false);
  }

  /** Gives everything that changed after `since` one time of change, so that it is the same at every run. */
  touchNew(since: number, mtime: Timestamp): void {
    const paths: string[] = [];
    for (const { path, attr } of walkTree(this.union)) if (attr.mtimeSec >= since) paths.push(path);
    for (const path of paths) this.touch(path, mtime);
  }
}
