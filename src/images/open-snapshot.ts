// Snapshots seen without a mount: an in-process union over their folders.

import { type Filesystem, FsError, openStack, type StackDescription, Union } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import type { StoreSnapshotter } from '../snapshots/snapshot.js';

/** The union over a stack, of the class `kind`; whoever has it destroys it. */
export function openUnion(stack: StackDescription, what: string, kind: typeof Union = Union): Union {
  try {
    return new kind(openStack(stack));
  } catch (error) {
    if (error instanceof FsError) throw new StoreError('failed', what, error.message, { cause: error });
    throw error;
  }
}

/** Runs `act` on the union over a stack, of the class `kind`; the layers are closed afterwards, whatever happens. */
export async function withUnion<T>(
  stack: StackDescription,
  what: string,
  act: (union: Union) => Promise<T> | T,
  kind: typeof Union = Union,
): Promise<T> {
  const union = openUnion(stack, what, kind);
  try {
    return await act(union);
  } finally {
    union.destroy();
  }
}

/** Runs `act` on the tree that a snapshot shows. */
export async function withSnapshot<T>(
  snapshots: StoreSnapshotter,
  name: string,
  what: string,
  act: (tree: Filesystem) => Promise<T> | T,
): Promise<T> {
  return withUnion(await snapshots.stack(name), what, act);
}
