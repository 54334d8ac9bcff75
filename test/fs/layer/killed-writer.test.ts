// A writer that is killed at any moment: its upper is free at once, and holds each step wholly or not at all.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Attr } from '../../../fs/filesystem.js';
import { openUpperDir, type UpperDir } from '../../../fs/layer/dir-upper.js';
import { LayerEntry } from '../../../fs/layer/layer.js';
import { fromText } from '../../../fs/name.js';
import { linesOf, startModule } from '../../child.js';

// Replaces `f` and the folder `d` over and over, each time complete, and a whiteout in between.
const WRITER = `
  import { openUpperDir } from './fs/layer/dir-upper.js';
  const [upper, work] = process.argv.slice(2);
  const layer = openUpperDir(upper, work, { marks: 'user' });
  const owner = { uid: process.getuid(), gid: process.getgid() };
  layer.stage({ mode: 0o100644, ...owner }).discard();
  for (let round = 0; ; round++) {
    const file = layer.stage({ mode: 0o100640, ...owner });
    const open = file.openWrite();
    open.write(0, new Uint8Array(100).fill(65));
    open.close();
    file.setxattr('user.complete', new Uint8Array(1), 0);
    file.publish('', 'f', true);
    const folder = layer.stage({ mode: 0o40750, ...owner });
    folder.setOpaque(true);
    folder.publish('', 'd', true);
    layer.whiteout('', 'd');
    if (round === 5) console.log('writing');
  }
`;

let base: string;
let upper: UpperDir | undefined;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mica-killed-'));
  mkdirSync(join(base, 'upper'));
  mkdirSync(join(base, 'work'));
});

afterEach(() => {
  upper?.close();
  upper = undefined;
  execFileSync('rm', ['-rf', base]);
});

describe('an upper whose writer was killed', () => {
  it.each([0, 3, 11])(
    'opens at once, with whole objects and an empty work folder (%i ms on)',
    async (later) => {
      const child = startModule(WRITER, [join(base, 'upper'), join(base, 'work')]);
      for await (const line of linesOf(child)) {
        if (line === 'writing') break;
      }
      // Not a wait for anything: it moves the kill to another step of the round.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, later);
      child.process.kill('SIGKILL');
      await child.exit;
      upper = openUpperDir(fromText(join(base, 'upper')), fromText(join(base, 'work')), {
        marks: 'user',
        lockWaitMs: 0,
      });
      expect(readdirSync(join(base, 'work/work'))).toEqual([]);
      const entry = new LayerEntry(new Attr());
      expect(upper.lookup('', 'f', entry)).toBe(true);
      expect(entry.attr).toMatchObject({ size: 100, mode: 0o100640, nlink: 1 });
      const file = upper.hold('', 'f');
      expect(file.listxattr()).toEqual(['user.complete']);
      file.release();
      expect(upper.lookup('', 'd', entry)).toBe(true);
      expect(entry.whiteout || (entry.opaque && (entry.attr.mode & 0o777) === 0o750)).toBe(true);
    },
  );
});
