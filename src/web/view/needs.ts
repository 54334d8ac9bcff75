// What keeps a layer from the garbage collection: names of images and running containers that stand on it, as the sheets
// say it. The collection itself asks the same (`World.collect`).

import type { LayerState, State } from '../model.js';

/** Names of the images whose topmost layer it is: what `commit` and `tag` made of it. */
export function imagesEndingAt({ images }: State, { id }: LayerState): readonly string[] {
  return images.flatMap(({ name, layers }) => (layers[0] === id ? [name] : []));
}

/** Containers, then images, that would break without it. Of an upper: nobody but its container. */
export function neededBy({ containers, images }: State, { id }: LayerState): readonly string[] {
  return [...containers, ...images].flatMap(({ name, layers }) => (layers.includes(id) ? [name] : []));
}

/** The same in words; undefined where nobody needs it, or there is but one who can. */
export function neededText(state: State, layer: LayerState): string | undefined {
  const names = layer.upperOf === undefined ? neededBy(state, layer) : [];
  return names.length > 0 && isShared(state) ? `needed by ${names.join(', ')}` : undefined;
}

/** Of some container, which may show it again: it is kept as well. */
export function isLeftOut({ containers }: State, { id }: LayerState): boolean {
  return containers.some(({ hidden = [] }) => hidden.includes(id));
}

/** Whether there is more than one answer to who needs a layer, so that it is worth being written down. */
function isShared({ containers, images }: State): boolean {
  return containers.length + images.length > 1;
}
