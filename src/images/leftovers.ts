// Half-unpacked layers of processes that were killed. The next unpacking removes them: nobody else knows the keys.

import { EBUSY, FsError, fromText, isErrno, openUpperDir } from '../../fs/index.js';
import { isKind } from '../errors.js';
import type { Labels } from '../labels.js';
import type { StoreSnapshotter } from '../snapshots/snapshot.js';

/** How keys of layers that are being unpacked begin (containerd, `pkg/unpack`). */
export const EXTRACT_PREFIX = 'extract-';

const TOLERATED = ['not-found', 'failed-precondition', 'unsupported'] as const;

const PID_LABEL = 'micafs/pid';

/** The label by which such a key is known to belong to this process. */
export function ownLabel(): Labels {
  return { [PID_LABEL]: String(process.pid) };
}

/** Removes what dead processes left. A key of a process in another pid namespace is known by its lock. */
export async function removeLeftovers(snapshots: StoreSnapshotter): Promise<void> {
  const left: string[] = [];
  for await (const { name, kind, labels } of snapshots.walk()) {
    const pid = Number(labels[PID_LABEL]);
    if (kind === 'active' && name.startsWith(EXTRACT_PREFIX) && pid > 0 && !isAlive(pid)) left.push(name);
  }
  for (const name of left) {
    try {
      if (!(await isHeld(snapshots, name))) await snapshots.remove(name);
    } catch (error) {
      // Another process cleans up as well, or the folder is one that only root may look into.
      if (!TOLERATED.some((kind) => isKind(error, kind))) throw error;
    }
  }
}

/** True if a process has this number, whosever it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code !== 'ESRCH';
  }
}

async function isHeld(snapshots: StoreSnapshotter, name: string): Promise<boolean> {
  const { upper } = await snapshots.stack(name);
  if (upper === undefined) return false;
  try {
    openUpperDir(fromText(upper.path), fromText(upper.work), { marks: upper.marks, lockWaitMs: 0 }).close();
    return false;
  } catch (error) {
    // A folder that cannot even be opened is no reason to fail an import.
    if (error instanceof FsError) return isErrno(error, EBUSY);
    throw error;
  }
}
