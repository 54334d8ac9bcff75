// A filesystem with other owners: attributes, ACLs and capabilities go out as the mount shows them, callers, new
// owners and ACLs come in as the layers store them. It stands between the protocol and the union, so that the
// kernel checks permissions against the owners that are shown, while everything below, and on disk, keeps the
// true ones. Only mounts with a map have one.

import {
  type Attr,
  type AttrChange,
  type Backing,
  type Caller,
  type DirVisitor,
  type Entry,
  type Filesystem,
  type Handle,
  type NodeId,
  type StatFs,
  SYSTEM_CALLER,
} from '../filesystem.js';
import type { ByteString } from '../name.js';
import { ACL_ACCESS, ACL_DEFAULT } from '../union/acl.js';
import { CAPABILITY } from '../union/xattr-names.js';
import { type IdMap, OVERFLOW_ID } from './id-map.js';
import { shownAcl, shownCapability, stored, storedAcl, storedCapability } from './xattr-ids.js';

/** `filesystem` with its owners translated; itself where both maps change nothing. */
export function withOwners(filesystem: Filesystem, uids: IdMap, gids: IdMap): Filesystem {
  return uids.isIdentity && gids.isIdentity ? filesystem : new TranslatedFilesystem(filesystem, uids, gids);
}

class TranslatedFilesystem implements Filesystem {
  readonly #inner: Filesystem;
  readonly #uids: IdMap;
  readonly #gids: IdMap;
  /** Filled anew for each operation, as the one that it comes from. */
  readonly #caller = {
    uid: 0,
    gid: 0,
    pid: 0,
    umask: 0,
    isMember: (gid: number) => this.#asks.isMember?.(this.#gids.shown(gid)) === true,
  };
  /** Whom `#caller` translates. */
  #asks: Caller = SYSTEM_CALLER;

  constructor(inner: Filesystem, uids: IdMap, gids: IdMap) {
    this.#inner = inner;
    this.#uids = uids;
    this.#gids = gids;
  }

  get readOnly(): boolean {
    return this.#inner.readOnly;
  }

  #show(attr: Attr): void {
    attr.uid = this.#uids.shown(attr.uid);
    attr.gid = this.#gids.shown(attr.gid);
  }

  /** A caller whom the map does not reach makes files of nobody, as one that a user namespace does not map looks. */
  #callerOf(asks: Caller): Caller {
    const { uid, gid, pid, umask } = asks;
    this.#asks = asks;
    this.#caller.uid = this.#uids.stored(uid) ?? OVERFLOW_ID;
    this.#caller.gid = this.#gids.stored(gid) ?? OVERFLOW_ID;
    this.#caller.pid = pid;
    this.#caller.umask = umask;
    return this.#caller;
  }

  lookup(parent: NodeId, name: ByteString, out: Entry): boolean {
    const found = this.#inner.lookup(parent, name, out);
    if (found) this.#show(out.attr);
    return found;
  }

  forget(node: NodeId, count: number): void {
    this.#inner.forget(node, count);
  }

  getattr(node: NodeId, out: Attr): void {
    this.#inner.getattr(node, out);
    this.#show(out);
  }

  /** EINVAL for a new owner whom the map does not reach. */
  setattr(node: NodeId, change: AttrChange, caller: Caller, out: Attr, handle?: Handle): void {
    const { uid, gid } = change;
    const owned =
      uid === undefined && gid === undefined
        ? change
        : {
            ...change,
            ...(uid === undefined ? {} : { uid: stored(this.#uids, uid) }),
            ...(gid === undefined ? {} : { gid: stored(this.#gids, gid) }),
          };
    this.#inner.setattr(node, owned, this.#callerOf(caller), out, handle);
    this.#show(out);
  }

  readlink(node: NodeId): ByteString {
    return this.#inner.readlink(node);
  }

  mknod(parent: NodeId, name: ByteString, mode: number, rdev: number, caller: Caller, out: Entry): void {
    this.#inner.mknod(parent, name, mode, rdev, this.#callerOf(caller), out);
    this.#show(out.attr);
  }

  mkdir(parent: NodeId, name: ByteString, mode: number, caller: Caller, out: Entry): void {
    this.#inner.mkdir(parent, name, mode, this.#callerOf(caller), out);
    this.#show(out.attr);
  }

  symlink(parent: NodeId, name: ByteString, target: ByteString, caller: Caller, out: Entry): void {
    this.#inner.symlink(parent, name, target, this.#callerOf(caller), out);
    this.#show(out.attr);
  }

  link(node: NodeId, newParent: NodeId, newName: ByteString, out: Entry): void {
    this.#inner.link(node, newParent, newName, out);
    this.#show(out.attr);
  }

  unlink(parent: NodeId, name: ByteString): void {
    this.#inner.unlink(parent, name);
  }

  rmdir(parent: NodeId, name: ByteString): void {
    this.#inner.rmdir(parent, name);
  }

  rename(
    parent: NodeId,
    name: ByteString,
    newParent: NodeId,
    newName: ByteString,
    flags: number,
  ): readonly NodeId[] {
    return this.#inner.rename(parent, name, newParent, newName, flags);
  }

  create(parent: NodeId, name: ByteString, mode: number, flags: number, caller: Caller, out: Entry): Handle {
    const handle = this.#inner.create(parent, name, mode, flags, this.#callerOf(caller), out);
    this.#show(out.attr);
    return handle;
  }

  tmpfile(parent: NodeId, mode: number, flags: number, caller: Caller, out: Entry): Handle {
    const handle = this.#inner.tmpfile(parent, mode, flags, this.#callerOf(caller), out);
    this.#show(out.attr);
    return handle;
  }

  open(node: NodeId, flags: number): Handle {
    return this.#inner.open(node, flags);
  }

  backing(node: NodeId, atLeast: number): Backing | undefined {
    return this.#inner.backing(node, atLeast);
  }

  read(handle: Handle, offset: number, into: Uint8Array): number {
    return this.#inner.read(handle, offset, into);
  }

  write(handle: Handle, offset: number, data: Uint8Array, killPrivileges: boolean): number {
    return this.#inner.write(handle, offset, data, killPrivileges);
  }

  writeMapped(handle: Handle, offset: number, data: Uint8Array): number {
    return this.#inner.writeMapped(handle, offset, data);
  }

  lseek(handle: Handle, offset: number, whence: number): number {
    return this.#inner.lseek(handle, offset, whence);
  }

  fallocate(handle: Handle, mode: number, offset: number, length: number): void {
    this.#inner.fallocate(handle, mode, offset, length);
  }

  copyFileRange(from: Handle, fromOffset: number, to: Handle, toOffset: number, length: number): number {
    return this.#inner.copyFileRange(from, fromOffset, to, toOffset, length);
  }

  flush(handle: Handle): void {
    this.#inner.flush(handle);
  }

  fsync(handle: Handle, dataOnly: boolean): void {
    this.#inner.fsync(handle, dataOnly);
  }

  release(handle: Handle): void {
    this.#inner.release(handle);
  }

  opendir(node: NodeId): Handle {
    return this.#inner.opendir(node);
  }

  readdir(handle: Handle, from: number, visit: DirVisitor): void {
    this.#inner.readdir(handle, from, visit);
  }

  readdirPlus(handle: Handle, from: number, out: Entry, visit: DirVisitor): void {
    this.#inner.readdirPlus(handle, from, out, (name, ino, type, next) => {
      this.#show(out.attr);
      return visit(name, ino, type, next);
    });
  }

  fsyncdir(handle: Handle, dataOnly: boolean): void {
    this.#inner.fsyncdir(handle, dataOnly);
  }

  releasedir(handle: Handle): void {
    this.#inner.releasedir(handle);
  }

  getxattr(node: NodeId, name: ByteString): Uint8Array | undefined {
    const value = this.#inner.getxattr(node, name);
    if (value === undefined) return undefined;
    if (name === ACL_ACCESS || name === ACL_DEFAULT) return shownAcl(value, this.#uids, this.#gids);
    return name === CAPABILITY ? shownCapability(value, this.#uids) : value;
  }

  /** EINVAL for an ACL or a capability that speaks of an owner whom the map does not reach. */
  setxattr(node: NodeId, name: ByteString, value: Uint8Array, flags: number, clearSgid: boolean): void {
    this.#inner.setxattr(node, name, this.#storedXattr(name, value), flags, clearSgid);
  }

  #storedXattr(name: ByteString, value: Uint8Array): Uint8Array {
    if (name === ACL_ACCESS || name === ACL_DEFAULT) return storedAcl(value, this.#uids, this.#gids);
    return name === CAPABILITY ? storedCapability(value, this.#uids) : value;
  }

  listxattr(node: NodeId): readonly ByteString[] {
    return this.#inner.listxattr(node);
  }

  removexattr(node: NodeId, name: ByteString): void {
    this.#inner.removexattr(node, name);
  }

  statfs(node: NodeId): StatFs {
    return this.#inner.statfs(node);
  }

  sync(): void {
    this.#inner.sync();
  }

  destroy(): void {
    this.#inner.destroy();
  }
}
