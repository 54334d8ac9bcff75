// What stands beside the picture: a layer as it lies on the disk, what everything takes of it, and why the selected path
// is what it is.

import type { ExplainedLayer, Explanation } from '../../../fs/memory.js';
import { countText, sizeText } from '../amounts.js';
import {
  type ChangeText,
  changeTexts,
  dataText,
  FINDINGS,
  folderText,
  kindText,
  rangeTexts,
  stepText,
} from '../explained.js';
import type { DiskEntry, LayerState, State } from '../model.js';
import { permissions } from '../shell.js';
import { byId, el } from './dom.js';
import type { Hues } from './hues.js';
import { layerName } from './layer-name.js';
import { joinedBy } from './link-index.js';
import { neededText } from './needs.js';

/** Of a file in part, so many are read at once. */
const RANGES_READ = 6;

/** A layer of a state as `ls` and `getfattr` show it; what was not there `before` stands out, and what is `selected`. */
export function renderDisk(
  state: State,
  layer: LayerState | undefined,
  before: LayerState | undefined,
  hues: Hues,
  selected: string | undefined,
): void {
  const place = byId('disk-list');
  byId('disk-name').replaceChildren(...(layer === undefined ? [] : [layerName(layer.name, hues)]));
  if (layer === undefined) {
    place.replaceChildren();
    return;
  }
  const known = new Set(
    [...(before?.entries ?? []), ...(before?.index?.entries ?? [])].map((entry) => JSON.stringify(entry)),
  );
  const line = (entry: DiskEntry, ...more: readonly Node[]) => {
    const isNew = before !== undefined && !known.has(JSON.stringify(entry));
    const isCurrent = entry.path === selected;
    const looks = { class: isNew ? 'new' : undefined, 'aria-current': isCurrent ? 'true' : undefined };
    return el('li', looks, ...diskLines(entry), ...more);
  };
  const ids = [
    layer.diffId !== undefined &&
      el('p', { class: 'ids' }, el('b', {}, 'diff ID '), layer.diffId.slice(0, 19)),
    layer.chainId !== undefined &&
      el('p', { class: 'ids' }, el('b', {}, 'chain ID '), layer.chainId.slice(0, 19)),
  ];
  const needed = neededText(state, layer);
  const lines = layer.entries.map((entry) => line(entry));
  const rest = layer.more > 0 ? el('li', {}, `and ${layer.more} more`) : undefined;
  const none = lines.length === 0 ? el('p', { class: 'none' }, 'nothing: the folder is empty') : undefined;
  place.replaceChildren(
    ...[
      placeLine(state, layer),
      needed !== undefined && el('p', { class: 'needed' }, needed),
      ...ids,
      none,
      el('ul', {}, ...lines, rest),
    ].filter((one) => one !== undefined && one !== false),
    ...indexLines(state, layer, line),
  );
}

/** Brings the row of the selected path into sight, within its box: the page stays where it is. */
export function revealOnDisk(): void {
  const place = byId('disk-list');
  const row = place.querySelector('[aria-current]')?.getBoundingClientRect();
  const box = place.getBoundingClientRect();
  if (row === undefined) return;
  if (row.top < box.top) place.scrollTop += row.top - box.top;
  else if (row.bottom > box.bottom) place.scrollTop += row.bottom - box.bottom;
}

/** Where on this machine it lies, and which part of that is drawn. */
function placeLine({ focus }: State, { folder }: LayerState): HTMLElement {
  if (folder === undefined) return el('p', { class: 'place' }, 'a folder in the memory of this page');
  const part = focus === '' ? '' : `, of which ${focus} is drawn`;
  return el('p', { class: 'place' }, el('code', {}, folder), part);
}

/** What lies in the index of hard links, and which names each entry joins. */
function indexLines(
  state: State,
  layer: LayerState,
  line: (entry: DiskEntry, ...more: readonly Node[]) => HTMLElement,
): readonly HTMLElement[] {
  if (layer.index === undefined) return [];
  const lines = layer.index.entries.map((entry) =>
    line({ ...entry, xattrs: {} }, el('span', { class: 'joins' }, joinedBy(entry, layer, state))),
  );
  return [
    el('h3', {}, 'Index of hard links'),
    el('p', { class: 'place' }, el('code', {}, layer.index.path)),
    el('ul', { class: 'index' }, ...lines),
  ];
}

