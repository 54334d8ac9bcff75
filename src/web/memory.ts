// The backend of the lab that needs no mount: `fs/union` over layers in this page's memory, the same code that serves
// real mounts. Layers share one space of file numbers, as folders of one disk do.

import {
  Attr,
  type ByteString,
  basename,
  dirname,
  ENOENT,
  Entry,
  EventStream,
  type Explanation,
  type Filesystem,
  FsError,
  fromText,
  isFolder,
  isSymlink,
  kindOf,
  type LayerEntry,
  MemLayer,
  type NodeId,
  O_APPEND,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  PERMISSION_BITS,
  ROOT_NODE,
  S_IFDIR,
  S_IFREG,
  SYSTEM_CALLER,
  toText,
  traced,
  Union,
  type UnionEvent,
} from '../../fs/memory.js';
import { type Contents, contentsOf } from './contents.js';
import { filler } from './filler.js';
import type { DiskEntry, FileSetup, MergedEntry } from './model.js';
import type { FileStat, Files } from './shell.js';
import type { Backend } from './world.js';

/** As the mounts of the program have it. */
const PARTS_FROM = 4 << 20;
const MOST_SHOWN = 400;

interface Running {
  readonly union: Union;
  readonly fs: Filesystem;
  upper: MemLayer;
}

export class MemoryBackend implements Backend {
  readonly engine = 'memory';
  #numbers = { last: 0 };
  #layers = new Map<string, MemLayer>();
  #running = new Map<string, Running>();
  #seen: UnionEvent[] = [];

  async reset(): Promise<void> {
    this.#numbers = { last: 0 };
    this.#layers = new Map();
    this.#running = new Map();
    this.#seen = [];
  }

  async makeLayer(name: string, files: Readonly<Record<string, FileSetup>>): Promise<void> {
    const layer = this.#newLayer(name);
    for (const [path, what] of Object.entries(files)) put(layer, fromText(path), what);
    this.#layers.set(name, layer);
  }

  async start(container: string, lowers: readonly string[]): Promise<void> {
    this.#open(container, lowers, this.#newLayer(container));
  }

  async end(container: string): Promise<void> {
    this.#running.delete(container);
    this.#layers.delete(container);
  }

  async restack(container: string, lowers: readonly string[]): Promise<void> {
    const { union, upper } = this.#container(container);
    union.settle();
    this.#open(container, lowers, upper);
  }

  async commit(container: string, name: string): Promise<void> {
    const running = this.#container(container);
    const old = running.upper;
    const fresh = this.#newLayer(container);
    running.union.switchUpper(fresh, [], () => {
      old.id = name;
    });
    running.upper = fresh;
    this.#layers.set(name, old);
    this.#layers.set(container, fresh);
    const event = { seq: 0, timeNs: Date.now() * 1e6, kind: 'commit' as const, path: '', layer: name };
    this.#seen.push(event);
  }

  async settle(container: string): Promise<void> {
    this.#container(container).union.settle();
  }

  async removeLayer(name: string): Promise<void> {
    this.#layers.delete(name);
  }

