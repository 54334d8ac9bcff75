import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openUpperDir, type UpperDir } from '../../../fs/layer/dir-upper.js';
import { S_IFREG } from '../../../fs/mode.js';
import { fromText } from '../../../fs/name.js';
import { ensureExt4, leaveExt4 } from '../../ext4.js';
import { describeWith } from '../../requires.js';

const MIB = 1 << 20;
const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

describeWith(['ext4', 'program:filefrag'], 'an upper that is being filled', () => {
  let folder: string;
  let upper: UpperDir;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mica-filled-'));
    ensureExt4(folder);
    for (const name of ['fs', 'work']) mkdirSync(join(folder, name));
    const paths = ['fs', 'work'].map((name) => fromText(join(folder, name))) as [string, string];
    upper = openUpperDir(...paths, { volatile: true, filling: true });
  });
  afterEach(() => {
    upper.close();
    leaveExt4(folder);
    rmSync(folder, { recursive: true });
  });

  /** MiB of a file that have no place on the disk yet: ext4 gives them one when it begins to write them. */
  function unsent(name: string): number {
    const out = execFileSync('filefrag', ['-v', join(folder, 'fs', name)], { encoding: 'utf8' });
    const ranges = [...out.matchAll(/^ *\d+: +(\d+)\.\. +(\d+):.*delalloc/gm)];
    return ranges.reduce((sum, [, from, to]) => sum + Number(to) + 1 - Number(from), 0) / 256;
  }

  it('sends large files to the disk as they come, and the rest of one when it is closed', () => {
    const file = upper.makeFile('', 'large', { mode: S_IFREG | 0o644, ...owner });
    const bytes = new Uint8Array(MIB);
    for (let at = 0; at < 6; at++) file.write(at * MIB, bytes.fill(at + 1));
    expect(unsent('large')).toBe(2);
    file.close();
    expect(unsent('large')).toBe(0);
    const content = readFileSync(join(folder, 'fs/large'));
    expect([content.length, content[0], content[4 * MIB], content.at(-1)]).toEqual([6 * MIB, 1, 5, 6]);
  });
});
