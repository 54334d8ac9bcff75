// A store with something of everything in it, for the tests that damage one.

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { type FsckResult, fsck } from '../../../src/check/fsck.js';
import type { CheckOptions } from '../../../src/check/report.js';
import { applyTo } from '../../../src/images/apply-layer.js';
import { importImage } from '../../../src/images/import.js';
import { openImage, topSnapshot } from '../../../src/images/stored.js';
import { rootLabels } from '../../../src/labels.js';
import { Store } from '../../../src/store.js';
import {
  buildImage,
  file,
  type LayerEntry,
  layerTar,
  layoutFiles,
  tempFolder,
  writeFolder,
} from '../../fixtures/oci.js';

const base = layerTar([file('etc/'), file('etc/one', 'one'), file('etc/two', 'two')]);
const more = layerTar([file('etc/'), file('etc/.wh.two'), file('etc/three', '3'.repeat(100_000))]);
const other = layerTar([file('srv/'), file('srv/x', 'x')]);

/** Two images on one base layer, and a third in another namespace. */
export const IMAGES = {
  one: buildImage([base, more]),
  two: buildImage([base, other]),
};

export class CheckedStore {
  readonly root: string;
  readonly state: string;
  readonly #folder = tempFolder();

  constructor() {
    this.root = join(this.#folder, 'root');
    this.state = join(this.#folder, 'state');
  }

  /** Opens the store for as long as `work` runs. */
  async with<T>(work: (store: Store) => Promise<T>, namespace = 'default'): Promise<T> {
    const store = await Store.open(this.root, {
      state: this.state,
      namespace,
      driver: 'fuse',
      durable: false,
    });
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  async fill(): Promise<void> {
    for (const [namespace, names] of [
      ['default', ['one', 'two']],
      ['more', ['one']],
    ] as const) {
      await this.with(async (store) => {
        for (const name of names) {
          const layout = join(this.#folder, `${namespace}-${name}`);
          mkdirSync(layout);
          await importImage(store, writeFolder(layoutFiles([{ name, image: IMAGES[name] }]), layout));
        }
      }, namespace);
    }
    await this.with(async (store) => {
      const image = await openImage(store, store.images.get('one') ?? fail(), 'test');
      const parent = topSnapshot(image);
      await store.snapshots.prepare('made', parent, { labels: { mine: 'yes' } });
      await this.#change(store, 'made', [file('made', 'by hand')]);
      await store.snapshots.commit('by-hand', 'made', { labels: { ...rootLabels(), mine: 'still' } });
      await store.snapshots.prepare('active', 'by-hand', { labels: rootLabels() });
      await this.#change(store, 'active', [file('new', 'n')]);
    });
  }

  async #change(store: Store, key: string, entries: LayerEntry[]): Promise<void> {
    const bytes = layerTar(entries);
    const once = async function* () {
      yield bytes;
    };
    await applyTo(await store.snapshots.stack(key), 'diff', once(), 'test');
  }

  fsck(options: CheckOptions = {}): Promise<FsckResult> {
    return fsck(this.root, { state: this.state, driver: 'fuse', durable: false }, options);
  }

  /** The folder of a snapshot. */
  async folderOf(name: string): Promise<string> {
    return this.with(async (store) => join(this.root, 'snapshots', (await store.snapshots.stat(name)).id));
  }

  blobs(): readonly string[] {
    const folder = join(this.root, 'content/blobs/sha256');
    return readdirSync(folder).map((name) => join(folder, name));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function fail(): never {
  throw new Error('the image is missing');
}

/** A filled store for each test. */
export function useCheckedStore(): { readonly store: CheckedStore } {
  const use = { store: undefined as unknown as CheckedStore };
  beforeEach(async () => {
    use.store = new CheckedStore();
    await use.store.fill();
  });
  afterEach(() => use.store.remove());
  return use;
}
