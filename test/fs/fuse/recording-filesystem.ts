// A Filesystem that writes down what it is asked and answers what a test put into it.

import { ENOENT, FsError } from '../../../fs/errno.js';
import {
  Attr,
  type AttrChange,
  type Caller,
  type DirVisitor,
  type Entry,
  type Filesystem,
  type StatFs,
} from '../../../fs/filesystem.js';

function filledAttr(): Attr {
  const attr = new Attr();
  attr.ino = 0x1_0000_0002;
  attr.size = 5000;
  attr.blocks = 16;
  attr.mode = 0o100644;
  attr.nlink = 2;
  attr.uid = 1000;
  attr.gid = 100;
  attr.rdev = 0;
  attr.blksize = 4096;
  attr.atimeSec = 1;
  attr.atimeNsec = 2;
  attr.mtimeSec = -3;
  attr.mtimeNsec = 4;
  attr.ctimeSec = 0x1_0000_0005;
  attr.ctimeNsec = 6;
  attr.btimeSec = 7;
  attr.btimeNsec = 8;
  return attr;
}

export class RecordingFilesystem implements Filesystem {
  readOnly = false;
  readonly calls: string[] = [];
  /** Thrown by the next call. */
  failure: unknown = undefined;
  /** If set, it is the next call of this name that fails. */
  failing: string | undefined;
  names = new Map<string, number>([['file', 7]]);
  xattrs = new Map<string, Uint8Array>([['user.a', Uint8Array.of(1, 2, 3)]]);
  target = 'there';
  /** What every node has. */
  readonly attr = filledAttr();

