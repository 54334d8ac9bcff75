// A chain as deep as containerd's suite makes it: each layer replaces a folder, changes a file of all layers and
// adds one of its own. Written through the kernel, shown by the kernel and by FUSE.

import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withTempMount } from '../../dist/src/mounts/mount-all.js';
import { mountSnapshot, unmountSnapshot } from '../../dist/src/mounts/mount-snapshot.js';
import { Store } from '../../dist/src/store.js';
import { describeWith } from '../requires.js';

const LAYERS = 128;

describeWith(['root', 'fuse', 'overlay'], `a chain of ${LAYERS} layers`, () => {
  let root: string;
  let store: Store;
  beforeEach(async () => {
    // A long name, so that the chain's words are longer than a page.
    root = mkdtempSync(join(tmpdir(), `mica-deep-${'x'.repeat(40)}-`));
    mkdirSync(join(root, 'merged'));
    store = await Store.open(join(root, 'root'), {
      state: join(root, 'state'),
      driver: 'overlay',
      durable: false,
    });
  });
  afterEach(async () => {
    await store.close();
    rmSync(root, { recursive: true, force: true });
  });

  function change(folder: string, n: number): void {
    writeFileSync(join(folder, `own-${n}`), `${n}`);
    appendFileSync(join(folder, 'all'), `${n} `);
    rmSync(join(folder, 'replaced'), { recursive: true, force: true });
    mkdirSync(join(folder, 'replaced'));
    writeFileSync(join(folder, 'replaced', `only-${n}`), '');
  }

  function expectWhole(folder: string): void {
    expect(readdirSync(folder)).toHaveLength(LAYERS + 2);
    expect(readdirSync(join(folder, 'replaced'))).toEqual([`only-${LAYERS}`]);
    const numbers = Array.from({ length: LAYERS }, (_, n) => `${n + 1} `);
    expect(readFileSync(join(folder, 'all'), 'utf8')).toBe(numbers.join(''));
    for (let n = 1; n <= LAYERS; n++) expect(readFileSync(join(folder, `own-${n}`), 'utf8')).toBe(`${n}`);
  }

  it('is written by outside callers and shown by every driver for it', async () => {
    let parent: string | undefined;
    for (let n = 1; n <= LAYERS; n++) {
      const mounts = await store.snapshots.prepare(`key-${n}`, parent);
      await withTempMount(mounts, async (folder) => change(folder, n));
      await store.snapshots.commit(`layer-${n}`, `key-${n}`);
      parent = `layer-${n}`;
    }
    await withTempMount(await store.snapshots.view('view', parent), async (folder) => expectWhole(folder));
    await store.snapshots.prepare('top', parent);
    for (const driver of ['fuse', 'overlay', 'fuse'] as const) {
      await mountSnapshot(store, 'top', join(root, 'merged'), { driver });
      try {
        expectWhole(join(root, 'merged'));
      } finally {
        await unmountSnapshot(join(root, 'merged'), store.state);
      }
    }
  });
});
