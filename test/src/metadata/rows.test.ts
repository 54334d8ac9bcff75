import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { blobRows } from '../../../src/metadata/blobs.js';
import { Metadata } from '../../../src/metadata/db.js';
import { deleteImage, getImage, listImages, putImage } from '../../../src/metadata/images.js';
import { decodeKey, encodeKey, KEY_MAX } from '../../../src/metadata/keys.js';
import {
  assertNamespaceName,
  deleteNamespace,
  ensureNamespace,
  getNamespace,
  listNamespaces,
  putNamespace,
} from '../../../src/metadata/namespaces.js';
import type { ImageRow, SnapshotRow } from '../../../src/metadata/rows.js';
import {
  childrenOf,
  deleteSnapshot,
  dropSnapshots,
  formsInUse,
  getSnapshot,
  isSnapshotId,
  listSnapshots,
  nextSnapshotId,
  putSnapshot,
} from '../../../src/metadata/snapshots.js';
import { timeNow } from '../../../src/time.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
let folder: string;
let metadata: Metadata;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'micafs-rows-'));
  metadata = Metadata.open(folder, { durable: false });
});

afterEach(async () => {
  await metadata.close();
  rmSync(folder, { recursive: true, force: true });
});

function snapshot(name: string, id: string, parent?: string): SnapshotRow {
  return {
    name,
    id,
    ...(parent === undefined ? {} : { parent }),
    kind: 'committed',
    form: 'diff',
    marks: 'user',
    dialect: 'overlay',
    created: timeNow(),
    updated: timeNow(),
    labels: {},
  };
}

function image(name: string): ImageRow {
  const target = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: DIGEST, size: 3 };
  return { name, target, created: timeNow(), updated: timeNow(), labels: { k: 'v' } };
}

