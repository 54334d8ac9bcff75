// Quotas on a real mount: nothing comes in above them, df shows them, and what the server counted is what du counts.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { isOnExt4, leaveExt4, mountExt4 } from '../ext4.js';
import { describeWith } from '../requires.js';
import { Mica } from '../src/cli/mica.js';
import { eachWithMount, type Served } from './mounted.js';

const MIB = 1 << 20;

describeWith(['root', 'fuse', 'ext4'], 'a mount with a quota', () => {
  const at = eachWithMount();
  let disk: string | undefined;

  beforeEach(() => {
    if (!isOnExt4(at.scratch.path)) {
      disk = at.scratch.path;
      mountExt4(disk, 256 * MIB);
      for (const name of ['lower', 'upper', 'work', 'mnt']) mkdirSync(at.scratch.at(name));
    }
    at.scratch.sh(
      'head -c 12M /dev/urandom > lower/big; mkdir lower/d; echo lower > lower/d/f; ln lower/d/f lower/d/g',
    );
  });
  afterEach(async () => {
    await at.end();
    if (disk !== undefined) leaveExt4(disk);
  });

  const serve = (bytes: number, inodes?: number): Promise<Served> => {
    const { upper, ...rest } = at.scratch.stack();
    const quota = { bytes, ...(inodes === undefined ? {} : { inodes }) };
    return at.serve({ stack: { ...rest, upper: { ...upper!, partsFrom: MIB, quota } } });
  };

  /** What the server says, and what du and find say of the folder: bytes, and inodes without whiteouts. */
  async function uses(served: Served): Promise<[said: object, found: object]> {
    const { space } = (await served.ask({ op: 'status' })) as { space: { use: object } };
    at.scratch.sh('sync -f upper');
    const bytes = Number(at.scratch.sh('du -s --block-size=1 upper').split('\t')[0]);
    const inodes = Number(at.scratch.sh("find upper ! -type c -printf '%i\\n' | sort -u | wc -l"));
    return [space.use, { bytes, inodes }];
  }

  /** What is removed counts until the kernel has let go of it, which it tells in its own time. */
  function expectCounted(served: Served): Promise<{ readonly bytes: number }> {
    return vi.waitFor(
      async () => {
        const [said, found] = await uses(served);
        expect(said).toEqual(found);
        return found as { readonly bytes: number };
      },
      { timeout: 10_000 },
    );
  }

  it('takes what fits and answers EDQUOT to the rest, and df shows the limit', async () => {
    const served = await serve(4 * MIB, 100);
    const full = at.scratch.sh('dd if=/dev/zero of=mnt/f bs=64k count=100 2>&1 || true');
    expect(full).toContain('Disk quota exceeded');
    const { blocks, bavail, bsize, files } = statfsSync(at.scratch.at('mnt'));
    expect([blocks * bsize, bavail, files]).toEqual([4 * MIB, 0, 100]);
    const found = await expectCounted(served);
    expect(found.bytes).toBeLessThanOrEqual(4 * MIB);
    expect(at.scratch.sh('cp mnt/f mnt/g 2>&1 || true')).toContain('Disk quota exceeded');
    at.scratch.sh('rm mnt/f mnt/g; dd if=/dev/zero of=mnt/h bs=1M count=3 status=none');
    expect(at.scratch.sh('for i in $(seq 120); do touch mnt/i$i || break; done 2>&1')).toContain(
      'quota exceeded',
    );
  });

  it('keeps what was allocated for who writes it, when nothing else has room any more', async () => {
    const served = await serve(4 * MIB);
    at.scratch.sh(
      'fallocate -l 2M mnt/a; touch mnt/b; fallocate -n -l 1M mnt/b; dd if=/dev/zero of=mnt/c bs=64k count=100 2>/dev/null || true',
    );
    expect(at.scratch.sh('dd if=/dev/zero of=mnt/e bs=64k count=1 2>&1 || true')).toContain(
      'Disk quota exceeded',
    );
    at.scratch.sh('dd if=/dev/zero of=mnt/a bs=64k count=32 conv=notrunc status=none');
    at.scratch.sh('dd if=/dev/zero of=mnt/b bs=64k count=16 conv=notrunc status=none');
    const found = await expectCounted(served);
    expect(found.bytes).toBeLessThanOrEqual(4 * MIB);
  });

  it('counts as du does after work of all kinds, and again at the next mount', async () => {
    const served = await serve(64 * MIB);
    at.scratch.sh(`cd mnt
      mkdir -p a/b/c; for i in $(seq 200); do echo $i > a/b/file-$i; done
      ln a/b/file-1 a/hard; mv a/b/file-2 a/b/file-3; rm a/b/file-4; cp -r a copy; mv copy renamed
      truncate -s 10M a/sparse; printf x | dd of=a/sparse bs=1 seek=5000000 conv=notrunc status=none
      fallocate -l 1M a/allocated; fallocate -p -o 8192 -l 65536 a/allocated
      printf y | dd of=big bs=1 seek=3000000 conv=notrunc status=none
      echo more >> d/f; rm d/g; chmod 600 d/f; setfattr -n user.long -v "$(head -c 3000 /dev/zero | tr '\\0' v)" a/hard
      ln -s "$(head -c 200 /dev/zero | tr '\\0' t)" a/symlink; mkfifo a/fifo; rm -r renamed/b; mkdir renamed/b
      exec 3> a/removed; rm a/removed; echo kept >&3; exec 3>&-`);
    const found = await expectCounted(served);
    expect(found.bytes).toBeLessThan(4 * MIB);
    await served.stop();
    expect(await expectCounted(await serve(64 * MIB))).toEqual(found);
  });

  it('copies of large files count before they are made, and what does not fit is not begun', async () => {
    const { upper, ...rest } = at.scratch.stack();
    const served = await at.serve({ stack: { ...rest, upper: { ...upper!, quota: { bytes: 8 * MIB } } } });
    expect(at.scratch.sh('echo y | dd of=mnt/big oflag=append conv=notrunc 2>&1 || true')).toContain(
      'Disk quota exceeded',
    );
    at.scratch.sh(
      'head -c 6M lower/big > lower/middle; cp mnt/middle /dev/null; echo y >> mnt/middle; cmp -n 6291456 lower/middle mnt/middle',
    );
    await expectCounted(served);
  });
});

