// Takes the names that were made to mount over out of a container's snapshot, where they are still as they were made. It
// is done after the mount has ended, through the in-process union, where whiteouts and opaque marks are looked after.

import {
  Attr,
  Entry,
  type Filesystem,
  fromText,
  isFolder,
  ROOT_NODE,
  SYSTEM_CALLER,
} from '../../fs/index.js';
import { namesIn } from '../diff/tree-walk.js';
import { withUnion } from '../images/open-snapshot.js';
import type { Store } from '../store.js';
import type { MadePoint } from './messages.js';

/** Of the active snapshot `key`, which is not mounted. */
export async function removeMadePoints(store: Store, key: string, made: readonly MadePoint[]): Promise<void> {
  if (made.length === 0) return;
  await withUnion(await store.snapshots.stack(key), `cannot tidy up snapshot ${key}`, (tree) => {
    for (const point of [...made].reverse()) remove(tree, point);
    tree.sync();
  });
}

function remove(tree: Filesystem, { path, isFolder: madeFolder, folderMtimeNs }: MadePoint): void {
  const names = path
    .split('/')
    .filter((name) => name !== '')
    .map(fromText);
  const last = names.pop();
  const folder = folderAt(tree, names);
  const entry = new Entry();
  if (last === undefined || folder === undefined || !tree.lookup(folder, last, entry)) return;
  const { attr } = entry;
  if (isFolder(attr.mode) !== madeFolder) return;
  if (madeFolder ? namesIn(tree, entry.node).length > 0 : attr.size > 0) return;
  if (madeFolder) tree.rmdir(folder, last);
  else tree.unlink(folder, last);
  const ns = BigInt(folderMtimeNs);
  const mtime = { sec: Number(ns / 1_000_000_000n), nsec: Number(ns % 1_000_000_000n) };
  tree.setattr(folder, { mtime }, SYSTEM_CALLER, new Attr());
}

/** undefined if the container has removed it. The nodes on the way are let go with the union. */
function folderAt(tree: Filesystem, names: readonly string[]): number | undefined {
  const entry = new Entry();
  let node = ROOT_NODE;
  for (const name of names) {
    if (!tree.lookup(node, name, entry) || !isFolder(entry.attr.mode)) return undefined;
    node = entry.node;
  }
  return node;
}
