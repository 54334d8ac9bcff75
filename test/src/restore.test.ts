// The metadata as JSON and back.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openImage } from '../../src/images/stored.js';
import { dumpRows } from '../../src/metadata/dump.js';
import { SCHEMA_VERSION } from '../../src/metadata/schema.js';
import { restoreDump } from '../../src/restore.js';
import { Store } from '../../src/store.js';
import { Mica } from './cli/mica.js';

const STORED = fileURLToPath(new URL('../fixtures/stores/v1.tar.gz', import.meta.url));
let dir: string;
const stores: Store[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'micafs-restore-'));
  mkdirSync(join(dir, 'old'));
  execFileSync('tar', ['-xzf', STORED, '-C', join(dir, 'old'), '--no-same-owner']);
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(dir, { recursive: true, force: true });
});

async function open(name: string): Promise<Store> {
  const store = await Store.open(join(dir, name), {
    state: join(dir, 'state'),
    durable: false,
    driver: 'fuse',
    mayBeginAnew: true,
  });
  stores.push(store);
  return store;
}

async function dumped(store: Store): Promise<string> {
  return JSON.stringify(store.metadata.read(dumpRows));
}

const CONTAINER = {
  id: 'c',
  labels: { a: 'b' },
  image: 'small:1',
  runtime: { name: 'r', options: { typeUrl: 'o', value: Uint8Array.of(255, 0) } },
  spec: { typeUrl: 's', value: Uint8Array.of(0, 128, 10, 13) },
  snapshotter: 'mica',
  snapshotKey: 'work',
  extensions: { 'a.b/c': { typeUrl: 'e', value: Uint8Array.of(1) } },
};

describe('a dump', () => {
  it('restores every row beside the folders that were there, to the byte', async () => {
    const old = await open('old');
    await old.containers.create(CONTAINER);
    await old.leases.create('l', { 'containerd.io/gc.flat': 'x' });
    await old.leases.add('l', { type: 'snapshots/mica', id: 'mine' });
    const dump = await dumped(old);
    cpSync(join(dir, 'old'), join(dir, 'new'), { recursive: true });
    rmSync(join(dir, 'new', 'metadata'), { recursive: true });
    const store = await open('new');
    const restored = await restoreDump(store, dump, 'cannot restore');
    expect(restored).toEqual({ rows: JSON.parse(dump).rows.length, missing: [], unnamed: 0 });
    expect(await dumped(store)).toBe(dump);
    expect([...(store.containers.get('c')?.spec.value ?? [])]).toEqual([0, 128, 10, 13]);
    for (const row of store.images.list()) await openImage(store, row, 'cannot read');
    expect((await store.snapshots.stat('work')).parent).toBe('mine');
    await store.snapshots.prepare('next', 'mine');
    expect(Number((await store.snapshots.stat('next')).id)).toBeGreaterThan(7);
  });

  it('tells which rows name what is not there, and what no row names', async () => {
    const dump = await dumped(await open('old'));
    const store = await open('new');
    mkdirSync(join(store.folders.snapshots, '4711', 'fs'), { recursive: true });
    const { missing, unnamed } = await restoreDump(store, dump, 'cannot restore');
    expect(missing.filter(({ kind }) => kind === 'snapshot')).toHaveLength(8);
    expect(missing.filter(({ kind }) => kind === 'blob')).toHaveLength(8);
    expect(unnamed).toBe(1);
    await store.snapshots.prepare('next', undefined);
    expect((await store.snapshots.stat('next')).id).toBe('4712');
  });

  it.each([
    ['no JSON', '{', 'invalid-argument'],
    ['another document', '[1]', 'invalid-argument'],
    ['rows without keys', '{"schema":2,"rows":[{"value":1}]}', 'invalid-argument'],
    ['a key with an empty part', '{"schema":2,"rows":[{"key":["images",""],"value":1}]}', 'invalid-argument'],
    ['of a newer program', JSON.stringify({ schema: SCHEMA_VERSION + 1, rows: [] }), 'failed-precondition'],
  ])('that is %s is refused, and nothing is kept', async (_, text, kind) => {
    const store = await open('new');
    const before = await dumped(store);
    await expect(restoreDump(store, text, 'cannot restore')).rejects.toMatchObject({ kind });
    expect(await dumped(store)).toBe(before);
  });

  it('is not restored into a store that has anything', async () => {
    const old = await open('old');
    const dump = await dumped(old);
    await expect(restoreDump(old, dump, 'cannot restore')).rejects.toMatchObject({
      kind: 'failed-precondition',
      why: 'the store is not empty',
    });
    expect(await dumped(old)).toBe(dump);
  });
});

it('mica dump and mica restore', () => {
  const mica = new Mica();
  try {
    writeFileSync(mica.path('blob'), 'bytes');
    expect(mica.run(['content', 'put', mica.path('blob')])).toMatchObject({ code: 0 });
    const dump = mica.path('dump.json');
    expect(mica.run(['dump', '-o', dump])).toMatchObject({ code: 0, out: '' });
    expect(mica.run(['dump']).out).toBe(readFileSync(dump, 'utf8'));
    expect(mica.run(['restore', dump])).toMatchObject({ code: 5 });
    expect(mica.run(['restore', mica.path('none')])).toMatchObject({ code: 3 });
    const elsewhere = mica.run(['--root', mica.path('other'), 'restore', dump]);
    expect(elsewhere).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+ rows restored, 1 of them without/),
      err: expect.stringMatching(/^blob sha256:\w+: .* is not there$/m),
    });
    expect(mica.run(['--root', mica.path('other'), 'dump']).out).toBe(readFileSync(dump, 'utf8'));
  } finally {
    mica.remove();
  }
});
