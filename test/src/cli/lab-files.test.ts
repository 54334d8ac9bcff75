// Files by the paths that are typed in the lab, where they are none: what would keep whoever opens it is refused.

import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MountFiles } from '../../../src/cli/lab/mount-files.js';

let top: string;
let files: MountFiles;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'mica-lab-files-'));
  execFileSync('mkfifo', [join(top, 'pipe')]);
  writeFileSync(join(top, 'f'), 'text');
  files = new MountFiles(top);
});
afterEach(() => {
  // With both ends open whoever still waits at one goes on.
  closeSync(openSync(join(top, 'pipe'), constants.O_RDWR | constants.O_NONBLOCK));
  rmSync(top, { recursive: true });
});

it('a pipe is neither waited for nor read', async () => {
  await expect(files.read('pipe')).rejects.toThrow('pipe: it is no regular file');
});

it.each(['replace', 'append', 3] as const)('nothing is written to a pipe: %s', async (how) => {
  await expect(files.write('pipe', 'x', how)).rejects.toThrow('pipe: no such device or address');
  const end = openSync(join(top, 'pipe'), constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    await expect(files.write('pipe', 'x', how)).rejects.toThrow('pipe: it is no regular file');
  } finally {
    closeSync(end);
  }
});

it('a file is copied to the byte with its permissions, and neither from nor to a link or a pipe', async () => {
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, n) => n % 251));
  writeFileSync(join(top, 'bytes'), bytes, { mode: 0o640 });
  await files.copy('bytes', 'copy');
  expect(readFileSync(join(top, 'copy')).equals(bytes)).toBe(true);
  expect(await files.stat('copy')).toMatchObject({ mode: 0o640, size: 3_000_000 });
  await files.symlink('f', 'link');
  for (const other of ['link', 'pipe']) {
    await expect(files.copy(other, 'copy')).rejects.toThrow(`${other}: `);
    await expect(files.copy('f', other)).rejects.toThrow(`${other}: `);
  }
  await files.copy('f', 'copy');
  expect(await files.read('copy')).toBe('text');
});

it('files are read and written as before, and a folder is none', async () => {
  await files.write('f', 's', 'append');
  await files.write('f', 'T', 0);
  expect(await files.read('f')).toBe('Texts');
  await expect(files.read('')).rejects.toThrow('is a directory');
});
