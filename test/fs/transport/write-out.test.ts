import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { declareSyscall } from '../../../fs/sys/libc.js';
import { writeOut } from '../../../fs/transport/write-out.js';
import { describeWith } from '../../requires.js';

const MIB = 1 << 20;

/** Bytes of an open file that are not on their way to the disk yet (cachestat(2)). */
function dirtyBytes(fd: number): number {
  const cachestat = declareSyscall({ x64: 451, arm64: 451 }, ['long', 'void *', 'void *', 'long']);
  // From the beginning to the end; nr_cache, nr_dirty, ... in pages.
  const counts = new BigUint64Array(5);
  const failed = cachestat(fd, new Uint8Array(16), new Uint8Array(counts.buffer), 0);
  expect(failed).toBe(0);
  return Number(counts[1]) * 4096;
}

describeWith(['ext4', 'cachestat'], 'writeOut', () => {
  let folder: string;
  let fd: number;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mica-'));
    fd = fs.openSync(path.join(folder, 'f'), 'w+');
  });
  afterEach(() => {
    fs.closeSync(fd);
    fs.rmSync(folder, { recursive: true });
  });

  const write = (offset: number, size: number) => fs.writeSync(fd, Buffer.alloc(size, 'x'), 0, size, offset);

  it('sends every piece of a file, also the last one that is not whole', async () => {
    write(0, 33 * MIB + 5);
    expect(dirtyBytes(fd)).toBeGreaterThan(4 * MIB);
    await writeOut(fd);
    expect(dirtyBytes(fd)).toBe(0);
  });

  it('finds what is far behind others, and at the end', async () => {
    const places = [0, 100 * MIB, 9_000 * MIB, 200_000 * MIB];
    for (const at of places) write(at, 5 * MIB);
    expect(dirtyBytes(fd)).toBeGreaterThan(4 * MIB);
    await writeOut(fd);
    expect(dirtyBytes(fd)).toBe(0);
  });

  it('does nothing to an empty file', async () => {
    await expect(writeOut(fd)).resolves.toBeUndefined();
  });
});
