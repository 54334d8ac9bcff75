import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mountAll, unmountAll } from '../../dist/src/mounts/mount-all.js';
import { mountAt, readMounts } from '../../dist/src/mounts/mountinfo.js';
import { Store } from '../../dist/src/store.js';
import { describeWith } from '../requires.js';
import { Mica } from '../src/cli/mica.js';

describeWith(['root'], 'on a full disk', () => {
  let root: string;
  let store: Store;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mica-full-'));
    mkdirSync(join(root, 'root/snapshots'), { recursive: true });
    const tmpfs = { type: 'tmpfs', source: 'tmpfs', options: ['size=4m'] };
    await mountAll([tmpfs], join(root, 'root/snapshots'));
    store = await Store.open(join(root, 'root'), {
      state: join(root, 'state'),
      driver: 'native',
      durable: false,
    });
  });
  afterEach(async () => {
    await store.close();
    unmountAll(root, true);
    rmSync(root, { recursive: true });
  });

  it('a whole tree that does not fit is one line of error, and nothing of it stays', async () => {
    await store.snapshots.prepare('key', undefined);
    const { upper } = await store.snapshots.stack('key');
    writeFileSync(join(upper?.path ?? '', 'big'), Buffer.alloc(2_500_000, 1));
    await store.snapshots.commit('base', 'key');
    const folder = store.folders.snapshots;
    const before = [readdirSync(folder), statfsSync(folder).bfree];
    await expect(store.snapshots.prepare('next', 'base')).rejects.toMatchObject({
      kind: 'failed',
      message: expect.stringMatching(/^cannot prepare snapshot next: .*no space left/),
    });
    expect([readdirSync(folder), statfsSync(folder).bfree]).toEqual(before);
    await expect(store.snapshots.stat('next')).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describeWith(['root'], 'a layer that fits as a blob and not as a tree', () => {
  let mica: Mica;
  beforeEach(async () => {
    mica = new Mica();
    mkdirSync(mica.root);
    mkdirSync(mica.path('tree'));
    writeFileSync(mica.path('tree', 'big'), randomBytes(2_500_000));
    await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: ['size=4m'] }], mica.root);
    expect(mica.run(['snapshot', 'prepare', 'key'])).toMatchObject({ code: 0 });
  });
  afterEach(() => {
    unmountAll(mica.root, true);
    mica.remove();
  });

  const left = () => [
    ...readdirSync(mica.path('root', 'content', 'blobs', 'sha256')),
    ...readdirSync(mica.path('root', 'content', 'ingest')),
    ...['images', 'content ls', 'snapshot ls'].map((words) => mica.run([...words.split(' '), '-q']).out),
  ];

  it('image create leaves no name, no blob and no folder', () => {
    expect(mica.run(['image', 'create', 'a:1', '--from', mica.path('tree')])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^mica: cannot create image a:1: .*no space left on device\n$/),
    });
    expect(left()).toEqual(['', '', 'key\n']);
  });

  it('import leaves no name, no blob and no folder', () => {
    const elsewhere = { env: { MICA_ROOT: mica.path('elsewhere') } };
    const archive = mica.path('a.tar');
    mica.run(['image', 'create', 'a:1', '--from', mica.path('tree')], elsewhere);
    mica.run(['export', 'a:1', '-o', archive], elsewhere);
    expect(mica.run(['import', archive])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^mica: cannot import .*no space left on device\n$/),
    });
    expect(left()).toEqual(['', '', 'key\n']);
  });
});

describeWith(['root', 'fuse'], 'a state folder without room', () => {
  let mica: Mica;
  beforeEach(async () => {
    mica = new Mica();
    mkdirSync(mica.state);
    mkdirSync(mica.path('merged'));
    await mountAll([{ type: 'tmpfs', source: 'tmpfs', options: ['nr_inodes=32,mode=700'] }], mica.state);
    expect(mica.run(['snapshot', 'prepare', 'key'])).toMatchObject({ code: 0 });
  });
  afterEach(() => {
    mica.run(['umount', '--all']);
    unmountAll(mica.path('merged'), true);
    unmountAll(mica.state, true);
    mica.remove();
  });

  it('a mount that fails for want of it leaves no row, no file and no mount', () => {
    const mounts = join(mica.state, 'mounts');
    mkdirSync(mounts, { mode: 0o700 });
    const { ffree } = statfsSync(mica.state);
    for (let at = 0; at < ffree; at++) writeFileSync(join(mica.state, `filler-${at}`), '');
    const failed: string[] = [];
    for (let free = 0; ; free++) {
      const ran = mica.run(['mount', 'key', mica.path('merged')]);
      if (ran.code === 0) break;
      failed.push(ran.err);
      expect(readdirSync(mounts)).toEqual([]);
      expect(mountAt(mica.path('merged'), readMounts() ?? [])).toBe(undefined);
      rmSync(join(mica.state, `filler-${free}`));
    }
    expect(failed.length).toBeGreaterThan(2);
    for (const err of failed) expect(err).toContain('no space left on device');
  });
});
