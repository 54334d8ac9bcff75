// Fetching data that lies below, where that takes long. In the object itself (data-below.ts) its times and set-id bits
// are not right until the data is there, and nobody may look at it or change it meanwhile. So a copy of the data is made
// aside (prepared-copy.ts), gets the attributes that the object has by then, and takes its place in one step.

import { attempt } from '../errno.js';
import { Attr } from '../filesystem.js';
import { LayerEntry, type Staged, type WritableNode } from '../layer/layer.js';
import { acquireUpper, giveBack, withUpper } from './access.js';
import { copyAttributes } from './copy-attributes.js';
import { rememberOrigin } from './data-below.js';
import { type Inode, type LowerPlace, switchData } from './inode.js';
import { preparedCopy } from './prepared-copy.js';
import type { Stack } from './stack.js';

/**
 * As `fetchData`; undefined where it is to be done in the object itself: it takes no time, or the object has further
 * names or none. Later while the copy is made.
 */
export function replaceWhole(stack: Stack, inode: Inode, limit: number): boolean | undefined {
  const { dataBelow, held, removed, indexKey } = inode;
  if (stack.work === undefined || dataBelow?.place === undefined || dataBelow.own !== undefined)
    return undefined;
  if (held !== undefined || removed || indexKey !== undefined) return undefined;
  const node = acquireUpper(stack, inode);
  try {
    const { attr } = statOf(node);
    return attr.nlink === 1 ? replace(stack, inode, node, attr, dataBelow.place, limit) : undefined;
  } finally {
    giveBack(inode, node);
  }
}

function statOf(node: WritableNode): LayerEntry {
  const entry = new LayerEntry(new Attr());
  node.stat(entry);
  return entry;
}

function replace(
  stack: Stack,
  inode: Inode,
  node: WritableNode,
  attr: Attr,
  place: LowerPlace,
  limit: number,
): boolean | undefined {
  const size = Math.min(attr.size, limit);
  const cut = limit < attr.size;
  if (size === 0) return undefined;
  const prepared = preparedCopy(stack, inode, { source: node, attr, size, whole: !cut });
  if (prepared === undefined) return undefined;
  const { staged, data, amounts } = prepared;
  try {
    // The owner may be another since the copy was begun.
    staged.chown(attr.uid, attr.gid);
    staged.chmod(attr.mode);
    copyAttributes(node, node.listxattr(), staged, attr, true);
    if (cut) staged.utimes(undefined, 'now');
    rememberOrigin(stack, inode, staged, place);
    takePlace(stack, inode, staged);
  } catch (error) {
    data.close();
    staged.discard();
    throw error;
  }
  inode.dataBelow = undefined;
  switchData(inode, data);
  stack.emit('copy-up', stack.table.path(inode), amounts);
  return cut;
}

/** The folder has the same names as before, so its times stay. */
function takePlace(stack: Stack, inode: Inode, staged: Staged): void {
  const parent = inode.parent!;
  withUpper(stack, parent, (folder) => {
    folder.attributes(stack.attr);
    const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = stack.attr;
    staged.attributes(stack.attr);
    const { ino } = stack.attr;
    staged.publish(stack.table.path(parent), inode.name, true);
    stack.table.replaceUpper(inode, ino);
    attempt(() => folder.utimes({ sec: atimeSec, nsec: atimeNsec }, { sec: mtimeSec, nsec: mtimeNsec }));
  });
}
