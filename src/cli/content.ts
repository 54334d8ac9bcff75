// `mica content`: blobs by digest.

import { parseDigest } from '../digest.js';
import { StoreError } from '../errors.js';
import type { Declare } from './commands.js';
import { declareIngests } from './content-ingests.js';
import type { Context } from './context.js';
import { labelText, parseLabels, several } from './labels.js';
import { wholeNumber } from './numbers.js';
import { agoText, sizeText } from './output.js';

interface ListWords {
  readonly filter?: readonly string[];
}

interface GetWords {
  readonly output?: string;
  readonly offset?: string;
  readonly size?: string;
}

export const declareContent: Declare = (command, act) => {
  command
    .command('ls')
    .description('list blobs')
    .option(
      '--filter <filter>',
      'as containerd’s: labels.KEY==VALUE,size!=0; of several one must match',
      several,
    )
    .action(
      act(async (context, words: ListWords) => {
        const { content } = await context.parts();
        const { output } = context;
        const blobs = [];
        for await (const blob of content.walk(words.filter)) blobs.push(blob);
        if (output.json) return output.document(blobs);
        if (output.quiet) {
          for (const { digest } of blobs) output.line(digest);
          return;
        }
        output.table(
          ['DIGEST', 'SIZE', 'CREATED', 'LABELS'],
          blobs.map((blob) => [
            blob.digest,
            sizeText(blob.size),
            agoText(blob.created),
            labelText(blob.labels),
          ]),
        );
      }),
    );

  command
    .command('info')
    .description('what is known of a blob')
    .argument('<digest>')
    .action(
      act(async (context, digest: string) => {
        const { content } = await context.parts();
        const info = await content.info(parseDigest(digest));
        if (context.output.json) return context.output.document(info);
        context.output.line(`digest   ${info.digest}`);
        context.output.line(`size     ${info.size}`);
        context.output.line(`created  ${info.created}`);
        context.output.line(`updated  ${info.updated}`);
        for (const [key, value] of Object.entries(info.labels))
          context.output.line(`label    ${key}=${value}`);
      }),
    );

  command
    .command('get')
    .description('write a blob to stdout')
    .argument('<digest>')
    .option('-o, --output <file>', 'into a file that does not exist yet')
    .option('--offset <bytes>', 'begin there; default: at the start')
    .option('--size <bytes>', 'so many; default, and beyond the end: all')
    .action(act(get));

  command
    .command('label')
    .description('set labels; KEY= takes one away')
    .argument('<digest>')
    .argument('<labels...>', 'KEY=VALUE')
    .action(
      act(async (context, digest: string, words: readonly string[]) => {
        const { content } = await context.parts();
        const { labels, paths } = parseLabels(words);
        const info = await content.update(parseDigest(digest), labels, paths);
        if (context.output.json) context.output.document(info);
        else context.output.line(labelText(info.labels));
      }),
    );

  command
    .command('rm')
    .description('remove this namespace’s names of blobs')
    .argument('<digests...>')
    .action(
      act(async (context, digests: readonly string[]) => {
        const parts = await context.parts();
        for (const digest of digests) {
          await parts.removeBlob(parseDigest(digest));
          if (!context.output.json) context.output.line(digest);
        }
        if (context.output.json) context.output.document(digests.map((digest) => ({ digest })));
      }),
    );

  command
    .command('sharing')
    .description('whether namespaces may take over each other’s blobs without sending their bytes')
    .argument('[policy]', 'shared|isolated; default: say which it is')
    .action(
      act(async (context, word: string | undefined) => {
        const { setSharingPolicy, sharingPolicy } = await import('../metadata/sharing.js');
        const { metadata } = await context.store();
        const policy =
          word === undefined
            ? metadata.read(sharingPolicy)
            : await metadata.write((tx) => setSharingPolicy(tx, word));
        if (context.output.json) context.output.document({ policy });
        else context.output.line(policy);
      }),
    );

  declareIngests(command, act);
};

async function get(context: Context, word: string, words: GetWords): Promise<void> {
  const { pipeline } = await import('node:stream/promises');
  const { writeToFile } = await import('./to-file.js');
  const digest = parseDigest(word);
  const offset = words.offset === undefined ? 0 : wholeNumber(words.offset, '--offset');
  const size = words.size === undefined ? undefined : wholeNumber(words.size, '--size');
  const blob = await (await context.parts()).openBlob(digest);
  try {
    if (offset > blob.size) {
      const why = `it has ${blob.size} bytes`;
      throw new StoreError('out-of-range', `cannot read blob ${digest} at ${offset}`, why);
    }
    const { output } = words;
    const bytes = blob.stream(offset, size);
    const { signal } = context;
    if (output === undefined) await pipeline(bytes, process.stdout, { signal, end: false });
    else await writeToFile(output, bytes, { what: `cannot write ${output}`, signal, exclusive: true });
  } finally {
    await blob.close();
  }
}
