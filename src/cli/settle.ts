// `mica settle`: makes an upper plain, so that kernel overlayfs and other programs read it as we do.

import { realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StoreError } from '../errors.js';
import type { Store } from '../store.js';
import type { Declare } from './commands.js';

export const declareSettle: Declare = (command, act) => {
  command.argument('<key>', 'an active snapshot, or its upper folder').action(
    act(async (context, word: string) => {
      const { settle } = await import('../mounts/settle.js');
      const { MountTable } = await import('../mounts/table.js');
      const store = await context.store();
      const key = await keyOf(store, word);
      const stack = await store.snapshots.stack(key);
      if (stack.upper === undefined) {
        throw new StoreError(
          'failed-precondition',
          `cannot settle ${word}`,
          'it is not active: it has no upper',
        );
      }
      const settled = await settle(stack, new MountTable(store.state));
      if (context.output.json) context.output.document({ key, settled });
      else context.output.line(key);
      if (!settled) context.output.note(`${key} was plain already`);
    }),
  );
};

/** The key that a word or the upper folder of a snapshot stands for. */
async function keyOf(store: Store, word: string): Promise<string> {
  if (!word.includes('/') || statSync(word, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return (await store.snapshots.stat(word.replace(/^key:/, ''))).name;
  }
  const path = realpathSync(resolve(word));
  for await (const { name, id } of store.snapshots.walk()) {
    if (join(store.folders.snapshots, id, 'fs') === path) return name;
  }
  throw new StoreError('not-found', `cannot settle ${word}`, 'no snapshot has this upper', {
    hint: 'mica snapshot ls',
  });
}
