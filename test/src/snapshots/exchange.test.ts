// What a process that died has left of an exchange of a snapshot's folder, ended by the next one that looks.

import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Metadata } from '../../../src/metadata/db.js';
import { putExchange } from '../../../src/metadata/exchanges.js';
import { nextSnapshotId } from '../../../src/metadata/snapshots.js';
import { FolderSnapshotter } from '../../../src/snapshots/snapshotter.js';
import { describeWith } from '../../requires.js';

describeWith(['root', 'fuse'], 'an exchange that nobody is at any more', () => {
  let root: string;
  let metadata: Metadata;
  let sn: FolderSnapshotter;
  const at = (...names: string[]) => join(root, 'snapshots', ...names);
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mica-exchange-'));
    metadata = Metadata.open(join(root, 'metadata'), { durable: false });
    sn = new FolderSnapshotter(metadata, {
      folder: join(root, 'snapshots'),
      state: join(root, 'state'),
      namespace: 'default',
      driver: 'fuse',
      helper: '/nowhere/mica-overlayfs',
    });
    await sn.prepare('key', undefined);
    writeFileSync(at('1/fs/old'), 'before');
  });
  afterEach(async () => {
    await metadata.close();
    rmSync(root, { recursive: true, force: true });
  });

  /** As it is after the second of the three steps, or, without a marker, after the first. */
  async function begin(marker: object | undefined, commit?: string): Promise<void> {
    const more = commit === undefined ? {} : { commit: { name: commit, labels: { a: 'b' } } };
    await metadata.write((tx) => {
      putExchange(tx, 'default', { key: 'key', from: '1', id: nextSnapshotId(tx), ...more });
    });
    for (const name of ['fs', 'work']) mkdirSync(at('2', name), { recursive: true });
    if (marker !== undefined) writeFileSync(at('2/exchanged'), JSON.stringify(marker));
  }

  async function names(): Promise<string[]> {
    const found: string[] = [];
    for await (const { name } of sn.walk()) found.push(name);
    return found;
  }

  it('has come to nothing where no server had decided', async () => {
    await begin(undefined, 'one');
    expect(await names()).toEqual(['key']);
    expect(await sn.stat('key')).toMatchObject({ kind: 'active', id: '1' });
    expect(readdirSync(at())).toEqual(['1']);
    await sn.commit('one', 'key');
  });

  it('has come to nothing where the new folder was put aside, and its server could not decide', async () => {
    await begin(undefined, 'one');
    mkdirSync(at('aside-2'));
    rmSync(at('2'), { recursive: true });
    expect(await names()).toEqual(['key']);
    expect(readdirSync(at())).toEqual(['1']);
  });

  it('is a commit where a server had decided so', async () => {
    await begin([], 'one');
    expect(await names()).toEqual(['key', 'one']);
    expect(await sn.stat('one')).toMatchObject({ kind: 'committed', id: '1', labels: { a: 'b' } });
    expect(await sn.stat('key')).toMatchObject({ kind: 'active', id: '2', parent: 'one' });
    expect([existsSync(at('1/work')), readdirSync(at('2')).sort()]).toEqual([
      false,
      ['facts.json', 'fs', 'work'],
    ]);
    expect(await sn.cleanup()).toBe(0);
  });

  it('is a rollback where a server had decided so', async () => {
    await begin([]);
    expect(await sn.stat('key')).toMatchObject({ kind: 'active', id: '2' });
    expect(readdirSync(at())).toEqual(['2']);
  });

  it('leaves no file that is still another one of the new folder', async () => {
    await begin(undefined, 'one');
    linkSync(at('1/fs/old'), at('2/fs/old'));
    const { ino } = statSync(at('1/fs/old'));
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    writeFileSync(at('2/exchanged'), JSON.stringify([{ dir: '', name: base64('old'), ino }]));
    expect((await sn.stat('one')).kind).toBe('committed');
    writeFileSync(at('2/fs/old'), 'after');
    expect(readFileSync(at('1/fs/old'), 'utf8')).toBe('before');
    expect(statSync(at('2/fs/old')).ino).toBe(ino);
  });

  it('that cannot be ended is told to who wants that key, and to nobody else', async () => {
    await sn.prepare('other', undefined);
    await sn.commit('taken', 'other');
    const [old] = [await sn.stat('taken')];
    await metadata.write((tx) => {
      const id = nextSnapshotId(tx);
      mkdirSync(at(id, 'fs'), { recursive: true });
      writeFileSync(at(id, 'exchanged'), '[]');
      putExchange(tx, 'default', { key: 'key', from: '1', id, commit: { name: 'taken', labels: {} } });
    });
    expect(await names()).toEqual(['key', 'taken']);
    expect(await sn.stat('taken')).toEqual(old);
    await expect(sn.commit('one', 'key')).rejects.toMatchObject({ kind: 'already-exists' });
    await sn.remove('taken');
    expect(await sn.stat('taken')).toMatchObject({ kind: 'committed', id: '1' });
  });
});
