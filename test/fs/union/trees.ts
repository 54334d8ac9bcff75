// The tree of a union as text, to be held against a model's, and what is true of each of its entries on the way: a listing
// and a stat of one name agree, and the counts of links are those of the model.

import { expect } from 'vitest';
import type { Paths } from '../../suites/paths.js';
import { line, linksOf, type Model } from './model.js';

/** One line an entry, in the order of names, as `Model.tree` has them. */
export function treeOf(paths: Paths, prefix = ''): string[] {
  return paths
    .list(prefix)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, ino, type }) => {
      const at = prefix === '' ? name : `${prefix}/${name}`;
      const attr = paths.stat(at);
      expect([attr.ino, attr.mode >>> 12]).toEqual([ino, type]);
      if (type === 4) return [line(at, attr.mode, attr.nlink), ...treeOf(paths, at)];
      return [line(at, attr.mode, attr.nlink, paths.read(at))];
    });
}

/** Paths with their file numbers. */
export function numbersOf(paths: Paths, prefix = ''): [string, number][] {
  return paths.list(prefix).flatMap(({ name, ino, type }) => {
    const at = prefix === '' ? name : `${prefix}/${name}`;
    return [[at, ino] as [string, number], ...(type === 4 ? numbersOf(paths, at) : [])];
  });
}

/** The count of links of every file and folder, at any moment and not only once all was listed. */
export function checkCounts(model: Model, paths: Paths): void {
  for (const [path, node] of model.nodes()) {
    const { nlink } = paths.stat(path);
    expect({ path, nlink }).toEqual({ path, nlink: node.kind === 'file' ? node.names : linksOf(node) });
  }
  expect(paths.stat('').nlink).toBe(linksOf(model.root));
}