  #did(...what: unknown[]): void {
    const words = what.map((word) =>
      word instanceof Uint8Array ? `<${Buffer.from(word).toString('latin1')}>` : JSON.stringify(word),
    );
    this.calls.push(words.join(' ').replaceAll('"', ''));
    if (this.failure !== undefined && (this.failing ?? what[0]) === what[0]) {
      const failure = this.failure;
      this.failure = undefined;
      throw failure;
    }
  }

  #fill(out: Entry, node: number): void {
    out.node = node;
    out.generation = 3;
    Object.assign(out.attr, this.attr);
  }

  lookup(parent: number, name: string, out: Entry): boolean {
    this.#did('lookup', parent, name);
    const node = this.names.get(name);
    if (node === undefined) return false;
    this.#fill(out, node);
    return true;
  }
  forget(node: number, count: number): void {
    this.#did('forget', node, count);
  }
  getattr(node: number, out: Attr): void {
    this.#did('getattr', node);
    Object.assign(out, this.attr);
  }
  setattr(node: number, change: AttrChange, caller: Caller, out: Attr, handle?: number): void {
    this.#did('setattr', node, change, caller.uid, handle ?? 'by-node');
    Object.assign(out, this.attr);
  }
  readlink(node: number): string {
    this.#did('readlink', node);
    return this.target;
  }
  mknod(parent: number, name: string, mode: number, rdev: number, caller: Caller, out: Entry): void {
    this.#did('mknod', parent, name, mode.toString(8), rdev, caller);
    this.#fill(out, 8);
  }
  mkdir(parent: number, name: string, mode: number, caller: Caller, out: Entry): void {
    this.#did('mkdir', parent, name, mode.toString(8), caller);
    this.#fill(out, 8);
  }
  symlink(parent: number, name: string, target: string, caller: Caller, out: Entry): void {
    this.#did('symlink', parent, name, target, caller.uid);
    this.#fill(out, 8);
  }
  link(node: number, newParent: number, newName: string, out: Entry): void {
    this.#did('link', node, newParent, newName);
    this.#fill(out, node);
  }
  unlink(parent: number, name: string): void {
    this.#did('unlink', parent, name);
  }
  rmdir(parent: number, name: string): void {
    this.#did('rmdir', parent, name);
  }
  rename(parent: number, name: string, newParent: number, newName: string, flags: number): readonly number[] {
    this.#did('rename', parent, name, newParent, newName, flags);
    return name === 'folder' ? [9] : [];
  }
  create(parent: number, name: string, mode: number, flags: number, caller: Caller, out: Entry): number {
    this.#did('create', parent, name, mode.toString(8), flags.toString(8), caller);
    this.#fill(out, 8);
    return 55;
  }
  tmpfile(parent: number, mode: number, flags: number, caller: Caller, out: Entry): number {
    this.#did('tmpfile', parent, mode.toString(8), flags.toString(8), caller);
    this.#fill(out, 8);
    return 56;
  }
  open(node: number, flags: number): number {
    this.#did('open', node, flags.toString(8));
    return 57;
  }
  /** What `backing` gives for a node. */
  readonly descriptors = new Map<number, number>();

  backing(node: number, atLeast: number): { fd: number; close(): void } | undefined {
    this.#did('backing', node, atLeast);
    const fd = this.descriptors.get(node);
    return fd === undefined ? undefined : { fd, close: () => this.#did('close', fd) };
  }
  read(handle: number, offset: number, into: Uint8Array): number {
    this.#did('read', handle, offset, into.length);
    return Buffer.from(into.buffer, into.byteOffset, into.length).write('data');
  }
  write(handle: number, offset: number, data: Uint8Array, killPrivileges: boolean): number {
    this.#did('write', handle, offset, data, killPrivileges);
    return data.length;
  }
  writeMapped(handle: number, offset: number, data: Uint8Array): number {
    this.#did('write mapped', handle, offset, data);
    return data.length;
  }
  lseek(handle: number, offset: number, whence: number): number {
    this.#did('lseek', handle, offset, whence);
    return 4096;
  }
  fallocate(handle: number, mode: number, offset: number, length: number): void {
    this.#did('fallocate', handle, mode, offset, length);
  }
  copyFileRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
    this.#did('copy', from, fromOffset, to, toOffset, length);
    return 77;
  }
  flush(handle: number): void {
    this.#did('flush', handle);
  }
  fsync(handle: number, dataOnly: boolean): void {
    this.#did('fsync', handle, dataOnly);
  }
  release(handle: number): void {
    this.#did('release', handle);
  }
  opendir(node: number): number {
    this.#did('opendir', node);
    return 58;
  }
  readdir(handle: number, from: number, visit: DirVisitor): void {
    this.#did('readdir', handle, from);
    let cookie = 0;
    for (const [name, node] of [['.', 1], ['..', 1], ...this.names] as [string, number][]) {
      if (++cookie > from && !visit(name, node, name.startsWith('.') ? 4 : 8, cookie)) return;
    }
  }
  readdirPlus(handle: number, from: number, out: Entry, visit: DirVisitor): void {
    this.#did('readdirplus', handle, from);
    let cookie = 0;
    for (const [name, node] of [['.', 0], ['..', 0], ...this.names] as [string, number][]) {
      this.#fill(out, node);
      if (++cookie > from && !visit(name, 0x1_0000_0002, node === 0 ? 4 : 8, cookie)) return;
    }
    if (this.names.has('broken')) throw new FsError(ENOENT, 'a name that breaks the listing');
  }
  fsyncdir(handle: number, dataOnly: boolean): void {
    this.#did('fsyncdir', handle, dataOnly);
  }
  releasedir(handle: number): void {
    this.#did('releasedir', handle);
  }
  getxattr(node: number, name: string): Uint8Array | undefined {
    this.#did('getxattr', node, name);
    return this.xattrs.get(name);
  }
  setxattr(node: number, name: string, value: Uint8Array, flags: number, clearSgid: boolean): void {
    this.#did('setxattr', node, name, value, flags, clearSgid);
  }
  listxattr(node: number): readonly string[] {
    this.#did('listxattr', node);
    return [...this.xattrs.keys()];
  }
  removexattr(node: number, name: string): void {
    this.#did('removexattr', node, name);
  }
  statfs(node: number): StatFs {
    this.#did('statfs', node);
    return { blocks: 9, bfree: 8, bavail: 7, files: 6, ffree: 5, bsize: 4096, frsize: 512, namelen: 255 };
  }
  sync(): void {
    this.#did('sync');
  }
  destroy(): void {
    this.#did('destroy');
  }
}
