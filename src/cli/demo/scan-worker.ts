// The worker that reads a tree. It is handed a folder, or a stack of layers to read without a mount.

import { parentPort, workerData } from 'node:worker_threads';
import { openStack, type StackDescription, Union } from '../../../fs/index.js';
import { scanFilesystem, scanFolder } from './scan.js';
import type { Tree } from './tree.js';

export type ScanTask = { readonly folder: string } | { readonly stack: StackDescription };

function scan(task: ScanTask): Tree {
  if ('folder' in task) return scanFolder(task.folder);
  const filesystem = new Union(openStack(task.stack));
  try {
    return scanFilesystem(filesystem);
  } finally {
    filesystem.destroy();
  }
}

parentPort?.postMessage(scan(workerData as ScanTask));
