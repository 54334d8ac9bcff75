import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type * as Cache from '../../../fs/layer/folder-cache.js';
import { openFilesLimit } from '../../../fs/sys/index.js';

describe.runIf(process.platform === 'linux')('the folders that threads of one process keep open', () => {
  let root: string;
  let fd: number;
  let module: typeof Cache;
  const all = new Int32Array(new SharedArrayBuffer(4));
  const mine = new Int32Array(new SharedArrayBuffer(4));
  const COUNT = 100;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'mica-folders-'));
    for (let n = 0; n < COUNT; n++) mkdirSync(join(root, `d${n}`));
    fd = openSync(root, 'r');
    vi.resetModules();
    module = await import('../../../fs/layer/folder-cache.js');
    module.shareFolderRoom({ all, mine });
  });
  afterAll(() => {
    closeSync(fd);
    rmSync(root, { recursive: true, force: true });
  });

  function keepAll(): Cache.FolderCache {
    const cache = new module.FolderCache(fd);
    for (let n = 0; n < COUNT; n++) cache.get(`d${n}`);
    return cache;
  }

  it('are as many as one thread may have where the others have none', () => {
    const cache = keepAll();
    expect([all[0], mine[0]]).toEqual([COUNT, COUNT]);
    cache.close();
    expect([all[0], mine[0]]).toEqual([0, 0]);
  });

  it('are few where the others have taken all that there is for folders', () => {
    Atomics.store(all, 0, Math.floor(openFilesLimit() / 8));
    const before = all[0] ?? 0;
    const cache = keepAll();
    expect(mine[0]).toBe(64);
    cache.close();
    expect(all[0]).toBe(before);
    Atomics.store(all, 0, 0);
  });

  it('count no longer when their thread has ended', () => {
    const cache = keepAll();
    Atomics.add(all, 0, 5);
    module.returnFolderRoom({ all, mine });
    expect([all[0], mine[0]]).toEqual([5, 0]);
    cache.close();
  });
});
