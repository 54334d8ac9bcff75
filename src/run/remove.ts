// Removes a container: its processes if they run, its row, and the snapshot that it alone has.

import { setTimeout as sleep } from 'node:timers/promises';
import { isKind, StoreError } from '../errors.js';
import { isAlive, type ProcessMark } from '../mounts/process-life.js';
import { MountTable } from '../mounts/table.js';
import type { Store } from '../store.js';
import { RUNTIME } from './run.js';
import { RunningContainers } from './running.js';

/** How long what waits for a container may take when it was killed. */
const ENDING_MS = 15_000;
const POLL_MS = 10;

/** not-found; failed-precondition while it runs, unless `force`, and for a container that another program runs. */
export async function removeContainer(store: Store, id: string, force: boolean): Promise<void> {
  const what = `cannot remove container ${id}`;
  const row = store.containers.get(id);
  if (row === undefined)
    throw new StoreError('not-found', what, 'there is none of this id', { hint: 'mica ps --all' });
  if (row.runtime.name !== RUNTIME) {
    throw new StoreError('failed-precondition', what, `it is one of ${row.runtime.name}`, {
      hint: `mica container rm ${id}`,
    });
  }
  const running = new RunningContainers(store.state);
  const place = { root: store.folders.root, namespace: store.namespace, id };
  const note = running.get(place);
  if (note !== undefined) {
    if (!force)
      throw new StoreError('failed-precondition', what, 'it runs', { hint: `mica rm --force ${id}` });
    kill(note.init);
    // It notes the end down, and ends the mount.
    if (!(await hasEnded(() => !isAlive(note.runner)))) kill(note.runner);
  }
  const snapshot = await statIfAny(store, row.snapshotKey);
  const table = new MountTable(store.state);
  if (
    snapshot !== undefined &&
    !(await hasEnded(() => table.showing(store.folders.snapshots, snapshot.id) === undefined))
  ) {
    throw new StoreError('failed-precondition', what, 'its mount does not end', { hint: 'mica mounts' });
  }
  running.removeFolder(place);
  if (snapshot !== undefined && snapshot.kind !== 'committed')
    await ifThere(() => store.snapshots.remove(snapshot.name));
  await ifThere(() => store.containers.remove(id));
}

function kill(process_: ProcessMark): void {
  if (!isAlive(process_)) return;
  try {
    process.kill(process_.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function hasEnded(isOver: () => boolean): Promise<boolean> {
  const deadline = performance.now() + ENDING_MS;
  while (!isOver()) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

async function statIfAny(store: Store, name: string) {
  try {
    return name === '' ? undefined : await store.snapshots.stat(name);
  } catch (error) {
    if (isKind(error, 'not-found')) return undefined;
    throw error;
  }
}

/** What `mica run --rm` was faster to remove is gone, too. */
async function ifThere(remove: () => Promise<unknown>): Promise<void> {
  try {
    await remove();
  } catch (error) {
    if (!isKind(error, 'not-found')) throw error;
  }
}
