// `mica explain`: how a path resolves, layer by layer from the top, and what a change would do.

import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { dirname, join, basename as pathBasename, resolve } from 'node:path';
import colors from 'picocolors';
import { type Explanation, fromText, type LayerFinding, toBytes } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { withUnion } from '../images/open-snapshot.js';
import { withServer } from '../mounts/settle.js';
import { type ListedMount, MountTable } from '../mounts/table.js';
import type { Declare } from './commands.js';
import type { Context } from './context.js';
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
        const explanation = await explain(context, path, words);
        if (context.output.json) return context.output.document(explanationJson(explanation));
        for (const line of explanationLines(explanation)) context.output.line(line);
      }),
    );
};

async function explain(context: Context, text: string, words: Words): Promise<Explanation> {
  const what = `cannot explain ${text}`;
  if (words.lower !== undefined) {
    const { stackOfFolders } = await import('./plain-stack.js');
    const stack = withoutUpper(
      stackOfFolders({ ...words, ...(words.upper === undefined ? {} : { work: words.upper }) }),
    );
    const { normalPath } = await import('./words.js');
    return withUnion(stack, what, (union) => union.explain(normalPath(text)));
  }
  const found = mountAbove(context, text);
  if (found !== undefined) return askServer(found.mount, found.rest, what, context);
  const store = await context.store();
  const place = await placeMeant(store, text, what);
  if (place === undefined) {
    const why = existsSync(text)
      ? 'it is not in a mount of this program'
      : 'no mount, key, snapshot or image';
    throw new StoreError('not-found', what, why, { hint: 'mica mounts, mica images, mica snapshot ls' });
  }
  return withTree(store, place.snapshot, what, (union) => union.explain(place.path));
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

async function askServer(
  mount: ListedMount,
  rest: string,
  what: string,
  context: Context,
): Promise<Explanation> {
  const path = fromText(rest);
  if (mount.socket === undefined && mount.snapshot !== undefined) {
    const { key } = mount.snapshot;
    const store = await context.store();
    return withTree(store, await store.snapshots.stat(key), what, (union) => union.explain(path));
  }
  const pathBase64 = Buffer.from(toBytes(path)).toString('base64');
  return withServer(mount, (server) => server.ask({ op: 'explain', pathBase64 }));
}

function explanationJson({ path, kind, result, layers, why, onWrite, onDelete }: Explanation): object {
  return {
    ...pathFields(path),
    ...(kind === undefined ? {} : { kind }),
    result,
    layers,
    why,
    ...(onWrite === undefined ? {} : { onWrite }),
    ...(onDelete === undefined ? {} : { onDelete }),
  };
}

const FINDINGS: Readonly<Record<LayerFinding, string>> = {
  file: 'file',
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
