// `mica explain`: how a path resolves, layer by layer from the top, and what a change would do.

import { existsSync } from 'node:fs';
import { dirname, join, basename as pathBasename, resolve } from 'node:path';
import {
  type ByteString,
  type ExplainedLayer,
  type Explanation,
  fromText,
  type LayerNamer,
  type StackDescription,
} from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { withUnion } from '../images/open-snapshot.js';
import { joinLayers } from '../mounts/layer-words.js';
import { withServer } from '../mounts/settle.js';
import { type ListedMount, MountTable } from '../mounts/table.js';
import type { StoredSnapshot } from '../snapshots/snapshot.js';
import type { Store } from '../store.js';
import { calledNames, type LayerNames } from '../web/naming.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { explanationLines } from './explain-text.js';
import { explainServed, idsOf, namesOfChain, namesOfMount } from './layer-names.js';
import { mountAt, mountOf, nearestFolder } from './mounted.js';
import { instantText, pathFields } from './output.js';
import { withoutUpper, withTree } from './reading.js';
import { placeMeant } from './words.js';

interface Words {
  readonly lower?: string;
  readonly upper?: string;
  readonly work?: string;
  readonly dialect?: string;
}

export const declareExplain: Declare = (command, act) => {
  command
    .argument('<path>', 'a path in a mount, or WORD:PATH')
    .option('--lower <dir:dir>', 'plain folders, topmost first; PATH is then inside them', joinLayers)
    .option('--upper <dir>', 'the folder of changes on top of them')
    .option(
      '--work <dir>',
      'its work folder: says what changes would do, too, and joins hard links, where nobody has it mounted',
    )
    .option('--dialect <name>', 'overlay|wh, of the plain folders', 'overlay')
    .action(
      act(async (context, path: string, words: Words) => {
        const { explanation, names, called } = await explain(context, path, words);
        if (context.output.json) return context.output.document(explanationJson(explanation, names));
        for (const line of explanationLines(explanation, called)) context.output.line(line);
      }),
    );
};

interface Explained {
  readonly explanation: Explanation;
  /** Of the snapshots that the layers are, by the layers' ids; none of plain folders and of other stores. */
  readonly names: LayerNames;
  /** What sentences call the layers. */
  readonly called: LayerNames;
}

const NO_NAMES: LayerNames = new Map();

async function explain(context: Context, text: string, words: Words): Promise<Explained> {
  const what = `cannot explain ${text}`;
  if (words.lower !== undefined) return explainFolders(text, words, what);
  if (words.upper !== undefined || words.work !== undefined) {
    throw new StoreError('invalid-argument', what, '--upper and --work go with --lower, which is missing');
  }
  const found = mountAbove(context, text);
  if (found !== undefined) return explainMount(found.mount, fromText(found.rest), what, context);
  const store = await context.store();
  const place = await placeMeant(store, text, what);
  if (place === undefined) {
    const why = existsSync(text)
      ? 'it is not in a mount of this program'
      : 'no mount, key, snapshot or image';
    throw new StoreError('not-found', what, why, { hint: 'mica mounts, mica images, mica snapshot ls' });
  }
  const mount = mountOf(store, place.snapshot);
  if (mount?.socket !== undefined && mount.state === 'live') return askServer(mount, place.path, context);
  const names = await namesOfChain(context, place.snapshot.name);
  return explainTree(store, place.snapshot, place.path, names, what);
}

async function explainTree(
  store: Store,
  snapshot: StoredSnapshot,
  path: ByteString,
  names: LayerNames,
  what: string,
): Promise<Explained> {
  const called = calledNames([...names.keys()], names);
  const explanation = await withTree(store, snapshot, what, (union) => union.explain(path, namerOf(called)));
  return { explanation, names, called };
}

function namerOf(called: LayerNames): LayerNamer {
  return (id) => called.get(id) ?? id;
}

/**
 * Without a work folder nobody knows what changes would do, nor which names of hard links were changed through others, so the
 * upper is read as one more lower.
 */
