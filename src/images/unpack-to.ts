// `mica unpack`: the tree that an image shows, as a plain folder, without a mount and without privilege.

import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { asStoreError, hasCode } from '../content/system-error.js';
import { StoreError } from '../errors.js';
import { removeTree } from '../snapshots/folders.js';
import { type CopiedTree, copyTree } from './copy-tree.js';
import type { UnpackStore } from './images.js';
import { withSnapshot } from './open-snapshot.js';
import type { SelectedImage } from './select.js';
import { type UnpackOptions, unpackImage } from './unpack.js';

/**
 * Writes the image's tree to the folder `dir`, which must be empty or not there, unpacking the image to snapshots
 * first where that was not done. already-exists if the folder holds something, otherwise as unpackImage and
 * copyTree; what was written is removed again if it fails.
 */
export async function unpackTo(
  store: UnpackStore,
  image: SelectedImage,
  dir: string,
  what: string,
  options: UnpackOptions = {},
): Promise<CopiedTree> {
  const path = resolve(dir);
  const existed = await isEmptyFolder(path, what);
  const top = await unpackImage(store, image, what, options);
  try {
    if (top === undefined) {
      await mkdir(path, { recursive: true });
      return { entries: 1, warning: undefined };
    }
    return await withSnapshot(store.snapshots, top, what, (tree) => copyTree(tree, '', path, what, options));
  } catch (error) {
    if (existed) await emptyFolder(path);
    else removeTree(path);
    throw error;
  }
}

/** The folder itself is the caller's; names are bytes. */
async function emptyFolder(path: string): Promise<void> {
  const inside = Buffer.from(join(path, '/'));
  for (const name of await readdir(path, { encoding: 'buffer' })) removeTree(Buffer.concat([inside, name]));
}

/** False if there is nothing at `path`. */
async function isEmptyFolder(path: string, what: string): Promise<boolean> {
  let names: readonly string[];
  try {
    names = await readdir(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    if (hasCode(error, 'ENOTDIR')) throw new StoreError('invalid-argument', what, `${path} is not a folder`);
    throw asStoreError(error, what);
  }
  if (names.length === 0) return true;
  throw new StoreError('already-exists', what, `${path} is a folder that is not empty`);
}
