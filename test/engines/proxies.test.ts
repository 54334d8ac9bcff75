// The contracts of snapshots and content on Debian's containerd, over gRPC: what our own client makes of a server that is
// not ours.

import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreClient } from '../../src/containerd/client/client.js';
import { digestHex } from '../../src/digest.js';
import { describeWith } from '../requires.js';
import { contentSuite } from '../suites/content.js';
import { snapshotterSuite } from '../suites/snapshotter.js';
import { CONTAINERD_NEEDS, type Containerd, removeContainerd, startContainerd } from './containerd.js';

/** One of its own for each test: namespaces of one server share the bytes of their blobs. */
async function started(): Promise<{ containerd: Containerd; remove: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'mica-ctd-'));
  const containerd = await startContainerd(folder, { collects: false });
  return { containerd, remove: () => removeContainerd(containerd, folder) };
}

describeWith(CONTAINERD_NEEDS, 'containerd through our client', () => {
  snapshotterSuite('containerd’s overlayfs', 'overlay', async () => {
    const { containerd, remove } = await started();
    const client = new StoreClient(containerd.address, { namespace: 'one' });
    const close = async () => {
      client.close();
      await remove();
    };
    return { snapshotter: client.snapshots, close };
  });

  contentSuite('containerd’s content store', async () => {
    const { containerd, remove } = await started();
    const one = new StoreClient(containerd.address, { namespace: 'one' });
    const two = new StoreClient(containerd.address, { namespace: 'two' });
    return {
      content: one.content,
      other: two.content,
      isolate: () => containerd.restart({ sharing: 'isolated' }),
      damage: async (digest) => {
        const blobs = join(containerd.root, 'io.containerd.content.v1.content', 'blobs', 'sha256');
        const file = join(blobs, digestHex(digest));
        const bytes = readFileSync(file).map((byte) => byte ^ 1);
        chmodSync(file, 0o644);
        writeFileSync(file, bytes);
      },
      remove: async () => {
        one.close();
        two.close();
        await remove();
      },
    };
  });
});
