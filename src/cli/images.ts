// `mica images`, `inspect`, `tag`, `rmi`, `image create` and `image label`.

import type { Compression } from '../diff/compression.js';
import { filtered } from '../filter.js';
import { imageField } from '../filter-fields.js';
import type { ImageStore } from '../images/images.js';
import type { Declare } from './commands.js';
import { COMPRESSION_WORDS, compressionWord, sourceDateEpoch } from './compression.js';
import type { Context } from './context.js';
import { labelText, parseLabels, several } from './labels.js';
import { agoText, sizeText } from './output.js';

export const declareImages: Declare = (command, act) => {
  command.option(
    '--filter <filter>',
    'as containerd’s: name~=REGEX,labels.KEY==VALUE; of several one must match',
    several,
  );
  command.action(
    act(async (context, words: { readonly filter?: readonly string[] }) => {
      const { listedInfo } = await import('../images/stored.js');
      const store = await storeOf(context);
      const { output } = context;
      const rows = filtered(store.images.list(), words.filter ?? [], imageField);
      if (output.quiet && !output.json) {
        for (const row of rows) output.line(row.name);
        return;
      }
      const images = [];
      for (const row of rows) images.push({ ...(await listedInfo(store, row)), labels: row.labels });
      if (output.json) return output.document(images);
      output.table(
        ['NAME', 'DIGEST', 'PLATFORM', 'LAYERS', 'SIZE', 'CREATED'],
        images.map((image) => [
          image.name,
          image.digest.slice(0, 19),
          image.damage === undefined ? image.platform : 'damaged',
          String(image.layers.length),
          sizeText(image.size),
          agoText(image.created),
        ]),
      );
      for (const { damage } of images) if (damage !== undefined) output.note(damage);
    }),
  );
};

export const declareInspect: Declare = (command, act) => {
  command.argument('<image>').action(
    act(async (context, name: string) => {
      const { requireImage } = await import('../images/names.js');
      const { imageInfo, openImage } = await import('../images/stored.js');
      const store = await storeOf(context);
      const what = `cannot inspect image ${name}`;
      const row = requireImage(store, name.replace(/^image:/, ''), what);
      const { manifest, config } = await openImage(store, row, what);
      const info = { ...(await imageInfo(store, row)), labels: row.labels };
      // For people and for programs alike: what an image says of itself is JSON.
      const document = { ...info, manifest: manifest.json, config: config.json };
      if (context.output.json) context.output.document(document);
      else context.output.line(JSON.stringify(document, undefined, 2));
    }),
  );
};

export const declareTag: Declare = (command, act) => {
  command
    .argument('<image>')
    .argument('<name>', 'the further name')
    .action(
      act(async (context, image: string, name: string) => {
        const { tagImage } = await import('../images/names.js');
        const { imageInfo } = await import('../images/stored.js');
        const store = await storeOf(context);
        const row = await tagImage(store, image, name);
        if (context.output.json) context.output.document(await imageInfo(store, row));
        else context.output.line(row.name);
      }),
    );
};

export const declareRmi: Declare = (command, act) => {
  command.argument('<images...>', 'names; what nothing needs any more goes with the last one').action(
    act(async (context, names: readonly string[]) => {
      const { removeImage } = await import('../images/names.js');
      const store = await storeOf(context);
      const removed: string[] = [];
      for (const name of names) {
        const row = await removeImage(store, name);
        removed.push(row.name);
        if (!context.output.json) context.output.line(row.name);
      }
      await (await context.parts()).collect();
      if (context.output.json) context.output.document(removed.map((name) => ({ name })));
    }),
  );
};

interface CreateWords {
  readonly from: string;
  readonly platform?: string;
  readonly unpack: boolean;
  readonly compression?: Compression;
}

export const declareImage: Declare = (command, act) => {
  command
    .command('create')
    .description('a one-layer image of a folder or of a root tar')
    .argument('<ref>')
    .requiredOption('--from <dir|tar>', 'a folder, a tar (also compressed), or - for a tar on stdin')
    .option('--platform <os/arch>', 'default: this machine’s')
    .option(
      '--compression <kind>',
      `of a folder’s layer: ${COMPRESSION_WORDS}; default: gzip`,
      compressionWord,
    )
    .option('--no-unpack', 'blobs only')
    .action(
      act(async (context, ref: string, words: CreateWords) => {
        const { createImage } = await import('../images/create.js');
        const { parsePlatform } = await import('../images/platform.js');
        const { imageInfo } = await import('../images/stored.js');
        const store = await context.store();
        const { row } = await createImage(store, ref, words.from, {
          unpack: words.unpack,
          signal: context.signal,
          onProgress: context.onProgress,
          ...(words.platform === undefined ? {} : { platform: parsePlatform(words.platform) }),
          ...(words.compression === undefined ? {} : { compression: words.compression }),
          ...sourceDateEpoch(),
        });
        context.progress.clear();
        if (context.output.json) context.output.document(await imageInfo(store, row));
        else context.output.line(row.name);
      }),
    );

  command
    .command('label')
    .description('set labels of an image; KEY= takes one away')
    .argument('<image>')
    .argument('<labels...>', 'KEY=VALUE')
    .action(
      act(async (context, name: string, words: readonly string[]) => {
        const { labelImage } = await import('../images/names.js');
        const { imageInfo } = await import('../images/stored.js');
        const store = await storeOf(context);
        const { labels, paths } = parseLabels(words);
        const row = await labelImage(store, name, labels, paths);
        if (context.output.json)
          context.output.document({ ...(await imageInfo(store, row)), labels: row.labels });
        else context.output.line(labelText(row.labels));
      }),
    );
};

/** Names of images and blobs, wherever they are. */
async function storeOf(context: Context): Promise<ImageStore> {
  const { content, images } = await context.parts();
  return { content, images: await images() };
}
