// An upper of limited space is a layer like any other, until the limit is reached.

import { describe, expect, test } from 'vitest';
import { EDQUOT } from '../../../fs/errno.js';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../../../fs/filesystem.js';
import { LimitedUpper, measureSpace } from '../../../fs/layer/limited-upper.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../../fs/mode.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { describeLayer, type LayerUnderTest } from '../../suites/layer.js';
import { errnoOf } from '../../suites/paths.js';
import { makeRealLayer } from './real-folder.js';

const MUCH = { bytes: 2 ** 40, inodes: 1e6 };
const BLOCK = 4096;
const FILE = { mode: S_IFREG | 0o644, uid: 0, gid: 0 };
const FOLDER = { mode: S_IFDIR | 0o755, uid: 0, gid: 0 };

/** After every test of the contract the account says what a measurement says. */
function counted(under: LayerUnderTest): LayerUnderTest {
  const inner = under.layer;
  let layer = new LimitedUpper(inner, MUCH);
  return {
    layer,
    asLower: () => under.asLower(),
    ...(under.reopen && {
      reopen: () => {
        layer = new LimitedUpper(under.reopen!(), MUCH);
        return layer;
      },
    }),
    dispose: () => {
      expect(layer.space.use).toEqual(measureSpace(layer));
      under.dispose();
    },
  };
}

describeLayer(
  'an upper of limited space in memory',
  () => {
    const layer = new MemLayer();
    return counted({ layer, asLower: () => layer, dispose: () => layer.close() });
  },
  { uid: 0, gid: 0, trusted: true },
);

describe.runIf(mayUseTrustedXattrs())('as root', () => {
  describeLayer('an upper of limited space in a real folder', () => counted(makeRealLayer('trusted')), {
    uid: 1234,
    gid: 5678,
    trusted: true,
    persistent: true,
  });
});

function limited(bytes: number, inodes?: number): { inner: MemLayer; layer: LimitedUpper } {
  const inner = new MemLayer();
  return { inner, layer: new LimitedUpper(inner, { bytes, ...(inodes !== undefined && { inodes }) }) };
}

test('a write gets what fits, and the next one nothing', () => {
  const { layer } = limited(3 * BLOCK);
  const file = layer.makeFile('', 'f', FILE);
  expect(file.write(0, new Uint8Array(10 * BLOCK))).toBe(3 * BLOCK);
  expect(errnoOf(() => file.write(3 * BLOCK, new Uint8Array(1)))).toBe(EDQUOT);
  expect(layer.space.use.bytes).toBe(3 * BLOCK);
});

test('what is there already may be written again, and holes between it take space', () => {
  const { layer } = limited(3 * BLOCK);
  const file = layer.makeFile('', 'f', FILE);
  file.write(0, new Uint8Array(BLOCK));
  file.write(2 * BLOCK, new Uint8Array(BLOCK));
  file.write(4 * BLOCK, new Uint8Array(BLOCK));
  expect(file.write(10, new Uint8Array(100))).toBe(100);
  expect(file.write(5 * BLOCK - 1, new Uint8Array(1))).toBe(1);
  expect(file.write(BLOCK - 10, new Uint8Array(100))).toBe(10);
  expect(errnoOf(() => file.write(BLOCK, new Uint8Array(1)))).toBe(EDQUOT);
  file.allocate(FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 2 * BLOCK, BLOCK);
  expect(file.write(BLOCK, new Uint8Array(2 * BLOCK))).toBe(BLOCK);
});

test('an allocation comes whole or not at all, and what was allocated is for later writes', () => {
  const { layer } = limited(3 * BLOCK);
  const file = layer.makeFile('', 'f', FILE);
  expect(errnoOf(() => file.allocate(0, 0, 4 * BLOCK))).toBe(EDQUOT);
  expect(layer.space.use.bytes).toBe(0);
  file.allocate(0, 0, 3 * BLOCK);
  expect(file.write(BLOCK, new Uint8Array(2 * BLOCK))).toBe(2 * BLOCK);
  expect(errnoOf(() => file.write(3 * BLOCK, new Uint8Array(1)))).toBe(EDQUOT);
});

test('what was allocated behind the end is no room for anything else', () => {
  const { layer } = limited(5 * BLOCK);
  const file = layer.makeFile('', 'f', FILE);
  file.write(0, new Uint8Array(1));
  file.allocate(FALLOC_KEEP_SIZE, 10 * BLOCK, 2 * BLOCK);
  expect(file.write(BLOCK, new Uint8Array(4 * BLOCK))).toBe(2 * BLOCK);
  expect(errnoOf(() => file.write(3 * BLOCK, new Uint8Array(1)))).toBe(EDQUOT);
  expect(file.write(10 * BLOCK + 5, new Uint8Array(BLOCK))).toBe(BLOCK);
});

test('a copy comes whole or not at all', () => {
  const { layer } = limited(3 * BLOCK);
  const from = new MemLayer().makeFile('', 'from', FILE);
  from.write(0, new Uint8Array(4 * BLOCK));
  const to = layer.makeFile('', 'to', FILE);
  expect(errnoOf(() => to.copyFrom(from, 0, 0, 4 * BLOCK))).toBe(EDQUOT);
  expect(to.copyFrom(from, BLOCK, 0, 100 * BLOCK)).toBe(3 * BLOCK);
});

test('a hole takes nothing, whatever the size', () => {
  const { layer } = limited(BLOCK);
  const file = layer.makeFile('', 'f', FILE);
  file.truncate(100 * BLOCK);
  expect(file.write(50 * BLOCK, new Uint8Array(BLOCK))).toBe(BLOCK);
  expect(errnoOf(() => file.write(0, new Uint8Array(1)))).toBe(EDQUOT);
});

