// Garbage collection at every request of a pull and of a push: it takes nothing that either is about to use.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { collectGarbage } from '../../../src/collect.js';
import { removeImage } from '../../../src/images/names.js';
import { blobsOf, openImage } from '../../../src/images/stored.js';
import { pullImage } from '../../../src/registry/pull.js';
import { pushImage } from '../../../src/registry/push.js';
import { Store } from '../../../src/store.js';
import { buildImage, buildIndex, file, layerTar, tempFolder } from '../../fixtures/oci.js';
import { FakeRegistry } from '../../fixtures/registry.js';

const image = buildImage([layerTar([file('a', 'one')]), layerTar([file('b', 'two')])]);
const arm = buildImage([layerTar([file('arm', 'x')])], { architecture: 'arm64' });
const index = buildIndex({ amd64: image, arm64: arm });
const options = { plainHttp: true, environment: {}, parallel: 1 };

let folder: string;
let store: Store;
let registry: FakeRegistry;
let collections: number;
beforeEach(async () => {
  folder = tempFolder();
  store = await Store.open(join(folder, 'root'), {
    state: join(folder, 'state'),
    driver: 'fuse',
    durable: false,
  });
  registry = await FakeRegistry.start();
  collections = 0;
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

/** From now on the registry answers when garbage has been collected. */
function collectAtEachRequest(): void {
  registry.faults.push(async () => {
    collections++;
    await collectGarbage(store);
    return false;
  });
}

it('leaves a pull what it has fetched, and ends with its lease', async () => {
  const name = registry.add(index, 'app', '1', index.index);
  collectAtEachRequest();
  const platform = { os: 'linux', architecture: 'amd64' };
  const { row } = await pullImage(store, name, { ...options, platform, allPlatforms: true });
  expect(collections).toBeGreaterThan(5);
  expect(store.leases.list()).toEqual([]);
  await collectGarbage(store);
  const pulled = await openImage(store, row, 'test', platform);
  for (const digest of index.blobs.keys()) await store.content.verify(digest);
  expect(blobsOf(pulled)).toContain(index.index.digest);
  expect((await store.snapshots.stat(image.chainIds[1]!)).kind).toBe('committed');
});

it('leaves a push what it is to send, though the name has gone', async () => {
  const name = registry.add(image, 'app', '1');
  const { row } = await pullImage(store, name, options);
  const elsewhere = await FakeRegistry.start();
  registry = elsewhere;
  let named = true;
  elsewhere.faults.push(async () => {
    if (named) await removeImage(store, row.name);
    named = false;
    return false;
  });
  collectAtEachRequest();
  await pushImage(store, row, `${elsewhere.host}/app:1`, options);
  expect(collections).toBeGreaterThan(3);
  expect(elsewhere.manifests.has('app 1')).toBe(true);
  await collectGarbage(store);
  for await (const { digest } of store.content.walk()) throw new Error(`${digest} was left`);
});