  files(container: string): Files {
    return new MemoryFiles(this.#container(container).fs);
  }

  async contents(name: string): Promise<Contents> {
    const layer = this.#layers.get(name);
    if (layer === undefined) throw new FsError(ENOENT, name);
    const contents = contentsOf(layer, {
      xattrs: (_dir, _name, entry) => spelled(entry),
      linkKey: (node) => layer.indexKey(node),
    });
    const entries = indexOf(layer);
    return entries.length === 0 ? contents : { ...contents, index: { path: `${name}-work/index`, entries } };
  }

  async merged(container: string): Promise<readonly Omit<MergedEntry, 'layer'>[]> {
    // Not through `fs`: what the picture asks for is no event.
    return treeOf(this.#container(container).union);
  }

  async explain(container: string, path: string): Promise<Explanation> {
    return this.#container(container).union.explain(fromText(path));
  }

  async events(): Promise<readonly UnionEvent[]> {
    return this.#seen.splice(0);
  }

  #open(container: string, lowers: readonly string[], upper: MemLayer): void {
    const events = new EventStream();
    events.requests = true;
    events.listen((event) => this.#seen.push(event));
    const layers = lowers.map((name) => this.#layers.get(name)!);
    const union = new Union({ lowers: layers, upper, events });
    this.#running.set(container, { union, fs: traced(union, events), upper });
    this.#layers.set(container, upper);
  }

  #newLayer(id: string): MemLayer {
    return new MemLayer({ id, device: 'disk', numbers: this.#numbers, partsFrom: PARTS_FROM });
  }

  #container(name: string): Running {
    const found = this.#running.get(name);
    if (found === undefined) throw new FsError(ENOENT, name);
    return found;
  }
}

function indexOf(layer: MemLayer): readonly DiskEntry[] {
  const entries: DiskEntry[] = [];
  layer.eachIndexed(({ mode, size, blocks, nlink, ino }, path) => {
    const permissions = mode & PERMISSION_BITS;
    const entry = { path, kind: kindOf(mode), mode: permissions, size, bytes: blocks * 512, nlink, ino };
    entries.push({ ...entry, xattrs: {} });
  });
  return entries;
}

/** Marks as overlayfs spells them on a disk, for root. */
function spelled({ opaque, redirect, metacopy, ranges, origin }: LayerEntry): Record<string, string> {
  return {
    ...(opaque && { 'trusted.overlay.opaque': 'y' }),
    ...(redirect !== undefined && { 'trusted.overlay.redirect': toText(redirect) }),
    ...(metacopy && { 'trusted.overlay.metacopy': '' }),
    ...(metacopy && ranges !== undefined && { 'trusted.overlay.mica.ranges': ranges.key }),
    ...(origin !== 0 && { 'trusted.overlay.origin': `file ${origin}` }),
  };
}

function put(layer: MemLayer, path: ByteString, what: FileSetup): void {
  const dir = dirname(path);
  const name = basename(path);
  makeFolders(layer, dir);
  if (what === null) layer.whiteout(dir, name);
  else if (typeof what === 'string') putFile(layer, dir, name, new TextEncoder().encode(what));
  else if ('size' in what) putFile(layer, dir, name, filler(what.size));
  else if ('symlink' in what) {
    layer.make(dir, name, { mode: 0o120777, uid: 0, gid: 0, target: fromText(what.symlink) });
  } else if ('link' in what) {
    const node = layer.hold(dirname(fromText(what.link)), basename(fromText(what.link)));
    layer.link(node, dir, name, false);
    node.release();
  } else {
    makeFolders(layer, path);
    if (what.opaque !== true) return;
    const node = layer.hold(dir, name);
    node.setOpaque(true);
    node.release();
  }
}

function makeFolders(layer: MemLayer, path: ByteString): void {
  if (path === '') return;
  const dir = dirname(path);
  makeFolders(layer, dir);
  let has = false;
  layer.list(dir, (name) => {
    has ||= name === basename(path);
  });
  if (!has) layer.make(dir, basename(path), { mode: S_IFDIR | 0o755, uid: 0, gid: 0 });
}

function putFile(layer: MemLayer, dir: ByteString, name: ByteString, data: Uint8Array): void {
  const file = layer.makeFile(dir, name, { mode: S_IFREG | 0o644, uid: 0, gid: 0 });
  file.write(0, data);
  file.close();
}

function treeOf(union: Union): Omit<MergedEntry, 'layer'>[] {
  const entries: Omit<MergedEntry, 'layer'>[] = [];
  const visit = (folder: NodeId, dir: ByteString): void => {
    for (const name of namesIn(union, folder)) {
      const entry = new Entry();
      if (entries.length >= MOST_SHOWN || !union.lookup(folder, name, entry)) continue;
      const path = dir === '' ? name : `${dir}/${name}`;
      const { mode, size, nlink } = entry.attr;
      entries.push({ path: toText(path), kind: kindOf(mode), mode: mode & PERMISSION_BITS, size, nlink });
      if (isFolder(mode)) visit(entry.node, path);
      union.forget(entry.node, 1);
    }
  };
  visit(ROOT_NODE, '');
  return entries;
}

function namesIn(fs: Filesystem, folder: NodeId): ByteString[] {
  const names: ByteString[] = [];
  const handle = fs.opendir(folder);
  fs.readdir(handle, 0, (name) => {
    if (name !== '.' && name !== '..') names.push(name);
    return true;
  });
  fs.releasedir(handle);
  return names.sort();
}

/** Paths on a Filesystem, as a kernel without a cache walks them. A symlink is never followed. */
class MemoryFiles implements Files {
  readonly #fs: Filesystem;

  constructor(fs: Filesystem) {
    this.#fs = fs;
  }

  async list(path: string): Promise<readonly { name: string; folder: boolean }[]> {
    return this.#at(path, (node) =>
      namesIn(this.#fs, node).map((name) => ({
        name: toText(name),
        folder: this.#at(path === '' ? toText(name) : `${path}/${toText(name)}`, (child) =>
          isFolder(this.#attr(child).mode),
        ),
      })),
    );
  }

  async read(path: string): Promise<string> {
    return this.#at(path, (node) => {
      if (isSymlink(this.#attr(node).mode)) return `-> ${toText(this.#fs.readlink(node))}\n`;
      const handle = this.#fs.open(node, O_RDONLY);
      try {
        const into = new Uint8Array(65536);
        return new TextDecoder().decode(into.subarray(0, this.#fs.read(handle, 0, into)));
      } finally {
        this.#fs.release(handle);
      }
    });
  }

  async stat(path: string): Promise<FileStat> {
    return this.#at(path, (node) => {
      const { mode, size, nlink, ino } = this.#attr(node);
      return { kind: kindOf(mode), mode: mode & PERMISSION_BITS, size, nlink, ino };
    });
  }

