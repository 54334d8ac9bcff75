// A copy-up that does not fit: nothing of it stays, and the file can still be read, removed and written anew.

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statfsSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mountExt4 } from '../../ext4.js';
import { Scratch } from '../../program.js';
import { describeWith } from '../../requires.js';

const BIG = 3 << 20;

const full = expect.objectContaining({ code: 'ENOSPC' });

function failure(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

describeWith(['root', 'fuse'], 'a mount whose upper is full', () => {
  let scratch: Scratch;
  let mnt: string;

  beforeEach(() => {
    scratch = new Scratch('full-upper');
    for (const name of ['lower/d', 'disk']) scratch.folder(name);
    for (const name of ['big', 'moved', 'd/big']) {
      writeFileSync(scratch.path('lower', name), Buffer.alloc(BIG, 'a'));
    }
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', scratch.path('disk')]);
    for (const name of ['disk/upper', 'disk/work']) scratch.folder(name);
    mnt = scratch.folder('mnt');
    mount();
  });

  function mount(...options: string[]): void {
    const upper = ['--upper', scratch.path('disk/upper'), '--work', scratch.path('disk/work')];
    scratch.mica('mount', '--lower', scratch.path('lower'), ...upper, ...options, mnt);
  }

  afterEach(() => {
    scratch.try('umount', mnt);
    scratch.remove();
  });

  const inUpper = () => readdirSync(scratch.path('disk/upper'), { recursive: true }).sort();
  it('leaves nothing of a copy-up that does not fit, and shows the lower file', () => {
    expect(failure(() => writeFileSync(join(mnt, 'd/big'), 'x', { flag: 'r+' }))).toEqual(full);
    expect(failure(() => truncateSync(join(mnt, 'big'), 2 << 20))).toEqual(full);
    expect(inUpper().filter((name) => name !== 'd')).toEqual([]);
    expect(readFileSync(join(mnt, 'd/big')).equals(Buffer.alloc(BIG, 'a'))).toBe(true);
    expect(statSync(join(mnt, 'd/big')).mode & 0o777).toBe(0o644);
    expect(readdirSync(mnt)).toEqual(['big', 'd', 'moved']);
    expect(readdirSync(join(mnt, 'd'))).toEqual(['big']);
    expect(readdirSync(scratch.path('disk/work/work'))).toEqual([]);
  });

  it('still removes, truncates and makes what fits', async () => {
    chmodSync(join(mnt, 'big'), 0o600);
    expect(failure(() => writeFileSync(join(mnt, 'big'), 'x', { flag: 'r+' }))).toEqual(full);
    expect(readFileSync(join(mnt, 'big')).equals(Buffer.alloc(BIG, 'a'))).toBe(true);
    writeFileSync(join(mnt, 'big'), 'small');
    expect(readFileSync(join(mnt, 'big'), 'utf8')).toBe('small');
    renameSync(join(mnt, 'moved'), join(mnt, 'd/moved'));
    unlinkSync(join(mnt, 'd/moved'));
    // By truncate(2) and not by an open for writing, which wants all of it.
    expect(spawnSync('perl', ['-e', 'truncate($ARGV[0], 10) or die', join(mnt, 'd/big')]).status).toBe(0);
    expect(readFileSync(join(mnt, 'd/big'), 'utf8')).toBe('aaaaaaaaaa');
    expect(failure(() => writeFileSync(join(mnt, 'new'), Buffer.alloc(BIG)))).toEqual(full);
    unlinkSync(join(mnt, 'new'));
    // Its space is free when the kernel has told the server that nobody refers to it (FORGET), which nobody waits for.
    await expect.poll(() => statfsSync(scratch.path('disk')).bfree).toBeGreaterThan(10);
    writeFileSync(join(mnt, 'new'), 'fits');
    expect(readdirSync(mnt)).toEqual(['big', 'd', 'new']);
  });

  it.each([[[]], [['--no-passthrough']]])('tells a writer how much of a write fits: %j', (options) => {
    scratch.mica('umount', mnt);
    mount(...options);
    const fd = openSync(join(mnt, 'new'), 'a');
    let told = 0;
    const error = failure(() => {
      for (;;) told += writeSync(fd, Buffer.alloc(700_000));
    });
    expect(error).toEqual(full);
    expect(fstatSync(fd).size).toBe(told);
    closeSync(fd);
    expect(told).toBeGreaterThan(700_000);
  });
});

describeWith(['root', 'loop', 'program:mkfs.ext4'], 'a full ext4, the control', () => {
  let scratch: Scratch;

  beforeEach(() => {
    scratch = new Scratch('full-ext4');
    mountExt4(scratch.folder('disk'), 16 << 20);
    scratch.folder('disk/d');
    for (const name of ['big', 'moved', 'd/big']) {
      writeFileSync(scratch.path('disk', name), Buffer.alloc(BIG, 'a'));
    }
  });

  afterEach(() => scratch.remove());

  it('refuses what does not fit, keeps what there is, and removes, truncates and makes what fits', () => {
    const at = (name: string) => scratch.path('disk', name);
    expect(failure(() => writeFileSync(at('fill'), Buffer.alloc(16 << 20)))).toEqual(full);
    expect(failure(() => writeFileSync(at('big'), Buffer.alloc(BIG), { flag: 'a' }))).toEqual(full);
    expect(readFileSync(at('big')).subarray(0, BIG).equals(Buffer.alloc(BIG, 'a'))).toBe(true);
    chmodSync(at('d/big'), 0o600);
    writeFileSync(at('big'), 'small');
    expect(readFileSync(at('big'), 'utf8')).toBe('small');
    renameSync(at('moved'), at('d/moved'));
    unlinkSync(at('d/moved'));
    truncateSync(at('d/big'), 10);
    expect(readFileSync(at('d/big'), 'utf8')).toBe('aaaaaaaaaa');
    expect(failure(() => writeFileSync(at('new'), Buffer.alloc(16 << 20)))).toEqual(full);
    unlinkSync(at('new'));
    writeFileSync(at('new'), 'fits');
    expect(readdirSync(scratch.path('disk'))).toEqual(['big', 'd', 'fill', 'lost+found', 'new']);
  });
});