describe('snapshot rows', () => {
  test('come back as they were put, in their namespace only, ordered by name', async () => {
    const row = snapshot('b/with slash: and ü', '1');
    await metadata.write((tx) => {
      putSnapshot(tx, 'default', row);
      putSnapshot(tx, 'default', snapshot('a', '2'));
      putSnapshot(tx, 'other', snapshot('c', '3'));
    });
    metadata.read((tx) => {
      expect(getSnapshot(tx, 'default', row.name)).toEqual(row);
      expect(getSnapshot(tx, 'other', row.name)).toBeUndefined();
      expect(listSnapshots(tx, 'default').map((r) => r.name)).toEqual(['a', row.name]);
      expect(['1', '2', '3', '4'].map((id) => isSnapshotId(tx, id))).toEqual([true, true, true, false]);
      expect(listNamespaces(tx).map((r) => r.name)).toEqual(['default', 'other']);
    });
  });

  test('with children stay, and the children follow a change of parent', async () => {
    await metadata.write((tx) => {
      putSnapshot(tx, 'n', snapshot('base', '1'));
      putSnapshot(tx, 'n', snapshot('base2', '2'));
      putSnapshot(tx, 'n', snapshot('top', '3', 'base'));
    });
    const remove = (name: string) => metadata.write((tx) => deleteSnapshot(tx, 'n', name));
    await expect(remove('base')).rejects.toMatchObject({ kind: 'failed-precondition' });
    await expect(remove('base')).rejects.toThrow('remove');
    await metadata.write((tx) => putSnapshot(tx, 'n', snapshot('top', '3', 'base2')));
    expect(metadata.read((tx) => childrenOf(tx, 'n', 'base'))).toEqual([]);
    expect(metadata.read((tx) => childrenOf(tx, 'n', 'base2'))).toEqual(['top']);
    expect((await remove('base')).id).toBe('1');
    await expect(remove('base')).rejects.toMatchObject({ kind: 'not-found' });
    await remove('top');
    expect(metadata.read((tx) => childrenOf(tx, 'n', 'base2'))).toEqual([]);
  });

  test('folders and forms are known as long as a row of any namespace has them', async () => {
    const forms = () => [...metadata.read(formsInUse)];
    await metadata.write((tx) => {
      putSnapshot(tx, 'n', snapshot('a', '1'));
      putSnapshot(tx, 'm', { ...snapshot('b', '2'), form: 'full' });
    });
    expect(forms()).toEqual(['diff', 'full']);
    await metadata.write((tx) => putSnapshot(tx, 'm', { ...snapshot('b', '3'), form: 'full' }));
    expect(['1', '2', '3'].map((id) => metadata.read((tx) => isSnapshotId(tx, id)))).toEqual([
      true,
      false,
      true,
    ]);
    await metadata.write((tx) => deleteSnapshot(tx, 'm', 'b'));
    expect(forms()).toEqual(['diff']);
    await metadata.write((tx) => dropSnapshots(tx, [{ namespace: 'n', row: snapshot('a', '1') }]));
    expect(forms()).toEqual([]);
    expect(metadata.read((tx) => isSnapshotId(tx, '1') || listSnapshots(tx, 'n').length > 0)).toBe(false);
  });

  test('a parent does not see the children of one whose name begins with its own', async () => {
    await metadata.write((tx) => {
      putSnapshot(tx, 'n', snapshot('x', '1', 'base-2'));
      putSnapshot(tx, 'n', snapshot('y', '2', 'base/sub'));
    });
    expect(metadata.read((tx) => childrenOf(tx, 'n', 'base'))).toEqual([]);
  });

  test('ids are never given twice, not even after a reopen', async () => {
    const first = await metadata.write((tx) => [nextSnapshotId(tx), nextSnapshotId(tx)]);
    await metadata.close();
    metadata = Metadata.open(folder, { durable: false });
    expect([...first, await metadata.write(nextSnapshotId)]).toEqual(['1', '2', '3']);
  });

  test('an id taken in a transaction that failed is free again', async () => {
    const failing = metadata.write((tx) => {
      nextSnapshotId(tx);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await metadata.write(nextSnapshotId)).toBe('1');
  });
});

test('image rows: put, replace, list, delete', async () => {
  await metadata.write((tx) => {
    putImage(tx, 'n', image('b:1'));
    putImage(tx, 'n', image('a:1'));
  });
  expect(metadata.read((tx) => listImages(tx, 'n').map((row) => row.name))).toEqual(['a:1', 'b:1']);
  expect(await metadata.write((tx) => deleteImage(tx, 'n', 'a:1'))).toBe(true);
  expect(await metadata.write((tx) => deleteImage(tx, 'n', 'a:1'))).toBe(false);
  expect(metadata.read((tx) => getImage(tx, 'n', 'b:1')?.labels)).toEqual({ k: 'v' });
});

test('a label that is too long is refused, and no row is kept', async () => {
  const put = metadata.write((tx) => putImage(tx, 'n', { ...image('a'), labels: { k: 'v'.repeat(4096) } }));
  await expect(put).rejects.toMatchObject({ kind: 'invalid-argument' });
  expect(metadata.read(listNamespaces)).toEqual([]);
});

test('blob rows are those of one namespace', async () => {
  const row = { digest: DIGEST, size: 5, created: timeNow(), updated: timeNow(), labels: {} };
  expect(await blobRows(metadata, 'one').add(row)).toBe(true);
  expect(await blobRows(metadata, 'one').add({ ...row, size: 6 })).toBe(false);
  expect(blobRows(metadata, 'one').get(DIGEST)).toEqual(row);
  expect(blobRows(metadata, 'one').list()).toEqual([row]);
  expect(blobRows(metadata, 'two').get(DIGEST)).toBeUndefined();
  const labelled = await blobRows(metadata, 'one').change(DIGEST, (old) => ({ ...old, labels: { a: 'b' } }));
  expect(labelled).toEqual({ ...row, labels: { a: 'b' } });
  expect(await blobRows(metadata, 'one').remove(DIGEST)).toBe(true);
  expect(await blobRows(metadata, 'one').remove(DIGEST)).toBe(false);
  expect(await blobRows(metadata, 'one').change(DIGEST, (old) => old)).toBeUndefined();
  expect(blobRows(metadata, 'one').list()).toEqual([]);
});

describe('namespaces', () => {
  test('go only when they name nothing', async () => {
    await metadata.write((tx) => putImage(tx, 'n', image('a')));
    const remove = () => metadata.write((tx) => deleteNamespace(tx, 'n'));
    await expect(remove()).rejects.toMatchObject({ kind: 'failed-precondition' });
    await metadata.write((tx) => deleteImage(tx, 'n', 'a'));
    await remove();
    await expect(remove()).rejects.toMatchObject({ kind: 'not-found' });
  });

  test('keep their labels when a row is added', async () => {
    await metadata.write((tx) => {
      putNamespace(tx, { name: 'n', created: timeNow(), labels: { team: 'x' } });
      ensureNamespace(tx, 'n');
    });
    expect(metadata.read((tx) => getNamespace(tx, 'n')?.labels)).toEqual({ team: 'x' });
  });

  test.each(['', '-a', 'a--b', 'a/b', 'a b', '../x', 'ü', 'a'.repeat(77)])(
    '%j is no name for one',
    (name) => {
      expect(() => assertNamespaceName(name)).toThrow('cannot use namespace');
    },
  );

  test.each(['default', 'k8s.io', 'a-b_c.d', 'a'.repeat(76)])('%j is a name for one', (name) => {
    expect(() => assertNamespaceName(name)).not.toThrow();
  });
});

describe('keys', () => {
  test('that are too long are refused with the limit, before anything is written', async () => {
    const longest = KEY_MAX - 'v1/images/'.length - 'n/'.length;
    const put = (length: number) => metadata.write((tx) => putImage(tx, 'n', image('x'.repeat(length))));
    await put(longest);
    await expect(put(longest + 1)).rejects.toMatchObject({
      kind: 'invalid-argument',
      why: expect.stringContaining(`the limit is ${longest + 1}`),
    });
    expect(metadata.read((tx) => listImages(tx, 'n')).length).toBe(1);
  });

  const parts = fc.array(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter((part) => !part.includes('\0')),
    { minLength: 1, maxLength: 5 },
  );

  test('say their parts again and are ordered as the bytes of their parts are', () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const [keyA, keyB] = [a, b].map((key) => encodeKey(key as [string, ...string[]])) as [Buffer, Buffer];
        expect(decodeKey(keyA)).toEqual(a);
        expect(Math.sign(Buffer.compare(keyA, keyB))).toBe(compareParts(a, b));
      }),
    );
  });

  test.each([[['v1', '']], [['v1', 'a\0b']], [['v1', '\ud800']]] as [[string, ...string[]]][])(
    '%j is none',
    (key) => {
      expect(() => encodeKey(key)).toThrow('cannot use the name');
    },
  );
});

function compareParts(a: readonly string[], b: readonly string[]): number {
  for (const [i, part] of a.entries()) {
    const other = b[i];
    if (other === undefined) return 1;
    const order = Buffer.compare(Buffer.from(part), Buffer.from(other));
    if (order !== 0) return order;
  }
  return a.length < b.length ? -1 : 0;
}
