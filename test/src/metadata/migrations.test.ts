// Stores that earlier versions of the program wrote (test/fixtures/stores, with the script that made them) are
// opened by this one, and hold what they held.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openImage } from '../../../src/images/stored.js';
import { mark } from '../../../src/metadata/gc.js';
import { MIGRATIONS, SCHEMA_VERSION, storedVersion } from '../../../src/metadata/schema.js';
import { formsInUse, isSnapshotId } from '../../../src/metadata/snapshots.js';
import { Store } from '../../../src/store.js';

const STORES = fileURLToPath(new URL('../../fixtures/stores/', import.meta.url));
const ROOT = 'containerd.io/gc.root';
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'micafs-migrations-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function openStored(version: number, namespace = 'default'): Promise<Store> {
  const root = join(dir, 'store');
  if (!existsSync(root)) {
    mkdirSync(root);
    execFileSync('tar', ['-xzf', join(STORES, `v${version}.tar.gz`), '-C', root, '--no-same-owner']);
  }
  return Store.open(root, { state: join(dir, 'state'), namespace, durable: false, driver: 'fuse' });
}

test('every version but the newest has a store to be read', () => {
  const versions = readdirSync(STORES).filter((name) => name.endsWith('.tar.gz'));
  expect(versions.sort()).toEqual(MIGRATIONS.slice(1).map((_, at) => `v${at + 1}.tar.gz`));
});

describe('version 1', () => {
  test('opens as the newest version with all that was in it', async () => {
    const store = await openStored(1);
    expect(store.metadata.read(storedVersion)).toBe(SCHEMA_VERSION);
    expect(store.images.list().map(({ name }) => name)).toEqual(['grown:1', 'small:1', 'small:old']);
    const snapshots = new Map<string, { kind: string; parent?: string }>();
    for await (const info of store.snapshots.walk()) snapshots.set(info.name, info);
    const named = [...snapshots.keys()].filter((name) => !name.startsWith('sha256:'));
    expect(named).toEqual(['extract-1-dead sha256:dead', 'grown', 'look', 'mine', 'work']);
    expect(snapshots.get('work')).toMatchObject({ kind: 'active', parent: 'mine' });
    expect(snapshots.get('look')).toMatchObject({ kind: 'view', parent: 'mine' });
    for (const row of store.images.list()) {
      const { layers } = await openImage(store, row, 'cannot read');
      for (const { descriptor, chainId } of layers) {
        await store.content.verify(descriptor.digest);
        expect(snapshots.get(chainId)?.kind).toBe('committed');
      }
    }
    expect(await store.content.status('half')).toMatchObject({ offset: 4 });
    await store.close();
    const other = await openStored(1, 'other');
    const blobs = [];
    for await (const { digest, labels } of other.content.walk())
      blobs.push([digest.slice(7, 11), Object.keys(labels)]);
    expect(blobs).toEqual([['4146', [ROOT]]]);
    await other.close();
  });

  test('has its snapshots in the indexes', async () => {
    const store = await openStored(1);
    const ids = readdirSync(store.folders.snapshots);
    expect(ids.length).toBeGreaterThan(6);
    for (const id of ids) expect([id, store.metadata.read((tx) => isSnapshotId(tx, id))]).toEqual([id, true]);
    expect([...store.metadata.read(formsInUse)]).toEqual(['diff']);
    for (const name of ['work', 'look', 'mine', 'grown']) await store.snapshots.stat(name);
    await store.snapshots.prepare('new', 'mine');
    await store.snapshots.remove('new');
    await store.close();
  });

  test('keeps what a person made, and nothing that an import can make again', async () => {
    const store = await openStored(1);
    for (const name of ['work', 'look', 'mine', 'grown']) {
      const { labels } = await store.snapshots.stat(name);
      expect(labels[ROOT]).toBeTruthy();
    }
    const rooted: string[] = [];
    for await (const { labels } of store.content.walk())
      if (labels[ROOT] !== undefined) rooted.push(labels['from'] ?? '?');
    expect(rooted).toEqual(['person']);
    const options = { nowMs: Date.now(), useOf: () => undefined };
    const dead = (of: Store) => of.metadata.read((tx) => mark(tx, options));
    expect(dead(store).deadBlobs).toEqual([]);
    expect(dead(store).deadSnapshots.map(({ row }) => row.name)).toEqual(['extract-1-dead sha256:dead']);
    await store.close();
  });

  test('is left as it was by a migration that fails', async () => {
    const store = await openStored(1);
    await store.close();
    const { Metadata } = await import('../../../src/metadata/db.js');
    rmSync(join(dir, 'store'), { recursive: true });
    mkdirSync(join(dir, 'store'));
    execFileSync('tar', ['-xzf', join(STORES, 'v1.tar.gz'), '-C', join(dir, 'store'), '--no-same-owner']);
    const folder = join(dir, 'store', 'metadata');
    const failing = () => {
      throw new Error('power is gone');
    };
    const migrations = [...MIGRATIONS, failing];
    expect(() => Metadata.open(folder, { durable: false, migrations })).toThrow('power is gone');
    const before = Metadata.open(folder, { durable: false, migrations: MIGRATIONS.slice(0, 1) });
    expect(before.read(storedVersion)).toBe(1);
    expect(before.read((tx) => tx.keys(['v1', 'snapshot-ids']))).toEqual([]);
    await before.close();
  });
});
