// Opens the tree of a snapshot for a command that only looks. One that is mounted is held by its server, so its
// upper is read as one more lower then, once the server has made all names of hard links: a lower has no index.
// Everything else is opened whole, which also joins its hard links.

import { openStack, type StackDescription, Union } from '../../fs/index.js';
import { withUnion } from '../images/open-snapshot.js';
import { withParts } from '../mounts/parts.js';
import { prepareToRead } from '../mounts/settle.js';
import { MountTable } from '../mounts/table.js';
import type { StoredSnapshot } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';
import { mountOf } from './mounted.js';

/** The layers of a snapshot, as a command may open them that changes nothing. */
export async function stackToRead(store: Store, snapshot: StoredSnapshot): Promise<StackDescription> {
  const stack = { ...(await store.snapshots.stack(snapshot.name)), chains: store.folders.chains };
  if (stack.upper === undefined) return stack;
  const table = new MountTable(store.state);
  const mount = mountOf(store, snapshot);
  if (mount?.driver === 'fuse' && mount.state === 'live') {
    await prepareToRead(mount);
    return withoutUpper(stack);
  }
  // Mounts of engines are in no table of ours, and to open an upper empties its work folder under them.
  const isDead = mount?.driver === 'fuse' && mount.state === 'dead';
  const isHeld = (mount !== undefined && !isDead) || table.kernelMountOn(stack.upper.path) !== undefined;
  if (isHeld) return withoutUpper(stack);
  // Nothing is written, but `explain` says what a write would copy.
  return store.driver === 'fuse' ? withParts(stack) : stack;
}

/** The same tree with its upper as one more lower: looking needs no hold on it. */
export function withoutUpper(stack: StackDescription): StackDescription {
  if (stack.upper === undefined) return stack;
  const { upper, ...rest } = stack;
  const { path, id, dialect, marks } = upper;
  return { ...rest, lowers: [{ path, id, dialect, marks }, ...stack.lowers] };
}

/** Runs `act` on the tree that a snapshot shows. */
export async function withTree<T>(
  store: Store,
  snapshot: StoredSnapshot,
  what: string,
  act: (tree: Union) => Promise<T> | T,
): Promise<T> {
  return withUnion(await stackToRead(store, snapshot), what, act);
}

/** A union that is closed with the others in `opened`. */
export function openUnion(stack: StackDescription, opened: { close(): void }[]): Union {
  const union = new Union(openStack(stack));
  opened.push({ close: () => union.destroy() });
  return union;
}
