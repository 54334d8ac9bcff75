// `mica dump` and `mica restore`: the metadata as JSON, and back into an empty store.

import { Readable } from 'node:stream';
import { StoreError } from '../errors.js';
import type { Declare } from './commands.js';

export const declareDump: Declare = (command, act) => {
  command.option('-o, --output <file>', 'into a file that does not exist yet; default: stdout').action(
    act(async (context, words: { readonly output?: string }) => {
      const { dumpRows } = await import('../metadata/dump.js');
      const store = await context.store();
      const dump = store.metadata.read(dumpRows);
      if (words.output === undefined) return context.output.document(dump);
      const { writeToFile } = await import('./to-file.js');
      const bytes = Readable.from([Buffer.from(`${JSON.stringify(dump)}\n`)]);
      const how = { what: `cannot write ${words.output}`, signal: context.signal, exclusive: true };
      // Names and labels are whatever their makers put there.
      await writeToFile(words.output, bytes, { ...how, mode: 0o600 });
    }),
  );
};

export const declareRestore: Declare = (command, act) => {
  command.argument('<file>', 'what mica dump wrote; - for stdin').action(
    act(async (context, file: string) => {
      const { readFileSync, existsSync } = await import('node:fs');
      const { restoreDump } = await import('../restore.js');
      const what = `cannot restore ${file === '-' ? 'the standard input' : file}`;
      if (file !== '-' && !existsSync(file)) throw new StoreError('not-found', what, 'there is no such file');
      const text = readFileSync(file === '-' ? 0 : file, 'utf8');
      const store = await context.store({ mayBeginAnew: true });
      const restored = await restoreDump(store, text, what);
      const { output } = context;
      if (output.json) return output.document(restored);
      for (const { kind, name, path } of restored.missing)
        output.warn(`${kind} ${name}: ${path} is not there`);
      if (restored.unnamed > 0) {
        output.note(`${restored.unnamed} folders and files are in no row; mica gc removes them`);
      }
      output.line(
        `${restored.rows} rows restored, ${restored.missing.length} of them without what they name`,
      );
    }),
  );
};
