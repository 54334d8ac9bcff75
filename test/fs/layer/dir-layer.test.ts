// The contract of layers on real folders: as root with `trusted.` marks, and with `user.` marks.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { openLowerDir } from '../../../fs/layer/dir-layer.js';
import { openUpperDir } from '../../../fs/layer/dir-upper.js';
import type { MarkPrefix, ReadLayer } from '../../../fs/layer/layer.js';
import { fromText } from '../../../fs/name.js';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { describeLayer, type LayerUnderTest } from '../../suites/layer.js';

function make(marks: MarkPrefix): LayerUnderTest {
  const base = mkdtempSync(join(tmpdir(), 'mica-dir-layer-'));
  mkdirSync(join(base, 'upper'));
  mkdirSync(join(base, 'work'));
  const path = fromText(join(base, 'upper'));
  const open = () => openUpperDir(path, fromText(join(base, 'work')), { marks, lockWaitMs: 0 });
  let layer = open();
  const lowers: ReadLayer[] = [];
  return {
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

const root = mayUseTrustedXattrs();

describe.runIf(root)('as root', () => {
  describeLayer('a real folder with trusted marks', () => make('trusted'), {
    uid: 1234,
    gid: 5678,
    trusted: true,
  });
});

describeLayer('a real folder with user marks', () => make('user'), {
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  trusted: root,
});
