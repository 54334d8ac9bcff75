// Archives that GNU tar writes, read by us, and archives that we write, read by GNU tar.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LayerTarReader } from '../../../src/diff/layer-tar-reader.js';
import { StoreError } from '../../../src/errors.js';
import { describeWith } from '../../requires.js';
import { runs } from '../../runs.js';
import { type Draft, fixChecksum, gnuTar, readTar, writeTar } from './tar-tools.js';

const RUNS = runs(2000);

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'micafs-tar-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function makeTree(): void {
  mkdirSync(join(dir, 'tree/sub'), { recursive: true });
  writeFileSync(join(dir, 'tree/plain'), 'some text');
  writeFileSync(join(dir, 'tree/empty'), '');
  writeFileSync(join(dir, 'tree/sub/big'), Buffer.alloc(70_001, 'ab'));
  chmodSync(join(dir, 'tree/plain'), 0o4751);
  linkSync(join(dir, 'tree/plain'), join(dir, 'tree/sub/second-name'));
  symlinkSync('../plain', join(dir, 'tree/sub/sym'));
  symlinkSync('x'.repeat(1000), join(dir, 'tree/long-target'));
  execFileSync('mkfifo', [join(dir, 'tree/fifo')]);
  const long = `tree/${'d'.repeat(90)}/${'e'.repeat(120)}`;
  mkdirSync(join(dir, long), { recursive: true });
  writeFileSync(join(dir, long, 'f'.repeat(200)), 'deep');
  writeFileSync(Buffer.concat([Buffer.from(join(dir, 'tree/')), Buffer.from([0xff, 0x41, 0xe9])]), 'odd');
  writeFileSync(join(dir, 'tree/ümlaut'), 'text');
  utimesSync(join(dir, 'tree/plain'), 1_500_000_000, -12_345.25);
}

