// `mica namespace`: who owns which names.

import { filtered } from '../filter.js';
import { namespaceField } from '../filter-fields.js';
import { createNamespace, labelNamespace, listNamespaces } from '../metadata/namespaces.js';
import { partitionOf } from '../metadata/partitions.js';
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
        const proper = store.metadata
          .read(listNamespaces)
          .filter(({ name }) => partitionOf(name) === undefined);
        const rows = filtered(proper, words.filter ?? [], namespaceField);
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
        const { labels } = parseLabels(words);
        const row = await store.metadata.write((tx) => createNamespace(tx, name, labels));
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
        const { labels, paths } = parseLabels(words);
        const row = await store.metadata.write((tx) => labelNamespace(tx, name, labels, paths));
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
          await store.removeNamespace(name);
          if (!context.output.json) context.output.line(name);
        }
        if (context.output.json) context.output.document(names.map((name) => ({ name })));
      }),
    );
};
