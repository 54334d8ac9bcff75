// A store of a process that goes on: what it does for layers after the answer, or before anybody asks.

import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readIndexHead } from '../../dist/fs/index.js';
import { Store } from '../../dist/src/store.js';
import { cutPower, leaveExt4, makeExt4, mountImage } from '../ext4.js';
import { describeWith } from '../requires.js';

/** So many that a scan of them is still under way when the commit answers. */
const FILES = 1000;

let base: string;
let store: Store;
const open = (folder: string, goesOn: boolean) =>
  Store.open(join(folder, 'root'), { state: join(base, 'state'), driver: 'fuse', goesOn });
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mica-thread-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

async function commitFiles(name: string, parent?: string): Promise<string> {
  await store.snapshots.prepare('key', parent);
  const [folder = ''] = (await store.snapshots.stack('key')).upper?.path.split('/fs') ?? [];
  for (let n = 0; n < FILES; n++) writeFileSync(join(folder, 'fs', `${n}`), `${n}`);
  await store.snapshots.commit(name, 'key');
  return folder;
}

describe.runIf(process.platform === 'linux')('a store of a process that goes on', () => {
  beforeEach(async () => {
    store = await open(base, true);
  });

  it('makes the index of what was committed before anybody is shown it', async () => {
    const folder = await commitFiles('name');
    await store.snapshots.stack('name');
    expect(JSON.parse(readIndexHead(join(folder, 'index')).trailer)).toMatchObject({ name: 'name' });
    await store.close();
  });

  it('says of a commit what it takes as one that waits for the index does', async () => {
    await commitFiles('name');
    const usage = await store.snapshots.usage('name');
    await store.close();
    store = await open(base, false);
    await commitFiles('again');
    expect(await store.snapshots.usage('again')).toEqual(usage);
    await store.close();
  });

  it('lets a snapshot be removed while its index is made', async () => {
    await commitFiles('name');
    const shown = store.snapshots.stack('name');
    await store.snapshots.remove('name');
    await shown;
    await commitFiles('other');
    await store.close();
    expect(readdirSync(join(base, 'root/snapshots'))).toHaveLength(1);
  });

  it('ends the index under way when it is closed, and leaves nothing half made', async () => {
    const folder = await commitFiles('name');
    const shown = store.snapshots.stack('name');
    // Until that asks for the index.
    await setImmediate();
    await store.close();
    await shown;
    expect(readdirSync(folder).sort()).toEqual(['facts.json', 'fs', 'index']);
  });
});

describeWith(['root', 'loop', 'program:mkfs.ext4'], 'a layer that is unpacked', () => {
  const disk = () => join(base, 'disk');
  beforeEach(async () => {
    mkdirSync(disk());
    makeExt4(join(base, 'image'), 64 << 20);
    mountImage(join(base, 'image'), disk());
    store = await open(disk(), true);
  });
  afterEach(async () => {
    await store.close();
    leaveExt4(disk());
  });

  it('is written to the disk before it is committed', async () => {
    await store.snapshots.prepare('key', undefined, { unpacks: true });
    const { upper } = await store.snapshots.stack('key');
    const mark = `mark-${process.pid}-${process.hrtime.bigint()}`;
    writeFileSync(join(upper?.path ?? '', 'file'), mark.repeat(100));
    const isOnDisk = () => readFileSync(join(base, 'image')).includes(mark);
    // By itself the kernel waits half a minute.
    for (const until = performance.now() + 20_000; performance.now() < until && !isOnDisk(); )
      await sleep(100);
    expect(isOnDisk()).toBe(true);
  });

  it('is whole after a power cut when its commit was answered', async () => {
    const content = Buffer.alloc(3_000_000, 'data ');
    const [bind] = await store.snapshots.prepare('key', undefined, { unpacks: true });
    writeFileSync(join(bind?.source ?? '', 'large'), content);
    await store.snapshots.commit('name', 'key');
    cutPower(disk());
    copyFileSync(join(base, 'image'), join(base, 'image later'));
    mkdirSync(join(base, 'later'));
    mountImage(join(base, 'image later'), join(base, 'later'));
    const again = await open(join(base, 'later'), false);
    try {
      const [lower] = (await again.snapshots.stack('name')).lowers;
      expect(readFileSync(join(lower?.path ?? '', 'large')).equals(content)).toBe(true);
    } finally {
      await again.close();
      leaveExt4(join(base, 'later'));
    }
  });
});
