// Random operations on a union of three random lower layers and on the model, which must always agree: in the
// outcome of each operation, in which mtimes it changes, in the tree (with the link counts), in the tree after a
// remount (with the same file numbers), and in the tree after settling. Half of the runs keep every node that was
// ever looked up, as a kernel with memory to spare, and half have the lowers as one tree index.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MarkPrefix } from '../../../fs/layer/layer.js';
import { runs } from '../../runs.js';
import type { Paths } from '../../suites/paths.js';
import type { Model, ModelNode } from './model.js';
import { apply, LOWEST, layers, lowestModel, type Operation } from './operations.js';
import { type Rig, rig } from './stacks.js';
import { checkCounts, numbersOf, treeOf } from './trees.js';

const RUNS = runs(200);

/** Knows the mtime of every file and folder, and that it changes exactly when the model says so. */
class Mtimes {
  readonly #known = new Map<ModelNode, { touches: number; mtime: number }>();

  check(model: Model, paths: Paths): void {
    for (const [path, node] of model.nodes()) {
      const { mtimeSec: mtime } = paths.stat(path);
      const known = this.#known.get(node);
      if (known !== undefined) {
        const changed = { path, changed: known.mtime !== mtime };
        expect(changed).toEqual({ path, changed: known.touches !== node.touches });
      }
      this.#known.set(node, { touches: node.touches, mtime });
    }
  }
}

function check(
  history: readonly (readonly Operation[])[],
  marks: MarkPrefix,
  cached: boolean,
  counts: boolean,
  indexed: boolean,
): void {
  const model = lowestModel();
  const mtimes = new Mtimes();
  let seconds = 0;
  let stack: Rig = rig([LOWEST], {
    marks,
    countsSubfolders: counts,
    indexed,
    now: () => ({ sec: ++seconds, nsec: 0 }),
  });
  history.forEach((steps, i) => {
    for (const step of steps) {
      if (step.op === 'remount') stack = stack.remount();
      stack.paths.forgets = !cached;
      apply(stack.paths, model, step);
      mtimes.check(model, stack.paths);
      checkCounts(model, stack.paths);
      if (!cached) expect(stack.union.nodeCount).toBe(1);
    }
    const tree = model.tree();
    const numbers = numbersOf(stack.paths).sort();
    expect(treeOf(stack.paths)).toEqual(tree);
    stack.paths.forgetKept();
    expect(stack.union.nodeCount).toBe(1);
    stack = stack.remount();
    expect(treeOf(stack.paths)).toEqual(tree);
    expect(numbersOf(stack.paths).sort()).toEqual(numbers);
    stack.union.settle();
    expect(treeOf(stack.paths)).toEqual(tree);
    mtimes.check(model, stack.paths);
    expect(stack.upper.guarded).toBe(false);
    // The upper becomes the topmost lower, as a commit makes it.
    if (i < history.length - 1) stack = stack.committed(marks);
  });
}

for (const marks of ['trusted', 'user'] as const) {
  test(`a union agrees with a plain filesystem after any operations (marks ${marks})`, () => {
    fc.assert(
      fc.property(layers, fc.boolean(), fc.boolean(), fc.boolean(), (history, cached, counts, indexed) =>
        check(history, marks, cached, counts, indexed),
      ),
      { numRuns: RUNS },
    );
  });
}
