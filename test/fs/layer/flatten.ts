// Chains of layers as the store shows them: each layer's tree index, and all of them merged into one.

import { mergeImages } from '../../../fs/erofs/merge.js';
import { ImageReader } from '../../../fs/erofs/reader.js';
import { writeImage } from '../../../fs/erofs/writer.js';
import { ErofsLayer } from '../../../fs/layer/erofs-layer.js';
import type { ReadLayer } from '../../../fs/layer/layer.js';
import { scanLayer } from '../../../fs/layer/scan-layer.js';

export function imageOf(layer: ReadLayer): ImageReader {
  const { bytes, length } = writeImage(scanLayer(layer, { marks: 'trusted', dataPath: `/${layer.id}/fs` }));
  return new ImageReader(bytes, length);
}

/** Topmost first. */
export function flattened(layers: readonly ReadLayer[]): ErofsLayer {
  const { bytes, length } = writeImage(mergeImages(layers.map(imageOf), 'trusted.overlay.'));
  const image = new ImageReader(bytes, length);
  return new ErofsLayer(
    { image, letGo: () => undefined, release: () => image.close() },
    { id: 'chain', marks: 'trusted', layers, flattened: true },
  );
}
