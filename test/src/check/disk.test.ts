// How much room a store takes, held against du(1).

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DiskUsage, diskUsage } from '../../../src/check/disk.js';
import { IMAGES, useCheckedStore } from './checked-store.js';

const du = (...paths: string[]): number =>
  spawnSync('du', ['-s', '-c', '--block-size=1', ...paths], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n')
    .map((line) => Number(line.split('\t')[0]))
    .at(-1) ?? 0;

describe.skipIf(process.platform !== 'linux')('how much room a store takes', () => {
  const use = useCheckedStore();
  const usage = (): Promise<DiskUsage> => use.store.with((store) => diskUsage(store, Date.now()));
  const blob = (digest: string) =>
    join(use.store.root, 'content/blobs/sha256', digest.replace('sha256:', ''));

  it('is in all what du says, and the sum of its parts', async () => {
    const { root } = use.store;
    mkdirSync(join(root, 'snapshots/900/fs'), { recursive: true });
    writeFileSync(join(root, 'snapshots/900/fs/big'), Buffer.alloc(50_000, 1));
    const { store, namespaces, snapshots } = await usage();
    const { total, ...parts } = store;
    expect(total).toBe(du(root));
    expect(Object.values(parts).reduce((a, b) => a + b, 0)).toBe(total);
    expect(parts.orphans).toBe(du(join(root, 'snapshots/900')));
    expect(parts.blobs).toBe(du(...use.store.blobs()));
    expect(parts.metadata).toBe(du(join(root, 'metadata')));
    expect(snapshots.reduce((all, { unique }) => all + unique, 0)).toBe(parts.snapshots);
    const [home, more] = namespaces;
    expect((home?.logical ?? 0) + (more?.unique ?? 0)).toBe(parts.snapshots + parts.blobs);
    expect(more?.shared).toBe(du(...[...IMAGES.one.blobs.keys()].map(blob)));
  });

  it('is shared between images that have a layer in common', async () => {
    const { images } = await usage();
    const of = (name: string, namespace = 'default') =>
      images.find((one) => one.name === name && one.namespace === namespace);
    const { chainIds, layers, descriptor, config } = IMAGES.two;
    const folders = await Promise.all(chainIds.map((id) => use.store.folderOf(id)));
    const [base = '', top = ''] = folders;
    const [baseBlob, topBlob] = layers.map(({ digest }) => blob(digest));
    const own = [top, topBlob ?? '', blob(descriptor.digest), blob(config.digest)];
    const two = of('two');
    expect(two?.shared).toBe(du(base, baseBlob ?? ''));
    expect(two?.unique).toBe(du(...own));
    expect(two?.logical).toBe((two?.shared ?? 0) + (two?.unique ?? 0));
    // Nothing but the image keeps it.
    expect(two?.reclaimable).toBe(two?.unique);
    // A snapshot that was made by hand stands on it, and another namespace has its blobs.
    expect(of('one')?.reclaimable).toBe(0);
    expect(of('one', 'more')?.reclaimable).toBeGreaterThan(0);
  });

  it('comes free when a snapshot goes that nothing stands on', async () => {
    const { snapshots } = await usage();
    const of = (name: string) => snapshots.find((one) => one.name === name && one.namespace === 'default');
    expect(of('active')?.reclaimable).toBe(du(await use.store.folderOf('active')));
    expect(of('by-hand')?.reclaimable).toBe(0);
    expect(of('active')?.shared).toBe(of('by-hand')?.logical);
  });

  it('comes free by a collection where nothing keeps it', async () => {
    await use.store.with((store) => store.images.remove('two'));
    const { namespaces } = await usage();
    const { descriptor, config, layers, chainIds } = IMAGES.two;
    const gone = [descriptor.digest, config.digest, layers[1]?.digest ?? ''].map(blob);
    const folder = await use.store.folderOf(chainIds.at(-1) ?? '');
    expect(namespaces.find(({ name }) => name === 'default')?.reclaimable).toBe(du(...gone, folder));
  });
});
