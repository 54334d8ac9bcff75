// A union with an empty upper, in which a test works as a process would, and what becomes of the upper as a layer.

import { Union } from '../../../fs/index.js';
import { changesBetween } from '../../../src/diff/changes.js';
import { compare } from '../../../src/diff/compare.js';
import { type LayerTarOptions, writeLayerTar } from '../../../src/diff/layer-tar.js';
import { Hands } from './hands.js';
import type { Draft } from './tar-tools.js';
import { chainOf, memLayer, unionOf, unpackTar } from './trees.js';

type Layers = Awaited<ReturnType<typeof chainOf>>;

export class Work extends Hands {
  readonly lowers: Layers;
  readonly upper;

  private constructor(lowers: Layers) {
    const upper = memLayer('upper');
    super(new Union({ lowers, upper }));
    this.lowers = lowers;
    this.upper = upper;
  }

  static async begin(...layers: readonly (readonly Draft[])[]): Promise<Work> {
    return new Work(await chainOf(...layers));
  }

  /** Over layers that are there already, topmost first. */
  static async on(lowers: Layers): Promise<Work> {
    return new Work(lowers);
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

  async tar(options: LayerTarOptions = {}): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeLayerTar(this.union, this.changes(), options)) chunks.push(chunk);
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
