import { expect, test } from 'vitest';
import { ENOTEMPTY } from '../../../fs/errno.js';
import { errnoOf } from '../../suites/paths.js';
import { inUpper, rig } from './stacks.js';

test('unlink of a lower file leaves a whiteout and copies nothing', () => {
  const { upper, paths, events } = rig([{ d: {}, 'd/f': 'lower' }]);
  paths.unlink('d/f');
  expect(paths.exists('d/f')).toBe(false);
  expect(paths.ls('d')).toEqual([]);
  expect(inUpper(upper, 'd/f')?.whiteout).toBe(true);
  expect(events.map(({ kind, path, bytesCopied }) => [kind, path, bytesCopied])).toEqual([
    ['copy-up', 'd', 0],
    ['whiteout', 'd/f', undefined],
  ]);
});

test('unlink of a file of the upper alone leaves nothing', () => {
  const { upper, paths } = rig([{}]);
  paths.write('f', 'x');
  paths.unlink('f');
  expect(inUpper(upper, 'f')).toBeUndefined();
});

test('a file that was moved over a whiteout and removed does not bring the lower one back', () => {
  const { paths, remount } = rig([{ f: 'lower' }]);
  paths.unlink('f');
  paths.write('n', 'new');
  paths.rename('n', 'f');
  paths.unlink('f');
  expect(paths.ls('')).toEqual([]);
  expect(remount().paths.ls('')).toEqual([]);
});

test('a folder made where a lower one was removed is empty, also after remount', () => {
  const { upper, paths, remount, events } = rig([{ d: {}, 'd/e': {}, 'd/e/f': 'deep' }]);
  paths.unlink('d/e/f');
  paths.rmdir('d/e');
  paths.rmdir('d');
  paths.mkdir('d');
  expect(inUpper(upper, 'd')?.opaque).toBe(true);
  expect(events.at(-1)).toMatchObject({ kind: 'opaque', path: 'd', layer: 'upper' });
  paths.mkdir('d/e');
  expect(paths.ls('d/e')).toEqual([]);
  expect(remount().paths.tree()).toEqual(['d folder 755 0:0', 'd/e folder 755 0:0']);
});

test('a file takes the place of a removed folder, and a folder that of a removed file', () => {
  const { paths, remount } = rig([{ d: {}, f: 'x' }]);
  paths.rmdir('d');
  paths.write('d', 'file');
  paths.unlink('f');
  paths.mkdir('f');
  const expected = ['d file 644 0:0 "file"', 'f folder 755 0:0'];
  expect(paths.tree()).toEqual(expected);
  expect(remount().paths.tree()).toEqual(expected);
});

test('rmdir of a merged folder works when only whiteouts are left in it, and not before', () => {
  const { paths } = rig([
    { d: {}, 'd/a': 'a' },
    { d: {}, 'd/b': 'b' },
  ]);
  paths.write('d/c', 'c');
  expect(errnoOf(() => paths.rmdir('d'))).toBe(ENOTEMPTY);
  for (const name of ['a', 'b', 'c']) paths.unlink(`d/${name}`);
  paths.rmdir('d');
  expect(paths.ls('')).toEqual([]);
});

test('a lower whiteout hides the layers below it', () => {
  const { paths } = rig([
    { d: {}, 'd/f': null },
    { d: {}, 'd/f': 'hidden', 'd/g': 'seen' },
  ]);
  expect(paths.ls('d')).toEqual(['g']);
  paths.write('d/f', 'new');
  expect(paths.read('d/f')).toBe('new');
});

test('a lower opaque folder hides the layers below it', () => {
  const { paths } = rig([
    { d: { opaque: true }, 'd/a': 'a' },
    { d: {}, 'd/b': 'b' },
  ]);
  expect(paths.ls('d')).toEqual(['a']);
});
