// The same layers unpacked into real folders and into memory show the same tree.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fromText, openLowerDir, openUpperDir, type ReadLayer, Union } from '../../../fs/index.js';
import { apply } from '../../../src/diff/apply.js';
import { changesBetween } from '../../../src/diff/changes.js';
import { compare } from '../../../src/diff/compare.js';
import { writeLayerTar } from '../../../src/diff/layer-tar.js';
import { type Draft, writeTar } from './tar-tools.js';
import { chainOf, unionOf } from './trees.js';

let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'micafs-unpack-'));
});

afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

// Whoever runs this: owners that cannot be set are stood in for.
const owner = { uid: 1234, gid: 5678 };

const DRAFTS: readonly (readonly Draft[])[] = [
  [
    { path: 'd', type: 'folder', mode: 0o1777, mtime: { sec: 1, nsec: 2 } },
    { path: 'd/a', content: 'a'.repeat(300_000), mode: 0o4711, mtime: { sec: -100, nsec: 5 } },
    { path: 'd/b', content: 'b', xattrs: new Map([['user.x', Uint8Array.of(0, 255)]]) },
    { path: 'd/c', type: 'folder' },
    { path: 'd/c/e', content: 'e' },
    { path: 'hard', type: 'link', linkname: 'd/a' },
    { path: 's', type: 'symlink', linkname: 'd/c' },
    { path: 'p', type: 'fifo', mode: 0o620 },
    { path: 'odd\xff\n', content: 'odd' },
    { path: 'dev', type: 'char', devmajor: 5, devminor: 1 },
  ],
  [
    { path: 'd/.wh.b', content: '' },
    { path: 's/new', content: 'through a link' },
    { path: 'link', type: 'link', linkname: 'd/a' },
    { path: 'p', type: 'folder' },
    { path: 'p/x', content: 'in a folder now' },
    { path: 'd/c/.wh.e', content: '' },
  ],
  [
    { path: 'd/own', content: 'own' },
    { path: 'd/.wh..wh..opq', content: '' },
    { path: '.wh.p', content: '' },
    { path: 's', content: 'a file now', mtime: { sec: 9, nsec: 9 } },
  ],
];

const LAYERS = DRAFTS.map((layer) => layer.map((draft) => ({ ...owner, ...draft })));

/** The chain on disk, topmost first. */
async function chainOnDisk(): Promise<ReadLayer[]> {
  const chain: ReadLayer[] = [];
  for (const [at, layer] of LAYERS.entries()) {
    const folder = join(base, String(at));
    mkdirSync(join(folder, 'fs'), { recursive: true });
    mkdirSync(join(folder, 'work'));
    const upper = openUpperDir(fromText(join(folder, 'fs')), fromText(join(folder, 'work')));
    const union = new Union({
      lowers: chain.map((_, depth) => openLowerDir(lowerPath(at - 1 - depth))),
      upper,
    });
    await apply(Readable.from([writeTar(layer)]), union);
    union.settle();
    union.destroy();
    chain.unshift(openLowerDir(lowerPath(at)));
  }
  return chain;
}

function lowerPath(at: number): string {
  return fromText(join(base, String(at), 'fs'));
}

test('real folders and memory hold the same layers', async () => {
  const onDisk = await chainOnDisk();
  const inMemory = await chainOf(...LAYERS);
  for (let depth = LAYERS.length - 1; depth >= 0; depth--) {
    const differences = [...compare(unionOf(onDisk.slice(depth)), unionOf(inMemory.slice(depth)))];
    expect(differences.filter(({ path }) => path !== '')).toEqual([]);
  }
});

test('a layer read from its folder is the tar of its changes', async () => {
  const onDisk = await chainOnDisk();
  const inMemory = await chainOf(...LAYERS);
  const tarOf = async (chain: readonly ReadLayer[]) => {
    const to = unionOf(chain);
    const changes = changesBetween(unionOf(chain.slice(1)), to, { layer: chain[0]! });
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeLayerTar(to, changes)) chunks.push(chunk);
    return Buffer.concat(chunks).toString('latin1');
  };
  for (let depth = 0; depth < LAYERS.length - 1; depth++) {
    expect(await tarOf(onDisk.slice(depth))).toBe(await tarOf(inMemory.slice(depth)));
  }
});
