// What switching a feature off does. It is found out once, so each case loads the modules anew.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

/** fs/sys as a process sees it that was started with MICA_WITHOUT=`without`. */
async function freshSys(without: string): Promise<typeof import('../../../fs/sys/index.js')> {
  vi.resetModules();
  vi.stubEnv('MICA_WITHOUT', without);
  return import('../../../fs/sys/index.js');
}

describe.runIf(process.platform === 'linux')('a feature that is switched off', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'mica-features-'));
    writeFileSync(join(root, 'a'), 'some content');
    writeFileSync(join(root, 'b'), '');
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(root, { recursive: true, force: true });
  });

  it('is gone by its own name and by all, and others stay', async () => {
    expect((await freshSys('tmpfile')).hasFeature('tmpfile')).toBe(false);
    expect((await freshSys('tmpfile')).hasFeature('reflink')).toBe(true);
    expect((await freshSys('all')).hasFeature('reflink')).toBe(false);
    expect((await freshSys('')).hasFeature('tmpfile')).toBe(true);
  });

  it('is not used: copies, clones and handles answer as a kernel without them', async () => {
    for (const [without, copied] of [
      ['', 12],
      ['all', -95],
    ] as const) {
      const sys = await freshSys(without);
      const from = sys.openAt(sys.AT_FDCWD, join(root, 'a'), sys.O_RDONLY);
      const to = sys.openAt(sys.AT_FDCWD, join(root, 'b'), sys.O_RDWR);
      expect(sys.copyRange(from, 0, to, 0, 12)).toBe(copied);
      if (without === 'all') {
        expect(sys.cloneFile(from, to)).toBe(false);
        expect(sys.fileHandle(from)).toBeUndefined();
        expect([...sys.filesystemUuid(from)]).toEqual(new Array(16).fill(0));
      }
      sys.closeFd(from);
      sys.closeFd(to);
    }
  });

  it('is done without: a folder moves over a whiteout and leaves one, in two steps', async () => {
    for (const without of ['', 'rename-whiteout']) {
      vi.resetModules();
      vi.stubEnv('MICA_WITHOUT', without);
      const { Attr, LayerEntry, openUpperDir, S_IFDIR } = await import('../../../fs/index.js');
      const at = mkdtempSync(join(root, 'upper-'));
      for (const name of ['fs', 'work']) mkdirSync(join(at, name));
      const upper = openUpperDir(join(at, 'fs'), join(at, 'work'));
      const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
      upper.make('', 'folder', { mode: S_IFDIR | 0o755, ...owner });
      upper.whiteout('', 'gone');
      upper.rename('', 'folder', '', 'gone', true);
      const entry = new LayerEntry(new Attr());
      expect([upper.lookup('', 'folder', entry), entry.whiteout]).toEqual([true, true]);
      expect([upper.lookup('', 'gone', entry), entry.whiteout]).toEqual([true, false]);
      upper.close();
      expect(readdirSync(join(at, 'work/work'))).toEqual([]);
    }
  });

  it('changes no answer: xattrs of names are the same through /proc', async () => {
    const answers: unknown[] = [];
    for (const without of ['', 'xattr-at']) {
      const sys = await freshSys(without);
      const dir = sys.openAt(sys.AT_FDCWD, root, sys.O_RDONLY);
      const file = sys.openAt(dir, 'a', sys.O_RDWR);
      sys.setXattr(file, 'user.mica', Uint8Array.of(1, 2), 0);
      answers.push([
        sys.listXattrsAt(dir, 'a'),
        sys.getXattrAt(dir, 'a', 'user.mica'),
        sys.listXattrsAt(dir, 'b'),
      ]);
      sys.closeFd(file);
      sys.closeFd(dir);
    }
    expect(answers[1]).toEqual(answers[0]);
  });
});

describe('INIT without the optional features', () => {
  it('asks for no flag of theirs, and opcodes of theirs are unknown', async () => {
    const answers: Record<string, { flags: number; statx: number }> = {};
    for (const without of ['', 'all']) {
      vi.resetModules();
      vi.stubEnv('MICA_WITHOUT', without);
      const { INIT, request, Wire } = await import('../../wire/wire.js');
      const wire = new Wire();
      const init = Buffer.from(wire.send(INIT), 'hex');
      const statx = Buffer.from(wire.send(request(52, 7, '00'.repeat(24))), 'hex');
      answers[without] = { flags: init.readUInt32LE(16 + 12), statx: statx.readInt32LE(4) };
    }
    vi.unstubAllEnvs();
    // DO_READDIRPLUS, READDIRPLUS_AUTO, PARALLEL_DIROPS, MAX_PAGES, CACHE_SYMLINKS, KILLPRIV_V2, SETXATTR_EXT.
    const optional = 0x6000 | (1 << 18) | (1 << 22) | (1 << 23) | (1 << 28) | (1 << 29);
    expect((answers['']?.flags ?? 0) & optional).toBe(optional);
    expect((answers['all']?.flags ?? 0) & optional).toBe(0);
    expect([answers['']?.statx, answers['all']?.statx]).toEqual([0, -38]);
  });
});
