// A power cut right after a file came into the upper: what was durable below is there above, whole, because its
// data was made durable before the copy got its name, or lost its mark.

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { O_RDWR } from '../../fs/filesystem.js';
import { openLowerDir } from '../../fs/layer/dir-layer.js';
import { openUpperDir } from '../../fs/layer/dir-upper.js';
import { fromText } from '../../fs/name.js';
import { Union } from '../../fs/union/union.js';
import { importImage } from '../../src/images/import.js';
import { withSnapshot } from '../../src/images/open-snapshot.js';
import { Store } from '../../src/store.js';
import { cutPower, leaveExt4, makeExt4, mountImage } from '../ext4.js';
import { buildImage, file, layerTar, layoutFiles, writeFolder } from '../fixtures/oci.js';
import { describeWith } from '../requires.js';
import { Paths } from '../suites/paths.js';

interface Change {
  readonly name: string;
  /** Is on disk before the power is cut. */
  readonly before?: (at: Paths) => void;
  readonly act: (at: Paths) => void;
  /** How much of the file is there afterwards, at least. */
  readonly left: number;
}

const SIZE = 40_000;
const CONTENT = 'content '.repeat(1000);

const CHANGES: readonly Change[] = [
  {
    name: 'copied up to be written',
    act: (at) => at.fs.release(at.open('f', O_RDWR)),
    left: SIZE,
  },
  {
    name: 'copied up and appended to',
    act: (at) => at.writeAt('f', SIZE, 'more'),
    left: SIZE,
  },
  { name: 'copied up and cut', act: (at) => at.setattr('f', { size: 5000 }), left: 5000 },
  {
    name: 'opened for writing, with its attributes in the upper',
    before: (at) => at.chmod('f', 0o600),
    act: (at) => at.fs.release(at.open('f', O_RDWR)),
    left: SIZE,
  },
];

