// Makes a real folder of its own for each test of the layer suite.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLowerDir } from '../../../fs/layer/dir-layer.js';
import { openUpperDir, type UpperDir } from '../../../fs/layer/dir-upper.js';
import type { MarkPrefix, ReadLayer } from '../../../fs/layer/layer.js';
import { fromText } from '../../../fs/name.js';
import type { LayerUnderTest } from '../../suites/layer.js';

/** A layer on disk, and where. */
export interface RealLayer extends LayerUnderTest {
  readonly base: string;
  readonly layer: UpperDir;
}

/** An empty upper with its work folder beneath the folder for temporary files. */
export function makeRealLayer(marks: MarkPrefix): RealLayer {
  const base = mkdtempSync(join(tmpdir(), 'mica-dir-layer-'));
  mkdirSync(join(base, 'upper'));
  mkdirSync(join(base, 'work'));
  const path = fromText(join(base, 'upper'));
  const open = () => openUpperDir(path, fromText(join(base, 'work')), { marks, lockWaitMs: 0 });
  let layer = open();
  const lowers: ReadLayer[] = [];
  return {
    base,
    layer,
    asLower: () => {
      const lower = openLowerDir(path, { marks: [marks] });
      lowers.push(lower);
      return lower;
    },
    reopen: () => {
      layer.close();
      layer = open();
      return layer;
    },
    dispose: () => {
      for (const lower of lowers) lower.close();
      layer.close();
      execFileSync('rm', ['-rf', base]);
    },
  };
}
