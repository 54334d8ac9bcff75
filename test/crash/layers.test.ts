// Processes that work on layers and are killed: what they acknowledged is there, and the rest is cleared away.

import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeLeftovers } from '../../src/images/leftovers.js';
import { layerTar } from '../../src/layers/layer-store.js';
import { listRw, releaseRw } from '../../src/layers/read-write.js';
import { survey } from '../../src/layers/survey.js';
import { Store } from '../../src/store.js';
import { linesOf, startModule } from '../child.js';
import { runs } from '../runs.js';

/** Prints what is true from now on. Each tar is another, and the same whenever its number comes again. */
const WORK = `
  import { join } from 'node:path';
  import { registerLayer, releaseLayer, layerNamed } from './src/layers/layer-store.js';
  import { createRwLayer, commitRw, releaseRw } from './src/layers/read-write.js';
  import { dropBlobs, restoreBlobs } from './src/layers/dropped-blobs.js';
  import { Store } from './src/store.js';
  import { file, layerTar } from './test/fixtures/oci.js';
  const [, , root, first] = process.argv;
  const store = await Store.open(join(root, 'root'), { state: join(root, 'state'), durable: false });
  async function* bytes(tar) { for (let at = 0; at < tar.length; at += 4096) yield tar.subarray(at, at + 4096); }
  for (let n = Number(first); ; n++) {
    const tar = layerTar([file('d/'), file('d/' + n, String(n).repeat(9000)), file('x', 'x')]);
    const { chainId, diffId } = await registerLayer(store, () => bytes(tar));
    console.log('layer ' + chainId);
    await store.content.put('ref-' + n, tar, { 'containerd.io/uncompressed': diffId });
    await dropBlobs(store, await layerNamed(store, chainId), false);
    await restoreBlobs(store, await layerNamed(store, chainId));
    await createRwLayer(store, 'rw-' + n, chainId);
    console.log('rw rw-' + n);
    const changed = await commitRw(store, 'rw-' + n);
    console.log('layer ' + changed.chainId);
    console.log('going rw-' + n);
    await releaseRw(store, 'rw-' + n);
    console.log('going ' + changed.chainId);
    await releaseLayer(store, changed.chainId);
    if (n % 2 === 0) continue;
    console.log('going ' + chainId);
    await releaseLayer(store, chainId);
  }
`;

/** Each holds what the others hold, and lets go of it. */
const SAME = `
  import { join } from 'node:path';
  import { registerLayer, releaseLayer } from './src/layers/layer-store.js';
  import { Store } from './src/store.js';
  import { file, layerTar } from './test/fixtures/oci.js';
  const [, , root] = process.argv;
  const store = await Store.open(join(root, 'root'), { state: join(root, 'state'), durable: false });
  async function* bytes(tar) { yield tar; }
  const base = layerTar([file('x', 'x'.repeat(5000))]);
  const top = layerTar([file('y', 'y'.repeat(5000))]);
  for (let n = 0; n < 10; n++) {
    const below = (await registerLayer(store, () => bytes(base))).chainId;
    const { chainId } = await registerLayer(store, () => bytes(top), { parent: below });
    await releaseLayer(store, below);
    await releaseLayer(store, chainId);
  }
  await store.close();
`;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mica-crash-layers-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('layers that were acknowledged survive a kill at any moment, and nothing else stays', async () => {
  const there = new Set<string>();
  for (let round = 0; round < runs(4); round++) {
    const child = startModule(WORK, [root, String(round * 100)]);
    // From the first word on, so that it dies somewhere in its work.
    let heard = 0;
    for await (const line of linesOf(child)) {
      const [what, name] = line.split(' ') as [string, string];
      if (what === 'layer' || what === 'rw') there.add(name);
      else there.delete(name);
      if (++heard === 3 + round * 4) setTimeout(() => child.process.kill('SIGKILL'), 7 * round + 3);
    }
    expect(await child.exit).toBeNull();
    await expectWhole(there);
  }
});

it('layers that several processes hold at a time go with the last of them', async () => {
  const children = Array.from({ length: runs(3) }, () => startModule(SAME, [root]));
  for (const child of children) child.process.stdout?.resume();
  expect(await Promise.all(children.map(({ exit }) => exit))).toEqual(children.map(() => 0));
  await expectWhole(new Set());
  expect(readdirSync(join(root, 'root/snapshots'))).toEqual([]);
});

async function expectWhole(there: ReadonlySet<string>): Promise<void> {
  const store = await Store.open(join(root, 'root'), { state: join(root, 'state'), durable: false });
  try {
    await removeLeftovers(store.snapshots);
    const { layers } = await survey(store);
    const readWrite = listRw(store);
    for (const name of there)
      expect([name, layers.has(name) || readWrite.some((rw) => rw.name === name)]).toEqual([name, true]);
    for (const layer of layers.values()) {
      expect(layer.damage).toBeUndefined();
      const hash = createHash('sha256');
      for await (const chunk of layerTar(store, layer)) hash.update(chunk);
      expect(`sha256:${hash.digest('hex')}`).toBe(layer.diffId);
    }
    // One whose making or removal was cut short is told, and goes by its name.
    for (const { name, damage } of readWrite) if (damage !== undefined) await releaseRw(store, name);
    expect(listRw(store).filter(({ damage }) => damage !== undefined)).toEqual([]);
    await store.snapshots.cleanup();
    const ids = store.metadata.read((tx) => tx.keys(['v1', 'snapshot-ids'])).map((key) => key.at(-1) ?? '');
    expect(readdirSync(store.folders.snapshots).sort()).toEqual([...ids].sort());
    for (const id of ids) expect(existsSync(join(store.folders.snapshots, id, 'fs'))).toBe(true);
  } finally {
    await store.close();
  }
}
