// A chain of layers merged into one image shows what a union of the layers shows, file numbers included.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeImages } from '../../../fs/erofs/merge.js';
import { writeImage } from '../../../fs/erofs/writer.js';
import { EIO, ESTALE, isErrno } from '../../../fs/errno.js';
import type { Attr } from '../../../fs/filesystem.js';
import type { ReadLayer } from '../../../fs/layer/layer.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { isFolder, isRegular, isSymlink } from '../../../fs/mode.js';
import { fromBytes } from '../../../fs/name.js';
import { Union } from '../../../fs/union/union.js';
import { walk } from '../../../fs/union/walk.js';
import { type Description, fillLayer } from '../union/stacks.js';
import { flattened, imageOf } from './flatten.js';

function layersOf(descriptions: readonly Description[]): MemLayer[] {
  const common = { device: 'disk', numbers: { last: 0 } };
  return descriptions.map((description, i) =>
    fillLayer(new MemLayer({ id: `layer${i}`, ...common }), description),
  );
}

type Shown = Omit<Attr, 'atimeSec' | 'atimeNsec'> & { xattrs: string[]; content: string };

/** All that a union shows, by path. */
function shown(lowers: readonly ReadLayer[]): Record<string, Shown> {
  const union = new Union({ lowers });
  const all: Record<string, Shown> = {};
  for (const { path, node, attr } of walk(union)) {
    const { atimeSec: _sec, atimeNsec: _nsec, ...kept } = attr;
    const xattrs = union.listxattr(node).map((name) => `${name}=${fromBytes(union.getxattr(node, name)!)}`);
    all[path] = { ...kept, xattrs, content: contentOf(union, node, attr.mode) };
  }
  return all;
}

function contentOf(union: Union, node: number, mode: number): string {
  if (isSymlink(mode)) return union.readlink(node);
  if (!isRegular(mode)) return '';
  let handle: number;
  try {
    handle = union.open(node, 0);
  } catch (error) {
    // Attributes whose data is nowhere, or of another size.
    if (isErrno(error, EIO) || isErrno(error, ESTALE)) return 'cannot be read';
    throw error;
  }
  const into = new Uint8Array(100);
  const text = fromBytes(into, 0, union.read(handle, 0, into));
  union.release(handle);
  return text;
}

/** A union of folders counts the names that a file has in its layer, a flattened one those of them that show. */
function withExactCounts(all: Record<string, Shown>): Record<string, Shown> {
  const names = new Map<number, number>();
  for (const { ino } of Object.values(all)) names.set(ino, (names.get(ino) ?? 0) + 1);
  return Object.fromEntries(
    Object.entries(all).map(([path, one]) => {
      const counted = isFolder(one.mode) || one.nlink === 1;
      return [path, counted ? one : { ...one, nlink: names.get(one.ino)! }];
    }),
  );
}

const name = fc.constantFrom('a', 'b', 'c', '!d');
type Tree = { [name: string]: Leaf };
type Leaf =
  | string
  | null
  | { size: number; redirect: string | undefined }
  | { opaque: boolean; redirect: string | undefined; children: Tree };

const redirects = fc.option(
  fc.oneof(
    name,
    fc.array(name, { minLength: 1, maxLength: 3 }).map((at) => `/${at.join('/')}`),
  ),
  {
    nil: undefined,
    freq: 4,
  },
);
const { tree } = fc.letrec<{ tree: Tree; leaf: Leaf }>((tie) => ({
  tree: fc.dictionary(name, tie('leaf'), { maxKeys: 4 }),
  leaf: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom('', 'text', 'more', null),
    fc.record({ size: fc.constant(4), redirect: redirects }),
    fc.record({
      opaque: fc.boolean(),
      redirect: redirects,
      children: tie('tree'),
    }),
  ),
}));

function describeTree(from: Tree, at = '', into: Record<string, Description[string]> = {}): Description {
  for (const [key, leaf] of Object.entries(from)) {
    const path = at === '' ? key : `${at}/${key}`;
    if (leaf === null || typeof leaf === 'string') {
      // A second file of the same text in one layer is a further name of the first.
      const same = leaf === 'text' && Object.keys(into).find((other) => into[other] === 'text');
      into[path] = same ? `=${same}` : leaf;
    } else if ('size' in leaf) {
      const { size, redirect } = leaf;
      into[path] = { size, ...(redirect !== undefined && { redirect }) };
    } else {
      const { opaque, redirect, children } = leaf;
      into[path] = { opaque, ...(redirect !== undefined && { redirect }) };
      describeTree(children, path, into);
    }
  }
  return into;
}

describe('a flattened chain', () => {
  it('shows what the union of its layers shows', () => {
    fc.assert(
      fc.property(fc.array(tree, { minLength: 1, maxLength: 5 }), (trees) => {
        const layers = layersOf(trees.map((one) => describeTree(one)));
        expect(shown([flattened(layers)])).toEqual(withExactCounts(shown(layers)));
      }),
      { numRuns: 600 },
    );
  });

  it('counts the names of a file that are not hidden', () => {
    const layers = layersOf([
      { c: null, d: {} },
      { d: { opaque: true } },
      { a: 'x', b: '=a', c: '=a', d: {}, 'd/e': '=a' },
    ]);
    expect(shown([flattened(layers)])).toMatchObject({ a: { nlink: 2 }, b: { nlink: 2 } });
    const alone = layersOf([{ b: null }, { a: 'x', b: '=a' }]);
    expect(shown([flattened(alone)])).toMatchObject({ a: { nlink: 1 } });
  });

  it('is the same image however often it is made', () => {
    const layers = layersOf([
      { d: { opaque: true }, 'd/x': 'x' },
      { d: {}, 'd/y': 'y', f: 'f', g: '=f' },
    ]);
    const make = () => writeImage(mergeImages(layers.map(imageOf), 'trusted.overlay.')).bytes;
    expect(make()).toEqual(make());
  });

  it('reads a file beneath a moved folder from where the folder lies in its layer', () => {
    const layers = layersOf([{ moved: { redirect: '/old' } }, { old: {}, 'old/f': 'data', 'old/empty': '' }]);
    const chain = flattened(layers);
    expect(shown([chain])).toMatchObject({ 'moved/f': { content: 'data' }, 'moved/empty': { content: '' } });
  });

  it('takes the attributes of a file from one layer and its data from another, times of its own or not', () => {
    const layers = layersOf([
      { f: { size: 4, redirect: '/old' }, g: '=f', lost: { size: 4 } },
      { f: null, old: { size: 4, redirect: 'older' } },
      { older: 'data', old: 'none' },
    ]);
    layers[0]!.hold('', 'f').utimes({ sec: 7, nsec: 0 }, { sec: 7, nsec: 0 });
    const of = shown([flattened(layers)]);
    expect(of).toEqual(shown(layers));
    expect(of).toMatchObject({
      f: { content: 'data', mode: 0o100600, nlink: 2, mtimeSec: 7, blocks: 8, xattrs: [] },
      g: { content: 'data' },
      lost: { content: 'cannot be read', mode: 0o100600 },
    });
  });

  it('refuses a file that is not as its index says', () => {
    const layers = layersOf([{ f: 'data' }]);
    const chain = flattened(layers);
    const file = layers[0]!.hold('', 'f').openWrite();
    file.write(0, new Uint8Array(100));
    file.close();
    expect(() => chain.hold('', 'f').open()).toThrow(expect.objectContaining({ errno: ESTALE }));
    layers[0]!.unlink('', 'f');
    expect(() => chain.hold('', 'f').open()).toThrow(expect.objectContaining({ errno: ESTALE }));
  });
});
