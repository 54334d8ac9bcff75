// `mica namespace`: who owns which names.

import { StoreError } from '../errors.js';
import { filtered } from '../filter.js';
import { namespaceField } from '../filter-fields.js';
import { updateLabels } from '../labels.js';
import { deleteNamespace, getNamespace, listNamespaces, putNamespace } from '../metadata/namespaces.js';
import type { Store } from '../store.js';
import { timeNow } from '../time.js';
import type { Declare } from './commands.js';
import { labelText, parseLabels, several } from './labels.js';
import { agoText } from './output.js';

export const declareNamespace: Declare = (command, act) => {
  command
    .command('ls')
    .description('list namespaces')
    .option(
      '--filter <filter>',
      'as those of other lists: name==NAME,labels.KEY; of several one must match',
      several,
    )
    .action(
      act(async (context, words: { readonly filter?: readonly string[] }) => {
        const store = await context.store();
        const rows = filtered(store.metadata.read(listNamespaces), words.filter ?? [], namespaceField);
        const { output } = context;
        if (output.json) return output.document(rows);
        if (output.quiet) {
          for (const row of rows) output.line(row.name);
          return;
        }
        output.table(
          ['NAME', 'CREATED', 'LABELS'],
          rows.map((row) => [row.name, agoText(row.created), labelText(row.labels)]),
        );
      }),
    );

  command
    .command('create')
    .description('make a namespace')
    .argument('<name>')
    .argument('[labels...]', 'KEY=VALUE')
    .action(
      act(async (context, name: string, words: readonly string[]) => {
        const store = await context.store();
        const row = { name, created: timeNow(), labels: parseLabels(words).labels };
        await store.metadata.write((tx) => {
          if (getNamespace(tx, name) !== undefined) {
            throw new StoreError('already-exists', `cannot create namespace ${name}`, 'it exists', {
              hint: `mica namespace label ${name} KEY=VALUE`,
            });
          }
          putNamespace(tx, row);
        });
        if (context.output.json) context.output.document(row);
        else context.output.line(name);
      }),
    );

  command
    .command('label')
    .description('set labels; KEY= takes one away')
    .argument('<name>')
    .argument('<labels...>', 'KEY=VALUE')
    .action(
      act(async (context, name: string, words: readonly string[]) => {
        const store = await context.store();
        const what = `cannot label namespace ${name}`;
        const { labels, paths } = parseLabels(words);
        const row = await store.metadata.write((tx) => {
          const old = getNamespace(tx, name);
          if (old === undefined) throw new StoreError('not-found', what, 'there is none of this name');
          const changed = { ...old, labels: updateLabels(old.labels, labels, paths, what) };
          putNamespace(tx, changed);
          return changed;
        });
        if (context.output.json) context.output.document(row);
        else context.output.line(labelText(row.labels));
      }),
    );

  command
    .command('rm')
    .description('remove empty namespaces')
    .argument('<names...>')
    .action(
      act(async (context, names: readonly string[]) => {
        const store = await context.store();
        for (const name of names) {
          await assertNoIngests(store, name);
          await store.metadata.write((tx) => deleteNamespace(tx, name));
          if (!context.output.json) context.output.line(name);
        }
        if (context.output.json) context.output.document(names.map((name) => ({ name })));
      }),
    );
};

/** Ingests lie on disk alone: a namespace of the same name would have them again. */
async function assertNoIngests({ folders, metadata }: Store, name: string): Promise<void> {
  const { LocalContent } = await import('../content/local-content.js');
  const { blobRows } = await import('../metadata/blobs.js');
  const ingests = await new LocalContent(folders.content, blobRows(metadata, name), name).statuses();
  const [first] = ingests;
  if (first === undefined) return;
  const why = `it is not empty: ${ingests.length} ingests`;
  throw new StoreError('failed-precondition', `cannot remove namespace ${name}`, why, {
    hint: `mica -n ${name} content abort ${first.ref}`,
  });
}
