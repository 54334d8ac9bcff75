// A mapped file is in the page cache, and in this process's memory as far as it was read since it was let go.

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Mapping, mapFile } from '../../../fs/sys/index.js';

const PAGE = 4096;
const SIZE = 64 * PAGE;

describe.runIf(process.platform === 'linux')('a mapped file', () => {
  let folder: string;
  let path: string;
  let mapping: Mapping;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mica-map-'));
    path = join(folder, 'file');
    writeFileSync(path, Buffer.alloc(SIZE, 7));
    const fd = openSync(path, 'r');
    mapping = mapFile(fd, SIZE);
    closeSync(fd);
  });
  afterEach(() => {
    mapping.release();
    rmSync(folder, { recursive: true });
  });

  /** KiB of the mapping that count as this process's. */
  function resident(): number {
    const [, after = ''] = readFileSync('/proc/self/smaps', 'utf8').split(path);
    return Number(/^Rss: +(\d+)/m.exec(after)?.[1]);
  }
  const sum = (): number => mapping.bytes.reduce((total, byte) => total + byte, 0);

  it('is let go, and is read again', () => {
    expect(sum()).toBe(7 * SIZE);
    expect(resident()).toBe(SIZE / 1024);
    mapping.letGo();
    expect(resident()).toBe(0);
    expect(sum()).toBe(7 * SIZE);
  });

  it('is no longer to be let go once it is released', () => {
    mapping.release();
    expect(() => mapping.letGo()).not.toThrow();
  });
});
