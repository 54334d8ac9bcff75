// A union with an empty upper, in which a test works as a process would, and what becomes of the upper as a layer.

import { Entry, isFolder, O_EXCL, O_WRONLY, SYSTEM_CALLER, Union } from '../../../fs/index.js';
import { changesBetween } from '../../../src/diff/changes.js';
import { compare } from '../../../src/diff/compare.js';
import { writeLayerTar } from '../../../src/diff/layer-tar.js';
import { namesIn, nodeAt } from '../../../src/diff/tree-walk.js';
import type { Draft } from './tar-tools.js';
import { chainOf, memLayer, unionOf, unpackTar } from './trees.js';

export class Work {
  readonly lowers;
  readonly upper = memLayer('upper');
  readonly union: Union;
  readonly #out = new Entry();
  /** For calls that fill one. */
  readonly attr = this.#out.attr;

  private constructor(lowers: Awaited<ReturnType<typeof chainOf>>) {
    this.lowers = lowers;
    this.union = new Union({ lowers, upper: this.upper });
  }

  static async begin(...layers: readonly (readonly Draft[])[]): Promise<Work> {
    return new Work(await chainOf(...layers));
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

  below(): Union {
    return unionOf(this.lowers);
  }

  changes(): ReturnType<typeof changesBetween> {
    return changesBetween(this.below(), this.union, { layer: this.upper });
  }

  /** The list without folders whose time alone changed, as `op path`. */
  listed(): string[] {
    return this.changes()
      .filter(({ op, kind }) => op !== 'M' || kind !== 'folder')
      .map(({ op, path }) => `${op} ${path}`);
  }

  async tar(): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeLayerTar(this.union, this.changes())) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Unpacks the layer's tar over the same lowers and says in what the result differs. */
  async roundTrip(): Promise<string[]> {
    return this.differencesTo(await this.tar());
  }

  /** In what this tree differs from `tar` over the same lowers. */
  async differencesTo(tar: Uint8Array): Promise<string[]> {
    const again = memLayer('again');
    await unpackTar(tar, this.lowers, again);
    const differences = compare(this.union, unionOf([again, ...this.lowers]));
    // The root's time is in no layer.
    return [...differences]
      .filter(({ path, aspect }) => path !== '' || aspect !== 'mtime')
      .map(({ path, aspect, a, b }) => `${path} ${aspect} ${a} ${b}`);
  }
}