describeWith(['gnu tar'], 'reading what GNU tar writes', () => {
  for (const format of ['v7', 'ustar', 'oldgnu', 'gnu', 'pax']) {
    test(`all entries of a ${format} archive`, () => {
      makeTree();
      const short = format === 'v7' || format === 'ustar';
      if (short) {
        rmSync(join(dir, 'tree/long-target'));
        rmSync(join(dir, `tree/${'d'.repeat(90)}`), { recursive: true });
        rmSync(join(dir, 'tree/plain'));
        writeFileSync(join(dir, 'tree/plain'), 'some text', { mode: 0o751 });
        linkSync(join(dir, 'tree/plain'), join(dir, 'tree/third-name'));
      }
      if (format === 'v7') rmSync(join(dir, 'tree/fifo'));
      const tar = gnuTar(['--format', format, '-C', dir, '--sort=name', '-cf', '-', 'tree']);
      const entries = readTar(tar);
      const listed = gnuTar(['-tf', '-', '--quoting-style=literal'], tar)
        .toString('latin1')
        .trim()
        .split('\n');
      expect(entries.map(({ path }) => path)).toEqual(listed.map((line) => line.replace(/\/$/, '')));
      for (const entry of entries) {
        const onDisk = Buffer.from(join(dir, '/').concat(entry.path), 'latin1');
        const stat = lstatSync(onDisk, { bigint: true });
        expect(BigInt(entry.mode)).toBe(stat.mode & 0o7777n);
        expect(entry.uid).toBe(Number(stat.uid));
        const ns = BigInt(entry.mtime.sec) * 1_000_000_000n + BigInt(entry.mtime.nsec);
        if (format === 'pax') expect(ns).toBe(stat.mtimeNs);
        else expect(BigInt(entry.mtime.sec)).toBe(floorSeconds(stat.mtimeNs));
        if (entry.type === 'file') expect(entry.content.equals(readFileSync(onDisk))).toBe(true);
        if (entry.type === 'symlink') expect(entry.linkname).toBe(readlinkSync(onDisk, 'latin1'));
        if (entry.type === 'link') expect(entry.linkname).toBe('tree/plain');
        if (entry.type === 'folder') expect(stat.isDirectory()).toBe(true);
      }
    });
  }

  for (const [name, options] of [
    ['old GNU', ['--format=gnu']],
    ['PAX 0.0', ['--format=pax', '--sparse-version=0.0']],
    ['PAX 0.1', ['--format=pax', '--sparse-version=0.1']],
    ['PAX 1.0', ['--format=pax', '--sparse-version=1.0']],
  ] as const) {
    test(`a ${name} sparse file keeps its holes`, () => {
      const fd = openSync(join(dir, 'sparse'), 'w');
      // More extents than an old GNU header (4) and one block after it (21) hold.
      for (let i = 0; i < 60; i++) writeSync(fd, `extent ${i}`, i * 65_536 + 4096);
      ftruncateSync(fd, 60 * 65_536 + 1);
      closeSync(fd);
      writeFileSync(join(dir, 'after'), 'next entry');
      const tar = gnuTar(['-S', ...options, '-C', dir, '-cf', '-', 'sparse', 'after']);
      for (const step of [tar.length, 700]) {
        const [sparse, after] = readTar(tar, step);
        expect(sparse!.path).toBe('sparse');
        expect(sparse!.size).toBe(60 * 65_536 + 1);
        expect(sparse!.content.equals(readFileSync(join(dir, 'sparse')))).toBe(true);
        expect(sparse!.sparse).toHaveLength(60);
        expect(sparse!.sparse![0]!.offset).toBe(4096);
        expect(after!.content.toString()).toBe('next entry');
      }
    });
  }

  test('a sparse file without any data', () => {
    const fd = openSync(join(dir, 'hole'), 'w');
    ftruncateSync(fd, 1 << 20);
    closeSync(fd);
    for (const format of ['gnu', 'pax']) {
      const [hole] = readTar(gnuTar(['-S', '--format', format, '-C', dir, '-cf', '-', 'hole']));
      expect(hole!.size).toBe(1 << 20);
      expect(hole!.sparse).toEqual([]);
    }
  });

  test('ids beyond the octal field, in base-256 and in PAX', () => {
    writeFileSync(join(dir, 'f'), '');
    for (const format of ['gnu', 'pax']) {
      const tar = gnuTar([
        `--format=${format}`,
        '--owner=:3000000000',
        '--group=:2097152',
        '-C',
        dir,
        '-cf',
        '-',
        'f',
      ]);
      expect(readTar(tar)[0]).toMatchObject({ uid: 3_000_000_000, gid: 2_097_152 });
    }
  });

  test('times before 1970, in base-256 and in PAX', () => {
    writeFileSync(join(dir, 'f'), '');
    for (const format of ['gnu', 'pax']) {
      const tar = gnuTar([`--format=${format}`, '--mtime=@-86401.75', '-C', dir, '-cf', '-', 'f']);
      const nsec = format === 'pax' ? 250_000_000 : 0;
      expect(readTar(tar)[0]!.mtime).toEqual({ sec: -86_402, nsec });
    }
  });
});

function floorSeconds(ns: bigint): bigint {
  const seconds = ns / 1_000_000_000n;
  return ns < 0n && ns % 1_000_000_000n !== 0n ? seconds - 1n : seconds;
}

