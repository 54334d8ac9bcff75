// The differ by marks, and the same comparison without them, on layers in memory and in folders.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layerOf, type Trees } from '../../../src/diff/differ.js';
import { openSnapshotTrees } from '../../../src/diff/snapshot-trees.js';
import { folderStore } from '../../fixtures/store.js';
import { changed } from '../../suites/changed-snapshot.js';
import { differSuite } from '../../suites/differ.js';
import { Work } from './work.js';

async function tarOf(trees: Trees): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of layerOf(trees)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const remove = async () => undefined;

differSuite('the marks of a layer in memory', async () => ({
  layer: async (layers, change) => {
    const work = await Work.begin(...layers);
    change(work);
    const from = layers.length === 0 ? undefined : work.below();
    return tarOf({ from, to: work.union, layer: work.upper });
  },
  remove,
}));

differSuite('a walk over two unions', async () => ({
  layer: async (layers, change) => {
    const work = await Work.begin(...layers);
    change(work);
    return tarOf({ from: layers.length === 0 ? undefined : work.below(), to: work.union });
  },
  remove,
}));

differSuite('the marks of a snapshot in folders', async () => {
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
});
