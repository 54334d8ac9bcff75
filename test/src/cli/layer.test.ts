// `mica layer` as a shell runs it.

import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { chainId, digestOf } from '../../../src/digest.js';
import { file, layerTar } from '../../fixtures/oci.js';
import { Mica } from './mica.js';

const BASE = layerTar([file('a', 'one')]);
const TOP = layerTar([file('b', 'two'.repeat(2000))]);
const base = digestOf(BASE);
const top = chainId(base, digestOf(TOP));

let mica: Mica;
beforeEach(() => {
  mica = new Mica();
});
afterEach(() => mica.remove());

const ok = (words: readonly string[], input?: Uint8Array): string => {
  const ran = mica.run(words, input === undefined ? {} : { input });
  expect(ran).toMatchObject({ code: 0, err: '' });
  return ran.out;
};
const json = (...words: string[]) => JSON.parse(ok(['--json', ...words]));

it('registers, lists, gives back and releases layers', () => {
  writeFileSync(mica.path('top.tar.gz'), gzipSync(TOP));
  expect(ok(['layer', 'register', '-'], BASE)).toBe(`${base}\n`);
  const descriptor = {
    mediaType: 'foreign',
    digest: digestOf('x'),
    size: 1,
    urls: ['https://example.org/x'],
  };
  const words = ['--parent', base.slice(7, 15), '--descriptor', JSON.stringify(descriptor)];
  expect(ok(['layer', 'register', 'top.tar.gz', ...words])).toBe(`${top}\n`);
  expect(json('layer', 'ls')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ kind: 'layer', chainId: base, diffId: base, cacheId: '1', references: 2 }),
      expect.objectContaining({ chainId: top, parent: base, references: 1, descriptor, hasTar: true }),
    ]),
  );
  expect(json('layer', 'inspect', base).holders).toEqual([
    { kind: 'layer', name: top },
    { kind: 'hold', name: '' },
  ]);
  ok(['layer', 'get', top, '-o', 'back.tar']);
  expect(readFileSync(mica.path('back.tar')).equals(TOP)).toBe(true);
  expect(ok(['layer', 'release', base])).toBe('');
  expect(ok(['layer', 'release', top])).toBe(`${top}\n${base}\n`);
  expect(json('layer', 'ls')).toEqual([]);
});

it('makes and releases read-write layers', () => {
  ok(['layer', 'register', '-'], BASE);
  const mountId = ok(['layer', 'create', 'web', base]).trim();
  expect(json('layer', 'inspect', 'web')).toMatchObject({
    kind: 'read-write',
    mountId,
    parent: base,
    mounts: 0,
  });
  expect(ok(['ls', `${mountId}:etc`])).toContain('resolv.conf');
  expect(ok(['layer', 'ls', '-q'])).toBe(`${base}\nweb\n`);
  expect(ok(['layer', 'release', 'web'])).toBe('');
});

it.each([
  [3, ['layer', 'inspect', 'nothing']],
  [3, ['layer', 'release', base]],
  [3, ['layer', 'create', 'web', base]],
  [2, ['layer', 'create', '../web']],
  [2, ['layer', 'register', 'file', '--descriptor', '{}']],
  [2, ['layer', 'register', 'file', '--diff-id', 'x']],
  [3, ['layer', 'register', 'none']],
  [1, ['layer', 'register', 'file']],
])('ends with %i: %j', (code, words) => {
  writeFileSync(mica.path('file'), 'no tar');
  expect(mica.run(words)).toMatchObject({ code, out: '' });
});
