import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type ArchiveMember, packTar } from '../../../src/archive/pack.js';
import { describeWith } from '../../requires.js';
import { gnuTar, readTar } from '../diff/tar-tools.js';

const file = (path: string, content: string | Uint8Array, size = content.length): ArchiveMember => ({
  kind: 'file',
  path,
  size,
  async *stream() {
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000);
  },
});

async function packed(members: readonly ArchiveMember[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of packTar(members)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const MEMBERS = [
  file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
  { kind: 'folder', path: 'blobs/sha256' } as const,
  file('blobs/sha256/big', Buffer.alloc(1_000_001, 'b')),
  file('blobs/sha256/empty', ''),
];

test('members come in order, with no owner and no time', async () => {
  const tar = await packed(MEMBERS);
  const entries = readTar(tar);
  expect(
    entries.map(({ path, type, size, mode, uid, gid, mtime }) => [
      path,
      type,
      size,
      mode,
      uid,
      gid,
      mtime.sec,
    ]),
  ).toEqual([
    ['oci-layout', 'file', 30, 0o644, 0, 0, 0],
    ['blobs/sha256', 'folder', 0, 0o755, 0, 0, 0],
    ['blobs/sha256/big', 'file', 1_000_001, 0o644, 0, 0, 0],
    ['blobs/sha256/empty', 'file', 0, 0o644, 0, 0, 0],
  ]);
  expect(entries[2]!.content.equals(Buffer.alloc(1_000_001, 'b'))).toBe(true);
});

test('the same members are the same bytes', async () => {
  expect((await packed(MEMBERS)).equals(await packed(MEMBERS))).toBe(true);
});

test('a member with more or fewer bytes than it promises is refused', async () => {
  for (const size of [3, 5, 0]) {
    await expect(packed([file('blob', 'four', size), file('next', 'x')])).rejects.toMatchObject({
      kind: 'corrupt',
    });
  }
});

test('a failure of a member is the failure of the archive', async () => {
  const failing: ArchiveMember = {
    kind: 'file',
    path: 'x',
    size: 10,
    async *stream() {
      yield Buffer.from('five.');
      throw new Error('the disk is gone');
    },
  };
  await expect(packed([failing])).rejects.toThrow('the disk is gone');
});

test('a reader that stops early stops the members', async () => {
  let ended = 0;
  const endless: ArchiveMember = {
    kind: 'file',
    path: 'x',
    size: 2 ** 40,
    async *stream() {
      try {
        for (;;) yield Buffer.alloc(65_536);
      } finally {
        ended++;
      }
    },
  };
  for await (const chunk of packTar([endless])) if (chunk.length > 512) break;
  for (let turns = 0; ended === 0 && turns < 1000; turns++) await setImmediate();
  expect(ended).toBe(1);
});

describeWith(['gnu tar'], 'GNU tar', () => {
  test('lists the members', async () => {
    expect(gnuTar(['-tf', '-'], await packed(MEMBERS)).toString()).toBe(
      'oci-layout\nblobs/sha256/\nblobs/sha256/big\nblobs/sha256/empty\n',
    );
  });
});
