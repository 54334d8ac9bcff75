// The name of a layer with a patch of its colour: the same in the picture, the reasons, the bars and the command line.

import { el } from './dom.js';
import type { Hues } from './hues.js';

/** `layer`: its name or its id. */
export function layerName(layer: string, hues: Hues): HTMLElement {
  const name = el('span', { class: 'layer' }, hues.nameOf(layer));
  name.style.setProperty('--hue', hues.of(layer));
  return name;
}
