// Whether a copy-up shares the blocks of its source (FICLONE) instead of copying them, which only the filesystems know that
// the layers lie on. It is tried, once for each lower, with a file that has no name and none afterwards; for explain.ts, which
// tells before anything is done what copy-up.ts and data-below.ts find out when they do it.

import { attempt } from '../errno.js';
import type { ReadLayer, WriteLayer } from '../layer/layer.js';
import type { LowerPlace } from './inode.js';

const known = new WeakMap<WriteLayer, WeakMap<ReadLayer, boolean>>();

/** `source` is a regular file that has data. */
export function sharesBlocks(upper: WriteLayer, source: LowerPlace): boolean {
  const layers = known.get(upper) ?? new WeakMap<ReadLayer, boolean>();
  known.set(upper, layers);
  // What cannot be opened, or has no room to be tried, tells nothing of the others.
  if (!layers.has(source.layer)) attempt(() => layers.set(source.layer, tryClone(upper, source)));
  return layers.get(source.layer) === true;
}

function tryClone(upper: WriteLayer, { layer, dir, name }: LowerPlace): boolean {
  const from = layer.open(dir, name);
  try {
    if (from.fd === undefined) return false;
    const staged = upper.stage({ mode: 0o100600, uid: 0, gid: 0 });
    try {
      const to = staged.openWrite();
      try {
        return to.cloneFrom(from);
      } finally {
        to.close();
      }
    } finally {
      staged.discard();
    }
  } finally {
    from.close();
  }
}
