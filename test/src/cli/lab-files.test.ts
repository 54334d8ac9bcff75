// Files by the paths that are typed in the lab, where they are none: what would keep whoever opens it is refused.

import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
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

it('files are read and written as before, and a folder is none', async () => {
  await files.write('f', 's', 'append');
  await files.write('f', 'T', 0);
  expect(await files.read('f')).toBe('Texts');
  await expect(files.read('')).rejects.toThrow('is a directory');
});
