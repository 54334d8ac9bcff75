// What the entries of a layer tar do to the tree, one after the other. Marks speak of the layers below only,
// wherever in the archive they stand (OCI image-spec, layer.md); everything the archive makes goes through
// node-level operations, so no symlink and no '..' leads out of the tree.

import {
  type ByteString,
  basename,
  dirname,
  EINVAL,
  ENAMETOOLONG,
  Entry,
  type Filesystem,
  FsError,
  type Handle,
  isFolder,
  makeDev,
  type NodeId,
  O_EXCL,
  O_WRONLY,
  ROOT_NODE,
  SYSTEM_CALLER,
  type Timestamp,
  toText,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { Borrowed } from './borrowed.js';
import { removeOtherXattrs, setAttributes, type Times, timesOf } from './entry-attributes.js';
import { type Folder, InsideResolver } from './inside-resolver.js';
import { cleanPath, meaningOf } from './layer-path.js';
import type { TarVisitor } from './layer-tar-reader.js';
import { formatOf, type TarEntry } from './tar-entry.js';
import { lookUp, namesIn, PathFinder } from './tree-walk.js';

/** A union over the chain below, with the layer that is being made as its upper. */
export interface ApplyTarget extends Filesystem {
  /** The layers below show nothing at a name any more: a whiteout, or an opaque mark if the upper has a folder there. */
  hideBelow(parent: NodeId, name: ByteString): void;
  /** The layers below show nothing in a folder any more. */
  makeOpaque(folder: NodeId): void;
  /** True if the node is in the upper. */
  isUpper(node: NodeId): boolean;
}

const DEFAULT_ACL = 'system.posix_acl_default';
const ID_MAX = 2 ** 32 - 1;
const EPOCH: Timestamp = { sec: 0, nsec: 0 };

export class Unpacking implements TarVisitor {
  readonly #target: ApplyTarget;
  readonly #resolver: InsideResolver;
  readonly #out = new Entry();
  /**
   * Times of folders, set last because everything made in a folder changes them: what the archive says, or what
   * they were where it says nothing.
   */
  readonly #folderTimes = new Map<ByteString, Times>();
  readonly #borrowed: Borrowed;
  /** The entry in hand and the file that is open for its data. */
  #entry: TarEntry | undefined;
  #file: { readonly node: NodeId; readonly handle: Handle } | undefined;
  #written = 0;
  /** The last answer of `#givesAcl`. */
  #lastAcl: { readonly path: ByteString; readonly found: boolean } | undefined;
  entries = 0;
  skippedXattrs = 0;

  constructor(target: ApplyTarget) {
    this.#target = target;
    this.#borrowed = new Borrowed(target);
    this.#resolver = new InsideResolver(target, (parent, name, out) => {
      this.#keepTimes(parent);
      this.#target.mkdir(parent.node, name, 0o755, SYSTEM_CALLER, out);
      this.#target.setattr(out.node, { mode: 0o755, uid: 0, gid: 0 }, SYSTEM_CALLER, out.attr);
      const path = parent.path === '' ? name : `${parent.path}/${name}`;
      this.#folderTimes.set(path, { atime: EPOCH, mtime: EPOCH });
    });
  }

  entry(entry: TarEntry): void {
    this.entries++;
    this.#entry = entry;
    this.#naming(entry, () => this.#begin(entry));
  }

  data(offset: number, bytes: Uint8Array): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#naming(this.#entry!, () => {
      for (let done = 0; done < bytes.length; ) {
        done += this.#target.write(file.handle, offset + done, bytes.subarray(done), false);
      }
    });
    this.#written = offset + bytes.length;
  }

  end(): void {
    const entry = this.#entry!;
    const file = this.#file;
    if (file === undefined) return;
    this.#naming(entry, () => {
      if (this.#written < entry.size) this.#setSize(file, entry.size);
      // While it is open: no name has to be looked up for it. `#out` has what it was made with, or has become since.
      this.#setAttributes(file.node, entry);
      this.#release();
      this.#target.forget(file.node, 1);
    });
  }

  /** Sets what had to wait for the last entry. */
  finish(): void {
    const { attr } = this.#out;
    const finder = new PathFinder(this.#target);
    try {
      for (const [path, { atime, mtime }] of this.#folderTimes) {
        const folder = finder.at(path);
        if (folder === undefined) continue;
        const now = folder.attr;
        const same = now.mtimeSec === mtime.sec && now.mtimeNsec === mtime.nsec;
        if (isFolder(now.mode) && !same) {
          this.#target.setattr(folder.node, { atime, mtime }, SYSTEM_CALLER, attr);
        }
        if (folder.node !== ROOT_NODE) this.#target.forget(folder.node, 1);
      }
    } finally {
      finder.close();
    }
  }

  /** Lets go of everything that is held; also after a failure. */
  close(): void {
    this.#release();
    this.#resolver.reset();
  }

  #release(): void {
    if (this.#file === undefined) return;
    this.#target.release(this.#file.handle);
    this.#file = undefined;
  }

  /** Runs one step of an entry; a refusal of the filesystem is told with the entry's name. */
  #naming(entry: TarEntry, step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      const unusable = error.errno === EINVAL || error.errno === ENAMETOOLONG;
      const what = `cannot unpack ${toText(entry.path)}`;
      throw new StoreError(unusable ? 'corrupt' : 'failed', what, error.message, { cause: error });
    }
  }

  #begin(entry: TarEntry): void {
    assertNumbers(entry);
    const path = cleanPath(entry.path);
    if (path === '') {
      if (entry.type !== 'folder') throw corrupt(entry, 'the root of a layer is a folder');
      this.#target.getattr(ROOT_NODE, this.#out.attr);
      this.#setFolder({ node: ROOT_NODE, path: '' }, entry);
      return;
    }
    const dir = dirname(path);
    const name = basename(path);
    const meaning = meaningOf(dir, name);
    if (meaning.kind === 'skip') return;
    const parent = this.#resolver.folder(dir, meaning.kind !== 'whiteout');
    if (parent === undefined) return;
    if (meaning.kind === 'whiteout') this.#hide(parent, meaning.hidden);
    else if (meaning.kind === 'opaque') this.#hideAll(parent);
    else this.#make(parent, name, entry);
  }

  #hide(parent: Folder, name: ByteString): void {
    this.#keepTimes(parent);
    const path = joined(parent, name);
    this.#borrowed.returnFiles(path);
    this.#target.hideBelow(parent.node, name);
    this.#borrowed.returnFolders(path);
  }

  #hideAll(folder: Folder): void {
    this.#keepTimes(folder);
    this.#borrowed.isOwn(folder.path);
    this.#borrowed.returnFiles(folder.path);
    this.#target.makeOpaque(folder.node);
    this.#borrowed.returnFolders(folder.path);
  }

  #make(parent: Folder, name: ByteString, entry: TarEntry): void {
    const target = this.#target;
    const out = this.#out;
    const path = joined(parent, name);
    const source = entry.type === 'link' ? this.#linkSource(entry, path) : undefined;
    // Folder over folder changes attributes only.
    if (target.lookup(parent.node, name, out)) {
      const { node } = out;
      const wasFolder = isFolder(out.attr.mode);
      const both = entry.type === 'folder' && wasFolder;
      if (both) this.#setFolder({ node, path }, entry);
      target.forget(node, 1);
      if (both || source?.node === node) {
        this.#borrowed.isOwn(path);
        if (source !== undefined) target.forget(source.node, 1);
        return;
      }
      this.#keepTimes(parent);
      this.#remove(parent, name, path);
      if (wasFolder) this.#dropTimes(path);
    } else this.#keepTimes(parent);
    if (source !== undefined) {
      target.link(source.node, parent.node, name, out);
      target.forget(out.node, 1);
      target.forget(source.node, 1);
      return;
    }
    this.#create(parent, name, path, entry);
  }

  #create(parent: Folder, name: ByteString, path: ByteString, entry: TarEntry): void {
    const target = this.#target;
    const out = this.#out;
    const caller = { uid: entry.uid, gid: entry.gid, pid: 0, umask: 0 };
    if (entry.type === 'file') {
      const handle = target.create(parent.node, name, entry.mode & 0o777, O_WRONLY | O_EXCL, caller, out);
      this.#file = { node: out.node, handle };
      this.#written = 0;
      this.#dropAcl(parent, out, entry);
      return;
    }
    if (entry.type === 'folder') {
      target.mkdir(parent.node, name, entry.mode & 0o1777, caller, out);
      this.#folderTimes.set(path, timesOf(entry));
      if (this.#lastAcl?.path === path) this.#lastAcl = undefined;
    } else if (entry.type === 'symlink') {
      target.symlink(parent.node, name, entry.linkname, caller, out);
    } else {
      const rdev = makeDev(entry.devmajor, entry.devminor);
      target.mknod(parent.node, name, formatOf(entry.type) | (entry.mode & 0o777), rdev, caller, out);
    }
    this.#dropAcl(parent, out, entry);
    this.#setAttributes(out.node, entry);
    target.forget(out.node, 1);
  }

  /** What a hard link links to; counts one lookup. It may lie in a layer below. */
  #linkSource(entry: TarEntry, path: ByteString): Entry {
    const target = this.#target;
    const linked = cleanPath(entry.linkname);
    const resolver = new InsideResolver(target, () => {
      throw corrupt(entry, `it links to ${JSON.stringify(toText(linked))}, which is not there`);
    });
    try {
      const folder = resolver.folder(dirname(linked), true)!;
      const found = lookUp(target, folder.node, basename(linked));
      if (found === undefined)
        throw corrupt(entry, `it links to ${JSON.stringify(toText(linked))}, which is not there`);
      if (isFolder(found.attr.mode)) {
        target.forget(found.node, 1);
        throw corrupt(entry, `it links to ${JSON.stringify(toText(linked))}, which is a folder`);
      }
      const at = joined(folder, basename(linked));
      if (at !== path) {
        this.#keepTimes(folder);
        this.#borrowed.note(at, found.node);
      }
      return found;
    } finally {
      resolver.reset();
    }
  }

  /** Removes whatever is at a name, so that the upper shows nothing there and the layers below neither. */
  #remove(parent: Folder, name: ByteString, path: ByteString): void {
    const target = this.#target;
    this.#borrowed.returnFiles(path);
    target.hideBelow(parent.node, name);
    this.#removeTree(parent.node, name);
  }

  /** Forgets the times of folders that are gone. */
  #dropTimes(path: ByteString): void {
    for (const folder of this.#folderTimes.keys()) {
      if (folder === path || folder.startsWith(`${path}/`)) this.#folderTimes.delete(folder);
    }
  }

  #removeTree(parent: NodeId, name: ByteString): void {
    const target = this.#target;
    const found = lookUp(target, parent, name);
    if (found === undefined) return;
    try {
      if (!isFolder(found.attr.mode)) {
        target.unlink(parent, name);
        return;
      }
      for (const below of namesIn(target, found.node)) this.#removeTree(found.node, below);
      target.rmdir(parent, name);
    } finally {
      target.forget(found.node, 1);
    }
  }

  #setSize({ node, handle }: { node: NodeId; handle: Handle }, size: number): void {
    this.#target.setattr(node, { size }, SYSTEM_CALLER, this.#out.attr, handle);
  }

  /** The attributes of a folder now, its times at the end. The attr of `#out` must be the folder's. */
  #setFolder(folder: Folder, entry: TarEntry): void {
    this.#folderTimes.set(folder.path, timesOf(entry));
    // The attributes of an existing folder are replaced as a whole (layer.md, "Applying Changesets").
    removeOtherXattrs(this.#target, folder.node, entry);
    this.#setAttributes(folder.node, entry);
    this.#lastAcl = undefined;
  }

  /** A new object has no xattrs but those that its folder's default ACL gave it. */
  #dropAcl(parent: Folder, { node, attr }: Entry, entry: TarEntry): void {
    if (!this.#givesAcl(parent)) return;
    removeOtherXattrs(this.#target, node, entry);
    this.#target.getattr(node, attr);
  }

  /** True if the folder has a default ACL, which new files in it would get without being told so by the archive. */
  #givesAcl({ node, path }: Folder): boolean {
    if (this.#lastAcl?.path !== path) {
      this.#lastAcl = { path, found: this.#target.getxattr(node, DEFAULT_ACL) !== undefined };
    }
    return this.#lastAcl.found;
  }

  #setAttributes(node: NodeId, entry: TarEntry): void {
    this.skippedXattrs += setAttributes(this.#target, node, this.#out.attr, entry);
  }

  /** Remembers the times of a folder in which something is about to change, unless that is known already. */
  #keepTimes({ node, path }: Folder): void {
    if (this.#folderTimes.has(path)) return;
    const { attr } = this.#out;
    this.#target.getattr(node, attr);
    this.#folderTimes.set(path, {
      atime: { sec: attr.atimeSec, nsec: attr.atimeNsec },
      mtime: { sec: attr.mtimeSec, nsec: attr.mtimeNsec },
    });
  }
}

/** Refuses numbers that the kernel would cut off or take for something else. */
function assertNumbers(entry: TarEntry): void {
  // 2^32 - 1 tells chown(2) to leave an owner as it is.
  if (entry.uid >= ID_MAX || entry.gid >= ID_MAX)
    throw corrupt(entry, 'an owner has a number beyond 32 bits');
  if (entry.type !== 'char' && entry.type !== 'block') return;
  const { devmajor, devminor } = entry;
  if (devmajor > 0xfff || devminor > 0xfffff) throw corrupt(entry, 'a device has a number beyond 32 bits');
  if (entry.type === 'char' && devmajor === 0 && devminor === 0) {
    throw corrupt(entry, 'a device 0:0 is a mark of overlayfs, and no layer holds one');
  }
}

function joined(folder: Folder, name: ByteString): ByteString {
  return folder.path === '' ? name : `${folder.path}/${name}`;
}

function corrupt(entry: TarEntry, why: string): StoreError {
  return new StoreError('corrupt', `cannot unpack ${toText(entry.path)}`, why);
}
