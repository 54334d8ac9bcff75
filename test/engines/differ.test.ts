// The differ of a server through our client: on `mica serve` under the contract of all differs, and on containerd to the
// byte what containerd's own client is told.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { StoreClient } from '../../src/containerd/client/client.js';
import type { Differ } from '../../src/diff/differ.js';
import { digestOf } from '../../src/digest.js';
import { withTempMount } from '../../src/mounts/mount-all.js';
import { describeWith } from '../requires.js';
import { type Served, serveStore } from '../src/containerd/served.js';
import { type Draft, writeTar } from '../src/diff/tar-tools.js';
import { changed } from '../suites/changed-snapshot.js';
import { differSuite } from '../suites/differ.js';
import { CONTAINERD_NEEDS, type Containerd, removeContainerd, startContainerd } from './containerd.js';

const PLAIN = 'application/vnd.oci.image.layer.v1.tar';
const LAYER: readonly Draft[] = [
  { path: 'd', type: 'folder' },
  { path: 'd/file', content: 'some bytes', mode: 0o640, uid: 7 },
];

describeWith(['root', 'overlay'], 'mica serve', () => {
  differSuite('the diff service, through our client,', async () => {
    const served = await serveStore({ driver: 'overlay' });
    const client = new StoreClient(served.socket, { namespace: 'one' });
    return {
      layer: async (layers, change) => {
        const { snapshots } = served.store;
        const parent = await changed(served.store, layers, change);
        const below = parent === undefined ? [] : await snapshots.view('below', parent);
        const right = await snapshots.mounts('key');
        const { digest } = await client.differ.compare(below, right, { mediaType: PLAIN });
        return Buffer.from(await client.content.read(digest));
      },
      remove: async () => {
        client.close();
        await served.close();
      },
    };
  });

  let served: Served;
  let client: StoreClient;
  beforeEach(async () => {
    served = await serveStore({ driver: 'overlay' });
    client = new StoreClient(served.socket, { namespace: 'one' });
  });
  afterEach(async () => {
    client.close();
    await served.close();
  });

  applies(() => client);
});

describeWith(CONTAINERD_NEEDS, 'containerd', () => {
  let folder: string;
  let containerd: Containerd;
  let client: StoreClient;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mica-ctd-'));
    containerd = await startContainerd(folder, { collects: false });
    client = new StoreClient(containerd.address, { namespace: 'one' });
  });
  afterEach(async () => {
    client.close();
    await removeContainerd(containerd, folder);
  });

  applies(() => client);

  test('what it says of two snapshots is to the byte what it tells its own client', async () => {
    const { snapshots, differ, content } = client;
    await withTempMount(await snapshots.prepare('key', undefined), async (tree) => {
      for (const name of ['gone', 'kept', 'changed']) writeFileSync(join(tree, name), name);
      mkdirSync(join(tree, 'folder'));
      writeFileSync(join(tree, 'folder', 'in'), 'x'.repeat(100_000));
    });
    await snapshots.commit('base', 'key');
    await withTempMount(await snapshots.prepare('top', 'base'), async (tree) => {
      rmSync(join(tree, 'gone'));
      writeFileSync(join(tree, 'changed'), 'something else');
      writeFileSync(join(tree, 'folder', 'new'), 'new');
    });
    const below = await snapshots.view('below', 'base');
    for (const mediaType of [PLAIN, `${PLAIN}+gzip`]) {
      const labels = { 'containerd.io/gc.root': 'yes' };
      const words = ['snapshots', 'diff', '--keep', '--media-type', mediaType, 'top'];
      const compareBoth = async () => {
        const found = await differ.compare(below, await snapshots.mounts('top'), { mediaType, labels });
        const { out: told } = await containerd.tryCtr('one', ...words);
        expect(found.mediaType).toBe(mediaType);
        expect(found.size).toBeGreaterThan(0);
        const blob = await content.read(found.digest);
        expect((await content.info(found.digest)).labels).toMatchObject(labels);
        expect(digestOf(told)).toBe(digestOf(blob));
      };
      // A whiteout's time is the second in which its diff is made, and two diffs may be made in two of them.
      await vi.waitFor(compareBoth, { timeout: 60_000, interval: 0 });
    }
  });
});

/** What every server does with a layer. */
function applies(client: () => { readonly differ: Differ } & StoreClient): void {
  describe('a layer', () => {
    test('is unpacked into what mounts show, and its diff ID comes back', async () => {
      const { snapshots, content, differ } = client();
      const tar = writeTar(LAYER);
      const { digest, size } = await content.put('layer', tar);
      const mounts = await snapshots.prepare('key', undefined);
      const applied = await differ.apply({ mediaType: PLAIN, digest, size }, mounts);
      expect(applied).toMatchObject({ digest: digestOf(tar), size: tar.length });
      await withTempMount(mounts, async (tree) => {
        expect(readFileSync(join(tree, 'd/file'), 'utf8')).toBe('some bytes');
      });
    });

    test('that is not there, or that nobody reads or writes, is refused', async () => {
      const { snapshots, content, differ } = client();
      const mounts = await snapshots.prepare('key', undefined);
      const missing = { mediaType: PLAIN, digest: digestOf('none'), size: 4 };
      await expect(differ.apply(missing, mounts)).rejects.toMatchObject({ kind: 'not-found' });
      const { digest, size } = await content.put('text', Buffer.from('text'));
      const text = { mediaType: 'text/plain', digest, size };
      await expect(differ.apply(text, mounts)).rejects.toMatchObject({ kind: 'failed' });
      const written = differ.compare([], mounts, { mediaType: 'text/plain' });
      await expect(written).rejects.toMatchObject({ kind: 'unsupported' });
    });
  });
}
