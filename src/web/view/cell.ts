// The cells of the picture, each a button: what the union shows of a path, and what a layer holds there. What is to be seen is
// also there to be read, aloud too: nothing hangs on a colour or on a pointer.

import { sizeText } from '../amounts.js';
import type { MergedEntry } from '../model.js';
import type { Column, Look, PictureCell } from './columns.js';
import { el } from './dom.js';
import type { Hues } from './hues.js';
import { absentText, cellText, lookText, mergedText, originText, seenAsText } from './words.js';

/** A cell of the view on top. */
export function mergedCell(
  column: Column,
  at: number,
  selected: string | undefined,
  hues: Hues,
): HTMLButtonElement {
  const { path, merged } = column;
  const isFolder = merged?.kind === 'folder';
  const cell = el(
    'button',
    {
      ...attributes(path, at, selected),
      class: `cell ${merged === undefined ? 'gone' : isFolder ? 'folder' : 'file'} shows`,
      'data-layer': '',
    },
    el('span', { class: 'sr' }, mergedText(column)),
    el(
      'span',
      { class: 'face', 'aria-hidden': true },
      ...nameParts(path, isFolder),
      el('small', {}, merged === undefined ? absentText(column) : mergedTag(column, merged)),
    ),
  );
  if (merged !== undefined) cell.style.setProperty('--hue', hues.of(merged.layer));
  return cell;
}

/** A cell of a sheet. */
export function layerCell(
  { path }: Column,
  cell: PictureCell,
  at: number,
  selected: string | undefined,
): HTMLButtonElement {
  const { look, covered, shows, entry, layer, seenAs } = cell;
  const made = el(
    'button',
    {
      ...attributes(path, at, selected),
      // Where the data of a path lies under another one, that is selected with it.
      'aria-selected': selected !== undefined && (path === selected || seenAs === selected),
      class: `cell ${look}${covered ? ' covered' : ''}${shows ? ' shows' : ''}`,
      'data-layer': layer.name,
      'data-as': seenAs,
    },
    el('span', { class: 'sr' }, cellText(cell, path)),
    look !== 'nothing' &&
      el(
        'span',
        { class: 'face', 'aria-hidden': true },
        ...faceOf(cell, path),
        seenAs !== undefined && el('small', { class: 'as' }, seenAsText(path, seenAs)),
      ),
  );
  if (look === 'part' && entry !== undefined) {
    made.style.setProperty('--own', `${Math.max(6, (entry.bytes / Math.max(entry.size, 1)) * 100)}%`);
  }
  return made;
}

function attributes(path: string, at: number, selected: string | undefined) {
  return {
    role: 'gridcell',
    type: 'button',
    'aria-colindex': at + 2,
    'aria-selected': path === selected,
    'data-path': path,
    'data-key': at,
  } as const;
}

function mergedTag(column: Column, { kind, size, nlink }: MergedEntry): string {
  if (kind === 'folder') return 'folder';
  const names = kind === 'file' && nlink > 1 ? `, ${nlink} names` : '';
  return `${kind === 'file' ? sizeText(size) : kind}${names}${originText(column)}`;
}

function shortName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The folder small, the name large. */
function nameParts(path: string, isFolder: boolean): Node[] {
  const name = shortName(path);
  const folder = path.slice(0, path.length - name.length);
  return [el('i', {}, folder === '' ? ' ' : folder), el('b', {}, `${name}${isFolder ? '/' : ''}`)];
}

const TAGS: Partial<Record<Look, string>> = {
  opaque: 'opaque',
  metadata: 'no data',
  part: 'in part',
  indexed: 'in the index',
};

function faceOf({ look, entry, names }: PictureCell, path: string): Node[] {
  const name = shortName(path);
  if (look === 'whiteout')
    return [el('i', {}, name), el('span', { class: 'cross' }, '✕'), el('small', {}, 'whiteout')];
  const isFolder = entry?.kind === 'folder';
  const tag =
    look === 'redirect'
      ? `→ ${entry?.redirect ?? ''}`
      : (TAGS[look] ??
        (isFolder ? 'folder' : entry?.kind === 'file' ? sizeText(entry.size) : lookText(look)));
  // Names of one file in one layer say so; a name that does not lie there has nothing else to say.
  const same = names.map((one) => `= ${shortName(one)}`);
  const tags = look === 'indexed' && same.length > 0 ? same : [tag, ...same];
  return [el('b', {}, `${name}${isFolder ? '/' : ''}`), el('small', {}, tags.join(' '))];
}
