// Snapshots seen without a mount: an in-process union over their folders.

import { type Filesystem, FsError, openStack, type StackDescription, Union } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { Snapshotter } from '../snapshots/snapshot.js';

/** Runs `act` on the union over a stack, of the class `kind`; the layers are closed afterwards, whatever happens. */
export async function withUnion<T>(
  stack: StackDescription,
  what: string,
  act: (union: Union) => Promise<T> | T,
  kind: typeof Union = Union,
): Promise<T> {
  let union: Union;
  try {
    union = new kind(openStack(stack));
  } catch (error) {
    if (error instanceof FsError) throw new StoreError('failed', what, error.message, { cause: error });
    throw error;
  }
  try {
    return await act(union);
  } finally {
    union.destroy();
  }
}

/** Runs `act` on the tree that a snapshot shows. */
export async function withSnapshot<T>(
  snapshots: Snapshotter,
  name: string,
  what: string,
  act: (tree: Filesystem) => Promise<T> | T,
): Promise<T> {
  return withUnion(await snapshots.stack(name), what, act);
}
