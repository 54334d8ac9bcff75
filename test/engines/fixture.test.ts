// The fixture itself: containerd comes up, keeps what it has over a restart, and leaves nothing behind.

import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { describeWith } from '../requires.js';
import { CONTAINERD_NEEDS, type Containerd, removeContainerd, startContainerd } from './containerd.js';

describeWith(CONTAINERD_NEEDS, 'containerd in a scratch folder', () => {
  let containerd: Containerd | undefined;
  let folder = '';
  afterEach(() => removeContainerd(containerd, folder));

  test('serves ctr, and what it was told is there after a restart', async () => {
    folder = mkdtempSync(join(tmpdir(), 'mica-ctd-'));
    containerd = await startContainerd(folder, { collects: false });
    await containerd.ctr('one', 'snapshots', 'prepare', 'key');
    expect(await containerd.ctr('two', 'snapshots', 'ls')).not.toContain('key');
    await containerd.restart();
    expect(await containerd.ctr('one', 'snapshots', 'ls')).toMatch(/^key +Active/m);
    expect((await containerd.tryCtr('one', 'snapshots', 'info', 'none')).err).toContain('not found');
    await containerd.stop();
    const late = containerd.ctr('one', '--connect-timeout', '100ms', 'snapshots', 'ls');
    await expect(late).rejects.toThrow('ended with');
    expect(existsSync(containerd.root)).toBe(true);
  });
});
