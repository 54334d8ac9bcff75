// A filesystem as small as it can be said: the reference for the model test. It knows names, kinds, content,
// modes and hard links, and the order in which rename checks; it knows nothing of layers.

import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, FsError } from '../../../fs/errno.js';
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../../fs/filesystem.js';

interface ModelFile {
  readonly kind: 'file';
  content: string;
  mode: number;
  names: number;
  /** How often the content was changed, which is what the mtime tells. */
  touches: number;
}
interface ModelFolder {
  readonly kind: 'folder';
  readonly entries: Map<string, ModelNode>;
  mode: number;
  touches: number;
}
export type ModelNode = ModelFile | ModelFolder;

export class Model {
  readonly root: ModelFolder = { kind: 'folder', entries: new Map(), mode: 0o755, touches: 0 };

  mkdir(path: string): void {
    const { folder, name } = this.#place(path);
    if (folder.entries.has(name)) throw new FsError(EEXIST);
    folder.entries.set(name, { kind: 'folder', entries: new Map(), mode: 0o755, touches: 0 });
    folder.touches++;
  }

  /** As open with O_CREAT | O_TRUNC. */
  write(path: string, content: string): void {
    const { folder, name } = this.#place(path);
    const known = folder.entries.get(name);
    if (known?.kind === 'folder') throw new FsError(EISDIR);
    if (known !== undefined) {
      known.content = content;
      known.touches++;
      return;
    }
    folder.entries.set(name, { kind: 'file', content, mode: 0o644, names: 1, touches: 0 });
    folder.touches++;
  }

  append(path: string, content: string): void {
    const node = this.node(path);
    if (node.kind === 'folder') throw new FsError(EISDIR);
    node.content += content;
    if (content !== '') node.touches++;
  }

  chmod(path: string, mode: number): void {
    this.node(path).mode = mode;
  }

  link(old: string, path: string): void {
    const node = this.node(old);
    const { folder, name } = this.#place(path);
    if (node.kind === 'folder') throw new FsError(EPERM);
    if (folder.entries.has(name)) throw new FsError(EEXIST);
    folder.entries.set(name, node);
    folder.touches++;
    node.names++;
  }

  unlink(path: string): void {
    const { folder, name } = this.#place(path);
    const node = folder.entries.get(name);
    if (node === undefined) throw new FsError(ENOENT);
    if (node.kind === 'folder') throw new FsError(EISDIR);
    folder.entries.delete(name);
    folder.touches++;
    node.names--;
  }

  rmdir(path: string): void {
    const { folder, name } = this.#place(path);
    const node = folder.entries.get(name);
    if (node === undefined) throw new FsError(ENOENT);
    if (node.kind !== 'folder') throw new FsError(ENOTDIR);
    if (node.entries.size > 0) throw new FsError(ENOTEMPTY);
    folder.entries.delete(name);
    folder.touches++;
  }

  rename(from: string, to: string, flags: number): void {
    const source = this.#place(from);
    const target = this.#place(to);
    const node = source.folder.entries.get(source.name);
    if (node === undefined) throw new FsError(ENOENT);
    const old = target.folder.entries.get(target.name);
    if (old !== undefined && flags === RENAME_NOREPLACE) throw new FsError(EEXIST);
    if (old === undefined && flags === RENAME_EXCHANGE) throw new FsError(ENOENT);
    if (to.startsWith(`${from}/`)) throw new FsError(EINVAL);
    if (from.startsWith(`${to}/`)) throw new FsError(flags === RENAME_EXCHANGE ? EINVAL : ENOTEMPTY);
    if (old === node) return;
    if (old !== undefined && flags !== RENAME_EXCHANGE) assertReplaceable(node, old);
    source.folder.touches++;
    target.folder.touches++;
    if (flags === RENAME_EXCHANGE && old !== undefined) {
      source.folder.entries.set(source.name, old);
      target.folder.entries.set(target.name, node);
      return;
    }
    if (old?.kind === 'file') old.names--;
    source.folder.entries.delete(source.name);
    target.folder.entries.set(target.name, node);
  }

  /** One line an entry, as Paths.tree, with the count of names instead of the owner. */
  tree(folder = this.root, prefix = ''): string[] {
    return [...folder.entries.keys()].sort().flatMap((name) => {
      const node = folder.entries.get(name)!;
      const path = `${prefix}${name}`;
      if (node.kind === 'file') return [line(path, node.mode, node.names, node.content)];
      return [line(path, node.mode, linksOf(node)), ...this.tree(node, `${path}/`)];
    });
  }

  /** Every path and what it leads to. */
  *nodes(folder = this.root, prefix = ''): Generator<[path: string, node: ModelNode]> {
    for (const [name, node] of folder.entries) {
      yield [`${prefix}${name}`, node];
      if (node.kind === 'folder') yield* this.nodes(node, `${prefix}${name}/`);
    }
  }

  /** True if the folder that a path names an entry of exists; how a walk fails is not the filesystem's affair. */
  hasParent(path: string): boolean {
    let folder: ModelNode | undefined = this.root;
    for (const name of path.split('/').slice(0, -1)) {
      folder = folder.kind === 'folder' ? folder.entries.get(name) : undefined;
      if (folder === undefined) return false;
    }
    return folder.kind === 'folder';
  }

  find(path: string): ModelNode | undefined {
    const { folder, name } = this.#place(path);
    return folder.entries.get(name);
  }

  node(path: string): ModelNode {
    const { folder, name } = this.#place(path);
    const node = folder.entries.get(name);
    if (node === undefined) throw new FsError(ENOENT);
    return node;
  }

  #place(path: string): { folder: ModelFolder; name: string } {
    const names = path.split('/');
    let folder = this.root;
    for (const name of names.slice(0, -1)) {
      const next = folder.entries.get(name);
      if (next === undefined) throw new FsError(ENOENT);
      if (next.kind !== 'folder') throw new FsError(ENOTDIR);
      folder = next;
    }
    return { folder, name: names.at(-1)! };
  }
}

/** 2 and one for each subfolder. */
export function linksOf({ entries }: ModelFolder): number {
  let links = 2;
  for (const node of entries.values()) if (node.kind === 'folder') links++;
  return links;
}

export function line(path: string, mode: number, nlink: number, content?: string): string {
  const end = content === undefined ? '' : ` ${JSON.stringify(content)}`;
  return `${path} ${(mode & 0o7777).toString(8)} ${nlink}${end}`;
}

function assertReplaceable(node: ModelNode, old: ModelNode): void {
  if (node.kind === 'folder' && old.kind !== 'folder') throw new FsError(ENOTDIR);
  if (node.kind !== 'folder' && old.kind === 'folder') throw new FsError(EISDIR);
  if (old.kind === 'folder' && old.entries.size > 0) throw new FsError(ENOTEMPTY);
}
