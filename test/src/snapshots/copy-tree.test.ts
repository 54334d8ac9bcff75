// The copy of a tree for a driver that has no layers, where the disk does not take all of it.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FsError } from '../../../fs/index.js';
import { copyTree } from '../../../src/snapshots/copy-tree.js';
import { describeWith } from '../../requires.js';

describeWith(['root'], 'the copy of a tree', () => {
  it('fails where the last bytes of a file find no room', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mica-copy-tree-'));
    const small = join(folder, 'small');
    const tree = join(folder, 'tree');
    mkdirSync(small);
    mkdirSync(tree);
    writeFileSync(join(tree, 'large'), 'x'.repeat(100_000));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
    try {
      const [from, to] = [openSync(tree, 'r'), openSync(small, 'r')];
      try {
        expect(() => copyTree(from, to)).toThrow(FsError);
      } finally {
        closeSync(from);
        closeSync(to);
      }
    } finally {
      execFileSync('umount', [small]);
      rmSync(folder, { recursive: true });
    }
  });
});
