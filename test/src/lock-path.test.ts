import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockPath } from '../../src/lock-path.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mica-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function held(path: string): number {
  const lock = lockPath(path);
  if (typeof lock === 'string') throw new Error(`the lock is ${lock}`);
  return lock;
}

describe.runIf(process.platform === 'linux').each(['a folder', 'a file'])('%s', (kind) => {
  const path = (): string => {
    if (kind === 'a folder') return folder;
    const file = join(folder, 'file');
    writeFileSync(file, '');
    return file;
  };

  it('has one holder at a time', () => {
    const place = path();
    const lock = held(place);
    expect(lockPath(place)).toBe('busy');
    closeSync(lock);
    closeSync(held(place));
  });

  it('leaves nothing open where it cannot be held', () => {
    const place = path();
    const lock = held(place);
    const next = openSync('/dev/null', 'r');
    closeSync(next);
    expect(lockPath(place)).toBe('busy');
    const again = openSync('/dev/null', 'r');
    closeSync(again);
    closeSync(lock);
    expect(again).toBe(next);
  });
});

it('says that nothing is there', () => {
  rmdirSync(folder);
  expect(lockPath(folder)).toBe('gone');
});
