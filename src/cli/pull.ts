// `mica pull`: an image from a registry into the store.

import type { Declare } from './commands.js';
import {
  addRegistryOptions,
  type RegistryWords,
  registryOptions,
  registryProgress,
} from './registry-words.js';

interface Words extends RegistryWords {
  readonly allPlatforms?: boolean;
  readonly unpack: boolean;
}

export const declarePull: Declare = (command, act) => {
  command
    .argument('<ref>', '[host[:port]/]path[:tag][@digest]')
    .option('--platform <os/arch>', 'which image of an index; default: this machine’s')
    .option('--all-platforms', 'all images of an index; one is unpacked')
    .option('--no-unpack', 'blobs only');
  addRegistryOptions(command);
  command.action(
    act(async (context, reference: string, words: Words) => {
      const { pullImage } = await import('../registry/pull.js');
      const { parsePlatform } = await import('../images/platform.js');
      const { imageInfo } = await import('../images/stored.js');
      const platform = words.platform === undefined ? undefined : parsePlatform(words.platform);
      const store = await context.store();
      const { row } = await pullImage(store, reference, {
        ...registryOptions(context, words),
        unpack: words.unpack,
        allPlatforms: words.allPlatforms === true,
        onProgress: registryProgress(context),
        ...(platform === undefined ? {} : { platform }),
      });
      context.progress.clear();
      if (context.output.json) context.output.line(JSON.stringify(await imageInfo(store, row)));
      else context.output.line(row.name);
    }),
  );
};
