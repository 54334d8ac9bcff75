// Explanations and events as a page has them: with text where the union has the bytes of names and paths. It is done once, where
// they leave what asked the union for them: text that is taken for bytes comes out as other text.

import { type ExplainedLayer, type Explanation, toText, type UnionEvent } from '../../fs/memory.js';

/** What it says of layers and in sentences is text already. */
export function explanationInText(explanation: Explanation): Explanation {
  const { path, parents, layers } = explanation;
  return {
    ...explanation,
    path: toText(path),
    parents: parents.map((folder) => ({ path: toText(folder.path), layers: folder.layers.map(layerInText) })),
    layers: layers.map(layerInText),
  };
}

function layerInText({ redirect, ...layer }: ExplainedLayer): ExplainedLayer {
  return redirect === undefined ? layer : { ...layer, redirect: toText(redirect) };
}

/** Its layer is called by text already. */
export function eventInText(event: UnionEvent): UnionEvent {
  return { ...event, path: toText(event.path) };
}
