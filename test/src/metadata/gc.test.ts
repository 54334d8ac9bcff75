import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { putBlob } from '../../../src/metadata/blobs.js';
import { createContainer } from '../../../src/metadata/containers.js';
import { Metadata } from '../../../src/metadata/db.js';
import { type MarkOptions, mark, unname } from '../../../src/metadata/gc.js';
import { putImage } from '../../../src/metadata/images.js';
import { addLeaseResource, createLease } from '../../../src/metadata/leases.js';
import type { SnapshotRow } from '../../../src/metadata/rows.js';
import { formsInUse, listSnapshots, putSnapshot } from '../../../src/metadata/snapshots.js';
import type { WriteTx } from '../../../src/metadata/transaction.js';
import { timeNow } from '../../../src/time.js';

type Labels = Readonly<Record<string, string>>;

const ROOT = { 'containerd.io/gc.root': 'x' };
const NOW = Date.parse('2026-06-01T00:00:00Z');
const OPTIONS: MarkOptions = { nowMs: NOW, useOf: () => undefined };
let folder: string;
let metadata: Metadata;
let ids = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'micafs-gc-'));
  metadata = Metadata.open(folder, { durable: false });
});

afterEach(async () => {
  await metadata.close();
  rmSync(folder, { recursive: true, force: true });
});

const d = (letter: string) => `sha256:${letter.repeat(64)}`;

function blob(tx: WriteTx, letter: string, labels: Labels = {}, ns = 'n'): void {
  const now = timeNow();
  putBlob(tx, ns, { digest: d(letter), size: 1, created: now, updated: now, labels });
}

function snapshot(tx: WriteTx, name: string, more: Partial<SnapshotRow> = {}, ns = 'n'): void {
  const now = timeNow();
  putSnapshot(tx, ns, {
    name,
    id: String(++ids),
    kind: 'committed',
    form: 'diff',
    marks: 'user',
    dialect: 'overlay',
    created: now,
    updated: now,
    labels: {},
    ...more,
  });
}

function image(tx: WriteTx, name: string, letter: string, labels: Labels = {}): void {
  const target = { mediaType: 'm', digest: d(letter), size: 1 };
  putImage(tx, 'n', { name, target, created: timeNow(), updated: timeNow(), labels });
}

/** Names of what would go, after `fill`: letters of blobs, names of snapshots. */
async function dead(
  fill: (tx: WriteTx) => void,
  options: Partial<MarkOptions> = {},
): Promise<readonly string[]> {
  await metadata.write(fill);
  const { deadBlobs, deadSnapshots } = metadata.read((tx) => mark(tx, { ...OPTIONS, ...options }));
  return [
    ...deadBlobs.map(({ row }) => row.digest[7] ?? ''),
    ...deadSnapshots.map(({ row }) => row.name),
  ].sort();
}

