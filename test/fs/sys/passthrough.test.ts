import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { passthroughDevice } from '../../../fs/sys/index.js';

describe('a file that is open for reading', () => {
  const { isWritten, takesDirect } = passthroughDevice(-1);
  let folder: string;
  let reading: number;
  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'mica-passthrough-'));
    fs.writeFileSync(join(folder, 'file'), 'text');
    reading = fs.openSync(join(folder, 'file'), 'r');
  });
  afterEach(() => {
    fs.closeSync(reading);
    fs.rmSync(folder, { recursive: true });
  });

  it('is written while somebody has it open for writing, and no longer', () => {
    const other = fs.openSync(join(folder, 'file'), 'r');
    expect(isWritten(reading)).toBe(false);
    const writing = fs.openSync(join(folder, 'file'), 'a');
    expect(isWritten(reading)).toBe(true);
    fs.closeSync(writing);
    expect(isWritten(reading)).toBe(false);
    fs.closeSync(other);
  });

  it('was asked for without a trace: who opens it for writing afterwards does not wait, and nobody is signalled', () => {
    expect(isWritten(reading)).toBe(false);
    fs.writeFileSync(join(folder, 'file'), 'more');
    expect(fs.readFileSync(reading, 'utf8')).toBe('more');
  });

  it('takes O_DIRECT or not, as an open of it says', () => {
    let opens = true;
    try {
      fs.closeSync(fs.openSync(join(folder, 'file'), fs.constants.O_RDONLY | (fs.constants.O_DIRECT ?? 0)));
    } catch {
      opens = false;
    }
    expect(takesDirect(reading)).toBe(opens);
  });
});
