// What layers are called, and that an explanation takes the names over wherever it names a layer.

import { expect, test } from 'vitest';
import type { Explanation } from '../../../fs/memory.js';
import { calledNames, withNames } from '../../../src/web/naming.js';

const HEX = '0123456789abcdef'.repeat(4);

test('layers are called by their names, digests by their first digits, folders by what tells them', () => {
  const ids = ['5', '4', `/storage/overlay/${HEX}/diff`, '/store/snapshots/12/fs', '/tmp/base', 'app'];
  const names = new Map([
    ['5', 'work'],
    ['4', `sha256:${HEX}`],
  ]);
  expect([...calledNames(ids, names).values()]).toEqual([
    'work',
    'sha256:0123456789ab',
    '0123456789ab',
    '12',
    'base',
    'app',
  ]);
});

test('two layers are never called the same', () => {
  const other = HEX.replace(/.$/, '0');
  expect([...calledNames(['/a/base', '/b/base', '/c'], new Map()).values()]).toEqual([
    '/a/base',
    '/b/base',
    'c',
  ]);
  const names = new Map([
    ['1', `sha256:${HEX}`],
    ['2', `sha256:${other}`],
  ]);
  expect([...calledNames(['1', '2'], names).values()]).toEqual([`sha256:${HEX}`, `sha256:${other}`]);
});

test('an explanation has the names in all of its parts', () => {
  const layers = [
    { id: '2', role: 'upper', finding: 'part' },
    { id: '1', role: 'lower', finding: 'file' },
  ] as const;
  const explanation: Explanation = {
    path: 'd/f',
    result: { layer: '2' },
    parents: [{ path: 'd', layers }],
    layers,
    why: 'Layer box has 2 of its bytes.',
    data: { ownBytes: 1, ownRanges: 1, ranges: [{ from: 0, to: 1, layer: '2' }] },
  };
  const called = new Map([
    ['1', '2'],
    ['2', 'box'],
  ]);
  const named = withNames(explanation, (id) => called.get(id) ?? id);
  const ids = (all: readonly { readonly id: string }[]) => all.map(({ id }) => id);
  expect([ids(named.layers), ids(named.parents[0]!.layers)]).toEqual([
    ['box', '2'],
    ['box', '2'],
  ]);
  expect([named.result, named.data?.ranges[0]?.layer, named.why]).toEqual([
    { layer: 'box' },
    'box',
    explanation.why,
  ]);
  expect(withNames({ ...explanation, result: 'absent' }, String).result).toBe('absent');
});
