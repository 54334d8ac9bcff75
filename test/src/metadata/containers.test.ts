import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { containerRows, type NewContainer } from '../../../src/metadata/containers.js';
import { Metadata } from '../../../src/metadata/db.js';
import { deleteNamespace } from '../../../src/metadata/namespaces.js';

let folder: string;
let metadata: Metadata;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'micafs-containers-'));
  metadata = Metadata.open(folder, { durable: false });
});

afterEach(async () => {
  await metadata.close();
  rmSync(folder, { recursive: true, force: true });
});

function container(id: string, more: Partial<NewContainer> = {}): NewContainer {
  return {
    id,
    labels: { a: '1' },
    image: 'debian:latest',
    runtime: { name: 'io.containerd.runc.v2' },
    spec: { typeUrl: 'spec', value: Uint8Array.of(0, 255, 128, 10) },
    snapshotter: 'mica',
    snapshotKey: id,
    extensions: {},
    ...more,
  };
}

test('a container comes back as it was made, its bytes included, also after a reopen', async () => {
  const rows = containerRows(metadata, 'n');
  const made = await rows.create(container('one'));
  expect(made.created).toBe(made.updated);
  await metadata.write((tx) => tx.put(['v1', 'other'], 'x'.repeat(5000)));
  await metadata.close();
  metadata = Metadata.open(folder, { durable: false });
  const found = containerRows(metadata, 'n').get('one');
  expect(found).toMatchObject({ ...made, spec: { typeUrl: 'spec' } });
  expect([...(found?.spec.value ?? [])]).toEqual([0, 255, 128, 10]);
  // What was read is not a view of LMDB's page, which is used again.
  containerRows(metadata, 'n').list();
  metadata.read((tx) => tx.get(['v1', 'other']));
  expect([...(found?.spec.value ?? [])]).toEqual([0, 255, 128, 10]);
});

test('an id is taken once in a namespace, and is free again when its container is gone', async () => {
  const rows = containerRows(metadata, 'n');
  await rows.create(container('one'));
  await expect(rows.create(container('one'))).rejects.toMatchObject({ kind: 'already-exists' });
  await containerRows(metadata, 'm').create(container('one'));
  expect((await rows.remove('one')).image).toBe('debian:latest');
  await expect(rows.remove('one')).rejects.toMatchObject({ kind: 'not-found' });
  await rows.create(container('one'));
  expect(rows.list().map(({ id }) => id)).toEqual(['one']);
});

test('an update changes the fields of its paths and the time, and nothing else', async () => {
  const rows = containerRows(metadata, 'n');
  const made = await rows.create(container('one'));
  const changed = container('one', {
    labels: { a: '2', b: '3' },
    image: 'other:1',
    snapshotKey: 'two',
    extensions: { x: { typeUrl: 't', value: Uint8Array.of(1) } },
    runtime: { name: 'ignored' },
  });
  const labelled = await rows.update(changed, ['labels.b', 'image']);
  expect(labelled).toMatchObject({ labels: { a: '1', b: '3' }, image: 'other:1', snapshotKey: 'one' });
  expect(labelled.created).toBe(made.created);
  expect(labelled.updated > made.updated).toBe(true);
  expect(await rows.update(container('one', { labels: {} }), ['labels.a'])).toMatchObject({
    labels: { b: '3' },
  });
  expect(await rows.update(changed, ['extensions.x', 'snapshotkey'])).toMatchObject({
    snapshotKey: 'two',
    extensions: { x: { typeUrl: 't' } },
    runtime: { name: 'io.containerd.runc.v2' },
  });
  expect((await rows.update(container('one'), ['extensions.x'])).extensions).toEqual({});
  expect(await rows.update(container('one'), [])).toMatchObject({
    image: 'debian:latest',
    labels: { a: '1' },
  });
});

test('an update is refused for fields that never change and for a container that is not there', async () => {
  const rows = containerRows(metadata, 'n');
  await rows.create(container('one'));
  const refused = { kind: 'invalid-argument' };
  await expect(rows.update(container('one', { snapshotter: 'x' }), [])).rejects.toMatchObject(refused);
  await expect(rows.update(container('one', { runtime: { name: 'x' } }), [])).rejects.toMatchObject(refused);
  await expect(rows.update(container('one'), ['created'])).rejects.toMatchObject(refused);
  await expect(rows.update(container('two'), [])).rejects.toMatchObject({ kind: 'not-found' });
});

test.each([
  ['a bad id', { id: 'a/b' }],
  ['no runtime', { runtime: { name: '' } }],
  ['a key of no snapshotter', { snapshotter: '' }],
  ['an extension without a name', { extensions: { '': { typeUrl: 't', value: new Uint8Array() } } }],
  ['a label that is too long', { labels: { k: 'v'.repeat(5000) } }],
])('one with %s is refused, and nothing is kept', async (_, more) => {
  const rows = containerRows(metadata, 'n');
  await expect(rows.create(container('one', more))).rejects.toMatchObject({ kind: 'invalid-argument' });
  expect(rows.list()).toEqual([]);
});

test('a namespace with a container is not empty', async () => {
  await containerRows(metadata, 'n').create(container('one'));
  const remove = () => metadata.write((tx) => deleteNamespace(tx, 'n'));
  await expect(remove()).rejects.toMatchObject({
    kind: 'failed-precondition',
    why: 'it is not empty: 1 containers',
  });
  await containerRows(metadata, 'n').remove('one');
  await remove();
});
