// A layer applied where the upper already holds the whole tree (snapshots of the form `full`): there is nothing
// below to hide, so a mark of the layer deletes what the parent's copy brought, and leaves alone what the layer
// itself has made, wherever in the archive the mark stands (OCI image-spec, layer.md, "Whiteouts").

import {
  Attr,
  type AttrChange,
  type ByteString,
  type Caller,
  type Entry,
  type Handle,
  isFolder,
  type NodeId,
  Union,
} from '../../fs/index.js';
import { lookUp, namesIn } from '../diff/tree-walk.js';

export class WholeTree extends Union {
  /** Names that the layer made, as the file number of the folder and the name in it. */
  readonly #made = new Set<string>();
  /** File numbers of folders of the parent that the layer has an entry for. */
  readonly #taken = new Set<number>();
  readonly #attr = new Attr();

  /** Nothing is copied up for its name's sake: every name stands for itself. */
  override isUpper(): boolean {
    return true;
  }

  override hideBelow(parent: NodeId, name: ByteString): void {
    const entry = lookUp(this, parent, name);
    if (entry === undefined) return;
    const folder = isFolder(entry.attr.mode);
    const own = this.#made.has(this.#key(parent, name)) || (folder && this.#taken.has(entry.attr.ino));
    if (folder) this.makeOpaque(entry.node);
    const empty = folder && namesIn(this, entry.node).length === 0;
    this.forget(entry.node, 1);
    if (own) return;
    if (!folder) this.unlink(parent, name);
    else if (empty) this.rmdir(parent, name);
  }

  override makeOpaque(folder: NodeId): void {
    for (const name of namesIn(this, folder)) this.hideBelow(folder, name);
  }

  override create(
    parent: NodeId,
    name: ByteString,
    mode: number,
    flags: number,
    caller: Caller,
    out: Entry,
  ): Handle {
    const handle = super.create(parent, name, mode, flags, caller, out);
    this.#made.add(this.#key(parent, name));
    return handle;
  }

  override mknod(
    parent: NodeId,
    name: ByteString,
    mode: number,
    rdev: number,
    caller: Caller,
    out: Entry,
  ): void {
    super.mknod(parent, name, mode, rdev, caller, out);
    this.#made.add(this.#key(parent, name));
  }

  override mkdir(parent: NodeId, name: ByteString, mode: number, caller: Caller, out: Entry): void {
    super.mkdir(parent, name, mode, caller, out);
    this.#made.add(this.#key(parent, name));
  }

  override symlink(parent: NodeId, name: ByteString, target: ByteString, caller: Caller, out: Entry): void {
    super.symlink(parent, name, target, caller, out);
    this.#made.add(this.#key(parent, name));
  }

  override link(node: NodeId, newParent: NodeId, newName: ByteString, out: Entry): void {
    super.link(node, newParent, newName, out);
    this.#made.add(this.#key(newParent, newName));
  }

  override setattr(node: NodeId, change: AttrChange, caller: Caller, out: Attr, handle?: Handle): void {
    super.setattr(node, change, caller, out, handle);
    if (isFolder(out.mode)) this.#taken.add(out.ino);
  }

  #key(parent: NodeId, name: ByteString): string {
    this.getattr(parent, this.#attr);
    return `${this.#attr.ino}/${name}`;
  }
}
