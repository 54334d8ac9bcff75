// What is drawn, in words: for the caption under the picture, and for who does not see it.

import type { Explanation, UnionEvent } from '../../../fs/memory.js';
import { sizeText } from '../amounts.js';
import type { ContainerState, State } from '../model.js';
import type { Column, Look, PictureCell } from './columns.js';

const LOOKS: Readonly<Record<Look, string>> = {
  nothing: 'nothing',
  file: 'file',
  folder: 'folder',
  whiteout: 'whiteout',
  opaque: 'opaque folder',
  redirect: 'folder with redirect',
  metadata: 'attributes only',
  part: 'some of the data',
  indexed: 'found by the index of hard links',
  other: 'link or device',
};

export function lookText(look: Look): string {
  return LOOKS[look];
}

/** Which part of the union is drawn, where that is not all of it. `more`: paths that are not. */
export function shownText({ focus }: State, more: number): string {
  const left = more === 0 ? '' : `${more} more paths are not drawn.`;
  if (focus === '') return left;
  return `Drawn is the folder ${focus} alone; the bytes are those of the whole mount. ${left}`.trim();
}

/** What a cell of a sheet says. */
export function cellText(cell: PictureCell, path: string): string {
  const { layer, look, entry, covered, shows, names, seenAs } = cell;
  const same = names.length === 0 ? '' : `, the same file as ${names.join(', ')}`;
  const size = `${entry?.kind === 'file' ? `, ${sizeText(entry.size)}` : ''}${same}`;
  const seen = covered ? ', hidden by a layer above' : shows ? ', seen in the union' : '';
  if (layer.hidden === true) return `${path} in ${layer.name}: ${LOOKS[look]}${size}, left out of the stack`;
  return `${path} in ${layer.name}: ${LOOKS[look]}${size}${seen}${seenAs === undefined ? '' : ` as ${seenAs}`}`;
}

/** What stands in a cell that is seen under another path: of one in the same folder the name is enough. */
export function seenAsText(path: string, seenAs: string): string {
  const [from, to] = [path, seenAs].map((one) => one.lastIndexOf('/') + 1);
  return `as ${path.slice(0, from) === seenAs.slice(0, to) ? seenAs.slice(to) : seenAs}`;
}

/** What a cell of the view on top says. */
export function mergedText(column: Column): string {
  const { path, merged } = column;
  return `${path} in the union: ${merged === undefined ? 'not to be seen' : `${merged.kind}${originText(column)}`}`;
}

/** Where what is seen comes from: of a file whose data is below, or in part, the layer that wins has not all. */
export function originText({ merged, cells }: Column): string {
  if (merged === undefined) return '';
  const look = cells.find(({ layer, shows }) => shows && layer.name === merged.layer)?.look;
  const isBelow = look === 'metadata' || merged.indexed === 'data-below';
  const some = isBelow ? ', attributes' : look === 'part' ? ', in part' : '';
  return `${some} from ${merged.layer}`;
}

/** Why nothing is seen: something is hidden, or seen elsewhere, or it is not in this union at all. */
export function absentText({ cells }: Column): string {
  const isHidden = cells.some(
    ({ look, covered, seenAs }) => look === 'whiteout' || covered || seenAs !== undefined,
  );
  return isHidden ? 'gone' : 'not here';
}

/** What stands beside the name of a container: its own, and what it stands on. */
export function containerText({ layers: stack }: ContainerState, { layers }: State): string {
  const own = layers.find(({ id, upperOf }) => upperOf !== undefined && stack.includes(id));
  const all = new Map(layers.map((layer) => [layer.id, layer]));
  const lowers = stack.flatMap((id) => all.get(id) ?? []).filter(({ upperOf }) => upperOf === undefined);
  const has = own === undefined || own.entries.length === 0 ? 'nothing of its own' : sizeText(own.bytes);
  return `${has}, on ${lowers.map(({ name }) => name).join(', ')}`;
}

/** What happened; undefined for what needs no word of its own. */
export function eventText({
  kind,
  path,
  layer = '',
  bytesCopied = 0,
  bytesSaved = 0,
  parts = 0,
}: UnionEvent): string | undefined {
  const name = path === '' ? 'the root' : path;
  switch (kind) {
    case 'copy-up':
      if (bytesCopied > 0) return `Copy-up: ${sizeText(bytesCopied)} of ${name} rise into ${layer}.`;
      return bytesSaved > 0
        ? `Copy-up: ${layer} has the attributes of ${name}; ${sizeText(bytesSaved)} of data stay below.`
        : `Copy-up: ${name} is made in ${layer}.`;
    case 'whiteout':
      return `Whiteout: ${layer} gets a mark that hides ${name}.`;
    case 'opaque':
      return `Opaque: the folder ${name} in ${layer} covers what is below.`;
    case 'redirect':
      return `Redirect: the folder ${name} in ${layer} says where its lower part lies.`;
    case 'merge':
      return `Merge: the folders ${name} of ${parts} layers are shown as one.`;
    case 'settle':
      return 'Settled: the upper is plain, everybody can read it.';
    case 'commit':
      return `Commit: the upper froze into the layer ${layer}, and a new one opens.`;
    case 'request':
      return undefined;
  }
}

/** One sentence about a lookup. */
export function lookupText({ path, layers, result }: Explanation): string {
  const looked = layers.filter(({ finding }) => finding !== 'not-looked');
  const words = looked.map(({ id, finding }) => `${id}: ${finding}`).join(', ');
  return `Lookup of ${path === '' ? 'the root' : path}. ${words}. ${result === 'absent' ? 'It does not exist.' : `${result.layer} wins.`}`;
}
