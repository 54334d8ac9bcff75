// What layers are called: the program goes by their ids, people by names. The page, `mica explain` and the sentences of both
// take them from here.

import type { Explanation } from '../../fs/memory.js';

/** Names by the ids of layers. */
export type LayerNames = ReadonlyMap<string, string>;

/**
 * What people call the layers with these ids, each by another name: as `names` says, a digest by its first digits, a folder
 * by the part of its path that tells it from others.
 */
export function calledNames(ids: readonly string[], names: LayerNames): LayerNames {
  const short = ids.map((id) => shortened(names.get(id) ?? id));
  const isOnly = (name: string) => short.indexOf(name) === short.lastIndexOf(name);
  return new Map(ids.map((id, at) => [id, isOnly(short[at]!) ? short[at]! : (names.get(id) ?? id)] as const));
}

/** `/storage/overlay/<64 digits>/diff` is one of the folders of a layer, which the digits name. */
function shortened(name: string): string {
  if (!name.startsWith('/')) return name.replace(/^(sha256:[0-9a-f]{12})[0-9a-f]{52}$/, '$1');
  const parts = name.split('/').filter((part) => part !== '');
  const last = parts.pop();
  const layer = (last === 'diff' || last === 'fs') && parts.length > 0 ? parts.pop() : last;
  return layer?.replace(/^([0-9a-f]{12})[0-9a-f]{52}$/, '$1') ?? name;
}

/** An explanation whose layers go by what `nameOf` makes of their ids; its sentences are left as they are. */
export function withNames(explanation: Explanation, nameOf: (id: string) => string): Explanation {
  const { result, layers, parents, data } = explanation;
  const named = <L extends { readonly id: string }>(all: readonly L[]) =>
    all.map((layer) => ({ ...layer, id: nameOf(layer.id) }));
  return {
    ...explanation,
    result: result === 'absent' ? result : { layer: nameOf(result.layer) },
    layers: named(layers),
    parents: parents.map((folder) => ({ ...folder, layers: named(folder.layers) })),
    ...(data && {
      data: { ...data, ranges: data.ranges.map((range) => ({ ...range, layer: nameOf(range.layer) })) },
    }),
  };
}
