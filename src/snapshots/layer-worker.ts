// The thread that works on layers for a server: one job after the other, as it is told.

import { parentPort } from 'node:worker_threads';
import { isUnusable, sys } from '../../fs/index.js';
import { withFolder } from './folder-work.js';
import { type LayerToIndex, makeIndex } from './layer-index.js';

/** To make the index of a layer, or to write what is in memory of the filesystem of a folder to its disk. */
export type LayerJob =
  | { readonly kind: 'index'; readonly layer: LayerToIndex }
  | { readonly kind: 'flush'; readonly path: string };

function run(job: LayerJob): void {
  if (job.kind === 'index') {
    makeIndex(job.layer);
    return;
  }
  try {
    withFolder(job.path, sys.syncFilesystem);
  } catch (error) {
    // The commit syncs as well, and tells its caller.
    if (!isUnusable(error)) throw error;
  }
}

parentPort?.on('message', (job: LayerJob) => {
  run(job);
  parentPort?.postMessage(undefined);
});
