// `mica export`: an image as an archive or a layout.

import { InvalidArgumentError } from 'commander';
import { isKind, StoreError } from '../errors.js';
import type { ExportFormat } from '../images/export.js';
import type { ImageRow } from '../metadata/rows.js';
import type { Store } from '../store.js';
import type { Declare } from './commands.js';

interface Words {
  readonly output: string;
  readonly format: ExportFormat;
  readonly platform?: string;
}

export const declareExport: Declare = (command, act) => {
  command
    .argument('<image>')
    .requiredOption('-o, --output <file>', 'the archive; a folder if it ends in /; - for stdout')
    .option('--format <name>', 'oci|docker', format, 'oci')
    .option('--platform <os/arch>', 'only the image of this platform')
    .action(
      act(async (context, name: string, words: Words) => {
        const { exportImage, exportImageTo } = await import('../images/export.js');
        const { parsePlatform } = await import('../images/platform.js');
        const { requireImage } = await import('../images/names.js');
        const store = await context.store();
        const row = requireImage(store, name.replace(/^image:/, ''), `cannot export image ${name}`);
        await restoreDropped(store, row);
        const options = {
          format: words.format,
          signal: context.signal,
          onProgress: context.onProgress,
          ...(words.platform === undefined ? {} : { platform: parsePlatform(words.platform) }),
        };
        if (words.output === '-') {
          if (context.output.terminal || context.output.json) {
            const why = context.output.json ? 'stdout is for JSON' : 'stdout is a terminal';
            throw new StoreError('invalid-argument', `cannot export image ${name}`, why, { hint: '-o FILE' });
          }
          return exportImageTo(store, row, process.stdout, options);
        }
        await exportImage(store, row, words.output, options);
        context.progress.clear();
        if (context.output.json) {
          context.output.line(
            JSON.stringify({ image: row.name, digest: row.target.digest, file: words.output }),
          );
        } else context.output.line(words.output);
      }),
    );
};

function format(word: string): ExportFormat {
  if (word === 'oci' || word === 'docker') return word;
  throw new InvalidArgumentError('It is oci or docker.');
}

/** Blobs that layers give back are put back first. */
async function restoreDropped(store: Store, row: ImageRow): Promise<void> {
  const { openImage } = await import('../images/stored.js');
  const { restoreNeeded } = await import('../layers/dropped-blobs.js');
  try {
    const { layers } = await openImage(store, row, `cannot export image ${row.name}`);
    await restoreNeeded(
      store,
      layers.map(({ descriptor }) => descriptor.digest),
    );
  } catch (error) {
    // Of an index that has several images nothing is chosen here; what is missing is told by the export.
    if (!isKind(error, 'not-found') && !isKind(error, 'invalid-argument')) throw error;
  }
}
