// `mica export`: an image as an archive or a layout.

import { InvalidArgumentError } from 'commander';
import type { Compression } from '../diff/compression.js';
import { StoreError } from '../errors.js';
import type { ExportFormat } from '../images/export.js';
import type { Declare } from './commands.js';
import { COMPRESSION_WORDS, compressionWord } from './compression.js';

interface Words {
  readonly output: string;
  readonly format: ExportFormat;
  readonly platform?: string;
  readonly compression?: Compression;
}

export const declareExport: Declare = (command, act) => {
  command
    .argument('<image>')
    .requiredOption('-o, --output <file>', 'the archive; a folder if it ends in /; - for stdout')
    .option('--format <name>', 'oci|docker', format, 'oci')
    .option('--platform <os/arch>', 'only the image of this platform')
    .option(
      '--compression <kind>',
      `of the layers: ${COMPRESSION_WORDS}; default: as they are, which alone keeps the image’s digest`,
      compressionWord,
    )
    .action(
      act(async (context, name: string, words: Words) => {
        const { exportImage, exportImageTo } = await import('../images/export.js');
        const { parsePlatform } = await import('../images/platform.js');
        const { requireImage } = await import('../images/names.js');
        const store = await context.store();
        const row = requireImage(store, name.replace(/^image:/, ''), `cannot export image ${name}`);
        const { restoreImage } = await import('../layers/dropped-blobs.js');
        await restoreImage(store, row);
        const options = {
          format: words.format,
          signal: context.signal,
          onProgress: context.onProgress,
          ...(words.compression === undefined ? {} : { compression: words.compression }),
          ...(words.platform === undefined ? {} : { platform: parsePlatform(words.platform) }),
        };
        if (words.output === '-') {
          if (context.output.terminal || context.output.json) {
            const why = context.output.json ? 'stdout is for JSON' : 'stdout is a terminal';
            throw new StoreError('invalid-argument', `cannot export image ${name}`, why, { hint: '-o FILE' });
          }
          return exportImageTo(store, row, process.stdout, options);
        }
        const digest = await exportImage(store, row, words.output, options);
        context.progress.clear();
        if (context.output.json) {
          context.output.line(JSON.stringify({ image: row.name, digest, file: words.output }));
        } else context.output.line(words.output);
      }),
    );
};

function format(word: string): ExportFormat {
  if (word === 'oci' || word === 'docker') return word;
  throw new InvalidArgumentError('It is oci or docker.');
}
