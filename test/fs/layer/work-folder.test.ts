// The work folder of an upper: one writer, nothing left over, and features that are not understood are refused.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EBUSY, EINVAL, EXDEV } from '../../../fs/errno.js';
import { openUpperDir, type UpperDir } from '../../../fs/layer/dir-upper.js';
import { S_IFDIR } from '../../../fs/mode.js';
import { fromText } from '../../../fs/name.js';
import * as sys from '../../../fs/sys/index.js';

let base: string;
const opened: UpperDir[] = [];

function open(options: { mountPoint?: string } = {}): UpperDir {
  const upper = openUpperDir(fromText(join(base, 'upper')), fromText(join(base, 'work')), {
    ...options,
    marks: 'user',
    lockWaitMs: 0,
  });
  opened.push(upper);
  return upper;
}

function close(): void {
  for (const upper of opened.splice(0)) upper.close();
}

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mica-work-'));
  mkdirSync(join(base, 'upper'));
  mkdirSync(join(base, 'work'));
});

afterEach(() => {
  close();
  execFileSync('rm', ['-rf', base]);
});

const twoFilesystems = existsSync('/dev/shm') && statSync('/dev/shm').dev !== statSync(tmpdir()).dev;
const errno = (value: number): object => expect.objectContaining({ errno: value });

describe('the work folder', () => {
  it('has one holder, whom a second opener is told', () => {
    open({ mountPoint: '/mnt/"odd" place' });
    expect(() => open()).toThrow(errno(EBUSY));
    expect(() => open()).toThrow(`process ${process.pid}, mounted at /mnt/"odd" place`);
    close();
    open();
  });

  it('is emptied at open, however deep what lies in it', () => {
    const work = sys.openAt(sys.AT_FDCWD, fromText(join(base, 'work')), sys.O_RDONLY | sys.O_DIRECTORY);
    sys.makeFolderAt(work, 'work', 0o755);
    let fd = sys.openAt(work, 'work', sys.O_RDONLY | sys.O_DIRECTORY);
    for (let i = 0; i < 300; i++) {
      sys.makeNodeAt(fd, 'file', 0o100600, 0);
      sys.makeFolderAt(fd, 'd'.repeat(100), 0o700);
      const next = sys.openAt(fd, 'd'.repeat(100), sys.O_RDONLY | sys.O_DIRECTORY);
      sys.closeFd(fd);
      fd = next;
    }
    sys.closeFd(fd);
    sys.closeFd(work);
    writeFileSync(join(base, 'work/work/#1a'), 'left over');
    open();
    expect(readdirSync(join(base, 'work/work'))).toEqual([]);
  });

  it('loses what was being made in the index, folders too', () => {
    mkdirSync(join(base, 'work/index/#5/#6'), { recursive: true });
    writeFileSync(join(base, 'work/index/#5/#6/f'), '');
    writeFileSync(join(base, 'work/index/#7'), '');
    open();
    expect(readdirSync(join(base, 'work/index'))).toEqual([]);
  });

  it('leaves what others put beside it', () => {
    writeFileSync(join(base, 'work/theirs'), '');
    open();
    close();
    expect(readdirSync(join(base, 'work')).sort()).toEqual(['theirs', 'work']);
  });

  it('keeps its guard through being emptied', () => {
    open().setGuard(true);
    close();
    const upper = open();
    expect(upper.guarded).toBe(true);
    expect(readdirSync(join(base, 'work/work/incompat'))).toEqual(['mica']);
    upper.setGuard(false);
    expect(readdirSync(join(base, 'work/work'))).toEqual([]);
  });

  it('refuses a feature that it does not know, by name', () => {
    mkdirSync(join(base, 'work/work/incompat/volatile/dirty'), { recursive: true });
    expect(() => open()).toThrow(errno(EINVAL));
    expect(() => open()).toThrow(/volatile/);
    // The failed openings have let go of the lock.
    execFileSync('rm', ['-r', join(base, 'work/work/incompat')]);
    open();
  });

  it.runIf(twoFilesystems)('must lie on the filesystem of the upper', () => {
    mkdirSync('/dev/shm/mica-work-test', { recursive: true });
    try {
      expect(() => openUpperDir(fromText(join(base, 'upper')), '/dev/shm/mica-work-test', {})).toThrow(
        errno(EXDEV),
      );
    } finally {
      execFileSync('rm', ['-r', '/dev/shm/mica-work-test']);
    }
  });

  it('holds nothing when an object is discarded or published', () => {
    const upper = open();
    const folder = { mode: S_IFDIR | 0o755, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    upper.stage(folder).discard();
    upper.stage(folder).publish('', 'd', false);
    upper.whiteout('d', 'w');
    upper.stage(folder).publish('', 'd', true);
    upper.make('', 'e', folder);
    upper.whiteout('e', 'w');
    upper.rename('', 'd', '', 'e', false);
    upper.whiteout('', 'x');
    upper.unlink('', 'x');
    close();
    expect(readdirSync(join(base, 'work/work'))).toEqual([]);
    expect(readdirSync(join(base, 'upper'))).toEqual(['e']);
  });
});

describe('an upper that reads .wh. files as marks', () => {
  it('replaces and removes them, and cannot make their names', () => {
    writeFileSync(join(base, 'upper/.wh.a'), '');
    writeFileSync(join(base, 'upper/.wh.b'), '');
    const upper = openUpperDir(fromText(join(base, 'upper')), fromText(join(base, 'work')), {
      marks: 'user',
      dialect: 'wh',
    });
    opened.push(upper);
    const folder = { mode: S_IFDIR | 0o755, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    expect(() => upper.make('', '.wh.new', folder)).toThrow(errno(EINVAL));
    expect(() => upper.make('', 'a', folder)).toThrow(errno(17));
    upper.stage(folder).publish('', 'a', true);
    upper.unlink('', 'b');
    upper.whiteout('', 'c');
    expect(readdirSync(join(base, 'upper')).sort()).toEqual(['a', 'c']);
    upper.rmdir('', 'a');
    upper.unlink('', 'c');
    expect(readdirSync(join(base, 'upper'))).toEqual([]);
  });
});
