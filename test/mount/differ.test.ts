// The walking differ on mounts of every kind, and across them: the bytes are those of the differ by marks.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';
import { differSuite } from '../suites/differ.js';
import { walking } from '../suites/store-differs.js';

describeWith(['root', 'fuse', 'overlay'], 'the walking differ', () => {
  differSuite('a walk over the kernel’s mounts', walking('overlay', 'overlay'));
  differSuite('a walk from a whole tree to a mount of FUSE', walking('native', 'fuse'));
  differSuite('a walk from the kernel’s mount to a whole tree', walking('overlay', 'native'));
});

describeWith(['root', 'fuse', 'overlay'], 'mica diff --mounts', () => {
  let scratch: Scratch;
  beforeEach(() => {
    scratch = new Scratch('diff-mounts');
    const tree = scratch.folder('tree');
    writeFileSync(join(tree, 'kept'), 'kept');
    writeFileSync(join(tree, 'gone'), 'gone');
    scratch.mica('image', 'create', 'base:1', '--from', tree);
  });
  afterEach(() => scratch.remove());

  it('compares what two lists of mounts show, also while one is mounted and written', () => {
    const mnt = scratch.folder('mnt');
    scratch.mica('mount', 'base:1', mnt, '--key', 'work');
    rmSync(join(mnt, 'gone'));
    writeFileSync(join(mnt, 'new'), 'new');
    const parent = JSON.parse(scratch.mica('--json', 'snapshot', 'info', 'work')).parent;
    scratch.mica('snapshot', 'view', 'below', parent);
    for (const driver of ['fuse', 'overlay']) {
      for (const key of ['work', 'below']) {
        const listed = scratch.try('--json', '--driver', driver, 'snapshot', 'mounts', key);
        if (listed.code === 0) writeFileSync(scratch.path(`${key}.json`), listed.out);
      }
      const files = [scratch.path('work.json'), scratch.path('below.json')];
      expect(scratch.mica('diff', '--mounts', ...files)).toBe('D gone\nA new\n');
      scratch.mica('diff', '--mounts', ...files, '--tar', '-o', scratch.path('walked.tar'));
      scratch.mica('diff', 'work', '--tar', '-o', scratch.path('marks.tar'));
      expect(readFileSync(scratch.path('walked.tar')).equals(readFileSync(scratch.path('marks.tar')))).toBe(
        true,
      );
    }
    const all = scratch.mica('diff', '--mounts', scratch.path('work.json'));
    expect(all).toBe('A kept\nA new\n');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('mica-mount-');
  });

  it('refuses what is no list of mounts, and mounts that cannot be, and leaves nothing mounted', () => {
    const file = scratch.path('mounts.json');
    writeFileSync(file, '{}');
    expect(scratch.try('diff', '--mounts', file)).toMatchObject({
      code: 2,
      err: expect.stringContaining(`cannot read the mounts in ${file}: it is not an array`),
    });
    expect(scratch.try('diff', '--mounts', scratch.path('none'))).toMatchObject({ code: 3 });
    const mounts = [
      { type: 'bind', source: scratch.base, options: ['rbind'] },
      { type: 'bind', source: scratch.path('none'), options: ['rbind'], target: 'root' },
    ];
    writeFileSync(file, JSON.stringify(mounts));
    expect(scratch.try('diff', '--mounts', file).code).toBe(1);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('mica-mount-');
  });
});
