// As many layers as the kernel's overlayfs takes, and more, through FUSE: each file comes from its own layer, one
// that all have comes from the topmost, and what a layer deleted stays deleted.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { LowerDescription } from '../../dist/fs/index.js';
import { eachWithMount } from '../mount/mounted.js';
import { describeWith } from '../requires.js';

describeWith(['root', 'fuse'], 'a deep stack', () => {
  const at = eachWithMount();

  it.each([500, 1000])('of %i layers is one tree', async (count) => {
    const { scratch } = at;
    const lowers: LowerDescription[] = [];
    for (let n = 1; n <= count; n++) {
      const path = scratch.at(`layer-${n}`);
      mkdirSync(`${path}/folder/deep`, { recursive: true });
      writeFileSync(`${path}/folder/deep/${n}`, `${n}`);
      writeFileSync(`${path}/folder/all`, `${n}`);
      lowers.unshift({ path, id: `${n}`, dialect: 'overlay', marks: 'trusted' });
    }
    // Each tenth layer deletes what the one below it has.
    scratch.sh(
      `for n in $(seq 10 10 ${count}); do mknod layer-$n/folder/deep/$((n - 1)) c 0 0; rm -f layer-$n/folder/deep/$n; done`,
    );
    const { upper } = scratch.stack();
    const stack = { lowers, ...(upper === undefined ? {} : { upper }) };
    const mnt = scratch.at('mnt');
    const left = Array.from({ length: count }, (_, at) => at + 1).filter((n) => n % 10 !== 0 && n % 10 !== 9);
    const expectTree = (names: readonly number[]) => {
      const seen = readdirSync(`${mnt}/folder/deep`).map(Number);
      expect(seen.sort((a, b) => a - b)).toEqual(names);
      for (const n of names) expect(readFileSync(`${mnt}/folder/deep/${n}`, 'utf8')).toBe(`${n}`);
    };
    let served = await at.serve({ stack });
    expect(readFileSync(`${mnt}/folder/all`, 'utf8')).toBe(`${count}`);
    expectTree(left);
    rmSync(`${mnt}/folder/deep/1`);
    writeFileSync(`${mnt}/folder/deep/2`, '2');
    expect(existsSync(`${mnt}/folder/deep/1`)).toBe(false);
    expect(await served.stop()).toBe('unmounted');
    served = await at.serve({ stack });
    expectTree(left.filter((n) => n !== 1));
    expect(await served.stop()).toBe('unmounted');
  });
});
