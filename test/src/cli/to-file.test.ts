// What -o FILE does to what is there.

import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeToFile } from '../../../src/cli/to-file.js';

const signal = new AbortController().signal;
const how = { what: 'cannot write it', signal };

async function* bytes(...parts: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

describe('a file that a command writes', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mica-to-file-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('replaces another only when it is whole', async () => {
    writeFileSync(at('a'), 'old');
    await expect(writeToFile(at('a'), bytes('ne', new Error('torn')), how)).rejects.toThrow('torn');
    expect(readFileSync(at('a'), 'utf8')).toBe('old');
    await writeToFile(at('a'), bytes('ne', 'w'), how);
    expect(readFileSync(at('a'), 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('leaves nothing of one that had to be new, and nothing done to one that was there', async () => {
    const exclusive = { ...how, exclusive: true };
    await expect(writeToFile(at('b'), bytes('b', new Error('torn')), exclusive)).rejects.toThrow('torn');
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(at('b'), 'old');
    await expect(writeToFile(at('b'), bytes('new'), exclusive)).rejects.toMatchObject({
      kind: 'already-exists',
    });
    expect(readFileSync(at('b'), 'utf8')).toBe('old');
  });

  it('is written into where it is a pipe or a device, which stays one', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const read = readFile(at('pipe'), 'utf8');
    await writeToFile(at('pipe'), bytes('through'), how);
    expect(await read).toBe('through');
    expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
  });
});
