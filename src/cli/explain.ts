// `mica explain`: how a path resolves, layer by layer from the top, and what a change would do.

import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { dirname, join, basename as pathBasename, resolve } from 'node:path';
import colors from 'picocolors';
import { type ByteString, type Explanation, fromText, type LayerFinding, toBytes } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { withUnion } from '../images/open-snapshot.js';
import { withServer } from '../mounts/settle.js';
import { type ListedMount, MountTable } from '../mounts/table.js';
import type { SnapshotInfo } from '../snapshots/snapshot.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
import { mountOf } from './mounted.js';
import { pathFields, quoteName, sizeText } from './output.js';
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
    .option('--lower <dir:dir>', 'plain folders, topmost first; PATH is then inside them')
    .option('--upper <dir>', 'the folder of changes on top of them')
    .option('--dialect <name>', 'overlay|wh, of the plain folders', 'overlay')
    .action(
      act(async (context, path: string, words: Words) => {
        const { explanation, snapshot } = await explain(context, path, words);
        if (context.output.json) {
          const names = snapshot === undefined ? new Map<string, string>() : await namesOf(context, snapshot);
          return context.output.document(explanationJson(explanation, names));
        }
        for (const line of explanationLines(explanation)) context.output.line(line);
      }),
    );
};

interface Explained {
  readonly explanation: Explanation;
  /** Name of the snapshot whose chain the layers are; absent for plain folders and for those of other stores. */
  readonly snapshot?: string;
}

async function explain(context: Context, text: string, words: Words): Promise<Explained> {
  const what = `cannot explain ${text}`;
  if (words.lower !== undefined) {
    const { stackOfFolders } = await import('./plain-stack.js');
    const stack = withoutUpper(
      stackOfFolders({ ...words, ...(words.upper === undefined ? {} : { work: words.upper }) }),
    );
    const { normalPath } = await import('./words.js');
    return { explanation: await withUnion(stack, what, (union) => union.explain(normalPath(text))) };
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
  const { name } = place.snapshot;
  const mount = mountOf(store, place.snapshot);
  const explanation =
    mount?.socket !== undefined && mount.state === 'live'
      ? await askServer(mount, place.path)
      : await withTree(store, place.snapshot, what, (union) => union.explain(place.path));
  return { explanation, snapshot: name };
}

/** Names of the snapshots of a chain by their ids, from its top down. */
async function namesOf(context: Context, snapshot: string): Promise<ReadonlyMap<string, string>> {
  const { snapshots } = await context.store();
  const names = new Map<string, string>();
  for (let name: string | undefined = snapshot; name !== undefined; ) {
    const info: SnapshotInfo = await snapshots.stat(name);
    names.set(info.id, info.name);
    name = info.parent;
  }
  return names;
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
  return table.containing(real);
}

function nearestFolder(path: string): { readonly real: string; readonly rest: string } {
  let at = path;
  while (lstatSync(at, { throwIfNoEntry: false }) === undefined && at !== dirname(at)) at = dirname(at);
  return { real: realpathSync(at), rest: path.slice(at.length).replace(/^\//, '') };
}

async function explainMount(
  mount: ListedMount,
  path: ByteString,
  what: string,
  context: Context,
): Promise<Explained> {
  const { snapshot, socket } = mount;
  const { root, namespace } = context.settings;
  if (snapshot === undefined) return { explanation: await askServer(mount, path) };
  if (socket !== undefined) {
    const explanation = await askServer(mount, path);
    // The store is opened for names alone, so only where it is sure to have them.
    const isOurs = snapshot.store === join(root, 'snapshots') && snapshot.namespace === namespace;
    return isOurs ? { explanation, snapshot: snapshot.key } : { explanation };
  }
  const store = await context.store();
  const info = await store.snapshots.stat(snapshot.key);
  const explanation = await withTree(store, info, what, (union) => union.explain(path));
  return { explanation, snapshot: snapshot.key };
}

async function askServer(mount: ListedMount, path: ByteString): Promise<Explanation> {
  const pathBase64 = Buffer.from(toBytes(path)).toString('base64');
  return withServer(mount, (server) => server.ask({ op: 'explain', pathBase64 }));
}

function explanationJson(explanation: Explanation, names: ReadonlyMap<string, string>): object {
  const { path, kind, result, layers, why, onWrite, onDelete } = explanation;
  return {
    ...pathFields(path),
    ...(kind === undefined ? {} : { kind }),
    result,
    layers: layers.map(({ id, ...layer }) => ({ id, name: names.get(id) ?? id, ...layer })),
    why,
    ...(onWrite === undefined ? {} : { onWrite }),
    ...(onDelete === undefined ? {} : { onDelete }),
  };
}

const FINDINGS: Readonly<Record<LayerFinding, string>> = {
  file: 'file',
  metadata: 'attributes of a file, whose data is below',
  part: 'a file, of whose data only what was written; the rest is below',
  folder: 'folder',
  opaque: 'opaque folder: nothing below is seen in it',
  whiteout: 'whiteout: the name ends here',
  redirect: 'redirect: its lower part lies elsewhere',
  nothing: '-',
  'not-looked': 'not looked at',
};

/** The explanation as text, one line a layer from the top. */
export function explanationLines(explanation: Explanation): readonly string[] {
  const { path, kind, result, layers, why, onWrite, onDelete } = explanation;
  const width = Math.max(...layers.map(({ id }) => id.length), 0);
  const winner = result === 'absent' ? undefined : result.layer;
  return [
    `${quoteName(path === '' ? '.' : path)}  ${result === 'absent' ? 'does not exist' : (kind ?? '')}`,
    ...layers.map(({ id, role, finding }) => {
      const line = `  ${role}  ${id.padEnd(width)}  ${FINDINGS[finding]}`;
      return id === winner ? colors.bold(`${line}  <- this one`) : line;
    }),
    `  ${why}`,
    ...(onWrite === undefined ? [] : [`  a first write copies ${sizeText(onWrite.copiesBytes)}`]),
    ...(onDelete === undefined ? [] : [`  deleting it: ${onDelete}`]),
  ];
}
