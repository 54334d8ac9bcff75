// `mica import`: an image from an archive or a layout into the store.

import type { Declare } from './commands.js';

interface Words {
  readonly name?: string;
  readonly platform?: string;
  readonly unpack: boolean;
}

export const declareImport: Declare = (command, act) => {
  command
    .argument('<source>', 'an OCI layout (folder or tar) or a docker-archive, also compressed; - for stdin')
    .option('--name <ref>', 'the name of the image; default: what the archive says')
    .option('--platform <os/arch>', 'which image of an index; default: this machine’s')
    .option('--no-unpack', 'blobs only')
    .action(
      act(async (context, source: string, words: Words) => {
        const { importImage } = await import('../images/import.js');
        const { parsePlatform } = await import('../images/platform.js');
        const { imageInfo } = await import('../images/stored.js');
        const store = await context.store();
        const imported = await importImage(store, source, {
          unpack: words.unpack,
          signal: context.signal,
          onProgress: context.onProgress,
          ...(words.name === undefined ? {} : { name: words.name }),
          ...(words.platform === undefined ? {} : { platform: parsePlatform(words.platform) }),
        });
        context.progress.clear();
        for (const { row } of imported) {
          if (context.output.json) context.output.line(JSON.stringify(await imageInfo(store, row)));
          else context.output.line(row.name);
        }
      }),
    );
};