function diskLines(entry: DiskEntry): Node[] {
  const { path, kind, mode, size, bytes, nlink, target, xattrs } = entry;
  const device = kind === 'whiteout' ? '0, 0' : String(size);
  const letters = `${kind === 'whiteout' ? 'c' : kind === 'folder' ? 'd' : kind === 'symlink' ? 'l' : '-'}${permissions(mode)}`;
  const line = el(
    'code',
    {},
    `${letters} ${nlink} ${device.padStart(7)} `,
    el('b', {}, path),
    target === undefined ? '' : ` -> ${target}`,
  );
  const sparse =
    kind === 'file' && bytes + 4096 <= size
      ? el('span', { class: 'mark' }, `sparse: ${sizeText(bytes)} on disk`)
      : undefined;
  const marks = Object.entries(xattrs).map(([name, value]) =>
    el('span', { class: 'mark' }, `${name}="${value}"`),
  );
  return [line, ...(sparse === undefined ? [] : [sparse]), ...marks];
}

/** Bars: what each layer takes, what is shared, and what whole copies would take. */
export function renderBytes(state: State, hues: Hues, copied: number, saved: number): void {
  const all = new Map(state.layers.map((layer) => [layer.id, layer]));
  const bytesOf = (ids: readonly string[]) => ids.reduce((sum, id) => sum + (all.get(id)?.bytes ?? 0), 0);
  const onDisk = state.layers.reduce((sum, { bytes }) => sum + bytes, 0);
  // Of the one that is looked at what it shows is known; of the others what is there for them.
  const shown =
    state.copyBytes ??
    state.merged.reduce(
      (sum, { kind, size }) => sum + (kind === 'file' ? Math.ceil(size / 4096) * 4096 : 0),
      0,
    );
  const others = state.containers.filter(({ name }) => name !== state.active);
  const asCopies = others.reduce((sum, { layers }) => sum + bytesOf(layers), shown);
  const most = Math.max(onDisk, asCopies, 1);
  const users = (id: string) => state.containers.filter(({ layers }) => layers.includes(id)).length;
  const rows = state.layers.map(({ id, name, bytes, upperOf }) => {
    const shared = upperOf === undefined && users(id) > 1 ? `shared by ${users(id)}` : '';
    return bar(layerName(name, hues), bytes, most, shared, hues.of(name));
  });
  const place = byId('bytes-bars');
  const widths = [...place.querySelectorAll<HTMLElement>('.bar i')].map((one) => one.style.inlineSize);
  place.replaceChildren(
    ...rows,
    bar('all on disk', onDisk, most),
    bar(
      state.containers.length > 1 ? `${state.containers.length} whole copies` : 'a whole copy',
      asCopies,
      most,
      'would take',
    ),
  );
  // From where each bar was, so that it is seen to move.
  for (const [at, one] of [...place.querySelectorAll<HTMLElement>('.bar i')].entries()) {
    const to = one.style.inlineSize;
    const from = widths[at];
    if (from === undefined || from === to) continue;
    one.style.inlineSize = from;
    requestAnimationFrame(() => {
      one.style.inlineSize = to;
    });
  }
  const counted = state.counting === true ? ' Still counting: the bars are of what is drawn.' : '';
  byId('bytes-step').textContent = `${stepText(copied, saved)}${counted}`;
}

/** `hue`: of a layer; without one it is a sum. */
function bar(name: string | HTMLElement, bytes: number, most: number, note = '', hue?: string): HTMLElement {
  const kind = hue !== undefined ? '' : note === '' ? 'sum' : 'hollow';
  const fill = el('i', { class: bytes === 0 ? 'none' : kind });
  fill.style.inlineSize = `${Math.max(bytes === 0 ? 0 : 1.5, (bytes / most) * 100).toFixed(1)}%`;
  if (hue !== undefined) fill.style.setProperty('--hue', hue);
  const text = hue === undefined ? sizeText(bytes) : `${sizeText(bytes)}${note === '' ? '' : ` ${note}`}`;
  return el('div', { class: 'bar' }, el('span', {}, name), el('div', {}, fill), el('em', {}, text));
}

