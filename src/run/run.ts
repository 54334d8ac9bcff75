// Runs a command in a fresh snapshot as its root: the order of things, and of undoing them. A container is a row that
// names its snapshot, then the snapshot, then a mount in namespaces of its own, then processes; it ends the other way
// round. Whatever of it is killed takes the processes and the mount along, and leaves row and snapshot.

import { join } from 'node:path';
import { isKind, StoreError } from '../errors.js';
import { rootLabels } from '../labels.js';
import { SNAPSHOTTER_NAME } from '../metadata/gc.js';
import type { ContainerRow } from '../metadata/rows.js';
import { mountableStack } from '../mounts/mount-snapshot.js';
import { markOf } from '../mounts/process-life.js';
import type { Store } from '../store.js';
import { timeNow } from '../time.js';
import { runtimeSpec } from './container-process.js';
import { writeHostFiles } from './host-files.js';
import { removeMadePoints } from './made-points.js';
import type { Bind, ContainerProcess } from './messages.js';
import { neededNamespaces, type OwnNamespaces } from './namespaces.js';
import { type ContainerPlace, RunningContainers } from './running.js';
import { Init } from './start-init.js';
import { Keeper } from './start-keeper.js';

/** The runtime of these containers, as their rows name it. */
export const RUNTIME = 'io.micafs.run';
/** Where the row says how a container ended. */
const EXIT = 'io.micafs.run.exit';
export interface RunRequest {
  /** Of the container, its snapshot and its host. */
  readonly id: string;
  /** The committed snapshot below. */
  readonly parent: string;
  /** The image's name; '' for none. */
  readonly image: string;
  readonly process: ContainerProcess;
  readonly binds: readonly Bind[];
  readonly readOnly: boolean;
  /** The container goes with its end. */
  readonly remove: boolean;
  /** What the snapshot becomes if the command ends with 0. */
  readonly commit?: string;
  readonly transport: string;
  /** The terminal that is passed through. */
  readonly terminal?: string;
  /** Gives up as long as the command does not run. */
  readonly signal: AbortSignal;
  /** Called when the command runs, with what hands signals to it; returns what ends that. */
  readonly onRunning: (hand: (signal: NodeJS.Signals) => void) => () => void;
}

/** How a container ended, as its row keeps it. */
export interface ContainerExit {
  readonly code: number;
  /** RFC 3339. */
  readonly at: string;
}

/**
 * Runs a container to its end and returns its command's exit code. NotStarted (with a code) for a command that cannot
 * run; already-exists for the id, and what making a snapshot, mounting and namespaces can fail with. What did not run
 * leaves nothing; what ran and lost its mount leaves what it had changed.
 */
export async function runContainer(store: Store, request: RunRequest): Promise<number> {
  const { id, remove, commit } = request;
  const namespaces = neededNamespaces();
  if (commit !== undefined) await assertFree(store, commit, `cannot commit to ${commit}`);
  await assertFree(store, id, `cannot run ${id}`);
  const row = await create(store, request);
  const place = { root: store.folders.root, namespace: store.namespace, id };
  const running = new RunningContainers(store.state);
  let code: number;
  let hasRun = false;
  try {
    code = await runIn(store, request, namespaces, running, place, () => {
      hasRun = true;
    });
  } catch (error) {
    running.removeFolder(place);
    if (!hasRun || remove) {
      await removeSnapshot(store, id);
      await store.containers.remove(id);
    }
    throw error;
  }
  running.removeFolder(place);
  if (commit !== undefined && code === 0) await store.snapshots.commit(commit, id, { labels: rootLabels() });
  if (remove) {
    await removeSnapshot(store, id);
    await store.containers.remove(id);
    return code;
  }
  const exit: ContainerExit = { code, at: timeNow() };
  const value = { typeUrl: EXIT, value: new TextEncoder().encode(JSON.stringify(exit)) };
  const snapshotKey = commit !== undefined && code === 0 ? commit : id;
  await store.containers.update({ ...row, snapshotKey, extensions: { [EXIT]: value } }, [
    `extensions.${EXIT}`,
    'snapshotkey',
  ]);
  return code;
}

