// What a check of a store finds, and what repairing does and leaves alone.

import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FsckResult } from '../../../src/check/fsck.js';
import { digestOf } from '../../../src/digest.js';
import { commitImage } from '../../../src/images/commit-image.js';
import { openImage, topSnapshot } from '../../../src/images/stored.js';
import { rootLabels } from '../../../src/labels.js';
import { putLayer } from '../../../src/metadata/layers.js';
import { rowsOf } from '../../../src/metadata/snapshot-indexes.js';
import { IMAGES, useCheckedStore } from './checked-store.js';

const brief = ({ problems, ok }: FsckResult) => ({
  ok,
  told: problems.map(({ part, name, why, repaired }) => [
    part,
    name,
    why,
    ...(repaired === undefined ? [] : [repaired]),
  ]),
});
const SOUND = { ok: true, told: [] };

describe.skipIf(process.platform !== 'linux')('fsck', () => {
  const use = useCheckedStore();

  it('finds nothing in a store that is sound', async () => {
    expect(brief(await use.store.fsck({ verifyContent: true }))).toEqual(SOUND);
  });

  it('finds nothing wrong with the image of a commit, which stands on what it was made of', async () => {
    await use.store.with(async (store) => {
      await store.snapshots.commit('twice', 'active', { labels: rootLabels() });
      await commitImage(store, { snapshot: 'twice', ref: 'made:1' });
      const made = await store.snapshots.stat(
        topSnapshot(await openImage(store, store.images.get('made:1') ?? expect.fail(), 'test')) ?? '',
      );
      // Two layers above the one that the image was made on.
      expect(made.parent).toBe('twice');
    });
    expect(brief(await use.store.fsck())).toEqual(SOUND);
  });

  it('finds an index that is missing, damaged or of another folder, and makes it again', async () => {
    for (const harm of [
      (path: string) => rmSync(path),
      (path: string) => truncateSync(path, 2000),
      (path: string) => writeFileSync(path, readFileSync(path).fill(7, 1500, 1600)),
    ]) {
      harm(join(await use.store.folderOf('by-hand'), 'index'));
      const found = await use.store.fsck();
      expect(brief(found).told).toEqual([
        ['index', 'by-hand', expect.stringMatching(/^its index is (missing|damaged)$/)],
      ]);
      const repaired = await use.store.fsck({ repair: true });
      expect(brief(repaired)).toMatchObject({
        ok: true,
        told: [['index', 'by-hand', expect.any(String), 'made it again from the folder']],
      });
      expect(brief(await use.store.fsck())).toEqual(SOUND);
    }
    const parent = await use.store.with(
      async (store) => (await store.snapshots.stat('by-hand')).parent ?? '',
    );
    writeFileSync(
      join(await use.store.folderOf('by-hand'), 'index'),
      readFileSync(join(await use.store.folderOf(parent), 'index')),
    );
    expect(brief(await use.store.fsck({ repair: true })).told).toMatchObject([
      ['index', 'by-hand', 'its index is of another folder', expect.any(String)],
    ]);
    expect(brief(await use.store.fsck())).toEqual(SOUND);
  });

  it('finds every path of a committed layer that was changed, and leaves it alone', async () => {
    const fs = join(await use.store.folderOf('by-hand'), 'fs');
    appendFileSync(join(fs, 'made'), '!');
    mkdirSync(join(fs, 'added'));
    const why = 'its folder was changed after the commit: ., added, made';
    const wanted = { ok: false, told: [['index', 'by-hand', why]] };
    expect(brief(await use.store.fsck({ repair: true }))).toEqual(wanted);
    expect(brief(await use.store.fsck())).toEqual(wanted);
  });

  it('takes a copy of a store for sound, if it is one', async () => {
    const { root } = use.store;
    const copy = (to: string) => {
      const done = spawnSync('cp', ['-a', root, `${root}-${to}`]);
      if (done.status !== 0) throw new Error(done.stderr.toString());
      rmSync(root, { recursive: true });
      renameSync(`${root}-${to}`, root);
    };
    copy('one');
    const found = await use.store.fsck();
    expect(brief(found).told.map(([part, , why]) => [part, why])).toEqual(
      Array(6).fill(['index', 'its index is of another folder']),
    );
    expect(found.ok).toBe(true);
    appendFileSync(join(await use.store.folderOf('by-hand'), 'fs/made'), '!');
    const { ok, told } = brief(await use.store.fsck({ repair: true }));
    expect(ok).toBe(false);
    expect(told.filter(([, name]) => name === 'by-hand')).toEqual([
      ['index', 'by-hand', 'its folder was changed after the commit: made'],
    ]);
  });

  it('finds a file of a committed layer that was written to in place', async () => {
    writeFileSync(join(await use.store.folderOf('by-hand'), 'fs/made'), 'BY HAND');
    const wanted = {
      ok: false,
      told: [['index', 'by-hand', 'its folder was changed after the commit: made']],
    };
    expect(brief(await use.store.fsck())).toEqual(wanted);
    expect(brief(await use.store.fsck({ repair: true }))).toEqual(wanted);
  });

  it('finds a blob that is missing, of another size, or of other bytes', async () => {
    const digest = IMAGES.one.layers[0]?.digest ?? '';
    const path = join(use.store.root, 'content/blobs/sha256', digest.replace('sha256:', ''));
    const bytes = readFileSync(path);
    const of = (result: FsckResult) => brief(result).told.filter(([part]) => part === 'blob');
    chmodSync(path, 0o600);
    writeFileSync(path, Buffer.from(bytes).fill(1, 0, 1));
    expect(of(await use.store.fsck())).toEqual([]);
    const corrupt = `its content is corrupt: it has the digest ${digestOf(Buffer.from(bytes).fill(1, 0, 1))}`;
    expect(of(await use.store.fsck({ verifyContent: true, repair: true }))).toEqual([
      ['blob', digest, corrupt],
      ['blob', digest, corrupt],
    ]);
    truncateSync(path, 10);
    expect(of(await use.store.fsck())[0]).toEqual([
      'blob',
      digest,
      `its file has 10 bytes, not ${bytes.length}`,
    ]);
    rmSync(path);
    expect(of(await use.store.fsck({ repair: true }))[0]).toEqual(['blob', digest, 'its file is missing']);
    writeFileSync(path, bytes, { mode: 0o444 });
    expect(brief(await use.store.fsck({ verifyContent: true }))).toEqual(SOUND);
  });

  it('finds an image whose layer nobody names, and whose chain is another', async () => {
    const digest = IMAGES.one.layers[1]?.digest ?? '';
    await use.store.with((store) => store.metadata.write((tx) => tx.remove(['v1', 'blobs', 'more', digest])));
    await use.store.with(async (store) => {
      const row = await store.metadata.read((tx) =>
        tx.get<object>(['v1', 'snapshots', 'default', 'by-hand']),
      );
      const top = IMAGES.two.chainIds.at(-1) ?? '';
      await store.metadata.write((tx) => {
        const old = tx.get<object>(['v1', 'snapshots', 'default', top]);
        tx.put(['v1', 'snapshots', 'default', top], { ...old, parent: 'by-hand' });
      });
      expect(row).toBeDefined();
    });
    const { ok, told } = brief(await use.store.fsck());
    expect(ok).toBe(false);
    expect(told).toEqual(
      expect.arrayContaining([
        ['image', 'one', `its layer ${digest} is missing`],
        ['image', 'two', expect.stringContaining('stands on by-hand, not on sha256:')],
        ['metadata', 'indexes', expect.stringContaining('do not fit their rows')],
      ]),
    );
  });

  it('tells of containers, leases and layers that name what is not there', async () => {
    await use.store.with(async (store) => {
      const runtime = { name: 'r' };
      const spec = { typeUrl: 's', value: new Uint8Array() };
      const names = { image: '', labels: {}, snapshotter: 'mica', snapshotKey: 'none', extensions: {} };
      await store.containers.create({ id: 'c', runtime, spec, ...names });
      await store.leases.create('l');
      await store.leases.add('l', { type: 'content', id: digestOf('none') });
      await store.leases.add('l', { type: 'snapshots/mica', id: 'by-hand' });
      await store.metadata.write((tx) =>
        putLayer(tx, 'default', { chainId: digestOf('x'), diffId: digestOf('y'), holds: 1 }),
      );
    });
    const { ok, problems } = await use.store.fsck({ repair: true });
    expect(ok).toBe(true);
    expect(problems.map(({ part, name, level }) => [part, name, level])).toEqual([
      ['container', 'c', 'note'],
      ['layer', digestOf('x'), 'note'],
      ['lease', 'l', 'note'],
    ]);
  });

  it('makes the indexes of rows and the row of a namespace again', async () => {
    await use.store.with((store) =>
      store.metadata.write((tx) => {
        tx.remove(['v1', 'children', 'default', 'by-hand', 'active']);
        tx.put(['v1', 'children', 'default', 'gone', 'active'], true);
        tx.put(['v1', 'sequence'], 1);
        tx.put(['v1', 'snapshot-forms', 'diff'], 99);
        tx.remove(['v1', 'namespaces', 'more']);
      }),
    );
    expect((await use.store.fsck()).ok).toBe(false);
    const repaired = await use.store.fsck({ repair: true });
    expect(brief(repaired)).toMatchObject({
      ok: true,
      told: [
        ['metadata', 'indexes', expect.any(String), 'made them again from the rows'],
        ['namespace', 'more', expect.any(String), 'made one without labels'],
      ],
    });
    expect(brief(await use.store.fsck())).toEqual(SOUND);
    // The next snapshot gets a folder of its own.
    await use.store.with(async (store) => {
      await store.snapshots.prepare('next', 'by-hand');
      await expect(store.snapshots.remove('by-hand')).rejects.toThrow('has children');
    });
    expect(brief(await use.store.fsck())).toEqual(SOUND);
  });

  it('finds a parent and a folder that are gone, and repairs neither', async () => {
    rmSync(await use.store.folderOf('active'), { recursive: true });
    const parent = await use.store.with(async (store) => {
      const name = (await store.snapshots.stat('by-hand')).parent ?? '';
      await store.metadata.write((tx) => tx.remove(['v1', 'snapshots', 'default', name]));
      return name;
    });
    const { ok, told } = brief(await use.store.fsck({ repair: true }));
    expect(ok).toBe(false);
    expect(told).toEqual(
      expect.arrayContaining([
        ['snapshot', 'active', expect.stringMatching(/^its folder .* is missing$/)],
        ['snapshot', 'by-hand', `its parent ${parent} is missing`],
      ]),
    );
  });

  it('names what nothing names, and removes it', async () => {
    const { root } = use.store;
    for (const path of [
      'snapshots/900/fs',
      'snapshots/new-abc',
      'snapshots/rm-1-abc/fs',
      'content/ingest/abc',
    ])
      mkdirSync(join(root, path), { recursive: true });
    writeFileSync(join(root, 'content/blobs/sha256', 'a'.repeat(64)), 'x');
    mkdirSync(join(root, 'chains'), { recursive: true });
    writeFileSync(join(root, 'chains', 'b'.repeat(64)), 'x');
    const found = await use.store.fsck();
    expect(found.ok).toBe(true);
    expect(found.problems.map(({ part, level }) => [part, level])).toEqual(
      Array(6).fill(['leftover', 'note']),
    );
    expect((await use.store.fsck({ repair: true })).ok).toBe(true);
    expect(brief(await use.store.fsck())).toEqual(SOUND);
  });

  it('makes a work folder that is missing and takes one away that is left', async () => {
    const [active, committed] = [await use.store.folderOf('active'), await use.store.folderOf('by-hand')];
    rmSync(join(active, 'work'), { recursive: true });
    mkdirSync(join(committed, 'work'));
    expect((await use.store.fsck()).ok).toBe(false);
    expect((await use.store.fsck({ repair: true })).ok).toBe(true);
    expect([existsSync(join(active, 'work')), existsSync(join(committed, 'work'))]).toEqual([true, false]);
  });
});

