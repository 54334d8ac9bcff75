// Random operations on a union of three random lower layers and on the model, which must always agree: in the
// outcome of each operation, in the tree, in the tree after a remount (with the same file numbers), and in the
// tree after settling. Half of the runs keep every node that was ever looked up, as a kernel with memory to spare.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { O_APPEND, O_WRONLY, RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../../fs/filesystem.js';
import type { MarkPrefix } from '../../../fs/layer/layer.js';
import { bytes, errnoOf, type Paths } from '../../suites/paths.js';
import { line, Model } from './model.js';
import { type Description, type Rig, rig } from './stacks.js';

type Operation =
  | { readonly op: 'mkdir' | 'unlink' | 'rmdir' | 'remount' | 'chmod'; readonly path: string }
  | { readonly op: 'write' | 'append'; readonly path: string; readonly content: string }
  | { readonly op: 'link'; readonly path: string; readonly to: string }
  | { readonly op: 'rename'; readonly path: string; readonly to: string; readonly flags: number };

const name = fc.constantFrom('a', 'b', 'c');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
const content = fc.string({ unit: 'grapheme-ascii', maxLength: 4 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ op: fc.constant('mkdir' as const), path }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('unlink' as const), path }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('rmdir' as const), path }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('remount' as const), path }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('chmod' as const), path }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constantFrom('write' as const, 'append' as const), path, content }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('link' as const), path, to: path }) },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('rename' as const),
      path,
      to: path,
      flags: fc.constantFrom(0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE),
    }),
  },
);

/** A layer is what random operations leave in the upper of the layers below it: whiteouts, marks and all. */
const layers = fc.array(fc.array(operation, { maxLength: 12 }), { minLength: 1, maxLength: 3 });

function apply(paths: Paths, model: Model, step: Operation): void {
  const places = 'to' in step ? [step.path, step.to] : [step.path];
  if (!places.every((place) => model.hasParent(place))) return;
  const both = (act: (one: Paths | Model) => void): void => {
    const expected = errnoOf(() => act(model));
    expect(errnoOf(() => act(paths))).toBe(expected);
  };
  switch (step.op) {
    case 'mkdir':
    case 'unlink':
    case 'rmdir':
      both((one) => one[step.op as 'mkdir'](step.path));
      break;
    case 'chmod':
      both((one) => one.chmod(step.path, 0o700));
      break;
    case 'write':
      both((one) => one.write(step.path, step.content));
      break;
    case 'append':
      both((one) =>
        one instanceof Model ? one.append(step.path, step.content) : append(one, step.path, step.content),
      );
      break;
    case 'link':
      both((one) => one.link(step.path, step.to));
      break;
    case 'rename':
      both((one) => one.rename(step.path, step.to, step.flags));
      break;
    case 'remount':
      break;
  }
}

function append(paths: Paths, at: string, data: string): void {
  const handle = paths.open(at, O_WRONLY | O_APPEND);
  paths.fs.write(handle, 0, bytes(data), false);
  paths.fs.release(handle);
}

function treeOf(paths: Paths, prefix = ''): string[] {
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

function numbersOf(paths: Paths, prefix = ''): [string, number][] {
  return paths.list(prefix).flatMap(({ name, ino, type }) => {
    const at = prefix === '' ? name : `${prefix}/${name}`;
    return [[at, ino] as [string, number], ...(type === 4 ? numbersOf(paths, at) : [])];
  });
}

function check(
  model: Model,
  history: readonly (readonly Operation[])[],
  marks: MarkPrefix,
  cached: boolean,
): void {
  const below: Description = {
    a: {},
    'a/b': 'low',
    'a/a': {},
    'a/a/c': '=a/b',
    b: 'file',
    c: {},
    'c/a': {},
    'c/a/b': 'x',
  };
  model.mkdir('a');
  model.write('a/b', 'low');
  model.mkdir('a/a');
  model.link('a/b', 'a/a/c');
  model.write('b', 'file');
  model.mkdir('c');
  model.mkdir('c/a');
  model.write('c/a/b', 'x');
  let stack: Rig = rig([below], { marks });
  history.forEach((steps, i) => {
    for (const step of steps) {
      if (step.op === 'remount') stack = stack.remount();
      stack.paths.forgets = !cached;
      apply(stack.paths, model, step);
    }
    const tree = model.tree();
    const numbers = numbersOf(stack.paths).sort();
    expect(treeOf(stack.paths)).toEqual(tree);
    stack = stack.remount();
    expect(treeOf(stack.paths)).toEqual(tree);
    expect(numbersOf(stack.paths).sort()).toEqual(numbers);
    stack.union.settle();
    expect(treeOf(stack.paths)).toEqual(tree);
    expect(stack.upper.guarded).toBe(false);
    // The upper becomes the topmost lower, as a commit makes it.
    if (i < history.length - 1) stack = stack.committed(marks);
  });
}

for (const marks of ['trusted', 'user'] as const) {
  test(`a union agrees with a plain filesystem after any operations (marks ${marks})`, () => {
    fc.assert(
      fc.property(layers, fc.boolean(), (history, cached) => check(new Model(), history, marks, cached)),
      { numRuns: 300 },
    );
  });
}
