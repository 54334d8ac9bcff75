// Writes into large lower files on a real mount: little gets into the upper, nothing of it is lost, and who looks at
// the upper with the kernel's overlayfs after settling sees the same.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StackDescription } from '../../dist/fs/index.js';
import { leaveExt4 } from '../ext4.js';
import { top } from '../program.js';
import { describeWith } from '../requires.js';
import { eachWithMount } from './mounted.js';

const MIB = 1 << 20;
const SIZE = 48 * MIB + 1000;

/** No two blocks are alike. */
function content(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 64) bytes.writeUInt32LE(at / 64, at);
  return bytes;
}

function inPart(stack: StackDescription, partsFrom = MIB): StackDescription {
  return { ...stack, upper: { ...stack.upper!, partsFrom } };
}

/** KiB that a folder takes on its disk. */
function usage(folder: string): number {
  return Number(execFileSync('du', ['-s', '--block-size=1K', folder], { encoding: 'utf8' }).split('\t')[0]);
}

describeWith(['root', 'fuse', 'overlay', 'ext4', 'program:python3'], 'a large lower file on a mount', () => {
  const at = eachWithMount();
  let wanted: Buffer;

  beforeEach(() => {
    wanted = content(SIZE);
    writeFileSync(at.scratch.at('lower/big'), wanted);
  });

  const serve = () => at.serve({ stack: inPart(at.scratch.stack()) });
  const big = () => at.scratch.at('mnt/big');

  function write(fd: number, offset: number, text: string): void {
    writeSync(fd, text, offset);
    wanted = Buffer.concat([wanted, Buffer.alloc(Math.max(0, offset + text.length - wanted.length))]);
    wanted.write(text, offset);
  }

  function expectWanted(path = big()): void {
    expect(statSync(path).size).toBe(wanted.length);
    expect(readFileSync(path).equals(wanted)).toBe(true);
  }

  it('takes what is written, whoever reads it how, over a killed server, until it is settled', async () => {
    const { process, exit } = await serve();
    const reader = openSync(big(), 'r');
    const fd = openSync(big(), 'r+');
    write(fd, 12_345, '!');
    expect(usage(at.scratch.at('upper')) + usage(at.scratch.at('work'))).toBeLessThan(1024);
    write(fd, 20 * MIB - 3, 'across a block');
    write(fd, SIZE, 'behind the end');
    write(fd, SIZE + 3 * MIB, 'far behind it');
    fsyncSync(fd);
    const byte = Buffer.alloc(1);
    readSync(reader, byte, 0, 1, 12_345);
    expect(byte.toString()).toBe('!');
    closeSync(reader);
    closeSync(fd);
    at.scratch.sh(`python3 - <<'END'
import mmap, os
f = os.open('mnt/big', os.O_RDWR); m = mmap.mmap(f, 0)
r = mmap.mmap(os.open('mnt/big', os.O_RDONLY), 0, prot=mmap.PROT_READ)
m[30000000:30000006] = b'mapped'; assert r[30000000:30000006] == b'mapped'; assert r[12345:12346] == b'!'; m.flush()
END`);
    wanted.write('mapped', 30_000_000);
    at.scratch.sh('fallocate -p -n -o 5000 -l 100000 mnt/big; fallocate -n -o 41000000 -l 50000 mnt/big');
    wanted.fill(0, 5000, 105_000);
    expectWanted();
    expect(usage(at.scratch.at('upper')) + usage(at.scratch.at('work'))).toBeLessThan(1024);
    expect(statSync(big()).blocks * 512).toBeGreaterThan(SIZE);
    process.kill('SIGKILL');
    await exit;
    spawnSync('umount', ['-l', at.scratch.at('mnt')]);

    const again = await serve();
    expectWanted();
    truncateSync(big(), 25 * MIB);
    truncateSync(big(), 26 * MIB);
    wanted = Buffer.concat([wanted.subarray(0, 25 * MIB), Buffer.alloc(MIB)]);
    expectWanted();
    expect(usage(at.scratch.at('upper')) + usage(at.scratch.at('work'))).toBeLessThan(1024);
    expect(await again.ask({ op: 'settle' })).toEqual({ settled: true });
    expectWanted();
    expect(await again.stop()).toBe('unmounted');
    expectWanted(at.scratch.at('upper/big'));
    expect(readdirSync(at.scratch.at('work/work'))).toEqual([]);
    at.scratch.sh('mount -t overlay o -o lowerdir=lower,upperdir=upper,workdir=work,metacopy=off mnt');
    expectWanted();
  });

  it('is refused by the kernel as long as it is not settled', async () => {
    const { process, exit } = await serve();
    at.scratch.sh('printf x | dd of=mnt/big bs=1 seek=5 conv=notrunc 2>/dev/null');
    process.kill('SIGKILL');
    await exit;
    spawnSync('umount', ['-l', at.scratch.at('mnt')]);
    const mount = ['-t', 'overlay', 'o', '-o', 'lowerdir=lower,upperdir=upper,workdir=work', 'mnt'];
    expect(spawnSync('mount', mount, { cwd: at.scratch.path }).status).not.toBe(0);
  });

  it('has every write that returned when the server is killed, and of the one under way all or nothing', async () => {
    const writer = `
import os, sys
f = os.open('mnt/big', os.O_RDWR)
n = 0
try:
  while True:
    # Records of 96 bytes at places of their own, some across two blocks: none of their blocks has another one.
    # The kernel may send one that lies in two pages as two: it returns short when the second fails.
    if os.pwrite(f, b'%096d' % n, 4096 + n * 12288 - 48 * (n % 2)) < 96: break
    os.write(1, b'%d\\n' % n)
    n += 1
except OSError: pass
`;
    for (let round = 0; round < 3; round++) {
      at.scratch.sh('rm -rf upper work; mkdir upper work');
      const served = await serve();
      const child = spawn('python3', ['-c', writer], {
        cwd: at.scratch.path,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      let said = '';
      const ended = new Promise((resolve) => child.once('close', resolve));
      const stop = new Promise<void>((resolve) =>
        child.stdout.on('data', (data: Buffer) => {
          said += data.toString();
          if (said.length > 200 * (round + 1)) resolve();
        }),
      );
      await Promise.race([stop, ended]);
      expect(said.length).toBeGreaterThan(200 * (round + 1));
      served.process.kill('SIGKILL');
      await served.exit;
      await ended;
      spawnSync('umount', ['-l', at.scratch.at('mnt')]);
      await serve();
      const last = said.trim().split('\n').length;
      const found = readFileSync(big());
      for (let n = 0; n < 4000; n++) {
        const place = 4096 + n * 12_288 - 48 * (n % 2);
        if (place + 96 > SIZE) break;
        const record = found.toString('latin1', place, place + 96);
        const text = String(n).padStart(96, '0');
        const before = wanted.toString('latin1', place, place + 96);
        const half = n % 2 === 0 ? [] : [text.slice(0, 48) + before.slice(48)];
        const possible = n < last ? [text] : [text, before, ...half];
        expect([n, last, possible.includes(record)]).toEqual([n, last, true]);
        if (n > last) break;
      }
      spawnSync('umount', ['-l', at.scratch.at('mnt')]);
    }
  });
});

describe.each([
  ['xfs', ['mkfs.xfs', '-q', '-m', 'reflink=1']],
  ['btrfs', ['mkfs.btrfs', '-q']],
] as const)('%s', (kind, [program, ...words]) => {
  describeWith(
    ['root', 'loop', 'fuse', `program:${program}`],
    'a lower file that can share its extents',
    () => {
      const at = eachWithMount();
      let disk: string;

      beforeEach(() => {
        const image = at.scratch.at('image');
        disk = at.scratch.at('disk');
        mkdirSync(disk);
        writeFileSync(image, '');
        truncateSync(image, 512 * MIB);
        execFileSync(program, [...words, image]);
        execFileSync('mount', ['-t', kind, '-o', 'loop', image, disk]);
        for (const name of ['lower', 'upper', 'work']) mkdirSync(join(disk, name));
      });
      afterEach(async () => {
        await at.end();
        leaveExt4(disk);
      });

      function onDisk(): StackDescription {
        const { lowers, upper } = at.scratch.stack();
        return {
          lowers: [{ ...lowers[0]!, path: join(disk, 'lower') }],
          upper: { ...upper!, path: join(disk, 'upper'), work: join(disk, 'work') },
        };
      }

      /** Of the filesystem, once everything is written. */
      function free(): number {
        execFileSync('sync', ['-f', disk]);
        const { bfree, bsize } = statfsSync(disk);
        return bfree * bsize;
      }

      it('is said to copy nothing where it shares them, before and as it is done', async () => {
        for (const name of ['large', 'small'])
          writeFileSync(join(disk, 'lower', name), content(name === 'large' ? SIZE : 20_000));
        const folders = ['lower', 'upper', 'work'].flatMap((name) => [`--${name}`, join(disk, name)]);
        const change = (name: string) => {
          const words = ['--json', 'explain', ...folders, name];
          const told = execFileSync(process.execPath, [join(top, 'bin/mica'), ...words], {
            encoding: 'utf8',
          });
          return JSON.parse(told).onWrite as { copiesBytes: number; does: string };
        };
        for (const name of ['large', 'small']) {
          const { copiesBytes, does } = change(name);
          expect([name, copiesBytes, does]).toEqual([name, 0, expect.stringContaining('sharing the blocks')]);
        }
        // Nothing was made by asking.
        expect([readdirSync(join(disk, 'upper')), readdirSync(join(disk, 'work/work'))]).toEqual([[], []]);
        const served = await at.serve({ stack: inPart(onDisk()) });
        const before = free();
        at.scratch.sh(
          "chmod 600 mnt/large; printf '!' | dd of=mnt/small bs=1 seek=9 conv=notrunc 2>/dev/null",
        );
        expect(await served.stop()).toBe('unmounted');
        expect(before - free()).toBeLessThan(MIB);
        expect(change('large')).toMatchObject({
          copiesBytes: 0,
          does: expect.stringMatching(/^It gets its data/),
        });
      });

      it('shares all of them, and is an ordinary file', async () => {
        const wanted = content(SIZE);
        for (const name of ['f', 'g']) writeFileSync(join(disk, 'lower', name), wanted);
        const before = free();
        const served = await at.serve({ stack: inPart(onDisk()) });
        // One that comes to the upper with its data, and one that gets it later.
        at.scratch.sh('chmod 600 mnt/g');
        for (const name of ['f', 'g']) {
          at.scratch.sh(`printf '!' | dd of=mnt/${name} bs=1 seek=12345 conv=notrunc 2>/dev/null`);
        }
        wanted.write('!', 12_345);
        for (const name of ['f', 'g'])
          expect(readFileSync(at.scratch.at('mnt', name)).equals(wanted)).toBe(true);
        expect(before - free()).toBeLessThan(4 * MIB);
        expect(await served.stop()).toBe('unmounted');
        for (const name of ['f', 'g'])
          expect(readFileSync(join(disk, 'upper', name)).equals(wanted)).toBe(true);
      });
    },
  );
});