describe.skipIf(process.platform !== 'linux')('fsck of a store without its database', () => {
  const use = useCheckedStore();

  const rows = () =>
    use.store.with(async (store) =>
      store.metadata.read((tx) => ({
        snapshots: rowsOf(tx),
        indexes: (['children', 'snapshot-ids', 'snapshot-forms', 'blobs'] as const).flatMap((kind) =>
          tx.keys(['v1', kind]),
        ),
      })),
    );

  it('makes its rows again from the folders, and tells what they do not', async () => {
    const before = await rows();
    const path = join(use.store.root, 'metadata');
    const harms = [
      () => renameSync(path, `${path}-away`),
      () => truncateSync(join(path, 'data.mdb'), 3000),
      () => writeFileSync(join(path, 'data.mdb'), Buffer.alloc(65536, 7)),
    ];
    for (const harm of harms) {
      harm();
      await expect(use.store.with(async () => undefined)).rejects.toMatchObject({
        kind: 'corrupt',
        hint: expect.stringContaining('fsck --repair'),
      });
      const found = brief(await use.store.fsck());
      expect(found).toMatchObject({ ok: false, told: [['metadata', path, expect.any(String)]] });
      const repaired = await use.store.fsck({ repair: true });
      expect(repaired.ok).toBe(true);
      expect(repaired.problems.filter(({ part }) => part === 'image').map(({ why }) => why)).toEqual(
        Array(3).fill('nothing tells its name'),
      );
      expect(await rows()).toEqual(before);
      expect(brief(await use.store.fsck({ verifyContent: true }))).toEqual(SOUND);
    }
  });

  it('keeps the images whole, under names that nobody gave', async () => {
    rmSync(join(use.store.root, 'metadata'), { recursive: true });
    await use.store.fsck({ repair: true });
    await use.store.with(async (store) => {
      expect(
        store.images
          .list()
          .map(({ target }) => target.digest)
          .sort(),
      ).toEqual([IMAGES.one.descriptor.digest, IMAGES.two.descriptor.digest].sort());
      expect(store.images.list().every(({ name }) => name.startsWith('recovered/'))).toBe(true);
    });
  });

  it('takes a committed snapshot from its index where nothing else tells of it', async () => {
    const before = await use.store.with((store) => store.snapshots.stat('by-hand'));
    rmSync(join(await use.store.folderOf('by-hand'), 'facts.json'));
    rmSync(join(use.store.root, 'metadata'), { recursive: true });
    const repaired = await use.store.fsck({ repair: true });
    expect(brief(repaired).told).toContainEqual([
      'snapshot',
      'by-hand',
      expect.stringContaining('its labels are not known'),
    ]);
    const { id, parent, kind, form, marks } = before;
    expect(await use.store.with((store) => store.snapshots.stat('by-hand'))).toMatchObject({
      id,
      parent,
      kind,
      form,
      marks,
    });
    expect(brief(await use.store.fsck())).toEqual(SOUND);
  });

  it('puts aside what nothing tells of', async () => {
    const folder = await use.store.folderOf('active');
    rmSync(join(folder, 'facts.json'));
    rmSync(join(use.store.root, 'metadata'), { recursive: true });
    const repaired = brief(await use.store.fsck({ repair: true }));
    const aside = folder.replace(/(\d+)$/, 'lost-$1');
    expect(repaired.told).toContainEqual([
      'snapshot',
      folder,
      'nothing tells what it is',
      `put it aside as ${aside}`,
    ]);
    expect(readFileSync(join(aside, 'fs/new'), 'utf8')).toBe('n');
    await use.store.with((store) => store.snapshots.cleanup());
    expect(existsSync(aside)).toBe(true);
  });
});
