// Why a path is what it is, in one sentence: what the layers hold there, said.

import type { ExplainedLayer, LayerFinding, LayerNamer } from './explained-layer.js';
import type { Shown } from './shown-object.js';

/** `top`: the first layer that holds anything; `last`: the path ends here; `exists`: something is there, which may be no folder. */
export function whyAbsent(
  top: ExplainedLayer | undefined,
  last: boolean,
  exists: boolean,
  nameOf: LayerNamer,
): string {
  if (!last && exists) return 'A name on the way is no folder.';
  const what = last ? 'it' : 'a folder on the way';
  if (top?.finding === 'whiteout')
    return `Layer ${nameOf(top.id)} has a whiteout, which hides ${what} in every layer below.`;
  return last ? 'No layer that is looked at has it.' : 'No layer that is looked at has a folder on the way.';
}

/** `top`: the layer that wins. */
export function whyFile(
  layers: readonly ExplainedLayer[],
  top: ExplainedLayer,
  { indexed, entry, data }: Shown,
  nameOf: LayerNamer,
): string {
  const name = nameOf(top.id);
  const where = data === undefined ? 'which no layer has' : `which is in layer ${nameOf(data.layer.id)}`;
  const part = entry.ranges === undefined ? 'not its data' : 'what was written of its data, and not the rest';
  if (indexed) {
    const copy = `Layer ${name} has a copy of this file under another of its names, and the index of hard links in its work folder joins all names to that copy`;
    return entry.metacopy ? `${copy}: its attributes and ${part}, ${where}.` : `${copy}.`;
  }
  if (entry.metacopy) return `Layer ${name} has its attributes and ${part}, ${where}.`;
  const has = `Layer ${name} is the topmost that has it`;
  return layers.at(-1) === top ? `${has}.` : `${has}, and a file hides whatever the layers below have.`;
}

export function whyFolder(layers: readonly ExplainedLayer[], nameOf: LayerNamer): string {
  const parts = layers.filter(({ finding }) => ['folder', 'opaque', 'redirect'].includes(finding));
  const names = parts.map(({ id }) => nameOf(id)).join(', ');
  const end = endBelow(layers);
  const merged =
    parts.length > 1
      ? `The folders of layers ${names} are shown as one`
      : `${end === undefined ? 'Only layer' : 'Layer'} ${names} has this folder`;
  const last = parts.at(-1);
  if (parts.length === 1 && last?.finding === 'opaque')
    return `Layer ${names} has this folder, and it is opaque there, so nothing below is looked at.`;
  if (last?.finding === 'opaque')
    return `${merged}; in ${nameOf(last.id)} it is opaque, so nothing below is looked at.`;
  const moved = parts.find(({ finding }) => finding === 'redirect');
  const where = moved === undefined ? '' : `; a redirect in ${nameOf(moved.id)} says where it lies below`;
  if (end === undefined) return `${merged}${where}.`;
  const what = end.finding === 'whiteout' ? 'a whiteout' : 'a file';
  return `${merged}${where}; ${what} in ${nameOf(end.id)} hides whatever the layers below have.`;
}

/** What is no folder ends the search for parts of one: what there is below it nobody has looked at. */
function endBelow(layers: readonly ExplainedLayer[]): ExplainedLayer | undefined {
  const end = layers.find(({ finding }) => ENDS.has(finding));
  return end === layers.at(-1) ? undefined : end;
}

const ENDS: ReadonlySet<LayerFinding> = new Set(['whiteout', 'file', 'metadata', 'part']);
