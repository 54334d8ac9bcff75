// The head of a sheet: its name, what it takes of the disk, which images end at it, who needs it, and in the sandbox the
// tools to move it.

import { sizeText } from '../amounts.js';
import type { LayerState, State } from '../model.js';
import { button, el } from './dom.js';
import type { Hues } from './hues.js';
import { layerName } from './layer-name.js';
import { imagesEndingAt, isLeftOut, neededBy, neededText } from './needs.js';

export interface HeadActions {
  selectLayer(name: string): void;
  run(line: string): void;
}

export interface HeadLooks {
  readonly beside: boolean;
  readonly arrangeable: boolean;
  /** With the beginnings of its digests. */
  readonly ids: boolean;
  /** It has little room: how many need it, and who these are only for who points at that or has it read aloud. */
  readonly isLow: boolean;
}

/** `beside`: it is not under the container that is looked at. */
export function sheetHead(
  layer: LayerState,
  state: State,
  hues: Hues,
  actions: HeadActions,
  { beside, arrangeable, ids, isLow }: HeadLooks,
): HTMLElement {
  const { name, bytes, hidden = false, upperOf } = layer;
  const isUpper = upperOf !== undefined;
  const role = isUpper ? 'upper' : hidden ? 'left out' : beside ? `not under ${state.active}` : 'lower';
  const label = button('', () => actions.selectLayer(name), {
    class: 'name',
    'aria-label': `${name}: show it on disk`,
    'data-key': 'name',
  });
  label.append(layerName(name, hues));
  const images = imagesEndingAt(state, layer).map((image) =>
    el('span', { class: 'image' }, el('span', { class: 'sr' }, 'image '), image),
  );
  return el(
    'div',
    { role: 'rowheader', class: 'head' },
    label,
    ...images,
    el('span', {}, `${role}, ${sizeText(bytes)}`),
    !isUpper && needs(layer, state, isLow),
    ...(ids ? digests(layer) : []),
    arrangeable && !isUpper && !beside && tools(name, hidden, actions),
  );
}

function needs(layer: LayerState, state: State, isLow: boolean): HTMLElement | false {
  const names = neededBy(state, layer);
  const text = neededText(state, layer);
  if (names.length === 0)
    return !isLeftOut(state, layer) && el('span', { class: 'unneeded' }, 'needed by nothing');
  if (text === undefined) return false;
  if (!isLow) return el('span', { class: 'needed' }, text);
  const short = el('span', { 'aria-hidden': true }, `needed by ${names.length}`);
  return el('span', { class: 'needed', title: text }, el('span', { class: 'sr' }, text), short);
}

function digests({ diffId, chainId }: LayerState): HTMLElement[] {
  const line = (what: string, digest: string | undefined) =>
    digest === undefined
      ? []
      : [el('span', { class: 'digest' }, `${what} ${digest.replace(/^\w+:/, '').slice(0, 6)}`)];
  return [...line('diff ID', diffId), ...line('chain ID', chainId)];
}

function tools(name: string, hidden: boolean, { run }: HeadActions): HTMLElement {
  const word = hidden ? 'show' : 'hide';
  return el(
    'span',
    { class: 'tools' },
    button('▲', () => run(`raise ${name}`), { 'aria-label': `move ${name} up`, 'data-key': 'up' }),
    button('▼', () => run(`sink ${name}`), { 'aria-label': `move ${name} down`, 'data-key': 'down' }),
    button(word, () => run(`${word} ${name}`), { 'aria-label': `${word} ${name}`, 'data-key': 'hide' }),
  );
}
