import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mount } from '../../../src/mounts/mount.js';
import { readOnlyMounts } from '../../../src/mounts/read-only.js';
import { MountTable } from '../../../src/mounts/table.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mica-read-only-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function options(type: string, ...words: string[]): Promise<readonly string[] | undefined> {
  const mounts: Mount[] = [{ type, source: 'x', options: words }];
  const [made, ...others] = await readOnlyMounts(mounts, new MountTable(folder));
  expect(others).toEqual([]);
  expect(made).toMatchObject({ type, source: 'x' });
  return made?.options;
}

test('a bind that may be written is made read only, and any other filesystem too', async () => {
  expect(await options('bind', 'rbind', 'rw')).toEqual(['ro', 'rbind']);
  expect(await options('bind', 'ro', 'rbind')).toEqual(['ro', 'rbind']);
  expect(await options('erofs', 'device=/x')).toEqual(['ro', 'device=/x']);
});

test('an upper becomes the topmost lower, and nothing is left that only an upper has', async () => {
  const words = [
    'index=off',
    'volatile',
    'workdir=/s/3/work',
    'upperdir=/s/3/fs',
    'lowerdir=/s/2/fs:/s/1/fs',
  ];
  expect(await options('overlay', ...words)).toEqual(['ro', 'index=off', 'lowerdir=/s/3/fs:/s/2/fs:/s/1/fs']);
  expect(await options('fuse3./bin/mica-overlayfs', 'dialect=overlay', ...words)).toEqual([
    'ro',
    'dialect=overlay',
    'index=off',
    'lowerdir=/s/3/fs:/s/2/fs:/s/1/fs',
  ]);
});

test('an upper with a colon in its path is one lower', async () => {
  expect(await options('overlay', 'workdir=/w', 'upperdir=/a:b\\,c', 'lowerdir=/l')).toEqual([
    'ro',
    'lowerdir=/a\\:b\\,c:/l',
  ]);
});

test('an upper alone is the only lower', async () => {
  const type = 'fuse3./bin/mica-overlayfs';
  expect(await options(type, 'workdir=/w', 'upperdir=/u')).toEqual(['ro', 'lowerdir=/u']);
});

test('a mount without an upper stays what it is', async () => {
  expect(await options('overlay', 'ro', 'lowerdir=/b:/a::/data')).toEqual(['ro', 'lowerdir=/b:/a::/data']);
});