describeWith(['root', 'fuse', 'overlay'], 'a snapshot with a quota', () => {
  let mica: Mica;
  let merged: string;
  const ok = (...words: string[]): string => {
    const ran = mica.run(words);
    expect(ran).toMatchObject({ code: 0 });
    return ran.out;
  };
  const write = (bytes: number, to = merged) =>
    spawnSync('timeout', ['60', 'dd', 'if=/dev/zero', `of=${to}/f`, `bs=${bytes}`, 'count=1'], {
      encoding: 'utf8',
    });

  beforeEach(() => {
    mica = new Mica();
    merged = mica.path('merged');
    for (const folder of ['merged', 'tree', 'up', 'work']) mkdirSync(mica.path(folder));
    writeFileSync(mica.path('tree', 'one'), 'lower\n');
    ok('image', 'create', 'base:1', '--from', mica.path('tree'));
  });
  afterEach(() => {
    mica.run(['umount', '--all']);
    spawnSync('umount', ['-q', '-l', merged]);
    mica.remove();
  });

  it('has it at every mount until it is committed', () => {
    const [base] = ok('snapshot', 'ls', '-q').trim().split('\n');
    ok('snapshot', 'prepare', 'key', base!, '--quota', '2M:50');
    expect(JSON.parse(ok('--json', 'snapshot', 'info', 'key')).quota).toEqual({ bytes: 2 * MIB, inodes: 50 });
    for (const _ of [1, 2]) {
      ok('mount', 'key', merged);
      expect(write(3 * MIB).stderr).toContain('Disk quota exceeded');
      expect(statfsSync(merged).files).toBe(50);
      ok('umount', merged);
    }
    ok('mount', 'key', merged, '--quota', '8M');
    expect(write(3 * MIB).status).toBe(0);
    ok('umount', merged);
    ok('commit', 'key', 'done');
    expect(JSON.parse(ok('--json', 'snapshot', 'info', 'done')).quota).toBeUndefined();
  });

  it('is for what was changed since the last commit', () => {
    ok('mount', 'base:1', merged, '--key', 'work', '--quota', '4M');
    expect(write(3 * MIB).status).toBe(0);
    expect(write(6 * MIB).stderr).toContain('Disk quota exceeded');
    ok('commit', 'work', 'one');
    expect(statfsSync(merged).bfree).toBeGreaterThan(900);
    expect(write(3 * MIB).status).toBe(0);
    expect(write(6 * MIB).stderr).toContain('Disk quota exceeded');
    ok('snapshot', 'rollback', 'work');
    expect(statfsSync(merged).bfree).toBeGreaterThan(900);
    expect(JSON.parse(ok('--json', 'snapshot', 'info', 'work')).quota).toEqual({ bytes: 4 * MIB });
  });

  it('is for the driver fuse alone', () => {
    expect(mica.run(['--driver', 'native', 'snapshot', 'prepare', 'key', '--quota', '1G'])).toMatchObject({
      code: 6,
      err: expect.stringContaining('hint: use --driver fuse\n'),
    });
    ok('snapshot', 'prepare', 'key', '--quota', '1G');
    expect(mica.run(['--driver', 'overlay', 'mount', 'key', merged])).toMatchObject({ code: 6 });
    expect(mica.run(['--driver', 'overlay', 'snapshot', 'mounts', 'key'])).toMatchObject({ code: 6 });
    const mounts = JSON.parse(ok('--json', 'snapshot', 'mounts', 'key'));
    expect(mounts[0].options).toContain('quota=1073741824');
  });

  it('holds for who mounts what the snapshotter says, and for plain folders', () => {
    ok('snapshot', 'prepare', 'key', '--quota', '1M');
    const [{ options }] = JSON.parse(ok('--json', 'snapshot', 'mounts', 'key'));
    expect(mica.program('mica-overlayfs', ['-o', options.join(','), merged])).toMatchObject({ code: 0 });
    expect(write(2 * MIB).stderr).toContain('Disk quota exceeded');
    spawnSync('umount', [merged]);
    const folders = ['--lower', mica.path('tree'), '--upper', mica.path('up'), '--work', mica.path('work')];
    ok('mount', ...folders, '--quota', '1M', merged);
    expect(write(2 * MIB).stderr).toContain('Disk quota exceeded');
    expect(readFileSync(`${merged}/one`, 'utf8')).toBe('lower\n');
  });

  it.each([
    ['a quota of nothing', ['key', '--quota', '0']],
    ['a quota that is no size', ['key', '--quota', 'much']],
  ])('%s is exit code 2', (_, words) => {
    expect(mica.run(['snapshot', 'prepare', ...words])).toMatchObject({ code: 2, out: '' });
  });

  it('a quota of what cannot change is exit code 2', () => {
    expect(mica.run(['mount', '--read-only', '--quota', '1G', 'base:1', merged])).toMatchObject({ code: 2 });
    expect(mica.run(['mount', '--lower', mica.path('tree'), '--quota', '1G', merged])).toMatchObject({
      code: 2,
    });
  });
});
