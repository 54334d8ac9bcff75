import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSettings } from '../../../src/cli/settings.js';
import { meantBy } from '../../../src/mounts/hosting-words.js';
import { markOf } from '../../../src/mounts/process-life.js';
import { MountTable } from '../../../src/mounts/table.js';

describe('the choice of a host', () => {
  it('is a process for each of a few mounts, and one for all others, unless one of the two is asked for', () => {
    expect([0, 3, 4, 49].map((mounts) => meantBy('auto', mounts))).toEqual([
      'own',
      'own',
      'shared',
      'shared',
    ]);
    expect(meantBy('own', 49)).toBe('own');
    expect(meantBy('shared', 0)).toBe('shared');
  });

  it('is typed, or stands in the environment, and is one of three', () => {
    const root = { root: '/r', state: '/s' };
    expect(readSettings(root, {}).hosting).toBe('auto');
    expect(readSettings(root, { MICA_HOST: 'own' }).hosting).toBe('own');
    expect(readSettings({ ...root, host: 'shared' }, { MICA_HOST: 'own' }).hosting).toBe('shared');
    expect(() => readSettings(root, { MICA_HOST: 'all' })).toThrow(/MICA_HOST "all": it is one of/);
  });
});

describe('the row of a mount in a shared host', () => {
  let state: string;
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'mica-hosting-'));
  });
  afterEach(() => rmSync(state, { recursive: true, force: true }));

  it('is waited for until the host takes it out, not until the host ends', async () => {
    const table = new MountTable(state);
    const row = {
      target: '/somewhere',
      driver: 'fuse',
      process: markOf(process.pid),
      shared: true,
      readOnly: true,
      since: '2026-01-01T00:00:00Z',
      boot: '',
      mountNamespace: '',
    };
    table.put(row);
    await expect(table.serverGone(row, undefined, 20)).rejects.toThrow(/still busy/);
    const gone = table.serverGone(row);
    table.remove(row);
    await gone;
    // Another mount at the same place is not the one that is waited for.
    table.put({ ...row, since: '2026-01-02T00:00:00Z' });
    await table.serverGone(row);
    await expect(table.serverGone({ ...row, shared: false }, undefined, 20)).rejects.toThrow(/still busy/);
  });
});
