// A tar taken apart into its framing and put together again: the same bytes, whoever wrote it.

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ByteString } from '../../../fs/index.js';
import { Crc64 } from '../../../src/diff/crc64.js';
import {
  type ContentOf,
  type FramingRecord,
  framingLine,
  readFraming,
  replayFraming,
  TarFraming,
} from '../../../src/diff/tar-split.js';
import { describeWith } from '../../requires.js';
import { runs } from '../../runs.js';
import { gnuTar, readTar, writeTar } from './tar-tools.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'micafs-split-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** The journal of a tar that comes in pieces of `step` bytes. */
function journalOf(tar: Uint8Array, step = tar.length, keeps?: (entry: number) => boolean): string {
  let journal = '';
  let position = 0;
  const put = (record: FramingRecord) => {
    journal += framingLine(record, position++);
  };
  const framing = new TarFraming(put, keeps === undefined ? {} : { keeps });
  for (let at = 0; at < tar.length; at += step) framing.push(tar.subarray(at, at + step));
  framing.finish();
  return journal;
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  // In pieces that end anywhere.
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

async function replayed(journal: string, contentOf: ContentOf): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of replayFraming(readFraming(one(Buffer.from(journal))), contentOf)) parts.push(part);
  return Buffer.concat(parts);
}

/** Files as the last entry of their name has them. */
function filesOf(tar: Uint8Array): ContentOf {
  const files = new Map<ByteString, Uint8Array>();
  for (const { path, content } of readTar(tar)) files.set(path, content);
  return (name) => {
    const content = files.get(name);
    return content === undefined ? undefined : [content.subarray(0, 10), content.subarray(10)];
  };
}

async function expectBack(tar: Buffer, steps = [tar.length, 512, 1000, 77]): Promise<void> {
  for (const step of steps) {
    const back = await replayed(journalOf(tar, step), filesOf(tar));
    expect(back.equals(tar)).toBe(true);
  }
}

test.each([
  ['', '0000000000000000'],
  ['a', '3420000000000000'],
  ['ab', '36c4200000000000'],
  ['abc', '3776c42000000000'],
])('the check sum of %j is that of crc64.ISO in Go', (text, sum) => {
  const crc = new Crc64();
  for (const letter of text) crc.update(Buffer.from(letter));
  expect(Buffer.from(crc.digest()).toString('hex')).toBe(sum);
});

