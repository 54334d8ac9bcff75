// What a layer tar asks of a union beyond what a process can ask: marks that speak of the layers below only,
// whatever the upper already holds at the place (OCI image-spec, layer.md, "Whiteouts").

import { assertName, type ByteString, joinPath } from '../name.js';
import { assertLiveFolder } from './access.js';
import { ensureUpper } from './copy-up.js';
import { pinAllIn } from './data-below.js';
import type { Inode } from './inode.js';
import { child } from './intern.js';
import { UPPER } from './lookup.js';
import { makeOpaque } from './marker.js';
import type { Stack } from './stack.js';
import { losing } from './whiteout.js';

/**
 * Afterwards the layers below show nothing at a name: a whiteout stands there, or a folder of the upper is
 * opaque; a file of the upper hides them as it is. Nothing is copied up but the folder, also not a file with
 * further names, whose count of links stays what the lower says, as in every union of unpacked layers.
 */
export function hideBelow(stack: Stack, parent: Inode, name: ByteString): void {
  const upper = stack.writable();
  assertName(name);
  assertLiveFolder(parent);
  const inode = child(stack, parent, name);
  if (inode === undefined) return;
  const { where, entry } = stack.found;
  inode.pins++;
  try {
    if (where === UPPER) {
      if (inode.isFolder) hideAllBelow(stack, inode);
      return;
    }
    const dir = stack.table.path(parent);
    const onlyName = inode.isFolder || entry.attr.nlink < 2;
    const hide = () => {
      ensureUpper(stack, parent);
      upper.whiteout(dir, name);
      stack.emit('whiteout', joinPath(dir, name));
    };
    if (onlyName || inode.indexKey !== undefined) {
      losing(stack, inode, parent, name, where, entry.attr.nlink, hide);
    } else hide();
  } finally {
    stack.table.unpin(inode);
  }
}

/** Afterwards the layers below show nothing in a folder. Nodes of what they showed in it must not be in use. */
export function hideAllBelow(stack: Stack, folder: Inode): void {
  assertLiveFolder(folder);
  ensureUpper(stack, folder);
  if (folder.folders.length === 0) return;
  if (stack.writable().guarded) pinAllIn(stack, stack.table.path(folder), folder.lowerPath);
  makeOpaque(stack, folder, stack.table.path(folder));
  folder.folders = [];
  folder.subfolders = undefined;
  folder.lowerPath = '';
}
