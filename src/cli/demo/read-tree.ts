// Reads a tree on a worker, with a limit of time, because a mount that hangs would hold the thread that reads it
// for ever.

import { Worker } from 'node:worker_threads';
import { StoreError } from '../../errors.js';
import type { ScanTask } from './scan-worker.js';
import type { Tree } from './tree.js';

const LIMIT_MS = 120_000;

/** The tree of a folder or a stack. failed if it takes longer than two minutes. */
export function readTree(task: ScanTask, signal: AbortSignal): Promise<Tree> {
  const worker = new Worker(new URL('./scan-worker.js', import.meta.url), { workerData: task });
  return new Promise<Tree>((resolve, reject) => {
    const what = 'folder' in task ? task.folder : 'the layers';
    const limit = setTimeout(() => {
      reject(new StoreError('failed', `cannot read ${what}`, `no end after ${LIMIT_MS / 1000} s`));
    }, LIMIT_MS);
    const onAbort = (): void => reject(new StoreError('canceled', `cannot read ${what}`, 'ended on request'));
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => {
      clearTimeout(limit);
      signal.removeEventListener('abort', onAbort);
      // A worker that hangs in a system call cannot be ended; it must not keep this process alive either.
      worker.unref();
    };
    worker.once('message', (tree: Tree) => {
      settled();
      resolve(tree);
    });
    worker.once('error', (error) => {
      settled();
      reject(error);
    });
    signal.addEventListener('abort', settled, { once: true });
  });
}