/** How a container of ours ended; undefined if it runs, or was killed together with what waited for it. */
export function exitOf(row: ContainerRow): ContainerExit | undefined {
  const stored = row.extensions[EXIT];
  return stored === undefined
    ? undefined
    : (JSON.parse(new TextDecoder().decode(stored.value)) as ContainerExit);
}

async function create(store: Store, request: RunRequest): Promise<ContainerRow> {
  const { id, parent, image, readOnly, binds, remove } = request;
  // The row first: what it names is kept by it, also before that is there.
  const row = await store.containers.create({
    id,
    image,
    labels: {},
    runtime: { name: RUNTIME },
    spec: runtimeSpec(request.process, { hostName: hostNameOf(id), readOnly, binds }),
    snapshotter: SNAPSHOTTER_NAME,
    snapshotKey: id,
    extensions: {},
  });
  try {
    await store.snapshots.prepare(id, parent, { labels: remove ? {} : rootLabels() });
  } catch (error) {
    await store.containers.remove(id);
    throw error;
  }
  return row;
}

async function runIn(
  store: Store,
  request: RunRequest,
  namespaces: OwnNamespaces,
  running: RunningContainers,
  place: ContainerPlace,
  onStarted: () => void,
): Promise<number> {
  const { id, signal, binds } = request;
  const folder = running.ensureFolder(place);
  const target = join(folder, 'root');
  const { stack, snapshot } = await mountableStack(store, id, store.driver, target);
  signal.throwIfAborted();
  const keeper = await Keeper.start(
    {
      state: store.state,
      target,
      stack,
      snapshot,
      driver: store.driver,
      transport: request.transport,
      needed: [store.folders.root, store.state, process.execPath, ...binds.map(({ from }) => from)],
    },
    namespaces,
    join(folder, 'log'),
  );
  let made: Init['made'] = [];
  try {
    signal.throwIfAborted();
    const hostName = hostNameOf(id);
    const init = new Init(
      {
        root: target,
        readOnly: request.readOnly,
        hostName,
        files: writeHostFiles(folder, hostName),
        binds,
        ...(request.terminal === undefined ? {} : { terminal: request.terminal }),
        coverProc: !namespaces.user,
        process: request.process,
      },
      keeper.pid,
      namespaces,
    );
    try {
      const code = await attended(init, keeper, request, () => {
        onStarted();
        running.put(place, { runner: markOf(process.pid), init: markOf(init.pid) });
      });
      made = init.made;
      return code;
    } finally {
      await init.kill();
    }
  } finally {
    await keeper.end();
    await removeMadePoints(store, id, made);
  }
}

/** From the first process to the command's end. */
async function attended(
  init: Init,
  keeper: Keeper,
  request: RunRequest,
  onStarted: () => void,
): Promise<number> {
  const giveUp = (): void => void init.kill();
  request.signal.addEventListener('abort', giveUp);
  try {
    await init.started;
  } catch (error) {
    request.signal.throwIfAborted();
    throw error;
  } finally {
    request.signal.removeEventListener('abort', giveUp);
  }
  onStarted();
  const release = request.onRunning((signal) => init.signal(signal));
  try {
    const lost = keeper.ended.then(() => undefined);
    const code = await Promise.race([init.ended, lost]);
    if (code !== undefined) return code;
    throw new StoreError('failed', `cannot go on with ${request.id}`, 'its mount has ended', {
      hint: 'mica doctor',
    });
  } finally {
    release();
  }
}

/** Host names are shorter than ids may be (gethostname(2)). */
export function hostNameOf(id: string): string {
  return id.slice(0, 63);
}

async function assertFree(store: Store, name: string, what: string): Promise<void> {
  try {
    await store.snapshots.stat(name);
  } catch (error) {
    if (isKind(error, 'not-found')) return;
    throw error;
  }
  throw new StoreError('already-exists', what, 'there is a snapshot of this name', {
    hint: `mica snapshot rm ${name}`,
  });
}

/** What the command committed itself, or a person removed meanwhile, is gone already. */
async function removeSnapshot(store: Store, key: string): Promise<void> {
  try {
    await store.snapshots.remove(key);
  } catch (error) {
    if (!isKind(error, 'not-found')) throw error;
  }
}
