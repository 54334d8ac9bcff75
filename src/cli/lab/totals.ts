// What the layers of a live mount take of the disk as a whole, and what a copy of all that it shows would: the picture may be
// of one folder, sums are not. A lower is counted once, the upper again when it has changed, and beside whatever else is
// done: a large tree is walked in pieces, and what costs much is not done often.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { setImmediate as others } from 'node:timers/promises';
import { FsError, isRegular, openStack, type StackDescription, Union, walk } from '../../../fs/index.js';
import { measuring } from '../../mounts/usage.js';
import { withoutUpper } from '../reading.js';

/** So many times as long as counting took nobody counts again. */
const REST = 10;
const REST_MS = 400;
/** How many files are looked at before others go first. */
const PIECE = 400;
const BLOCK = 4096;

export class Totals {
  /** By the folders of layers. */
  readonly #bytes = new Map<string, number>();
  #copyBytes: number | undefined;
  #isOutdated = true;
  #restUntil = 0;
  #counting: Promise<void> | undefined;
  /** Another number after each count. */
  version = 0;

  /** What the layer in this folder takes, without the folder itself; undefined if nobody has counted yet. */
  ofLayer(path: string): number | undefined {
    return this.#bytes.get(path);
  }

  /** What the files of a whole copy would take; undefined if nobody has counted yet, or could. */
  get copyBytes(): number | undefined {
    return this.#copyBytes;
  }

  /** The upper may have changed. */
  outdate(): void {
    this.#isOutdated = true;
  }

  /** Whether `count` would do anything now. */
  get isDue(): boolean {
    return this.#isOutdated && this.#counting === undefined && performance.now() >= this.#restUntil;
  }

  /** Counts what is not known, or no longer true. */
  count(stack: StackDescription): Promise<void> {
    this.#counting ??= this.#count(stack).finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  async #count(stack: StackDescription): Promise<void> {
    const begin = performance.now();
    this.#isOutdated = false;
    for (const { path } of stack.lowers) {
      if (!this.#bytes.has(path)) await this.#measure(path);
    }
    if (stack.upper !== undefined) await this.#measure(stack.upper.path);
    this.#copyBytes = await copyBytesOf(stack);
    this.version++;
    const end = performance.now();
    this.#restUntil = end + Math.max(REST_MS, REST * (end - begin));
  }

  /** What cannot be read is not known. */
  async #measure(path: string): Promise<void> {
    try {
      const fd = openSync(path, 'r');
      try {
        const steps = measuring(fd);
        let step = steps.next();
        for (; step.done !== true; step = steps.next()) await others();
        this.#bytes.set(path, step.value.size - fstatSync(fd).blocks * 512);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      if (!(error instanceof FsError) && typeof (error as NodeJS.ErrnoException).code !== 'string')
        throw error;
    }
  }
}

/** Files that the union shows, in whole blocks, those with several names once. undefined if it changed under the walk. */
async function copyBytesOf(stack: StackDescription): Promise<number | undefined> {
  const { chains: _, ...plain } = withoutUpper(stack);
  const union = new Union(openStack(plain));
  const seen = new Set<number>();
  let bytes = 0;
  let count = 0;
  try {
    for (const { attr } of walk(union, '', { skipped: true })) {
      const { ino, mode, nlink, size } = attr;
      if (isRegular(mode) && !(nlink > 1 && seen.has(ino))) bytes += Math.ceil(size / BLOCK) * BLOCK;
      if (nlink > 1) seen.add(ino);
      if (++count % PIECE === 0) await others();
    }
    return bytes;
  } catch (error) {
    if (error instanceof FsError) return undefined;
    throw error;
  } finally {
    union.destroy();
  }
}
