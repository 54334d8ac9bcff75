import { expect, test } from 'vitest';
import { EINVAL, ENOSPC } from '../../../fs/errno.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { S_IFREG } from '../../../fs/mode.js';
import { describeLayer } from '../../suites/layer.js';
import { errnoOf } from '../../suites/paths.js';

describeLayer(
  'a layer in memory',
  () => {
    const layer = new MemLayer();
    return { layer, asLower: () => layer, dispose: () => layer.close() };
  },
  { uid: 0, gid: 0, trusted: true },
);

const FILE = { mode: S_IFREG | 0o644, uid: 0, gid: 0 };

test('a full layer takes no more data, and space comes back with the last holder of a removed file', () => {
  const layer = new MemLayer({ capacity: 8192 });
  const file = layer.makeFile('', 'a', FILE);
  file.write(0, new Uint8Array(8192));
  const other = layer.makeFile('', 'b', FILE);
  expect(errnoOf(() => other.write(0, new Uint8Array(1)))).toBe(ENOSPC);
  layer.unlink('', 'a');
  expect(errnoOf(() => other.write(0, new Uint8Array(1)))).toBe(ENOSPC);
  file.close();
  expect(other.write(0, new Uint8Array(1))).toBe(1);
});

test('names of the dialect wh that would be marks cannot be made', () => {
  const layer = new MemLayer({ dialect: 'wh' });
  expect(errnoOf(() => layer.make('', '.wh.f', FILE))).toBe(EINVAL);
});
