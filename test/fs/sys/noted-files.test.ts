import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fromText } from '../../../fs/name.js';
import type * as Sys from '../../../fs/sys/index.js';

describe.runIf(process.platform === 'linux')('the notes of a thread on what it has open', () => {
  let root: string;
  let sys: typeof Sys;
  const notes = new Uint8Array(new SharedArrayBuffer(1024));
  beforeAll(async () => {
    // Notes cannot be switched off again.
    vi.resetModules();
    sys = await import('../../../fs/sys/index.js');
    sys.noteOpenFiles(notes);
    root = mkdtempSync(join(tmpdir(), 'mica-noted-'));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const noted = () => [...notes.keys()].filter((fd) => notes[fd] === 1);

  it('name each descriptor from when it is opened to when it is closed', () => {
    const folder = sys.openAt(sys.AT_FDCWD, fromText(root), sys.O_PATH | sys.O_DIRECTORY);
    const file = sys.openAt(folder, 'file', sys.O_RDWR | sys.O_CREAT, 0o600);
    const fds = [
      folder,
      file,
      sys.duplicate(file),
      sys.reopen(file, sys.O_RDONLY),
      sys.openBeneath(folder, 'file', sys.O_RDONLY) ?? -1,
      sys.openAtIfAny(folder, 'file', sys.O_RDONLY) ?? -1,
    ];
    expect(noted()).toEqual(fds.toSorted((a, b) => a - b));
    for (const fd of fds.slice(1)) sys.closeFd(fd);
    expect(noted()).toEqual([folder]);
    sys.closeFd(folder);
    expect(noted()).toEqual([]);
  });

  it('tell another thread what to close', () => {
    const fd = sys.openAt(sys.AT_FDCWD, fromText(root), sys.O_RDONLY | sys.O_DIRECTORY);
    expect(sys.tryLock(fd)).toBe(true);
    const other = openSync(root, 'r');
    expect(sys.tryLock(other)).toBe(false);
    sys.closeNoted(notes, sys.closeDevice);
    expect(sys.tryLock(other)).toBe(true);
    expect(noted()).toEqual([]);
    closeSync(other);
  });
});
