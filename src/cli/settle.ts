// `mica settle`: makes an upper plain, so that kernel overlayfs and other programs read it as we do. An upper is that
// of a snapshot, of a container of podman or buildah, or a plain folder: mounted by us, or with the lowers that it lies on.

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { StackDescription } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { joinLayers } from '../mounts/layer-words.js';
import { MountTable } from '../mounts/table.js';
import type { Store } from '../store.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';

interface Words {
  readonly lower?: string;
  readonly work?: string;
  readonly dialect?: string;
}

export const declareSettle: Declare = (command, act) => {
  command
    .argument('<key>', 'an active snapshot, or an upper folder; of a podman container its diff folder')
    .option(
      '--lower <dir:dir>',
      'the lowers of a plain upper folder that is not mounted, topmost first',
      joinLayers,
    )
    .option('--work <dir>', 'its work folder')
    .option('--dialect <name>', 'overlay|wh: how plain folders spell their marks')
    .action(
      act(async (context, word: string, words: Words) => {
        const { name, settled } = await settleWord(context, word, words);
        if (context.output.json) context.output.document({ key: name, settled });
        else context.output.line(name);
        if (!settled) context.output.note(`${name} was plain already`);
      }),
    );
};

interface Outcome {
  /** The key of a snapshot, the path of a plain folder. */
  readonly name: string;
  readonly settled: boolean;
}

async function settleWord(context: Context, word: string, words: Words): Promise<Outcome> {
  const table = new MountTable(context.settings.state);
  if (words.lower !== undefined || words.work !== undefined) {
    const { stackOfFolders } = await import('./plain-stack.js');
    return settleStack(stackOfFolders({ ...words, upper: word }), table, realpathSync(resolve(word)));
  }
  const path = upperFolder(word);
  const mount = path === undefined ? undefined : table.writing(path);
  if (path !== undefined && mount?.socket !== undefined && mount.state === 'live') {
    const { settleServed } = await import('../mounts/settle.js');
    return { name: mount.snapshot?.key ?? path, settled: await settleServed(mount) };
  }
  const ofEngine = path === undefined ? undefined : await engineStack(path);
  if (path !== undefined && ofEngine !== undefined) return settleStack(ofEngine, table, path);
  const store = await context.store();
  const key = path === undefined ? await keyOfWord(store, word) : await keyOfUpper(store, word, path, table);
  return settleStack(await store.snapshots.stack(key), new MountTable(store.state), key);
}

/**
 * What a container's `diff` lies on, where an engine keeps it (containers/storage, `drivers/overlay`): beside it `lower`
 * names its lowers, topmost first, below the folder of all layers. undefined for any other folder. No store is needed.
 */
async function engineStack(path: string): Promise<StackDescription | undefined> {
  const { asUpper } = await import('../mount-program/lowers-to-read.js');
  const upper = asUpper(path);
  const beside = dirname(path);
  if (upper === undefined || !existsSync(join(beside, 'lower'))) return undefined;
  const names = readFileSync(join(beside, 'lower'), 'utf8').trim().split(':');
  const lowers = names.map((name) => realpathSync(join(dirname(beside), name)));
  return { upper, lowers: lowers.map((lower) => ({ path: lower, id: lower, dialect: upper.dialect })) };
}

async function settleStack(stack: StackDescription, table: MountTable, name: string): Promise<Outcome> {
  const { settle } = await import('../mounts/settle.js');
  if (stack.upper === undefined) {
    const why = 'it is not active: it has no upper';
    throw new StoreError('failed-precondition', `cannot settle ${name}`, why);
  }
  return { name, settled: await settle(stack, table) };
}

/** The real path of a word that names an existing folder; undefined for the name of a snapshot. */
function upperFolder(word: string): string | undefined {
  if (!word.includes('/') || statSync(word, { throwIfNoEntry: false })?.isDirectory() !== true)
    return undefined;
  return realpathSync(resolve(word));
}

async function keyOfWord(store: Store, word: string): Promise<string> {
  return (await store.snapshots.stat(word.replace(/^key:/, ''))).name;
}

/** The key of the snapshot whose upper lies at `path`. */
async function keyOfUpper(store: Store, word: string, path: string, table: MountTable): Promise<string> {
  for await (const { name, id } of store.snapshots.walk()) {
    if (join(store.folders.snapshots, id, 'fs') === path) return name;
  }
  const { assertNoKernel } = await import('../mounts/settle.js');
  assertNoKernel(path, table);
  const why = 'it is neither mounted by mica nor the upper of a snapshot';
  throw new StoreError('not-found', `cannot settle ${word}`, why, {
    hint: `mica settle ${word} --lower DIR:DIR --work DIR`,
  });
}
