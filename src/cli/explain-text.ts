// An explanation as people read it: the layers drawn from the top to the bottom, with what each holds at the path, then
// why it is so, and what a change would do and copy.

import { type ExplainedLayer, type Explanation, kindOf } from '../../fs/index.js';
import { changeTexts, dataText, FINDINGS, folderText, kindText, rangeTexts } from '../web/explained.js';
import type { LayerNames } from '../web/naming.js';
import { colors } from './colors.js';
import { countText, instantText, quoteName, sizeText, tableText } from './output.js';

/** The explanation as lines, in which the layers are called so; an id is told where it is another word. */
export function explanationLines(explanation: Explanation, called: LayerNames): readonly string[] {
  const { path, result } = explanation;
  const winner = result === 'absent' ? undefined : result.layer;
  return [
    `${quoteName(path === '' ? '.' : path)}  ${kindText(explanation)}`,
    ...parentLines(explanation, called),
    ...drawing(explanation, winner, called),
    `  ${explanation.why}`,
    ...dataLines(explanation, called),
    ...changeLines(explanation),
  ];
}

/** Where each folder on the way was decided: the layers that have a part of it, and what ends the search. */
function parentLines({ parents }: Explanation, called: LayerNames): string[] {
  if (parents.length === 0) return [];
  const rows = parents.map((folder) => [
    `  in ${quoteName(folder.path)}`,
    folderText(folder, (id) => nameOf(id, called), quoteName),
  ]);
  return columns(rows);
}

/** A line a layer, and beside them a bar that ends where the search did. */
function drawing({ layers }: Explanation, winner: string | undefined, called: LayerNames): readonly string[] {
  const last = layers.findLastIndex(({ finding }) => finding !== 'not-looked');
  const rows = layers.map((layer, at) => {
    const bar = at < last ? '│' : at === last ? '▼' : ' ';
    const name = nameOf(layer.id, called);
    const id = name === layer.id ? '' : layer.id;
    return [`  ${bar} ${layer.role}`, name, id, foundText(layer)];
  });
  const lines = columns(rows);
  return lines.map((line, at) => {
    const { id, finding } = layers[at]!;
    if (finding === 'not-looked' || finding === 'nothing') return colors.dim(line);
    return id === winner ? colors.bold(`${line}  <- this one`) : line;
  });
}

function foundText({ finding, mode, size, mtime, redirect }: ExplainedLayer): string {
  // A finding calls all that is no folder a file.
  const plain = finding === 'file' && mode !== undefined ? kindOf(mode) : FINDINGS[finding];
  const words = [
    finding === 'redirect' && redirect !== undefined ? `redirect to ${quoteName(redirect)}` : plain,
  ];
  if (size !== undefined) words.push(sizeText(size));
  if (mtime !== undefined && size !== undefined)
    words.push(instantText(mtime.sec, mtime.nsec).replace('T', ' ').replace(/\..*$/, ''));
  return words.join('  ');
}

function nameOf(id: string, called: LayerNames): string {
  return called.get(id) ?? id;
}

const LINES_OF_RANGES = 8;

function dataLines({ data, shows, result }: Explanation, called: LayerNames): string[] {
  if (data === undefined || result === 'absent') return [];
  const { ranges, more } = rangeTexts(data, LINES_OF_RANGES);
  const rows = ranges.map(({ bytes, size, layer }) => [`    ${bytes}`, size, nameOf(layer, called)]);
  return [
    `  ${dataText(data, shows?.size ?? 0, result.layer, (id) => nameOf(id, called))}`,
    ...columns(rows),
    ...(more > 0 ? [`    and ${countText(more)} more, which --json tells`] : []),
  ];
}

function changeLines(explanation: Explanation): string[] {
  const rows = changeTexts(explanation).map(({ what, copies, does }) => [`  ${what}`, copies, does]);
  return rows.length === 0 ? [] : columns(rows);
}

function columns([first = [], ...others]: readonly (readonly string[])[]): string[] {
  return tableText(first, others).trimEnd().split('\n');
}