  async copy(from: string, to: string): Promise<void> {
    this.#at(from, (node) => {
      const source = this.#fs.open(node, O_RDONLY);
      try {
        this.#copyInto(source, to, this.#attr(node).mode & PERMISSION_BITS);
      } finally {
        this.#fs.release(source);
      }
    });
  }

  #copyInto(source: number, to: string, mode: number): void {
    const target = this.#openForWriting(to, O_RDWR | O_TRUNC, mode);
    try {
      const piece = new Uint8Array(65536);
      let at = 0;
      for (let count = this.#fs.read(source, 0, piece); count > 0; count = this.#fs.read(source, at, piece))
        at += this.#fs.write(target, at, piece.subarray(0, count), true);
    } finally {
      this.#fs.release(target);
    }
  }

  async write(path: string, text: string, how: 'replace' | 'append' | number): Promise<void> {
    const flags = O_RDWR | (how === 'replace' ? O_TRUNC : how === 'append' ? O_APPEND : 0);
    const handle = this.#openForWriting(path, flags);
    try {
      const data = new TextEncoder().encode(text);
      const from = typeof how === 'number' ? how : 0;
      for (let done = 0; done < data.length; )
        done += this.#fs.write(handle, from + done, data.subarray(done), true);
    } finally {
      this.#fs.release(handle);
    }
  }

  async truncate(path: string, size: number): Promise<void> {
    this.#at(path, (node) => this.#fs.setattr(node, { size }, SYSTEM_CALLER, new Attr()));
  }

  async touch(path: string): Promise<void> {
    const now = { atime: 'now', mtime: 'now' } as const;
    this.#at(path, (node) => this.#fs.setattr(node, now, SYSTEM_CALLER, new Attr()));
  }

  async chmod(path: string, mode: number): Promise<void> {
    this.#at(path, (node) => this.#fs.setattr(node, { mode }, SYSTEM_CALLER, new Attr()));
  }

  async mkdir(path: string): Promise<void> {
    this.#made(path, (dir, name, out) => this.#fs.mkdir(dir, name, 0o755, SYSTEM_CALLER, out));
  }

  async rename(from: string, to: string): Promise<void> {
    this.#in(from, (dir, name) =>
      this.#in(to, (newDir, newName) => this.#fs.rename(dir, name, newDir, newName, 0)),
    );
  }

  async link(from: string, to: string): Promise<void> {
    this.#at(from, (node) => this.#made(to, (dir, name, out) => this.#fs.link(node, dir, name, out)));
  }

  async symlink(target: string, path: string): Promise<void> {
    this.#made(path, (dir, name, out) => this.#fs.symlink(dir, name, fromText(target), SYSTEM_CALLER, out));
  }

  async readlink(path: string): Promise<string> {
    return this.#at(path, (node) => toText(this.#fs.readlink(node)));
  }

  async unlink(path: string): Promise<void> {
    this.#in(path, (dir, name) => this.#fs.unlink(dir, name));
  }

  async rmdir(path: string): Promise<void> {
    this.#in(path, (dir, name) => this.#fs.rmdir(dir, name));
  }

  #openForWriting(path: string, flags: number, mode = 0o644): number {
    const known = this.#find(path);
    if (known !== undefined) {
      try {
        return this.#fs.open(known, flags);
      } finally {
        this.#forget(known);
      }
    }
    return this.#in(path, (dir, name) => {
      const entry = new Entry();
      const handle = this.#fs.create(dir, name, mode, flags, SYSTEM_CALLER, entry);
      this.#fs.forget(entry.node, 1);
      return handle;
    });
  }

  #attr(node: NodeId): Attr {
    const attr = new Attr();
    this.#fs.getattr(node, attr);
    return attr;
  }

  #at<T>(path: string, act: (node: NodeId) => T): T {
    const node = this.#find(path);
    if (node === undefined) throw new FsError(ENOENT, path);
    try {
      return act(node);
    } finally {
      this.#forget(node);
    }
  }

  #in<T>(path: string, act: (dir: NodeId, name: ByteString) => T): T {
    const bytes = fromText(path);
    return this.#at(toText(dirname(bytes)), (dir) => act(dir, basename(bytes)));
  }

  #made(path: string, make: (dir: NodeId, name: ByteString, out: Entry) => void): void {
    const entry = new Entry();
    this.#in(path, (dir, name) => make(dir, name, entry));
    this.#fs.forget(entry.node, 1);
  }

  #find(path: string): NodeId | undefined {
    let node = ROOT_NODE;
    if (path === '') return node;
    const entry = new Entry();
    for (const name of path.split('/')) {
      const found = this.#fs.lookup(node, fromText(name), entry);
      this.#forget(node);
      if (!found) return undefined;
      node = entry.node;
    }
    return node;
  }

  #forget(node: NodeId): void {
    if (node !== ROOT_NODE) this.#fs.forget(node, 1);
  }
}
