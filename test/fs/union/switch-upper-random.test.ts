// As model.test.ts, of a union whose upper is exchanged while it is in use: after each batch of operations what has
// changed is committed or thrown away, and the same union goes on. Nodes that were looked up before keep their ids and
// their numbers across a commit; what the model says is true at every moment, and after a remount.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MarkPrefix } from '../../../fs/layer/layer.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { Union } from '../../../fs/union/union.js';
import { runs } from '../../runs.js';
import { Paths } from '../../suites/paths.js';
import { flattened } from '../layer/flatten.js';
import type { Model } from './model.js';
import { apply, LOWEST, layers, lowestModel, type Operation } from './operations.js';
import { fillLayer } from './stacks.js';
import { checkCounts, numbersOf, treeOf } from './trees.js';

const RUNS = runs(200);

interface Batch {
  readonly steps: readonly Operation[];
  readonly end: 'commit' | 'rollback';
}

/** `past`: what is committed so far; a rollback leads back to what it makes of a new model. */
function replay(past: readonly Operation[]): Model {
  const model = lowestModel();
  const paths = new Paths(new Union({ lowers: [], upper: fillLayer(new MemLayer(), LOWEST) }));
  for (const step of past) apply(paths, model, step);
  return model;
}

function check(history: readonly Batch[], marks: MarkPrefix, cached: boolean, indexed: boolean): void {
  let seconds = 0;
  const common = { device: 'disk', numbers: { last: 0 }, now: () => ({ sec: ++seconds, nsec: 0 }) };
  const makeUpper = (i: number) => new MemLayer({ id: `upper${i}`, ...common, marks });
  const lowest = fillLayer(new MemLayer({ id: 'lowest', ...common }), LOWEST);
  const folders = [lowest];
  let upper = makeUpper(0);
  const union = new Union({ lowers: indexed ? [flattened([lowest])] : [lowest], upper });
  const paths = new Paths(union);
  paths.forgets = !cached;
  let model = lowestModel();
  const past: Operation[] = [];
  for (const [i, { steps, end }] of history.entries()) {
    const here = steps.filter(({ op }) => op !== 'remount');
    for (const step of here) {
      apply(paths, model, step);
      checkCounts(model, paths);
    }
    const fresh = makeUpper(i + 1);
    const numbers = numbersOf(paths).sort();
    if (end === 'commit') {
      past.push(...here);
      union.switchUpper(fresh, [], () => expect(upper.guarded).toBe(false));
      folders.unshift(upper);
    } else {
      union.rollBack(fresh, () => undefined);
      model = replay(past);
    }
    upper = fresh;
    expect(treeOf(paths)).toEqual(model.tree());
    checkCounts(model, paths);
    if (end === 'commit') expect(numbersOf(paths).sort()).toEqual(numbers);
    const again = new Paths(new Union({ lowers: folders, upper }));
    expect(treeOf(again)).toEqual(model.tree());
    if (!cached) expect(union.nodeCount).toBe(1);
  }
  paths.forgetKept();
  expect(union.nodeCount).toBe(1);
}

const batches: fc.Arbitrary<readonly Batch[]> = layers.chain((all) =>
  fc
    .array(fc.constantFrom('commit' as const, 'commit' as const, 'rollback' as const), {
      minLength: all.length,
      maxLength: all.length,
    })
    .map((ends) => all.map((steps, i) => ({ steps, end: ends[i]! }))),
);

for (const marks of ['trusted', 'user'] as const) {
  test(`a union whose upper is exchanged agrees with a plain filesystem (marks ${marks})`, () => {
    fc.assert(
      fc.property(batches, fc.boolean(), fc.boolean(), (history, cached, indexed) =>
        check(history, marks, cached, indexed),
      ),
      { numRuns: RUNS },
    );
  });
}