test('any archive of ours comes back, in pieces of any size', async () => {
  const file = fc.record({
    path: fc.string({ minLength: 1, maxLength: 120 }).map((s) => `f${s.replace(/[\0/]/g, '_')}`),
    content: fc.uint8Array({ maxLength: 3000 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(file, { maxLength: 8, selector: ({ path }) => path }),
      fc.integer({ min: 1, max: 2000 }),
      fc.uint8Array({ maxLength: 1500 }),
      async (files, step, rest) => {
        const tar = Buffer.concat([writeTar(files), rest]);
        await expectBack(tar, [step]);
      },
    ),
    { numRuns: runs(150) },
  );
});

test('what follows the end of an archive, and an archive without an end, come back', async () => {
  const tar = writeTar([
    { path: 'a', content: 'x'.repeat(700) },
    { path: 'd', type: 'folder' },
  ]);
  await expectBack(Buffer.concat([tar, Buffer.alloc(10_240 - (tar.length % 10_240))]));
  await expectBack(Buffer.concat([tar, Buffer.from('garbage'.repeat(100_000))]));
  await expectBack(tar.subarray(0, tar.length - 1024));
  await expectBack(tar.subarray(0, tar.length - 512));
});

test('padding that is not zeros and headers that nobody writes so come back', async () => {
  const tar = writeTar([
    { path: 'a', content: 'x' },
    { path: 'b', content: 'y'.repeat(513) },
  ]);
  tar.fill(0xaa, 513, 1024);
  await expectBack(tar);
});

test('the content of entries that are kept is framing', async () => {
  const tar = writeTar([
    { path: 'a', content: 'first' },
    { path: 'b', content: 'b' },
    { path: 'a', content: 'second' },
  ]);
  await expect(replayed(journalOf(tar), filesOf(tar))).rejects.toThrow(/cannot give back a of a layer tar/);
  const journal = journalOf(tar, 100, (entry) => entry === 0);
  expect((await replayed(journal, filesOf(tar))).equals(tar)).toBe(true);
});

test.each<[why: string, files: ContentOf]>([
  ['it is not there', () => undefined],
  ['its content is another', () => [Buffer.from('othe0')]],
  ['it has not the 5 bytes that it had', () => [Buffer.from('oth')]],
  ['it has not the 5 bytes that it had', () => [Buffer.from('other and more')]],
])('a file that is not what it was is named: %s', async (why, files) => {
  const tar = writeTar([{ path: 'file', content: 'other' }]);
  await expect(replayed(journalOf(tar), files)).rejects.toMatchObject({
    kind: 'corrupt',
    message: `cannot give back file of a layer tar: ${why}`,
  });
});

test.each([
  'no JSON',
  '[]',
  '{"type":3,"position":0}',
  '{"type":2,"position":0}',
  '{"type":2,"payload":"","position":1}',
  '{"type":1,"name":"a","size":5,"payload":null,"position":0}',
  '{"type":1,"name":"a","size":-1,"payload":null,"position":0}',
])('%s is no journal', async (line) => {
  await expect(replayed(line, () => undefined)).rejects.toMatchObject({ kind: 'corrupt' });
});

function makeTree(): void {
  mkdirSync(join(dir, 'tree/sub'), { recursive: true });
  writeFileSync(join(dir, 'tree/plain'), 'some text', { mode: 0o751 });
  writeFileSync(join(dir, 'tree/empty'), '');
  writeFileSync(join(dir, 'tree/sub/big'), Buffer.alloc(70_001, 'ab'));
  linkSync(join(dir, 'tree/plain'), join(dir, 'tree/sub/second-name'));
  symlinkSync('../plain', join(dir, 'tree/sub/sym'));
  symlinkSync('x'.repeat(1000), join(dir, 'tree/long-target'));
  const long = `tree/${'d'.repeat(90)}/${'e'.repeat(120)}`;
  mkdirSync(join(dir, long), { recursive: true });
  writeFileSync(join(dir, long, 'f'.repeat(200)), 'deep');
  writeFileSync(Buffer.concat([Buffer.from(join(dir, 'tree/')), Buffer.from([0xff, 0x41, 0xe9])]), 'odd');
  const fd = openSync(join(dir, 'tree/sparse'), 'w');
  for (const at of [0, 300_000, 900_000, 5_000_000]) writeSync(fd, 'data', at);
  ftruncateSync(fd, 6_000_000);
  closeSync(fd);
}

const OPTIONS: readonly (readonly [kind: string, ...options: string[]])[] = [
  ['oldgnu', '--format=oldgnu', '--sparse'],
  ['gnu', '--format=gnu', '--sparse'],
  ['gnu in blocks of 64 KiB', '--format=gnu', '-b128'],
  ['pax', '--format=pax'],
  ['pax, sparse 0.0', '--format=pax', '--sparse', '--sparse-version=0.0'],
  ['pax, sparse 0.1', '--format=pax', '--sparse', '--sparse-version=0.1'],
  ['pax, sparse 1.0', '--format=pax', '--sparse', '--sparse-version=1.0'],
  ['pax with its own headers', '--format=pax', '--pax-option=exthdr.name=%d/x/%f,comment=odd,mtime:=0.123'],
];

describeWith(['gnu tar'], 'an archive of GNU tar', () => {
  test.each(OPTIONS)('of the kind %s comes back', async (_, ...options) => {
    makeTree();
    await expectBack(gnuTar([...options, '-C', dir, '-cf', '-', 'tree']));
  });
});

describeWith(['gnu tar', 'program:tar-split'], 'tar-split', () => {
  const split = (...words: string[]) =>
    execFileSync('tar-split', words, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });

  test('puts together what we took apart, and takes apart what we put together', async () => {
    makeTree();
    rmSync(join(dir, 'tree/sparse'));
    const tar = gnuTar(['--format=pax', '-C', dir, '-cf', '-', 'tree']);
    const journal = journalOf(tar, 5000);
    writeFileSync(join(dir, 'ours.json.gz'), gzipSync(journal));
    split('asm', '--input', 'ours.json.gz', '--path', '.', '--output', 'back.tar');
    expect(readFileSync(join(dir, 'back.tar')).equals(tar)).toBe(true);

    writeFileSync(join(dir, 'in.tar'), tar);
    split('disasm', '--output', 'theirs.json.gz', 'in.tar');
    const theirs = gunzipSync(readFileSync(join(dir, 'theirs.json.gz'))).toString();
    expect((await replayed(theirs, filesOf(tar))).equals(tar)).toBe(true);
    const files = (text: string) =>
      text
        .split('\n')
        .filter((line) => line.startsWith('{"type":1'))
        .map((line) => line.replace(/"position":\d+/, ''));
    expect(files(journal)).toEqual(files(theirs));
  });
});
