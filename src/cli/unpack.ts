// `mica unpack`: the tree of an image or a snapshot as plain files, without a mount.

import type { Declare } from './commands.js';

export const declareUnpack: Declare = (command, act) => {
  command
    .argument('<word>', 'an image, a snapshot or a key')
    .argument('<dir>', 'a folder that is empty or does not exist')
    .option('--platform <os/arch>', 'which image of an index; default: this machine’s')
    .action(
      act(async (context, word: string, dir: string, words: { readonly platform?: string }) => {
        const { findImage } = await import('../images/names.js');
        const { openImage } = await import('../images/stored.js');
        const { parsePlatform } = await import('../images/platform.js');
        const store = await context.store();
        const what = `cannot unpack ${word}`;
        const { signal, onProgress, output } = context;
        const image = /^(key|snapshot):/.test(word)
          ? undefined
          : findImage(store, word.replace(/^image:/, ''));
        let copied: { readonly entries: number; readonly warning: string | undefined };
        if (image !== undefined) {
          const { unpackTo } = await import('../images/unpack-to.js');
          const platform = words.platform === undefined ? undefined : parsePlatform(words.platform);
          const selected = await openImage(store, image, what, platform);
          copied = await unpackTo(store, selected, dir, what, { signal, onProgress });
        } else {
          const { copyTree } = await import('../images/copy-tree.js');
          const { meaningOf } = await import('./words.js');
          const { withTree } = await import('./reading.js');
          const { snapshot } = await meaningOf(store, word, what);
          copied = await withTree(store, snapshot, what, (tree) => copyTree(tree, '', dir, what, { signal }));
        }
        context.progress.clear();
        if (copied.warning !== undefined) output.note(copied.warning);
        if (output.json) output.document({ dir, entries: copied.entries });
        else output.line(dir);
      }),
    );
};
