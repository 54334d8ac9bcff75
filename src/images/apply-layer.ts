// Applies one layer tar to the upper of an active snapshot, through an in-process union over its chain: whiteouts
// and hard links follow the rules of the union, and decompressing, hashing and parsing are one pass.

import { type StackDescription, Union } from '../../fs/index.js';
import { type Applied, type ApplyOptions, apply } from '../diff/apply.js';
import type { SnapshotForm } from '../snapshots/snapshot.js';
import { withUnion } from './open-snapshot.js';
import { WholeTree } from './whole-tree.js';

/** What was applied is not synced yet. `form` is that of the snapshot. */
export async function applyTo(
  stack: StackDescription,
  form: SnapshotForm,
  layer: AsyncIterable<Uint8Array>,
  what: string,
  options: ApplyOptions = {},
): Promise<Applied> {
  const open = form === 'full' ? WholeTree : Union;
  const { upper } = stack;
  return withUnion(
    // What a power cut leaves of it before it is committed is thrown away.
    upper === undefined ? stack : { ...stack, upper: { ...upper, volatile: true, filling: true } },
    what,
    (union) => apply(layer, union, options),
    open,
  );
}
