// A store with a chain of layers and an active snapshot `key` on it, in which something was changed.

import { openStack, Union } from '../../fs/index.js';
import { applyTo } from '../../src/images/apply-layer.js';
import type { StoreSnapshotter } from '../../src/snapshots/snapshot.js';
import { Hands } from '../src/diff/hands.js';
import { type Draft, writeTar } from '../src/diff/tar-tools.js';

/** Returns the name of the snapshot that `key` is built on; undefined without layers. */
export async function changed(
  { snapshots }: { readonly snapshots: StoreSnapshotter },
  layers: readonly (readonly Draft[])[],
  change: (hands: Hands) => void,
): Promise<string | undefined> {
  let parent: string | undefined;
  for (const [at, drafts] of layers.entries()) {
    const key = `extract-${at}`;
    await snapshots.prepare(key, parent);
    await applyTo(await snapshots.stack(key), 'diff', once(writeTar(drafts)), 'test');
    await snapshots.commit(`layer-${at}`, key);
    parent = `layer-${at}`;
  }
  await snapshots.prepare('key', parent);
  const union = new Union(openStack(await snapshots.stack('key')));
  try {
    change(new Hands(union));
  } finally {
    union.destroy();
  }
  return parent;
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