describe('what stays', () => {
  test('nothing but what a root leads to', async () => {
    const gone = await dead((tx) => {
      image(tx, 'i', 'a');
      blob(tx, 'a', {
        'containerd.io/gc.ref.content.config': d('b'),
        'containerd.io/gc.ref.content.l.0': d('c'),
      });
      blob(tx, 'b', { 'containerd.io/gc.ref.snapshot.mica': 'top' });
      blob(tx, 'c');
      blob(tx, 'e');
      snapshot(tx, 'base');
      snapshot(tx, 'top', { parent: 'base' });
      snapshot(tx, 'other', { parent: 'base' });
    });
    expect(gone).toEqual(['e', 'other']);
  });

  test('what has the label gc.root, if it says anything, with parents and references', async () => {
    const gone = await dead((tx) => {
      snapshot(tx, 'base');
      snapshot(tx, 'key', { parent: 'base', kind: 'active', labels: ROOT });
      snapshot(tx, 'empty', { labels: { 'containerd.io/gc.root': '' } });
      blob(tx, 'a', { ...ROOT, 'containerd.io/gc.ref.content': d('b') });
      blob(tx, 'b');
      blob(tx, 'c');
    });
    expect(gone).toEqual(['c', 'empty']);
  });

  test('labels of other words lead nowhere, those with a tag do', async () => {
    const gone = await dead((tx) => {
      blob(tx, 'a', {
        ...ROOT,
        'containerd.io/gc.ref.contents': d('b'),
        'containerd.io/gc.ref.content/tag': d('c'),
        'containerd.io/gc.ref.snapshot.other': 'one',
        'containerd.io/gc.ref.snapshot.mica/tag': 'two',
        'gc.ref.content': d('e'),
      });
      for (const letter of ['b', 'c', 'e']) blob(tx, letter);
      for (const name of ['one', 'two']) snapshot(tx, name);
    });
    expect(gone).toEqual(['b', 'e', 'one']);
  });

  test('references in a circle and to nothing end', async () => {
    const gone = await dead((tx) => {
      blob(tx, 'a', { ...ROOT, 'containerd.io/gc.ref.content': d('b') });
      blob(tx, 'b', { 'containerd.io/gc.ref.content.0': d('a'), 'containerd.io/gc.ref.content.1': d('f') });
      blob(tx, 'c', { 'containerd.io/gc.ref.content': d('c') });
    });
    expect(gone).toEqual(['c']);
  });

  test('the snapshot of a container, and what its labels name, if it is of this snapshotter', async () => {
    const container = (id: string, snapshotter: string, labels: Labels) => ({
      id,
      labels,
      image: '',
      runtime: { name: 'r' },
      spec: { typeUrl: '', value: new Uint8Array() },
      snapshotter,
      snapshotKey: id,
      extensions: {},
    });
    const gone = await dead((tx) => {
      for (const name of ['ours', 'theirs', 'labelled']) snapshot(tx, name, { kind: 'active' });
      createContainer(
        tx,
        'n',
        container('ours', 'mica', { 'containerd.io/gc.ref.snapshot.mica': 'labelled' }),
      );
      createContainer(tx, 'n', container('theirs', 'other', {}));
    });
    expect(gone).toEqual(['theirs']);
  });

  test('what is in use, with its parents: asked of nothing that stays anyway', async () => {
    const asked: string[] = [];
    const useOf = ({ name }: SnapshotRow) => {
      asked.push(name);
      return name === 'mounted' ? '/mnt' : undefined;
    };
    const gone = await dead(
      (tx) => {
        snapshot(tx, 'base');
        snapshot(tx, 'mounted', { kind: 'view', parent: 'base' });
        snapshot(tx, 'kept', { kind: 'active', labels: ROOT });
        snapshot(tx, 'idle', { kind: 'active' });
      },
      { useOf },
    );
    expect(gone).toEqual(['idle']);
    expect(asked.sort()).toEqual(['idle', 'mounted']);
  });

  test('things of one namespace do not keep those of another', async () => {
    const gone = await dead((tx) => {
      blob(tx, 'a', { ...ROOT, 'containerd.io/gc.ref.content': d('b') }, 'n');
      blob(tx, 'b', {}, 'm');
      snapshot(tx, 'key', { labels: ROOT, parent: 'base' }, 'm');
      snapshot(tx, 'base', {}, 'n');
    });
    expect(gone).toEqual(['b', 'base']);
  });
});