describeWith(['gnu tar'], 'what GNU tar reads', () => {
  test('GNU tar extracts it', () => {
    const drafts: Draft[] = [
      { path: 'folder', type: 'folder', mode: 0o2750 },
      { path: `folder/${'long/'.repeat(60)}name`, content: 'deep' },
      { path: 'folder/\xff\xe9', content: 'odd' },
      { path: `folder/\xff${'x'.repeat(120)}`, content: 'odd and long' },
      { path: 'folder/s', type: 'symlink', linkname: 't'.repeat(300) },
      { path: 'folder/h', type: 'link', linkname: 'folder/\xff\xe9' },
      { path: 'early', content: 'e', mtime: { sec: -5, nsec: 250_000_000 } },
    ];
    const tar = writeTar(drafts);
    gnuTar(['-xpf', '-', '-C', dir], tar);
    const names = readdirSync(Buffer.from(join(dir, 'folder')), { encoding: 'latin1' as BufferEncoding });
    expect([...names].sort()).toEqual(['h', 'long', 's', `\xff${'x'.repeat(120)}`, '\xff\xe9']);
    expect(readFileSync(join(dir, 'folder', 'long/'.repeat(60), 'name'), 'utf8')).toBe('deep');
    expect(readFileSync(join(dir, 'folder/h'), 'utf8')).toBe('odd');
    expect(lstatSync(join(dir, 'folder')).mode & 0o7777).toBe(0o2750);
    expect(lstatSync(join(dir, 'early'), { bigint: true }).mtimeNs).toBe(-4_750_000_000n);
  });
});

describeWith(['gnu tar', 'root', 'program:setfattr', 'program:getfattr'], 'devices and xattrs', () => {
  test('device numbers and binary xattrs', () => {
    execFileSync('mknod', [join(dir, 'null'), 'c', '1', '300']);
    writeFileSync(join(dir, 'f'), '');
    execFileSync('setfattr', ['-n', 'user.binary', '-v', '0x00ff80410a', join(dir, 'f')]);
    execFileSync('setfattr', ['-n', 'user.a=b%3Dc', '-v', 'x', join(dir, 'f')]);
    const tar = gnuTar(['--format=pax', '--xattrs', '-C', dir, '-cf', '-', 'null', 'f']);
    const [device, file] = readTar(tar);
    expect(device).toMatchObject({ type: 'char', devmajor: 1, devminor: 300 });
    expect(file!.xattrs.get('user.binary')).toEqual(Uint8Array.of(0, 0xff, 0x80, 0x41, 0x0a));
    expect(Buffer.from(file!.xattrs.get('user.a=b%3Dc')!).toString()).toBe('x');
  });

  test('GNU tar restores its xattrs', () => {
    const value = Uint8Array.of(0, 0xff, 0x0a, 0x3d);
    gnuTar(
      ['--xattrs', '-xpf', '-', '-C', dir],
      writeTar([{ path: 'f', xattrs: new Map([['user.a=b', value]]) }]),
    );
    const shown = execFileSync('getfattr', ['-n', 'user.a=b', '-e', 'hex', '--only-values', join(dir, 'f')]);
    expect(new Uint8Array(shown)).toEqual(value);
  });
});

describeWith(['gnu tar'], 'damaged archives of GNU tar', () => {
  test('no change of a byte makes the reader throw anything but a StoreError', () => {
    const fd = openSync(join(dir, 'sparse'), 'w');
    writeSync(fd, 'x', 100_000);
    closeSync(fd);
    const tars = [
      gnuTar(['-S', '--format=pax', '-C', dir, '-cf', '-', 'sparse']),
      gnuTar(['-S', '--format=gnu', '-C', dir, '-cf', '-', 'sparse']),
      writeTar([{ path: 'p'.repeat(300), content: 'x', xattrs: new Map([['user.x', Buffer.from('y')]]) }]),
    ];
    let calls = 0;
    const seen = () => {
      calls++;
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...tars),
        fc.nat(3000),
        fc.nat(255),
        fc.boolean(),
        (tar, at, byte, repair) => {
          const changed = Buffer.from(tar);
          const place = at % changed.length;
          changed[place] = byte;
          const header = place - (place % 512);
          if (repair) fixChecksum(changed, header);
          try {
            const reader = new LayerTarReader({ entry: seen, data: seen, end: seen });
            for (let from = 0; from < changed.length; from += 700) {
              reader.push(changed.subarray(from, from + 700));
            }
            reader.finish();
          } catch (error) {
            if (!(error instanceof StoreError)) throw error;
          }
        },
      ),
      { numRuns: RUNS },
    );
    expect(calls).toBeGreaterThan(2000);
  });
});
