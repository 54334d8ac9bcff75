// Several processes on one store, and processes that are killed between any two lines of their work.

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Metadata } from '../../src/metadata/db.js';
import { FolderSnapshotter } from '../../src/snapshots/snapshotter.js';
import { linesOf, startModule } from '../child.js';

const OPEN = `
  import { join } from 'node:path';
  import { Metadata } from './src/metadata/db.js';
  import { FolderSnapshotter } from './src/snapshots/snapshotter.js';
  const [, , root, name, count] = process.argv;
  const metadata = Metadata.open(join(root, 'metadata'), { durable: false });
  const sn = new FolderSnapshotter(metadata, {
    folder: join(root, 'snapshots'),
    state: join(root, 'state'),
    namespace: 'default',
    driver: 'overlay',
    helper: '/nowhere/mica-overlayfs',
  });
`;
/** Prints each name once it was acknowledged; a word before it says what is true of it now. */
const WORK = `${OPEN}
  let parent;
  for (let n = 0; n < Number(count); n++) {
    const base = name + '-' + n;
    await sn.prepare(base + '-key', parent);
    console.log('active ' + base + '-key');
    await sn.commit(base, base + '-key');
    console.log('committed ' + base);
    await sn.prepare(base + '-gone', base);
    await sn.remove(base + '-gone');
    console.log('gone ' + base + '-gone');
    if (n % 5 === 4) await sn.cleanup();
    parent = base;
  }
  await metadata.close();
`;

describe('snapshots of one store', () => {
  let root: string;
  let metadata: Metadata;
  let sn: FolderSnapshotter;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mica-crash-'));
    metadata = Metadata.open(join(root, 'metadata'), { durable: false });
    sn = new FolderSnapshotter(metadata, {
      folder: join(root, 'snapshots'),
      state: join(root, 'state'),
      namespace: 'default',
      driver: 'overlay',
      helper: '/nowhere/mica-overlayfs',
    });
  });
  afterEach(async () => {
    await metadata.close();
    rmSync(root, { recursive: true, force: true });
  });

  /** Every row has its folder, and after a cleanup every folder its row. */
  async function expectWhole(): Promise<void> {
    const ids = metadata.read((tx) => tx.keys(['v1', 'snapshot-ids'])).map((key) => key.at(-1) ?? '');
    for (const id of ids) expect(existsSync(join(root, 'snapshots', id, 'fs'))).toBe(true);
    await sn.cleanup();
    expect(readdirSync(join(root, 'snapshots')).sort()).toEqual([...ids].sort());
  }

  it('are made by several processes at a time, and nobody cleans up what another is making', async () => {
    const children = ['a', 'b', 'c'].map((name) => startModule(WORK, [root, name, '15']));
    for (const child of children) child.process.stdout?.resume();
    expect(await Promise.all(children.map((child) => child.exit))).toEqual([0, 0, 0]);
    const names: string[] = [];
    const ids = new Set<string>();
    for await (const info of sn.walk()) {
      names.push(info.name);
      ids.add(info.id);
    }
    expect(names).toHaveLength(45);
    expect(ids.size).toBe(45);
    await expectWhole();
  });

  it('are all there that were acknowledged when their maker was killed', async () => {
    for (const limit of [1, 2, 4, 7, 12]) {
      const name = `killed-${limit}`;
      const child = startModule(WORK, [root, name, '1000']);
      const said: string[] = [];
      for await (const line of linesOf(child)) {
        said.push(line);
        if (said.length === limit) child.process.kill('SIGKILL');
      }
      await child.exit;
      const last = new Map(said.map((line) => [line.split(' ')[1] ?? '', line.split(' ')[0]]));
      for (const [snapshot, truth] of last) {
        const kind = (await sn.stat(snapshot).catch(() => undefined))?.kind ?? 'gone';
        // What was begun after the last word may be done as well.
        const followed = snapshot.endsWith('-key') ? ['active', 'gone'] : [truth];
        expect(followed).toContain(kind);
      }
      await expectWhole();
    }
  });
});
