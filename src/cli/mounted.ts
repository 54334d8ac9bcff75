// Which mount of ours shows a snapshot, or contains a path.

import { type ListedMount, MountTable } from '../mounts/table.js';
import type { SnapshotInfo } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';

/** The mount that shows this very snapshot, not one on top of it. */
export function mountOf(store: Store, info: SnapshotInfo): ListedMount | undefined {
  return new MountTable(store.state).showing(store.folders.snapshots, info.id);
}
