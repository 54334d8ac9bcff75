// A view of a store by the kernel alone, from one index: EROFS mounts the flattened index of the chain, and overlayfs
// takes it as the only lower, with the folder of the snapshots as a layer of data alone. A walk then meets each folder
// once instead of once in every layer. What overlayfs does not understand of such files it shows as zeros without a
// word, so each mount is held against a file of the layers before anybody sees it.

import { closeSync, mkdtempSync, openSync, readSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type ByteString,
  FsError,
  fromText,
  isRegular,
  openStack,
  type StackDescription,
  stackImage,
  sys,
  toBytes,
  Union,
  walk,
} from '../fs/index.js';
import type { FeatureSet } from './features.js';

/** How much of a file is compared. */
const SAMPLE_BYTES = 4096;

/** Mounts `stack` at `target` from its flattened index; false, and nothing is mounted, where that cannot be. */
export function mountIndex(stack: StackDescription, target: string, features: FeatureSet): boolean {
  const usable = ['erofs-index', 'new-mount-api', 'lowerdir-plus'] as const;
  if (stack.lowers.length < 2 || !usable.every((name) => features.has(name))) return false;
  const root = dataRoot(stack);
  const image = root === undefined ? undefined : stackImage(stack);
  if (root === undefined || image === undefined) return false;
  const place = mkdtempSync(join(tmpdir(), 'mica-index-'));
  try {
    return mountImage(image, place) && mountOver(place, root, stack, target);
  } finally {
    rmdirSync(place);
  }
}

/** The folder of the snapshots, if all layers lie in it as `<id>/fs`, which is how the index names them. */
function dataRoot({ lowers }: StackDescription): string | undefined {
  const root = dirname(dirname(lowers[0]!.path));
  return lowers.every(({ path, id }) => path === join(root, id, 'fs')) ? root : undefined;
}

/** False where the kernel has no EROFS, or mounts no file of this filesystem (a tmpfs). */
function mountImage(image: string, place: string): boolean {
  try {
    sys.mount(fromText(image), fromText(place), 'erofs', sys.MS_RDONLY, '');
    return true;
  } catch (error) {
    if (error instanceof FsError) return false;
    throw error;
  }
}

/** The overlay keeps the image, whose own mount is gone afterwards. */
function mountOver(place: string, root: string, stack: StackDescription, target: string): boolean {
  try {
    if (!mountTwo(place, root, target)) return false;
  } finally {
    // Detached, because somebody who looks into the temporary folder just now would make it busy.
    sys.unmount(fromText(place), sys.MNT_DETACH | sys.UMOUNT_NOFOLLOW);
  }
  let shows = false;
  try {
    shows = showsTheLayers(stack, target);
  } catch (error) {
    // ESTALE: a layer is not what its index says. ENOENT: overlayfs does not find the data.
    if (!(error instanceof FsError) && !isSystemError(error)) throw error;
  } finally {
    if (!shows) sys.unmount(fromText(target), sys.MNT_DETACH | sys.UMOUNT_NOFOLLOW);
  }
  return shows;
}

function mountTwo(place: string, root: string, target: string): boolean {
  const context = new sys.FilesystemContext('overlay');
  try {
    context.setString('source', 'overlay');
    context.setString('metacopy', 'on');
    context.setString('redirect_dir', 'follow');
    context.setString('lowerdir+', fromText(place));
    context.setString('datadir+', fromText(root));
    context.mountAt(fromText(target), sys.MOUNT_ATTR_RDONLY);
    return true;
  } catch (error) {
    if (error instanceof FsError) return false;
    throw error;
  } finally {
    context.close();
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/** True if the first file with content has the same beginning here as in the layers. */
function showsTheLayers(stack: StackDescription, target: string): boolean {
  const union = new Union(openStack(stack));
  try {
    for (const { path, node, attr } of walk(union)) {
      if (!isRegular(attr.mode) || attr.size === 0) continue;
      const wanted = new Uint8Array(Math.min(attr.size, SAMPLE_BYTES));
      const handle = union.open(node, 0);
      const length = union.read(handle, 0, wanted);
      union.release(handle);
      return Buffer.compare(wanted.subarray(0, length), beginning(target, path, wanted.length)) === 0;
    }
    return true;
  } finally {
    union.destroy();
  }
}

function beginning(target: string, path: ByteString, length: number): Uint8Array {
  const file = openSync(Buffer.concat([Buffer.from(`${target}/`), toBytes(path)]), 'r');
  try {
    const into = new Uint8Array(length);
    return into.subarray(0, readSync(file, into, 0, length, 0));
  } finally {
    closeSync(file);
  }
}
