import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockByPid, lockFolder } from '../../../src/content/folder-lock.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'micafs-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ['lockFolder', lockFolder],
  ['lockByPid', lockByPid],
])('%s', (_name, lock) => {
  test('gives a folder to one holder at a time', () => {
    const held = taken(lock(folder));
    expect(lock(folder)).toBe('busy');
    held.release();
    held.release();
    taken(lock(folder)).release();
  });

  test('finds that a folder is gone', () => {
    expect(lock(join(folder, 'none'))).toBe('gone');
  });
});

test.each(['999999999', ''])('a lock file of a dead owner (%j) is taken over', (pid) => {
  writeFileSync(join(folder, 'lock'), pid);
  taken(lockByPid(folder)).release();
});

test('a lock file of a living owner is respected', () => {
  writeFileSync(join(folder, 'lock'), String(process.ppid));
  expect(lockByPid(folder)).toBe('busy');
});

function taken(lock: ReturnType<typeof lockFolder>) {
  if (typeof lock === 'string') throw new Error(`the lock is ${lock}`);
  return lock;
}
