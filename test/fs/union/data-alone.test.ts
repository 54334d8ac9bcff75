// Layers of data alone: nothing is looked up in them but where an absolute redirect points.

import { expect, test } from 'vitest';
import { EIO } from '../../../fs/errno.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { Union } from '../../../fs/union/union.js';
import { errnoOf, Paths } from '../../suites/paths.js';
import { type Description, fillLayer, inUpper } from './stacks.js';

const META: Description = {
  f: { size: 3, redirect: '/aa/one' },
  d: {},
  'd/two': { size: 3, redirect: '/bb' },
  gone: { size: 3, redirect: '/no/where' },
  sibling: { size: 3, redirect: 'bb' },
  folder: { size: 3, redirect: '/aa' },
  over: { size: 3, redirect: '/low' },
  hid: { size: 3, redirect: '/aa/hid' },
  made: { size: 3, redirect: '/aa/made' },
};

function rig() {
  const lowers = [META, { low: { size: 3, redirect: '/bb' } }].map((what, i) =>
    fillLayer(new MemLayer({ id: `lower${i}` }), what),
  );
  const data = [
    { aa: {}, 'aa/one': 'one', d: {}, 'aa/hid': null, 'aa/made': {} },
    { aa: {}, 'aa/one': 'not', bb: 'two', 'aa/hid': 'hid', 'aa/made': 'dir' },
  ].map((what, i) => fillLayer(new MemLayer({ id: `data${i}` }), what));
  const upper = new MemLayer({ id: 'upper' });
  const open = () => new Union({ lowers, data, upper });
  const union = open();
  return { upper, union, paths: new Paths(union), remount: () => new Paths(open()) };
}

test('an absolute redirect finds its data in the topmost of them, also by way of a lower', () => {
  const { paths } = rig();
  expect(['f', 'd/two', 'over'].map((path) => paths.read(path))).toEqual(['one', 'two', 'two']);
});

test('a whiteout or a folder in one of them does not hide a file in the next', () => {
  const { paths } = rig();
  expect(['hid', 'made'].map((path) => paths.read(path))).toEqual(['hid', 'dir']);
});

test('no name of theirs is shown', () => {
  const { paths } = rig();
  expect(paths.ls('').includes('aa')).toBe(false);
  expect(paths.exists('bb')).toBe(false);
  expect(paths.ls('d')).toEqual(['two']);
});

test('data that is not there, or is no file, and a redirect to a sibling find nothing', () => {
  const { paths } = rig();
  for (const path of ['gone', 'sibling', 'folder'])
    expect([path, errnoOf(() => paths.read(path))]).toEqual([path, EIO]);
});

test('what is renamed, linked and changed keeps its data below until it is settled', () => {
  const { paths, remount, union, upper } = rig();
  paths.chmod('f', 0o640);
  paths.rename('d', 'D');
  paths.rename('over', 'D/over');
  paths.link('D/two', 'two');
  for (const seen of [paths, remount()]) {
    expect(['f', 'D/two', 'two', 'D/over'].map((path) => seen.read(path))).toEqual([
      'one',
      'two',
      'two',
      'two',
    ]);
  }
  for (const path of ['gone', 'sibling', 'folder']) paths.unlink(path);
  union.settle();
  expect(inUpper(upper, 'f')).toMatchObject({ metacopy: false });
  const lasting = remount();
  expect(['f', 'D/two', 'two', 'D/over'].map((path) => lasting.read(path))).toEqual([
    'one',
    'two',
    'two',
    'two',
  ]);
});

test('explain says that a layer of data alone has the data', () => {
  const { union } = rig();
  expect(union.explain('f')).toMatchObject({ result: { layer: 'lower0' } });
  expect(union.explain('f').why).toContain('data0');
});