describe('a lease', () => {
  function fill(tx: WriteTx, labels: Labels): void {
    createLease(tx, 'n', 'l', labels);
    addLeaseResource(tx, 'n', 'l', { type: 'content', id: d('a') });
    addLeaseResource(tx, 'n', 'l', { type: 'snapshots/mica', id: 'top' });
    addLeaseResource(tx, 'n', 'l', { type: 'snapshots/other', id: 'foreign' });
    addLeaseResource(tx, 'n', 'l', { type: 'ingests', id: 'r/e f' });
    blob(tx, 'a', { 'containerd.io/gc.ref.content': d('b') });
    blob(tx, 'b');
    snapshot(tx, 'base', { labels: { 'containerd.io/gc.ref.content': d('c') } });
    snapshot(tx, 'top', { parent: 'base' });
    snapshot(tx, 'foreign');
    blob(tx, 'c');
  }

  test('holds its resources and what they refer to', async () => {
    expect(await dead((tx) => fill(tx, {}))).toEqual(['foreign']);
    expect(metadata.read((tx) => mark(tx, OPTIONS)).leasedIngests).toEqual(new Set(['n/r/e f']));
  });

  test('that is flat follows no labels, but parents', async () => {
    expect(await dead((tx) => fill(tx, { 'containerd.io/gc.flat': 'x' }))).toEqual(['b', 'c', 'foreign']);
  });

  test('that is flat takes nothing from another that is not, whichever comes first', async () => {
    for (const id of ['k', 'm']) {
      expect(
        await dead((tx) => {
          if (id === 'k') fill(tx, { 'containerd.io/gc.flat': 'x' });
          createLease(tx, 'n', id);
          addLeaseResource(tx, 'n', id, { type: 'content', id: d('a') });
          addLeaseResource(tx, 'n', id, { type: 'snapshots/mica', id: 'top' });
        }),
      ).toEqual(['foreign']);
    }
  });

  test.each([
    ['2026-05-31T23:59:59Z', ['a', 'b', 'base', 'c', 'foreign', 'top']],
    ['2026-06-01T01:30:00+02:00', ['a', 'b', 'base', 'c', 'foreign', 'top']],
    ['2026-06-01T00:00:00.001Z', ['foreign']],
    ['tomorrow', ['foreign']],
  ])('that ends at %s', async (time, gone) => {
    expect(await dead((tx) => fill(tx, { 'containerd.io/gc.expire': time }))).toEqual(gone);
  });
});

test('why a thing stays is a path from a root', async () => {
  await metadata.write((tx) => {
    image(tx, 'i:1', 'a');
    blob(tx, 'a', { 'containerd.io/gc.ref.snapshot.mica': 'top' });
    snapshot(tx, 'base');
    snapshot(tx, 'top', { parent: 'base' });
    snapshot(tx, 'key', { labels: ROOT });
    snapshot(tx, 'used', { kind: 'active' });
    blob(tx, 'b');
  });
  const marked = metadata.read((tx) => mark(tx, { ...OPTIONS, useOf: () => 'mounted at /mnt' }));
  const paths = new Map([...marked.live()].map(({ kind, name, path }) => [`${kind} ${name}`, path]));
  const path = (kind: 'blob' | 'snapshot', name: string) =>
    paths.get(`${kind} ${name}`)?.map((thing) => `${thing.kind} ${thing.name}`);
  expect(path('snapshot', 'base')).toEqual(['image i:1', `blob ${d('a')}`, 'snapshot top', 'snapshot base']);
  expect(path('snapshot', 'key')).toEqual(['label containerd.io/gc.root', 'snapshot key']);
  expect(path('snapshot', 'used')).toEqual(['use mounted at /mnt', 'snapshot used']);
  expect(path('blob', d('b'))).toBeUndefined();
  expect(['a', 'b'].map((letter) => marked.isAlive(d(letter)))).toEqual([true, false]);
});

test('unnaming takes the rows and indexes of what is dead, parents and children at once', async () => {
  await metadata.write((tx) => {
    snapshot(tx, 'base');
    snapshot(tx, 'mid', { parent: 'base' });
    snapshot(tx, 'top', { parent: 'mid' });
    snapshot(tx, 'stays', { labels: ROOT });
    blob(tx, 'a');
  });
  await metadata.write((tx) => unname(tx, mark(tx, OPTIONS)));
  metadata.read((tx) => {
    expect(listSnapshots(tx, 'n').map(({ name }) => name)).toEqual(['stays']);
    expect(tx.keys(['v1', 'children', 'n'])).toEqual([]);
    expect(tx.keys(['v1', 'snapshot-ids'])).toHaveLength(1);
    expect(tx.keys(['v1', 'blobs'])).toEqual([]);
    expect([...formsInUse(tx)]).toEqual(['diff']);
  });
});
