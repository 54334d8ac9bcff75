// A power cut right after a file came into the upper: what was durable below is there above, whole, because its
// data was made durable before the copy got its name, or lost its mark.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { O_RDWR } from '../../fs/filesystem.js';
import { openLowerDir } from '../../fs/layer/dir-layer.js';
import { openUpperDir } from '../../fs/layer/dir-upper.js';
import { fromText } from '../../fs/name.js';
import { Union } from '../../fs/union/union.js';
import { cutPower, leaveExt4, makeExt4, mountImage } from '../ext4.js';
import { describeWith } from '../requires.js';
import { Paths } from '../suites/paths.js';

interface Change {
  readonly name: string;
  /** Is on disk before the power is cut. */
  readonly before?: (at: Paths) => void;
  readonly act: (at: Paths) => void;
  /** How much of the file is there afterwards, at least. */
  readonly left: number;
}

const SIZE = 40_000;
const CONTENT = 'content '.repeat(1000);

const CHANGES: readonly Change[] = [
  {
    name: 'copied up to be written',
    act: (at) => at.fs.release(at.open('f', O_RDWR)),
    left: SIZE,
  },
  {
    name: 'copied up and appended to',
    act: (at) => at.writeAt('f', SIZE, 'more'),
    left: SIZE,
  },
  { name: 'copied up and cut', act: (at) => at.setattr('f', { size: 5000 }), left: 5000 },
  {
    name: 'opened for writing, with its attributes in the upper',
    before: (at) => at.chmod('f', 0o600),
    act: (at) => at.fs.release(at.open('f', O_RDWR)),
    left: SIZE,
  },
];

describeWith(['root', 'loop', 'program:mkfs.ext4'], 'a power cut', () => {
  let base: string;
  const at = (...names: string[]) => join(base, ...names);
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'mica-power-'));
    for (const name of ['low', 'disk', 'later']) mkdirSync(at(name));
    writeFileSync(at('low/f'), CONTENT);
    truncateSync(at('low/f'), SIZE);
    makeExt4(at('image'), 64 << 20);
    mountImage(at('image'), at('disk'));
    for (const name of ['fs', 'work']) mkdirSync(at('disk', name));
  });
  afterEach(() => {
    for (const name of ['disk', 'later']) leaveExt4(at(name));
    rmSync(base, { recursive: true });
  });

  function open(disk: string): { readonly union: Union; readonly paths: Paths } {
    const lowers = [openLowerDir(fromText(at('low')))];
    const upper = openUpperDir(fromText(at(disk, 'fs')), fromText(at(disk, 'work')), { lockWaitMs: 0 });
    const union = new Union({ lowers, upper });
    return { union, paths: new Paths(union) };
  }

  it.each(CHANGES)('leaves a file whole that was $name', ({ before, act, left }) => {
    const { union, paths } = open('disk');
    before?.(paths);
    execFileSync('sync', ['-f', at('disk')]);
    act(paths);
    cutPower(at('disk'));
    union.destroy();
    // As it is, because whoever has copied this mount namespace meanwhile keeps the mount that is cut off.
    copyFileSync(at('image'), at('image later'));
    mountImage(at('image later'), at('later'));

    const again = open('later');
    const text = again.paths.read('f');
    expect(text.length).toBeGreaterThanOrEqual(left);
    expect(text.slice(0, left)).toBe(CONTENT.padEnd(SIZE, '\0').slice(0, left));
    again.union.destroy();
  });
});
