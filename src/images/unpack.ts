// Unpacking: the layers of an image become a chain of committed snapshots, each named by its chain ID, as
// containerd names them. A chain ID that exists is right already, because a snapshot gets that name only after
// its diff ID was verified; so images share their common layers, and two processes that unpack the same image
// get along: the second to commit finds the name taken and drops its own. Layers are read ahead, several at a time,
// while they are applied one after the other.

import { randomBytes } from 'node:crypto';
import { Ahead } from '../diff/ahead.js';
import type { Bytes } from '../diff/compression.js';
import type { Digest } from '../digest.js';
import { isKind, StoreError } from '../errors.js';
import { applyTo } from './apply-layer.js';
import { atWork, type WorkLease } from './at-work.js';
import { about, assertGoesOn } from './failure.js';
import type { OnProgress, UnpackStore } from './images.js';
import { stored } from './ingest.js';
import { labelUnpacked } from './labels.js';
import { EXTRACT_PREFIX, ownLabel, removeLeftovers } from './leftovers.js';
import type { Layer, SelectedImage } from './select.js';
import { blobsOf } from './stored.js';

export interface UnpackOptions {
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** Where the bytes of layers come from. */
export interface LayerSource {
  /** The layer as it is stored: what is read may be compressed. */
  read(layer: Layer): Bytes;
  /** Called instead of `read` for a layer that is unpacked already. */
  skip(layer: Layer): Promise<void>;
}

/** Layers that are read at a time: the one that is being applied, and those that follow it. */
const AT_A_TIME = 3;

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
  await atWork(store.leases, async (lease) => {
    const run = new UnpackRun(store, lease, options);
    try {
      await run.image(image, what);
      await labelUnpacked(store.content, image);
    } catch (error) {
      await run.undo();
      throw error;
    }
  });
  return image.layers.at(-1)?.chainId;
}

/** Unpacks images and knows which snapshots it made, so that they can be taken back. */
export class UnpackRun {
  readonly #store: UnpackStore;
  readonly #lease: WorkLease;
  readonly #options: UnpackOptions;
  /** In every key of this run. */
  readonly #nonce = `${process.hrtime.bigint()}-${randomBytes(3).toString('base64url')}`;
  readonly #held = new Set<SelectedImage>();
  /** Parents before children. */
  readonly #made: Digest[] = [];

  constructor(store: UnpackStore, lease: WorkLease, options: UnpackOptions = {}) {
    this.#store = store;
    this.#lease = lease;
    this.#options = options;
  }

  /** Keeps the parts of an image, and the snapshots that it is unpacked to, from being collected. Before any is looked for. */
  async hold(image: SelectedImage): Promise<void> {
    if (this.#held.has(image)) return;
    this.#held.add(image);
    const chain = image.layers.map(({ chainId }) => chainId);
    const keys = chain.map((chainId) => this.#keyOf(chainId));
    await this.#lease.hold({ blobs: blobsOf(image), snapshots: [...chain, ...keys] });
  }

  /** `source`: the content store, unless given. Whatever it was asked for has come to its end when this returns. */
  async image(image: SelectedImage, what: string, source: LayerSource = this.#stored): Promise<void> {
    await this.hold(image);
    await removeLeftovers(this.#store.snapshots);
    const { layers } = image;
    const reading = new Map<Layer, Ahead>();
    let next = 0;
    try {
      let parent: Digest | undefined;
      for (const [at, layer] of layers.entries()) {
        assertGoesOn(this.#options.signal, what);
        const exists = await this.#exists(layer.chainId);
        next = Math.max(next, exists ? at + 1 : at);
        for (; !exists && next < Math.min(at + AT_A_TIME, layers.length); next++) {
          reading.set(layers[next]!, new Ahead(source.read(layers[next]!)));
        }
        const bytes = reading.get(layer);
        if (exists) {
          this.#options.onProgress?.({ phase: 'skip', id: layer.descriptor.digest, done: 0 });
          // Another process may have made it just now.
          await (bytes === undefined ? source.skip(layer) : bytes.drain());
        } else await this.#layer(layer, parent, what, bytes!);
        parent = layer.chainId;
      }
    } finally {
      for (const ahead of reading.values()) await ahead.stop();
    }
  }

  /** Removes what was made, children first; one that something was built on in the meantime, or that others count on, stays. */
  async undo(): Promise<void> {
    for (const name of this.#made.reverse()) {
      try {
        await this.#store.snapshots.remove(name, this.#lease.id);
      } catch (error) {
        if (!isKind(error, 'failed-precondition') && !isKind(error, 'not-found')) throw error;
      }
    }
    this.#made.length = 0;
  }

  async #layer(layer: Layer, parent: Digest | undefined, what: string, bytes: Ahead): Promise<void> {
    const { snapshots } = this.#store;
    const { chainId } = layer;
    const key = this.#keyOf(chainId);
    const labels = { [SNAPSHOT_REF]: chainId };
    await snapshots.prepare(key, parent, { labels: { ...labels, ...ownLabel() } });
    try {
      await this.#apply(key, layer, what, bytes);
      assertGoesOn(this.#options.signal, what);
      await snapshots.commit(chainId, key, { labels });
      this.#made.push(chainId);
    } catch (error) {
      await snapshots.remove(key);
      if (!isKind(error, 'already-exists')) throw error;
    }
  }

  async #apply(key: string, layer: Layer, what: string, bytes: Ahead): Promise<void> {
    const { descriptor, diffId } = layer;
    const { snapshots } = this.#store;
    const { form } = await snapshots.stat(key);
    const stack = await snapshots.stack(key);
    let actual: Digest;
    try {
      ({ diffId: actual } = await applyTo(stack, form, this.#watched(layer, what, bytes), what));
      // What follows the compressed data is part of the blob.
      await bytes.drain();
    } catch (error) {
      // If the blob is not what its digest says, that is the reason.
      if (isKind(error, 'corrupt')) await bytes.drain();
      throw about(`${what}: layer ${descriptor.digest}`, error);
    }
    if (actual !== diffId) {
      const why = `layer ${descriptor.digest} has the diff ID ${actual}, the config says ${diffId}`;
      throw new StoreError('corrupt', what, why);
    }
  }

  async *#watched({ descriptor }: Layer, what: string, bytes: Bytes): AsyncGenerator<Uint8Array, void> {
    const { onProgress, signal } = this.#options;
    let done = 0;
    for await (const chunk of bytes) {
      assertGoesOn(signal, what);
      yield chunk;
      done += chunk.length;
      onProgress?.({ phase: 'unpack', id: descriptor.digest, done, total: descriptor.size });
    }
  }

  #keyOf(chainId: Digest): string {
    return `${EXTRACT_PREFIX}${this.#nonce} ${chainId}`;
  }

  get #stored(): LayerSource {
    const { content } = this.#store;
    return {
      read: ({ descriptor }) => stored(content, descriptor.digest),
      skip: () => Promise.resolve(),
    };
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
