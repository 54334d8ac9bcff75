// `mica push`: an image of the store to a registry.

import { InvalidArgumentError } from 'commander';
import type { Declare } from './commands.js';
import {
  addRegistryOptions,
  type RegistryWords,
  registryOptions,
  registryProgress,
} from './registry-words.js';

interface Words extends RegistryWords {
  readonly chunkSize?: number;
}

export const declarePush: Declare = (command, act) => {
  command
    .argument('<image>')
    .argument('[ref]', '[host[:port]/]path[:tag]; default: the image’s name')
    .option('--platform <os/arch>', 'only the image of this platform')
    .option(
      '--chunk-size <mib>',
      'the most that one request carries, in MiB; default: a whole blob',
      mebibytes,
    );
  addRegistryOptions(command);
  command.action(
    act(async (context, name: string, given: string | undefined, words: Words) => {
      const { pushImage } = await import('../registry/push.js');
      const { parsePlatform } = await import('../images/platform.js');
      const { requireImage } = await import('../images/names.js');
      const platform = words.platform === undefined ? undefined : parsePlatform(words.platform);
      const store = await context.store();
      const row = requireImage(store, name.replace(/^image:/, ''), `cannot push image ${name}`);
      const { restoreImage } = await import('../layers/dropped-blobs.js');
      await restoreImage(store, row);
      const { reference, target } = await pushImage(store, row, given ?? row.name, {
        ...registryOptions(context, words),
        onProgress: registryProgress(context),
        ...(words.chunkSize === undefined ? {} : { chunkSize: words.chunkSize }),
        ...(platform === undefined ? {} : { platform }),
      });
      context.progress.clear();
      const { digest, mediaType } = target;
      if (context.output.json) {
        context.output.line(JSON.stringify({ image: row.name, ref: reference, digest, mediaType }));
      } else context.output.line(`${reference.replace(/@.*$/, '')}@${digest}`);
    }),
  );
};

function mebibytes(word: string): number {
  if (/^[1-9][0-9]{0,5}$/.test(word)) return Number(word) << 20;
  throw new InvalidArgumentError('It is a number of MiB.');
}
