// An import that is killed with its process: no clean-up of its own runs.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compare } from '../../../src/diff/compare.js';
import { digestOf } from '../../../src/digest.js';
import { importImage } from '../../../src/images/import.js';
import { withSnapshot } from '../../../src/images/open-snapshot.js';
import { linesOf, startModule } from '../../child.js';
import { buildImage, file, layerTar, layoutFiles, tempFolder, writeFolder } from '../../fixtures/oci.js';
import { folderStore } from '../../fixtures/store.js';

const IMPORTER = `
  import { importImage } from './src/images/import.ts';
  import { folderStore } from './test/fixtures/store.ts';
  const [root, layout] = process.argv.slice(2);
  const onProgress = ({ phase, id, done }) => console.log(phase, id, done);
  await importImage(folderStore(root), layout, { onProgress });
  console.log('imported');
  setInterval(() => {}, 1000);
`;

// Three layers of several chunks each, so that there is something to be in the middle of.
const layers = ['a', 'b', 'c'].map((name) =>
  layerTar([
    file(`${name}/`),
    file(`${name}/one`, Buffer.alloc(2_500_000, name)),
    file(`${name}/two`, Buffer.alloc(1_500_000, `${name}2`)),
    ...(name === 'a' ? [] : [file('a/'), file('a/.wh.two')]),
  ]),
);
const image = buildImage(layers, { compression: 'none' });
const top = image.chainIds.at(-1)!;

it('killed at any moment, an import goes on when it is run again, and shows the same image', async () => {
  const folder = tempFolder();
  const layout = writeFolder(layoutFiles([{ name: 'foo', image }]), join(folder, 'layout'));
  const untouched = folderStore(join(folder, 'untouched'));
  await importImage(untouched, layout);
  try {
    for (const [round, kills] of [2, 7, 13, 16, 21, 27].entries()) {
      const root = join(folder, `root-${round}`);
      const child = startModule(IMPORTER, [root, layout]);
      let lines = 0;
      for await (const line of linesOf(child)) {
        if (++lines === kills || line === 'imported') child.process.kill('SIGKILL');
      }
      expect(await child.exit).toBe(null);

      const store = folderStore(root);
      for await (const { digest } of store.content.walk()) {
        expect(digestOf(await store.content.read(digest))).toBe(digest);
      }
      await importImage(store, layout);
      const kinds = new Set<string>();
      for await (const { kind } of store.snapshots.walk()) kinds.add(kind);
      expect([...kinds]).toEqual(['committed']);
      const differences = await withSnapshot(store.snapshots, top, 'test', (again) =>
        withSnapshot(untouched.snapshots, top, 'test', (once) => [...compare(again, once)]),
      );
      expect(differences.filter(({ path, aspect }) => path !== '' || aspect !== 'mtime')).toEqual([]);
      expect(store.images.get('foo')?.target.digest).toBe(image.descriptor.digest);
      expect(await store.content.statuses()).toEqual([]);
      await store.close();
    }
  } finally {
    await untouched.close();
    rmSync(folder, { recursive: true });
  }
});
