// Both differs under their contract: by the marks of a store's snapshots, and walking over mounts of them.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layerOf, type Trees } from '../../src/diff/differ.js';
import { withMountedTrees } from '../../src/diff/mounted-trees.js';
import { openSnapshotTrees } from '../../src/diff/snapshot-trees.js';
import { withTempMount } from '../../src/mounts/mount-all.js';
import { MountTable } from '../../src/mounts/table.js';
import type { Mount } from '../../src/snapshots/snapshot.js';
import { Store } from '../../src/store.js';
import { folderStore } from '../fixtures/store.js';
import { changed } from './changed-snapshot.js';
import type { DifferUnderTest } from './differ.js';

type Way = 'fuse' | 'overlay' | 'native';

/** The layer between two trees. */
export async function tarOf(trees: Trees): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of layerOf(trees)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Nothing is mounted. */
export async function byMarks(): Promise<DifferUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'mica-differ-'));
  const store = folderStore(folder);
  return {
    layer: async (layers, change) => {
      const parent = await changed(store, layers, change);
      const below = parent === undefined ? undefined : await store.snapshots.stack(parent);
      const trees = openSnapshotTrees(await store.snapshots.stack('key'), below, 'diff');
      try {
        return await tarOf(trees);
      } finally {
        trees.close();
      }
    },
    remove: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Both trees are mounted by a driver of their own; `native` is a copy of the whole tree. */
export function walking(left: Way, right: Way): () => Promise<DifferUnderTest> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mica-differ-'));
    const stores: Store[] = [];
    const open = async (driver: 'fuse' | 'overlay') => {
      const options = { state: join(folder, 'state'), driver, durable: false };
      const store = await Store.open(join(folder, 'root'), options);
      stores.push(store);
      return store;
    };
    const mounts = async (way: Way, key: string): Promise<readonly Mount[]> => {
      if (way !== 'native') return (await open(way)).snapshots.mounts(key);
      const copy = join(folder, `copy of ${key}`);
      mkdirSync(copy);
      await withTempMount(await mounts('overlay', key), async (tree) => {
        execFileSync('cp', ['-a', `${tree}/.`, copy]);
      });
      return [{ type: 'bind', source: copy, options: ['rbind', 'rw'] }];
    };
    return {
      layer: async (layers, change) => {
        const store = await open('fuse');
        const parent = await changed(store, layers, change);
        if (parent !== undefined) await store.snapshots.view('below', parent);
        const below = parent === undefined ? [] : await mounts(left, 'below');
        return withMountedTrees(below, await mounts(right, 'key'), new MountTable(store.state), tarOf);
      },
      remove: async () => {
        for (const store of stores) await store.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  };
}
