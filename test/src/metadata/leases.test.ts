import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOf } from '../../../src/digest.js';
import { Metadata } from '../../../src/metadata/db.js';
import { createLease, leaseResources, leaseRows } from '../../../src/metadata/leases.js';
import { deleteNamespace } from '../../../src/metadata/namespaces.js';

const [X, Y] = [digestOf('x'), digestOf('y')];

let folder: string;
let metadata: Metadata;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'micafs-leases-'));
  metadata = Metadata.open(folder, { durable: false });
});

afterEach(async () => {
  await metadata.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a lease holds what was added, once, until it is taken out or the lease goes', async () => {
  const leases = leaseRows(metadata, 'n');
  const { id } = await leases.create('work', { l: 'v' });
  const blob = { type: 'content', id: digestOf('abc') };
  const snapshot = { type: 'snapshots/mica', id: 'a/key with : and ü' };
  for (const resource of [snapshot, blob, blob]) await leases.add(id, resource);
  await leases.add(id, { type: 'ingests', id: 'ref' });
  expect(leases.resources(id)).toEqual([blob, { type: 'ingests', id: 'ref' }, snapshot]);
  await leases.release(id, { type: 'ingests', id: 'ref' });
  await leases.release(id, { type: 'ingests', id: 'ref' });
  expect(leases.resources(id)).toEqual([blob, snapshot]);
  expect(await leases.remove(id)).toMatchObject({ id, labels: { l: 'v' } });
  expect(leases.list()).toEqual([]);
  // A new lease of the old id begins empty.
  await leases.create('work');
  expect(leases.resources('work')).toEqual([]);
});

test('a lease sees only its own resources, within the transaction that changes them too', async () => {
  const leases = leaseRows(metadata, 'n');
  await leases.create('a');
  await leases.create('a-b');
  await leases.add('a-b', { type: 'content', id: X });
  expect(leases.resources('a')).toEqual([]);
  const seen = await metadata.write((tx) => {
    tx.put(['v1', 'leased', 'n', 'a', 'content', Y], true);
    tx.remove(['v1', 'leased', 'n', 'a-b', 'content', X]);
    return [leaseResources(tx, 'n', 'a'), leaseResources(tx, 'n', 'a-b')];
  });
  expect(seen).toEqual([[{ type: 'content', id: Y }], []]);
});

test('ids are taken once in a namespace, and made where none is given', async () => {
  const leases = leaseRows(metadata, 'n');
  await leases.create('x');
  await expect(leases.create('x')).rejects.toMatchObject({ kind: 'already-exists' });
  await leaseRows(metadata, 'm').create('x');
  const made = await metadata.write((tx) => [createLease(tx, 'n').id, createLease(tx, 'n').id]);
  expect(made[0]).toMatch(/^\d+-[\w-]{4}$/);
  expect(new Set(made).size).toBe(2);
});

test.each([
  ['snapshots', 'invalid-argument'],
  ['snapshots/', 'invalid-argument'],
  ['tasks', 'unsupported'],
])('a resource of type %s is refused', async (type, kind) => {
  const leases = leaseRows(metadata, 'n');
  await leases.create('x');
  await expect(leases.add('x', { type, id: 'y' })).rejects.toMatchObject({ kind });
  await expect(leases.release('x', { type, id: 'y' })).rejects.toMatchObject({ kind });
});

test('a lease that is not there is not found', async () => {
  const leases = leaseRows(metadata, 'n');
  const absent = { kind: 'not-found' };
  const blob = { type: 'content', id: Y };
  await expect(leases.remove('x')).rejects.toMatchObject(absent);
  await expect(leases.add('x', blob)).rejects.toMatchObject(absent);
  await expect(leases.release('x', blob)).rejects.toMatchObject(absent);
  expect(() => leases.resources('x')).toThrow(expect.objectContaining(absent));
});

test('a namespace with a lease is not empty', async () => {
  await leaseRows(metadata, 'n').create('x');
  const remove = () => metadata.write((tx) => deleteNamespace(tx, 'n'));
  await expect(remove()).rejects.toMatchObject({ kind: 'failed-precondition' });
  await leaseRows(metadata, 'n').remove('x');
  await remove();
});