describeWith(['root', 'loop', 'program:mkfs.ext4'], 'a power cut', () => {
  let base: string;
  const at = (...names: string[]) => join(base, ...names);
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'mica-power-'));
    for (const name of ['low', 'disk', 'later']) mkdirSync(at(name));
    writeFileSync(at('low/f'), CONTENT);
    truncateSync(at('low/f'), SIZE);
    makeExt4(at('image'), 64 << 20);
    mountImage(at('image'), at('disk'));
    for (const name of ['fs', 'work']) mkdirSync(at('disk', name));
  });
  afterEach(() => {
    for (const name of ['disk', 'later']) leaveExt4(at(name));
    rmSync(base, { recursive: true });
  });

  function open(disk: string, partsFrom?: number): { readonly union: Union; readonly paths: Paths } {
    const lowers = [openLowerDir(fromText(at('low')))];
    const upper = openUpperDir(fromText(at(disk, 'fs')), fromText(at(disk, 'work')), {
      lockWaitMs: 0,
      ...(partsFrom === undefined ? {} : { partsFrom }),
    });
    const union = new Union({ lowers, upper });
    return { union, paths: new Paths(union) };
  }

  it.each(CHANGES)('leaves a file whole that was $name', ({ before, act, left }) => {
    const { union, paths } = open('disk');
    before?.(paths);
    execFileSync('sync', ['-f', at('disk')]);
    act(paths);
    cutPower(at('disk'));
    union.destroy();
    // As it is, because whoever has copied this mount namespace meanwhile keeps the mount that is cut off.
    copyFileSync(at('image'), at('image later'));
    mountImage(at('image later'), at('later'));

    const again = open('later');
    const text = again.paths.read('f');
    expect(text.length).toBeGreaterThanOrEqual(left);
    expect(text.slice(0, left)).toBe(CONTENT.padEnd(SIZE, '\0').slice(0, left));
    again.union.destroy();
  });

  /** Everything that the sidecars say is on disk, and what they speak of is not. */
  function syncSidecars(): void {
    const folder = at('disk/work/work/ranges');
    for (const name of readdirSync(folder)) {
      const fd = openSync(join(folder, name), 'r');
      fsyncSync(fd);
      closeSync(fd);
    }
  }

  it.each([true, false])(
    'leaves of a file that is in part its own what was synced, and below that the lower, sidecar on disk: %s',
    (sidecar) => {
      writeFileSync(at('low/f'), Buffer.alloc(SIZE, 'l'));
      const { union, paths } = open('disk', 1);
      const handle = paths.open('f', O_RDWR);
      const write = (offset: number, text: string) => union.write(handle, offset, Buffer.from(text), false);
      write(5000, 'kept');
      write(SIZE, 'kept too');
      union.fsync(handle, true);
      write(20_000, 'lost');
      write(30_000, 'x'.repeat(8000));
      if (sidecar) syncSidecars();
      cutPower(at('disk'));
      union.destroy();
      copyFileSync(at('image'), at('image later'));
      mountImage(at('image later'), at('later'));

      const wanted = Buffer.alloc(SIZE + 8, 'l');
      wanted.write('kept', 5000);
      wanted.write('kept too', SIZE);
      for (const change of ['', 'again']) {
        const again = open('later', 1);
        const found = new Uint8Array(2 * SIZE);
        const reader = again.paths.open('f');
        expect(again.union.read(reader, 0, found)).toBe(wanted.length);
        expect(Buffer.from(found.subarray(0, wanted.length)).equals(wanted)).toBe(true);
        again.union.release(reader);
        again.paths.writeAt('f', 20_000, change);
        wanted.write(change, 20_000);
        if (change !== '') {
          again.union.settle();
          expect(Buffer.from(again.paths.read('f')).equals(wanted)).toBe(true);
        }
        again.union.destroy();
      }
    },
  );

  it('leaves a file whole that was settled, or of which the last block was written', () => {
    writeFileSync(at('low/f'), Buffer.alloc(SIZE, 'l'));
    writeFileSync(at('low/g'), Buffer.alloc(8192, 'l'));
    const { union, paths } = open('disk', 1);
    paths.writeAt('f', 5000, 'own');
    paths.writeAt('g', 0, 'o'.repeat(8192));
    union.settle();
    cutPower(at('disk'));
    union.destroy();
    copyFileSync(at('image'), at('image later'));
    mountImage(at('image later'), at('later'));
    const again = open('later', 1);
    expect(again.paths.read('f')).toBe(`${'l'.repeat(5000)}own`.padEnd(SIZE, 'l'));
    expect(again.paths.read('g')).toBe('o'.repeat(8192));
    again.union.destroy();
  });

  it('leaves an image whole that was imported: blobs, layers and names', async () => {
    const content = Buffer.alloc(3_000_000, 'data ');
    const image = buildImage([
      layerTar([file('large', content), file('d/'), file('d/small', 'small')]),
      layerTar([file('d/.wh.small'), file('d/new', 'new')]),
    ]);
    const layout = writeFolder(layoutFiles([{ name: 'foo', image }]), at('layout'));
    const store = await Store.open(at('disk/root'), { state: at('state'), driver: 'fuse' });
    await importImage(store, layout);
    cutPower(at('disk'));
    await store.close();
    copyFileSync(at('image'), at('image later'));
    mountImage(at('image later'), at('later'));

    const again = await Store.open(at('later/root'), { state: at('state'), driver: 'fuse' });
    expect(again.images.get('foo')?.target.digest).toBe(image.descriptor.digest);
    for (const digest of image.blobs.keys()) await again.content.verify(digest);
    await withSnapshot(again.snapshots, image.chainIds[1]!, 'test', (tree) => {
      const paths = new Paths(tree);
      const large = Buffer.alloc(content.length + 1);
      const handle = paths.open('large');
      expect(tree.read(handle, 0, large)).toBe(content.length);
      tree.release(handle);
      expect(large.subarray(0, -1).equals(content)).toBe(true);
      expect([paths.ls('d'), paths.read('d/new')]).toEqual([['new'], 'new']);
    });
    await again.close();
  });
});
