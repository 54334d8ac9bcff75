// The content of files of a tree by the names that an archive has for them: symlinks on the way are followed inside the
// tree, as they were when the archive was unpacked.

import { basename, dirname, type Filesystem, isRegular, type NodeId, O_RDONLY } from '../../fs/index.js';
import { InsideResolver } from './inside-resolver.js';
import { cleanPath } from './layer-path.js';
import type { ContentOf } from './tar-split.js';
import { lookUp } from './tree-walk.js';

const CHUNK = 256 << 10;

export function contentIn(tree: Filesystem): ContentOf {
  const resolver = new InsideResolver(tree, () => {
    throw new Error('a folder would be made to read from it');
  });
  return (name) => {
    const path = cleanPath(name);
    const folder = resolver.folder(dirname(path), false);
    const found = folder && lookUp(tree, folder.node, basename(path));
    if (found === undefined) return undefined;
    if (isRegular(found.attr.mode)) return chunks(tree, found.node);
    tree.forget(found.node, 1);
    return undefined;
  };
}

/** Counts down the lookup of the node. */
function* chunks(tree: Filesystem, node: NodeId): Generator<Uint8Array, void> {
  let handle: number | undefined;
  try {
    handle = tree.open(node, O_RDONLY);
    for (let at = 0; ; ) {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const count = tree.read(handle, at, chunk);
      if (count === 0) return;
      yield chunk.subarray(0, count);
      at += count;
    }
  } finally {
    if (handle !== undefined) tree.release(handle);
    tree.forget(node, 1);
  }
}