async function explainFolders(text: string, words: Words, what: string): Promise<Explained> {
  const { stackOfFolders } = await import('./plain-stack.js');
  const { normalPath } = await import('./words.js');
  const path = normalPath(text);
  const explained = async (stack: StackDescription): Promise<Explained> => {
    const called = calledNames(idsOf(stack), NO_NAMES);
    const explanation = await withUnion(stack, what, (union) => union.explain(path, namerOf(called)));
    return { explanation, names: NO_NAMES, called };
  };
  if (words.work !== undefined) {
    const { withParts } = await import('../mounts/parts.js');
    return explained(withParts(stackOfFolders(words)));
  }
  const stack = withoutUpper(
    stackOfFolders({ ...words, ...(words.upper === undefined ? {} : { work: words.upper }) }),
  );
  const all = await explained(stack);
  if (words.upper === undefined) return all;
  const { layers, parents } = all.explanation;
  const asUpper = (layers: readonly ExplainedLayer[]) =>
    layers.map((layer, at) => (at === 0 ? { ...layer, role: 'upper' as const } : layer));
  const folders = parents.map(({ path, layers }) => ({ path, layers: asUpper(layers) }));
  return { ...all, explanation: { ...all.explanation, layers: asUpper(layers), parents: folders } };
}

/** The mount that a path of this machine lies in. The path itself need not exist; its folder is resolved. */
function mountAbove(
  context: Context,
  text: string,
): { readonly mount: ListedMount; readonly rest: string } | undefined {
  const path = resolve(text);
  const table = new MountTable(context.settings.state);
  // A symlink at the end is what is asked about, not what it leads to.
  const parent = nearestFolder(dirname(path));
  const real = table.at(path) === undefined ? join(parent.real, parent.rest, pathBasename(path)) : path;
  // A symlink that lies elsewhere leads to what is asked about.
  return table.containing(real) ?? mountAt(context, text);
}

async function explainMount(
  mount: ListedMount,
  path: ByteString,
  what: string,
  context: Context,
): Promise<Explained> {
  const { snapshot, socket } = mount;
  if (snapshot === undefined || socket !== undefined) return askServer(mount, path, context);
  const store = await context.store();
  const names = await namesOfChain(context, snapshot.key);
  return explainTree(store, await store.snapshots.stat(snapshot.key), path, names, what);
}

async function askServer(mount: ListedMount, path: ByteString, context: Context): Promise<Explained> {
  return withServer(mount, async (server) => {
    const { stack } = await server.ask({ op: 'status' });
    // When there is a server: it may open the store, which cleans up after those that died.
    const names = await namesOfMount(context, mount, stack);
    const called = calledNames(idsOf(stack), names);
    return { explanation: await explainServed(server, path, called), names, called };
  });
}

function explanationJson(explanation: Explanation, names: LayerNames): object {
  const { path, kind, result, parents, layers, ...rest } = explanation;
  const named = (all: readonly ExplainedLayer[]) => all.map((layer) => layerJson(layer, names));
  return {
    ...pathFields(path),
    ...(kind === undefined ? {} : { kind }),
    result,
    parents: parents.map((folder) => ({ ...pathFields(folder.path), layers: named(folder.layers) })),
    layers: named(layers),
    ...rest,
  };
}

/** As the fields of a path. */
function redirectFields(redirect: ByteString): object {
  const { path, pathBase64 } = pathFields(redirect);
  return { redirect: path, ...(pathBase64 === undefined ? {} : { redirectBase64: pathBase64 }) };
}

function layerJson({ id, mode, mtime, redirect, ...layer }: ExplainedLayer, names: LayerNames): object {
  return {
    id,
    name: names.get(id) ?? id,
    ...layer,
    ...(mode === undefined ? {} : { mode }),
    ...(mtime === undefined ? {} : { mtime: instantText(mtime.sec, mtime.nsec) }),
    ...(redirect === undefined ? {} : redirectFields(redirect)),
  };
}
