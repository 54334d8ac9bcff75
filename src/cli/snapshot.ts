// `mica snapshot`: the snapshotter, one word each.

import { rootLabels } from '../labels.js';
import { partitionOf } from '../metadata/partitions.js';
import { parseQuota, quotaText } from '../mounts/quota-words.js';
import type { SnapshotInfo, Snapshotter, StoredSnapshot } from '../snapshots/snapshot.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { hinted } from './failure.js';
import { labelText, parseLabels, several } from './labels.js';
import { mountLine } from './mount-line.js';
import { agoText, sizeText } from './output.js';

interface NewWords {
  readonly label?: readonly string[];
  readonly quota?: string;
}

export const declareSnapshot: Declare = (command, act) => {
  command.option('--partition <name>', 'those of a served socket: by default its path');

  command
    .command('ls')
    .description('list snapshots')
    .option('--all', 'of all namespaces and served sockets')
    .option(
      '--filter <filter>',
      'as containerd’s: kind==active,labels.KEY==VALUE; of several one must match',
      several,
    )
    .action(
      act(async (context, words: { readonly filter?: readonly string[]; readonly all?: boolean }) => {
        const { output } = context;
        if (words.all === true) return listAll(context, words.filter);
        const all = await everything(context, words.filter);
        if (output.json)
          return output.document(await Promise.all(all.map((info) => snapshotJson(context, info))));
        if (output.quiet) {
          for (const { name } of all) output.line(name);
          return;
        }
        output.table(
          ['NAME', 'KIND', 'PARENT', 'ID', 'UPDATED'],
          all.map((info) => [info.name, info.kind, info.parent ?? '', info.id ?? '', agoText(info.updated)]),
        );
      }),
    );

  command
    .command('tree')
    .description('snapshots below their parents')
    .action(
      act(async (context) => {
        const all = await everything(context);
        if (context.output.json) return context.output.document(treeJson(all, undefined));
        for (const line of treeLines(all, undefined, '')) context.output.line(line);
      }),
    );

  command
    .command('info')
    .description('what is known of a snapshot')
    .argument('<name>')
    .action(
      act(async (context, name: string) => {
        const { snapshots } = await context.parts();
        await showSnapshot(context, await snapshots.stat(name));
      }),
    );

  for (const kind of ['prepare', 'view'] as const) {
    const created = command
      .command(kind)
      .description(kind === 'prepare' ? 'a new active snapshot' : 'a new read-only view')
      .argument('<key>')
      .argument('[parent]', 'a committed snapshot; default: nothing below')
      .option('--label <key=value>', 'may be given several times', several);
    if (kind === 'prepare') created.option('--quota <size>', 'SIZE[:INODES]: what its changes may take');
    created.action(
      act(async (context, key: string, parent: string | undefined, words: NewWords) => {
        const quota = words.quota === undefined ? {} : { quota: parseQuota('--quota', words.quota) };
        const { snapshots } = await context.parts();
        const labels = { ...rootLabels(), ...parseLabels(words.label ?? []).labels };
        try {
          await snapshots[kind](key, parent, { labels, ...quota });
        } catch (error) {
          throw hinted(error, 'already-exists', `mica snapshot rm ${key}, or another key`);
        }
        if (context.output.json) await showSnapshot(context, await snapshots.stat(key));
        else context.output.line(key);
      }),
    );
  }

  command
    .command('commit')
    .description('turn an active snapshot into a committed one')
    .argument('<name>')
    .argument('<key>')
    .option('--label <key=value>', 'may be given several times', several)
    .action(
      act(async (context, name: string, key: string, words: NewWords) => {
        const parts = await context.parts();
        const info = await parts.commitSnapshot(name, key, parseLabels(words.label ?? []).labels);
        if (context.output.json) await showSnapshot(context, info);
        else context.output.line(name);
      }),
    );

  command
    .command('rollback')
    .description('throw away what was changed in an active snapshot; a mount of it goes on')
    .argument('<key>')
    .option('--dry-run', 'list what would be thrown away')
    .action(
      act(async (context, key: string, words: { readonly dryRun?: boolean }) => {
        const { output } = context;
        if (words.dryRun === true) {
          const { showChanges } = await import('./diff.js');
          await showChanges(context, `key:${key}`);
          return;
        }
        const { rollBackKey } = await import('./commit-key.js');
        const store = await context.store();
        const { stop } = await rollBackKey(store, key);
        if (output.json) {
          const shown = await snapshotJson(context, await store.snapshots.stat(key));
          output.document({ ...shown, ...(stop && { live: stop }) });
        } else output.line(key);
        if (stop !== undefined)
          output.note(`${key} stays mounted; it stood still for ${stop.stoppedMs.toFixed(1)} ms`);
      }),
    );

  command
    .command('mounts')
    .description('what to mount, as JSON or as mount(8) words')
    .argument('<key>')
    .action(
      act(async (context, key: string) => {
        const { snapshots } = await context.parts();
        const mounts = await snapshots.mounts(key);
        if (context.output.json) return context.output.document(mounts);
        for (const mount of mounts) context.output.line(mountLine(mount));
      }),
    );

  command
    .command('usage')
    .description('space of snapshots’ own changes')
    .argument('[names...]', 'default: all')
    .action(
      act(async (context, names: readonly string[]) => {
        const { snapshots } = await context.parts();
        const wanted = names.length > 0 ? names : (await everything(context)).map(({ name }) => name);
        const usages = [];
        for (const name of wanted) usages.push({ name, ...(await snapshots.usage(name)) });
        if (context.output.json) return context.output.document(usages);
        context.output.table(
          ['NAME', 'SIZE', 'INODES'],
          usages.map(({ name, size, inodes }) => [name, sizeText(size), String(inodes)]),
        );
      }),
    );

  command
    .command('label')
    .description('set labels; KEY= takes one away')
    .argument('<name>')
    .argument('<labels...>', 'KEY=VALUE')
    .action(
      act(async (context, name: string, words: readonly string[]) => {
        const { snapshots } = await context.parts();
        const { labels, paths } = parseLabels(words);
        const info = await snapshots.update(name, labels, paths);
        if (context.output.json) await showSnapshot(context, info);
        else context.output.line(labelText(info.labels));
      }),
    );

  command
    .command('rm')
    .description('remove snapshots')
    .argument('<names...>')
    .action(
      act(async (context, names: readonly string[]) => {
        const parts = await context.parts();
        for (const name of names) {
          await parts.removeSnapshot(name);
          if (!context.output.json) context.output.line(name);
        }
        if (context.output.json) context.output.document(names.map((name) => ({ name })));
      }),
    );

  command
    .command('cleanup')
    .description('delete folders that no snapshot names')
    .action(
      act(async (context) => {
        const { snapshots } = await context.parts();
        const removed = await snapshots.cleanup();
        if (context.output.json) context.output.document(removed === undefined ? {} : { removed });
        else if (removed !== undefined) context.output.line(`${removed} removed`);
      }),
    );
};

