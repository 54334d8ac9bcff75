// Unpacking: the layers of an image become a chain of committed snapshots, each named by its chain ID, as
// containerd names them. A chain ID that exists is right already, because a snapshot gets that name only after
// its diff ID was verified; so images share their common layers, and two processes that unpack the same image
// get along: the second to commit finds the name taken and drops its own.

import { randomBytes } from 'node:crypto';
import type { Digest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import { applyTo } from './apply-layer.js';
import { about, assertGoesOn } from './failure.js';
import type { OnProgress, UnpackStore } from './images.js';
import { labelUnpacked } from './labels.js';
import { EXTRACT_PREFIX, ownLabel, removeLeftovers } from './leftovers.js';
import type { Layer, SelectedImage } from './select.js';

export interface UnpackOptions {
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** The label that remote snapshotters look for (containerd, `pkg/unpack`). */
const SNAPSHOT_REF = 'containerd.io/snapshot.ref';

/**
 * Unpacks an image whose blobs are in the store. Returns the chain ID of its top layer, the name of the snapshot
 * that shows the image; undefined for an image without layers. corrupt if a layer is not what its diff ID says,
 * canceled by the signal; the store is then as it was before.
 */
export async function unpackImage(
  store: UnpackStore,
  image: SelectedImage,
  what: string,
  options: UnpackOptions = {},
): Promise<Digest | undefined> {
  const run = new UnpackRun(store, options);
  try {
    await run.image(image, what);
    await labelUnpacked(store.content, image);
  } catch (error) {
    await run.undo();
    throw error;
  }
  return image.layers.at(-1)?.chainId;
}

/** Unpacks images and knows which snapshots it made, so that they can be taken back. */
export class UnpackRun {
  readonly #store: UnpackStore;
  readonly #options: UnpackOptions;
  /** Parents before children. */
  readonly #made: Digest[] = [];

  constructor(store: UnpackStore, options: UnpackOptions = {}) {
    this.#store = store;
    this.#options = options;
  }

  async image(image: SelectedImage, what: string): Promise<void> {
    await removeLeftovers(this.#store.snapshots);
    let parent: Digest | undefined;
    for (const layer of image.layers) {
      assertGoesOn(this.#options.signal, what);
      await this.#layer(layer, parent, what);
      parent = layer.chainId;
    }
  }

  /** Removes what was made, children first; a snapshot that something was built on in the meantime stays. */
  async undo(): Promise<void> {
    for (const name of this.#made.reverse()) {
      try {
        await this.#store.snapshots.remove(name);
      } catch (error) {
        if (!isKind(error, 'failed-precondition') && !isKind(error, 'not-found')) throw error;
      }
    }
    this.#made.length = 0;
  }

  async #layer(layer: Layer, parent: Digest | undefined, what: string): Promise<void> {
    const { snapshots } = this.#store;
    const { chainId, descriptor } = layer;
    if (await this.#exists(chainId)) {
      this.#options.onProgress?.({ phase: 'skip', id: descriptor.digest, done: 0 });
      return;
    }
    const key = `${EXTRACT_PREFIX}${process.hrtime.bigint()}-${randomBytes(3).toString('base64url')} ${chainId}`;
    const labels = { [SNAPSHOT_REF]: chainId };
    await snapshots.prepare(key, parent, { labels: { ...labels, ...ownLabel() } });
    try {
      await this.#apply(key, layer, what);
      assertGoesOn(this.#options.signal, what);
      await snapshots.commit(chainId, key, { labels });
      this.#made.push(chainId);
    } catch (error) {
      await snapshots.remove(key);
      if (!isKind(error, 'already-exists')) throw error;
    }
  }

  async #apply(key: string, layer: Layer, what: string): Promise<void> {
    const { descriptor, diffId } = layer;
    const { snapshots } = this.#store;
    const { form } = await snapshots.stat(key);
    const stack = await snapshots.stack(key);
    let actual: Digest;
    try {
      actual = await applyTo(stack, form, this.#bytes(layer, what), what);
    } catch (error) {
      throw about(`${what}: layer ${descriptor.digest}`, error);
    }
    if (actual !== diffId) {
      const why = `layer ${descriptor.digest} has the diff ID ${actual}, the config says ${diffId}`;
      throw new StoreError('corrupt', what, why);
    }
  }

  async *#bytes({ descriptor }: Layer, what: string): AsyncIterable<Uint8Array> {
    const { onProgress, signal } = this.#options;
    const blob = await this.#store.content.open(descriptor.digest);
    try {
      let done = 0;
      for await (const chunk of blob.stream()) {
        assertGoesOn(signal, what);
        yield chunk;
        done += chunk.length;
        onProgress?.({ phase: 'unpack', id: descriptor.digest, done, total: blob.size });
      }
    } finally {
      await blob.close();
    }
  }

  async #exists(name: Digest): Promise<boolean> {
    try {
      return (await this.#store.snapshots.stat(name)).kind === 'committed';
    } catch (error) {
      if (isKind(error, 'not-found')) return false;
      throw error;
    }
  }
}
