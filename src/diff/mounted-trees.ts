// The walking differ's way to its trees: both are mounted, read only, at places of their own, and read there as any
// process reads files. Nothing in them is a mark: what a mount shows is what there is. A mount of ours is served by a
// process of its own, so reading it here waits for nobody in this one.

import { type Filesystem, fromText, openLowerDir, Union } from '../../fs/index.js';
import type { Mount } from '../mounts/mount.js';
import { withTempMount } from '../mounts/mount-all.js';
import { readOnlyMounts } from '../mounts/read-only.js';
import type { MountTable } from '../mounts/table.js';
import type { Trees } from './differ.js';

/**
 * Runs `use` on the trees that two lists of mounts show, as `Snapshotter.mounts` has them; nothing is mounted
 * afterwards. An empty list is an empty tree below. Fails as `mountAll`: unsupported for who may not mount. `table` tells
 * which of the uppers a server has.
 */
export async function withMountedTrees<T>(
  left: readonly Mount[],
  right: readonly Mount[],
  table: MountTable,
  use: (trees: Trees) => Promise<T>,
): Promise<T> {
  if (left.length === 0) return withMounted(right, table, (to) => use({ from: undefined, to }));
  return withMounted(left, table, (from) => withMounted(right, table, (to) => use({ from, to })));
}

async function withMounted<T>(
  mounts: readonly Mount[],
  table: MountTable,
  use: (tree: Filesystem) => Promise<T>,
): Promise<T> {
  return withTempMount(await readOnlyMounts(mounts, table), async (target) => {
    const tree = treeAt(target);
    try {
      return await use(tree);
    } finally {
      tree.destroy();
    }
  });
}

/** What lies at a folder of this machine, as it is. */
function treeAt(path: string): Union {
  return new Union({ lowers: [openLowerDir(fromText(path), { id: path, marks: [] })] });
}
