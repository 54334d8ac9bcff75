// The contract of layers read back through the index of a folder: it shows what the folder shows.

import { describe } from 'vitest';
import { ImageReader } from '../../../fs/erofs/reader.js';
import { writeImage } from '../../../fs/erofs/writer.js';
import { ErofsLayer } from '../../../fs/layer/erofs-layer.js';
import type { MarkPrefix, ReadLayer } from '../../../fs/layer/layer.js';
import { scanLayer } from '../../../fs/layer/scan-layer.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { describeLayer, type LayerUnderTest } from '../../suites/layer.js';
import { makeRealLayer } from './real-folder.js';

const root = mayUseTrustedXattrs();

function indexed(folder: ReadLayer, marks: MarkPrefix): ReadLayer {
  const { bytes, length } = writeImage(scanLayer(folder, { marks, dataPath: '/1/fs' }));
  const image = new ImageReader(bytes, length);
  return new ErofsLayer(
    { image, letGo: () => undefined, release: () => image.close() },
    { id: folder.id, marks, layers: [folder], flattened: false },
  );
}

function makeIndexedLayer(marks: MarkPrefix): LayerUnderTest {
  const real = makeRealLayer(marks);
  return { ...real, asLower: () => indexed(real.asLower(), marks) };
}

describe.runIf(root)('as root', () => {
  describeLayer('an index with trusted marks', () => makeIndexedLayer('trusted'), {
    uid: 1234,
    gid: 5678,
    trusted: true,
    persistent: true,
    keepsAtime: false,
  });
});

describeLayer('an index with user marks', () => makeIndexedLayer('user'), {
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  trusted: root,
  persistent: true,
  keepsAtime: false,
});