/** What folders say is known of a store's own. */
type Shown = SnapshotInfo & Partial<StoredSnapshot>;

async function everything(context: Context, filters: readonly string[] = []): Promise<readonly Shown[]> {
  const { snapshots } = await context.parts();
  const all: Shown[] = [];
  for await (const info of snapshots.walk(filters)) all.push(info);
  return all;
}

/** Each with its namespace, or the partition of the served socket through which it was made. */
async function listAll(context: Context, filters: readonly string[] | undefined): Promise<void> {
  const { output } = context;
  const all: { readonly info: Shown; readonly shown: object; readonly where: string }[] = [];
  for (const store of (await context.store()).everywhere()) {
    const partition = partitionOf(store.namespace);
    const place = partition === undefined ? { namespace: store.namespace } : { partition };
    for await (const info of store.snapshots.walk(filters)) {
      const shown = output.json ? { ...place, ...(await jsonOf(store, info)) } : {};
      all.push({ info, shown, where: partition ?? store.namespace });
    }
  }
  if (output.json) return output.document(all.map(({ shown }) => shown));
  if (output.quiet) {
    for (const { info } of all) output.line(info.name);
    return;
  }
  output.table(
    ['WHERE', 'NAME', 'KIND', 'PARENT', 'ID', 'UPDATED'],
    all.map(({ where, info }) => [
      where,
      info.name,
      info.kind,
      info.parent ?? '',
      info.id ?? '',
      agoText(info.updated),
    ]),
  );
}

async function showSnapshot(context: Context, info: Shown): Promise<void> {
  const shown = await snapshotJson(context, info);
  if (context.output.json) return context.output.document(shown);
  for (const [field, value] of Object.entries(shown)) {
    if (field === 'labels') {
      for (const [key, label] of Object.entries(info.labels)) context.output.line(`label    ${key}=${label}`);
    } else if (field === 'quota' && info.quota !== undefined) {
      context.output.line(`quota    ${quotaText(info.quota)}`);
    } else if (value !== undefined) context.output.line(`${field.padEnd(8)} ${String(value)}`);
  }
}

/** The shape of a snapshot in JSON: an active one and a view have a `key`, a committed one a `name`. */
async function snapshotJson(context: Context, info: Shown): Promise<Record<string, unknown>> {
  return jsonOf(await context.parts(), info);
}

async function jsonOf(
  { snapshots }: { readonly snapshots: Snapshotter },
  info: Shown,
): Promise<Record<string, unknown>> {
  const { name, id, parent, kind, form, created, updated, labels, quota } = info;
  const { size, inodes } = await snapshots.usage(name);
  return {
    [kind === 'committed' ? 'name' : 'key']: name,
    ...(id === undefined ? {} : { id }),
    ...(parent === undefined ? {} : { parent }),
    kind,
    ...(form === undefined ? {} : { form }),
    created,
    updated,
    labels,
    size,
    inodes,
    ...(quota === undefined ? {} : { quota }),
  };
}

interface TreeNode {
  readonly name: string;
  readonly kind: string;
  readonly children: readonly TreeNode[];
}

function treeJson(all: readonly SnapshotInfo[], parent: string | undefined): readonly TreeNode[] {
  return all
    .filter((info) => info.parent === parent)
    .map(({ name, kind }) => ({ name, kind, children: treeJson(all, name) }));
}

function treeLines(all: readonly SnapshotInfo[], parent: string | undefined, indent: string): string[] {
  return all
    .filter((info) => info.parent === parent)
    .flatMap(({ name, kind }) => [
      `${indent}${name}${kind === 'committed' ? '' : `  (${kind})`}`,
      ...treeLines(all, name, `${indent}  `),
    ]);
}