/** The explanation of a path, as `mica explain` tells it; without one, `past` is a path that is selected in what was. */
export function renderWhy(explanation: Explanation | undefined, past: string | undefined, hues: Hues): void {
  const place = byId('why-text');
  if (explanation === undefined) {
    const hint =
      past === undefined
        ? 'Select a cell of the picture: here stands why the union shows what it shows there, and what a change would cost.'
        : `${past === '' ? 'the root' : past} as it was then: why is told of what is now alone, to which the time line leads.`;
    place.replaceChildren(el('p', { class: 'none' }, hint));
    return;
  }
  const { path, result, layers, why } = explanation;
  const winner = result === 'absent' ? undefined : result.layer;
  const changes = changeTexts(explanation);
  const list = (name: string, of: (change: ChangeText) => string) => {
    const lines = changes.flatMap((change) => [el('dt', {}, `a ${change.what}`), el('dd', {}, of(change))]);
    return lines.length === 0 ? [] : [el('dl', { class: name }, ...lines)];
  };
  // What all others want to know first; the stack itself is drawn in the picture, too.
  place.replaceChildren(
    el('p', { class: 'subject' }, el('b', {}, path === '' ? 'the root' : path), ` ${kindText(explanation)}`),
    el('p', { class: 'decided' }, why),
    ...list('costs', ({ copies }) => copies),
    ...ranges(explanation, hues),
    el('ol', { class: 'chain' }, ...layers.map((layer) => chainLine(layer, winner, hues))),
    ...foldersOnTheWay(explanation, hues),
    ...list('does', ({ does }) => does),
  );
}

function chainLine(
  { id, finding, size, redirect }: ExplainedLayer,
  winner: string | undefined,
  hues: Hues,
): HTMLElement {
  const facts = [
    finding === 'redirect' ? finding : FINDINGS[finding],
    size === undefined ? '' : sizeText(size),
    redirect === undefined ? '' : `to ${redirect}`,
  ];
  const line = el(
    'li',
    { class: `${finding}${id === winner ? ' winner' : ''}` },
    el('b', {}, layerName(id, hues)),
    ` ${facts.filter((one) => one !== '').join(', ')}`,
  );
  line.style.setProperty('--hue', hues.of(id));
  return line;
}

/** Those in which a layer has more than a folder: why what lies below it is looked at elsewhere, or not at all. */
function foldersOnTheWay({ parents }: Explanation, hues: Hues): HTMLElement[] {
  const marked = parents.filter(({ layers }) =>
    layers.some(({ finding }) => !['folder', 'nothing', 'not-looked'].includes(finding)),
  );
  return marked.map((folder) =>
    el('p', {}, `in ${folder.path}: ${folderText(folder, (id) => hues.nameOf(id))}`),
  );
}

/** A bar of where which bytes come from, and the same to read. */
function ranges({ data, shows, result }: Explanation, hues: Hues): HTMLElement[] {
  if (data === undefined || result === 'absent') return [];
  const size = shows?.size ?? 1;
  const parts = data.ranges.map(({ from, to, layer }) => {
    const part = el('i');
    part.style.flexGrow = String(Math.max(to - from, size / 60));
    part.style.setProperty('--hue', hues.of(layer));
    return part;
  });
  const { ranges: all, more } = rangeTexts(data);
  const lines = all.map(({ bytes, size, layer }) =>
    el('li', {}, `${bytes} (${size}) `, layerName(layer, hues)),
  );
  const rest = lines.length > RANGES_READ && moreRanges(lines.slice(RANGES_READ), more);
  return [
    el(
      'div',
      { class: 'ranges' },
      el(
        'p',
        {},
        dataText(data, size, result.layer, (id) => hues.nameOf(id)),
      ),
      el('div', { 'aria-hidden': true }, ...parts),
      el('ul', {}, ...lines.slice(0, RANGES_READ)),
      rest,
    ),
  ];
}

/** Behind a button; `more` are not even there. */
function moreRanges(lines: readonly HTMLElement[], more: number): HTMLElement {
  const left = more > 0 && el('p', {}, `and ${countText(more)} more`);
  const all = `${countText(lines.length + more)} more ranges`;
  return el('details', {}, el('summary', {}, all), el('ul', {}, ...lines), left);
}
