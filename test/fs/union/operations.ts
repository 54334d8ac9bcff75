// Random operations, and their application to a filesystem and the model at once. They meet often, because all
// names are made of four letters.

import fc from 'fast-check';
import { expect } from 'vitest';
import { O_APPEND, O_WRONLY, RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../../fs/filesystem.js';
import { bytes, errnoOf, type Paths } from '../../suites/paths.js';
import { Model } from './model.js';
import type { Description } from './stacks.js';

export type Operation =
  | { readonly op: 'mkdir' | 'unlink' | 'rmdir' | 'rmtree' | 'remount' | 'chmod'; readonly path: string }
  | { readonly op: 'write' | 'append'; readonly path: string; readonly content: string }
  | { readonly op: 'link'; readonly path: string; readonly to: string }
  | { readonly op: 'rename'; readonly path: string; readonly to: string; readonly flags: number };

const name = fc.constantFrom('a', 'b', 'c', 'd');
const path = fc
  .oneof(
    { weight: 4, arbitrary: fc.tuple(name) },
    { weight: 3, arbitrary: fc.tuple(name, name) },
    { weight: 1, arbitrary: fc.tuple(name, name, name) },
  )
  .map((names) => names.join('/'));
const content = fc.string({ unit: 'grapheme-ascii', maxLength: 4 });
export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ op: fc.constant('mkdir' as const), path }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('unlink' as const), path }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('rmdir' as const), path }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('rmtree' as const), path }) },
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
export const layers = fc.array(fc.array(operation, { maxLength: 20, size: 'max' }), {
  minLength: 1,
  maxLength: 3,
});

/** Does one step to both, which must agree on how it ends. A step below a missing folder is left out. */
export function apply(paths: Paths, model: Model, step: Operation): void {
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
    case 'rmtree':
      removeTree(paths, model, step.path);
      break;
    case 'remount':
      break;
  }
}

function removeTree(paths: Paths, model: Model, at: string): void {
  const node = model.find(at);
  if (node === undefined) return;
  if (node.kind === 'file') {
    apply(paths, model, { op: 'unlink', path: at });
    return;
  }
  for (const name of [...node.entries.keys()]) removeTree(paths, model, `${at}/${name}`);
  apply(paths, model, { op: 'rmdir', path: at });
}

function append(paths: Paths, at: string, data: string): void {
  const handle = paths.open(at, O_WRONLY | O_APPEND);
  paths.fs.write(handle, 0, bytes(data), false);
  paths.fs.release(handle);
}

/** What the lowest layer holds, and the same in the model. */
export const LOWEST: Description = {
  a: {},
  'a/b': 'low',
  'a/a': {},
  'a/a/c': '=a/b',
  b: 'file',
  c: {},
  'c/a': {},
  'c/a/b': 'x',
};

export function lowestModel(): Model {
  const model = new Model();
  for (const [path, what] of Object.entries(LOWEST)) {
    if (typeof what !== 'string') model.mkdir(path);
    else if (what.startsWith('=')) model.link(what.slice(1), path);
    else model.write(path, what);
  }
  return model;
}
