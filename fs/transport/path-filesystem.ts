// A Filesystem seen through paths, for bindings that know no nodes (libfuse's high-level interface): each call
// looks its path up from the root and gives the lookups back when it is done. Paths begin with a slash. Names
// come as text, so names that are not UTF-8 cannot be reached this way. Who asks is not told either: new files
// belong to the user of this process.

import { EINVAL, ENOENT, FsError } from '../errno.js';
import {
  Attr,
  type AttrChange,
  type Caller,
  Entry,
  type Filesystem,
  type Handle,
  type NodeId,
  O_ACCMODE,
  O_RDWR,
  O_TRUNC,
  ROOT_NODE,
  type StatFs,
} from '../filesystem.js';
import { S_IFDIR, S_IFMT } from '../mode.js';
import { type ByteString, basename, dirname, fromText, toText } from '../name.js';

export class PathFilesystem {
  readonly #filesystem: Filesystem;
  readonly #caller: Caller;

  constructor(filesystem: Filesystem, uid: number, gid: number) {
    this.#filesystem = filesystem;
    // libfuse has applied the umask.
    this.#caller = { uid, gid, pid: 0, umask: 0 };
  }

  getattr(path: string): Attr {
    const attr = new Attr();
    this.#at(path, (node) => this.#filesystem.getattr(node, attr));
    return attr;
  }

  setattr(path: string, change: AttrChange): void {
    const attr = new Attr();
    this.#at(path, (node) => this.#filesystem.setattr(node, change, this.#caller, attr));
  }

  readlink(path: string): string {
    return toText(this.#at(path, (node) => this.#filesystem.readlink(node)));
  }

  readdir(path: string): string[] {
    return this.#at(path, (node) => {
      const handle = this.#filesystem.opendir(node);
      try {
        const names: string[] = [];
        this.#filesystem.readdir(handle, 0, (name) => {
          names.push(toText(name));
          return true;
        });
        return names;
      } finally {
        this.#filesystem.releasedir(handle);
      }
    });
  }

  mknod(path: string, mode: number, rdev: number): void {
    this.#make(path, (parent, name, out) =>
      this.#filesystem.mknod(parent, name, mode, rdev, this.#caller, out),
    );
  }

  mkdir(path: string, mode: number): void {
    const folder = (mode & ~S_IFMT) | S_IFDIR;
    this.#make(path, (parent, name, out) => this.#filesystem.mkdir(parent, name, folder, this.#caller, out));
  }

  symlink(target: string, path: string): void {
    const bytes = fromText(target);
    this.#make(path, (parent, name, out) => this.#filesystem.symlink(parent, name, bytes, this.#caller, out));
  }

  link(path: string, newPath: string): void {
    this.#at(path, (node) =>
      this.#make(newPath, (parent, name, out) => this.#filesystem.link(node, parent, name, out)),
    );
  }

  unlink(path: string): void {
    this.#in(path, (parent, name) => this.#filesystem.unlink(parent, name));
  }

  rmdir(path: string): void {
    this.#in(path, (parent, name) => this.#filesystem.rmdir(parent, name));
  }

  rename(path: string, newPath: string): void {
    this.#in(path, (parent, name) =>
      this.#in(newPath, (newParent, newName) => this.#filesystem.rename(parent, name, newParent, newName, 0)),
    );
  }

  create(path: string, mode: number): Handle {
    return this.#make(path, (parent, name, out) =>
      this.#filesystem.create(parent, name, mode, O_RDWR, this.#caller, out),
    );
  }

  open(path: string, flags: number): Handle {
    return this.#at(path, (node) => this.#filesystem.open(node, flags & (O_ACCMODE | O_TRUNC)));
  }

  getxattr(path: string, name: string): Uint8Array | undefined {
    return this.#at(path, (node) => this.#filesystem.getxattr(node, fromText(name)));
  }

  setxattr(path: string, name: string, value: Uint8Array, flags: number): void {
    this.#at(path, (node) => this.#filesystem.setxattr(node, fromText(name), value, flags, false));
  }

  listxattr(path: string): string[] {
    return this.#at(path, (node) => this.#filesystem.listxattr(node).map(toText));
  }

  removexattr(path: string, name: string): void {
    this.#at(path, (node) => this.#filesystem.removexattr(node, fromText(name)));
  }

  statfs(): StatFs {
    return this.#filesystem.statfs(ROOT_NODE);
  }

  /** Runs `body` with the node at `path`; ENOENT if there is none. */
  #at<T>(path: string, body: (node: NodeId) => T): T {
    return this.#walk(fromText(path).slice(1), body);
  }

  /** Runs `body` with the folder that holds the last name of `path`. */
  #in<T>(path: string, body: (parent: NodeId, name: ByteString) => T): T {
    const bytes = fromText(path).slice(1);
    if (bytes === '') throw new FsError(EINVAL, 'path');
    return this.#walk(dirname(bytes), (parent) => body(parent, basename(bytes)));
  }

  /** As `#in`, for a body that counts a lookup of what it made. */
  #make<T>(path: string, body: (parent: NodeId, name: ByteString, out: Entry) => T): T {
    const out = new Entry();
    const result = this.#in(path, (parent, name) => body(parent, name, out));
    this.#filesystem.forget(out.node, 1);
    return result;
  }

  #walk<T>(path: ByteString, body: (node: NodeId) => T): T {
    const entry = new Entry();
    const passed: NodeId[] = [];
    let node = ROOT_NODE;
    try {
      for (const name of path === '' ? [] : path.split('/')) {
        if (!this.#filesystem.lookup(node, name, entry)) throw new FsError(ENOENT, 'path');
        node = entry.node;
        passed.push(node);
      }
      return body(node);
    } finally {
      for (const passedNode of passed) this.#filesystem.forget(passedNode, 1);
    }
  }
}
