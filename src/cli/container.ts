// `mica container`: the container store, which keeps what others run and keeps their snapshots from being collected.

import { StoreError } from '../errors.js';
import { filtered } from '../filter.js';
import { containerField } from '../filter-fields.js';
import type { ContainerRow } from '../metadata/rows.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { labelText, parseLabels, several } from './labels.js';
import { agoText } from './output.js';

interface ListWords {
  readonly filter?: readonly string[];
}

interface CreateWords {
  readonly image?: string;
  readonly snapshot?: string;
  readonly runtime: string;
  readonly spec?: string;
  readonly label?: readonly string[];
}

/** The type of a runtime specification in JSON (containerd, `pkg/oci`). */
const SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Spec';

export const declareContainer: Declare = (command, act) => {
  command
    .command('ls')
    .description('list containers')
    .option(
      '--filter <filter>',
      'as containerd’s: image==REF,labels.KEY==VALUE; of several one must match',
      several,
    )
    .action(
      act(async (context, words: ListWords) => {
        const { containerJson } = await import('../metadata/container-json.js');
        const store = await context.store();
        const rows = filtered(store.containers.list(), words.filter ?? [], containerField);
        const { output } = context;
        if (output.json) return output.document(rows.map(containerJson));
        if (output.quiet) {
          for (const { id } of rows) output.line(id);
          return;
        }
        output.table(
          ['ID', 'IMAGE', 'SNAPSHOT', 'RUNTIME', 'CREATED'],
          rows.map((row) => [row.id, row.image, row.snapshotKey, row.runtime.name, agoText(row.created)]),
        );
      }),
    );

  command
    .command('create')
    .description('note a container down; nothing is run')
    .argument('<id>')
    .option('--image <name>', 'the name of its image')
    .option('--snapshot <key>', 'the snapshot that it runs in, which stays as long as the container')
    .option('--runtime <name>', 'who runs it', 'io.containerd.runc.v2')
    .option('--spec <file>', 'its runtime specification, kept as it is; default: {}')
    .option('--label <key=value>', 'may be given several times', several)
    .action(act(create));

  command
    .command('info')
    .description('what is known of a container')
    .argument('<id>')
    .action(
      act(async (context, id: string) => {
        const store = await context.store();
        await show(context, required(store.containers.get(id), `cannot show container ${id}`));
      }),
    );

  command
    .command('label')
    .description('set labels; KEY= takes one away')
    .argument('<id>')
    .argument('<labels...>', 'KEY=VALUE')
    .action(
      act(async (context, id: string, words: readonly string[]) => {
        const store = await context.store();
        const { labels, paths } = parseLabels(words);
        const old = required(store.containers.get(id), `cannot label container ${id}`);
        const row = await store.containers.update({ ...old, labels }, paths);
        if (context.output.json) await show(context, row);
        else context.output.line(labelText(row.labels));
      }),
    );

  command
    .command('rm')
    .description('forget containers; their snapshots stay until something removes them')
    .argument('<ids...>')
    .action(
      act(async (context, ids: readonly string[]) => {
        const store = await context.store();
        for (const id of ids) {
          await store.containers.remove(id);
          if (!context.output.json) context.output.line(id);
        }
        if (context.output.json) context.output.document(ids.map((id) => ({ id })));
      }),
    );
};

async function create(context: Context, id: string, words: CreateWords): Promise<void> {
  const { SNAPSHOTTER_NAME } = await import('../metadata/gc.js');
  const { readFileSync } = await import('node:fs');
  const { labels } = parseLabels(words.label ?? []);
  const value = words.spec === undefined ? Buffer.from('{}') : readFileSync(words.spec);
  const store = await context.store();
  const { snapshot = '' } = words;
  if (snapshot !== '') await store.snapshots.stat(snapshot);
  const row = await store.containers.create({
    id,
    labels,
    image: words.image ?? '',
    runtime: { name: words.runtime },
    spec: { typeUrl: SPEC_TYPE, value },
    snapshotter: snapshot === '' ? '' : SNAPSHOTTER_NAME,
    snapshotKey: snapshot,
    extensions: {},
  });
  if (context.output.json) await show(context, row);
  else context.output.line(row.id);
}

function required(row: ContainerRow | undefined, what: string): ContainerRow {
  if (row !== undefined) return row;
  throw new StoreError('not-found', what, 'there is no container of this id', { hint: 'mica container ls' });
}

async function show({ output }: Context, row: ContainerRow): Promise<void> {
  const { containerJson } = await import('../metadata/container-json.js');
  if (output.json) return output.document(containerJson(row));
  const { id, image, snapshotter, snapshotKey, runtime, spec, created, updated } = row;
  const fields = { id, image, snapshotter, snapshot: snapshotKey, runtime: runtime.name, created, updated };
  for (const [field, value] of Object.entries(fields)) output.line(`${field.padEnd(11)} ${value}`.trimEnd());
  output.line(`spec        ${spec.typeUrl}, ${spec.value.length} bytes`);
  for (const [key, value] of Object.entries(row.labels)) output.line(`label       ${key}=${value}`);
}
