// The services suite on containerd itself: what it says of ours is what containerd does.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWith } from '../requires.js';
import { servicesSuite } from '../suites/services.js';
import { CONTAINERD_NEEDS, removeContainerd, startContainerd } from './containerd.js';

describeWith(CONTAINERD_NEEDS, 'containerd’s own services', () => {
  servicesSuite('answer alike', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mica-ctd-'));
    const containerd = await startContainerd(folder, { collects: false });
    return { socket: containerd.address, close: () => removeContainerd(containerd, folder) };
  });
});