test('objects are counted, one with several names once, and no whiteouts', () => {
  const { layer } = limited(2 ** 30, 4);
  layer.make('', 'd', FOLDER);
  layer.makeFile('d', 'f', FILE).close();
  const node = layer.hold('d', 'f');
  layer.link(node, '', 'link', false);
  node.release();
  for (const name of ['a', 'b', 'c']) layer.whiteout('', name);
  expect(layer.space.use.inodes).toBe(3);
  layer.make('', 's', { mode: S_IFLNK | 0o777, uid: 0, gid: 0, target: 'd' });
  expect(errnoOf(() => layer.stage(FILE))).toBe(EDQUOT);
  expect(errnoOf(() => layer.makeFile('', 'more', FILE))).toBe(EDQUOT);
  layer.unlink('', 'link');
  expect(layer.space.use.inodes).toBe(4);
  layer.unlink('d', 'f');
  layer.rmdir('', 'd');
  expect(layer.space.use.inodes).toBe(2);
});

test('what replaces another object gives its space back', () => {
  const { inner, layer } = limited(2 ** 30);
  for (const name of ['a', 'b', 'c']) {
    const file = layer.makeFile('', name, FILE);
    file.write(0, new Uint8Array(BLOCK));
    file.close();
  }
  layer.rename('', 'a', '', 'b', true);
  layer.whiteout('', 'c');
  const staged = layer.stage(FILE);
  staged.publish('', 'b', true);
  expect(layer.space.use).toEqual({ bytes: 0, inodes: 2 });
  expect(layer.space.use).toEqual(measureSpace(inner));
});

test('a removed file counts until it is closed, whatever is written into it meanwhile', () => {
  const { layer } = limited(2 * BLOCK);
  const file = layer.makeFile('', 'f', FILE);
  file.write(0, new Uint8Array(BLOCK));
  const reader = layer.open('', 'f');
  layer.unlink('', 'f');
  expect(layer.space.use).toEqual({ bytes: BLOCK, inodes: 2 });
  file.write(BLOCK, new Uint8Array(BLOCK));
  expect(errnoOf(() => file.write(2 * BLOCK, new Uint8Array(1)))).toBe(EDQUOT);
  file.close();
  expect(layer.space.use.bytes).toBe(2 * BLOCK);
  reader.close();
  expect(layer.space.use).toEqual({ bytes: 0, inodes: 1 });
});

test('a stage that is thrown away leaves nothing, and one that got a name by a link stays', () => {
  const { inner, layer } = limited(2 ** 30);
  const gone = layer.stage(FILE);
  gone.setxattr('user.x', new Uint8Array(1), 0);
  const data = gone.openWrite();
  data.write(0, new Uint8Array(BLOCK));
  gone.discard();
  expect(layer.space.use.bytes).toBe(BLOCK);
  data.close();
  expect(layer.space.use).toEqual({ bytes: 0, inodes: 1 });
  const kept = layer.stage(FILE);
  layer.link(kept, '', 'kept', false);
  kept.discard();
  expect(layer.space.use).toEqual(measureSpace(inner));
  expect(layer.space.use.inodes).toBe(2);
});

test('bytes that somebody else is about to write are nobody’s meanwhile', () => {
  const { layer } = limited(4 * BLOCK);
  const file = layer.makeFile('', 'f', FILE);
  const other = layer.makeFile('', 'g', FILE);
  expect(errnoOf(() => file.expect?.(5 * BLOCK))).toBe(EDQUOT);
  file.expect?.(3 * BLOCK);
  expect(other.write(0, new Uint8Array(2 * BLOCK))).toBe(BLOCK);
  file.expect?.(0);
  expect(other.write(BLOCK, new Uint8Array(2 * BLOCK))).toBe(2 * BLOCK);
});

test('statfs shows the limit and what is left, or what the disk has left where that is less', () => {
  const inner = new MemLayer({ capacity: 100 * BLOCK });
  const layer = new LimitedUpper(inner, { bytes: 10 * BLOCK, inodes: 20 });
  layer.makeFile('', 'f', FILE).write(0, new Uint8Array(3 * BLOCK));
  expect(layer.statfs()).toMatchObject({ blocks: 10, bfree: 7, bavail: 7, files: 20, ffree: 18 });
  const more = new LimitedUpper(inner, { bytes: 1000 * BLOCK });
  expect(more.statfs()).toMatchObject({ blocks: 1000, bavail: 97 });
});

test('what exceeds the limit from the start may shrink and not grow', () => {
  const inner = new MemLayer();
  const before = inner.makeFile('', 'f', FILE);
  before.write(0, new Uint8Array(8 * BLOCK));
  before.close();
  const layer = new LimitedUpper(inner, { bytes: 2 * BLOCK });
  expect(layer.statfs()).toMatchObject({ blocks: 2, bavail: 0 });
  const file = layer.hold('', 'f').openWrite();
  expect(file.write(0, new Uint8Array(10))).toBe(10);
  expect(errnoOf(() => file.write(8 * BLOCK, new Uint8Array(1)))).toBe(EDQUOT);
  expect(errnoOf(() => layer.makeFile('', 'g', FILE))).toBe(EDQUOT);
  layer.unlimited(() => file.write(8 * BLOCK, new Uint8Array(1)));
  file.truncate(BLOCK);
  expect(file.write(BLOCK, new Uint8Array(BLOCK))).toBe(BLOCK);
});
