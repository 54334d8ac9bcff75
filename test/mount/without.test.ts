// The switches of MICA_WITHOUT reach the thread that serves a mount: what is switched off is not asked for.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectControl } from '../../dist/src/mounts/control-socket.js';
import { MountTable } from '../../dist/src/mounts/table.js';
import { top } from '../program.js';
import { describeWith } from '../requires.js';
import { Scratch, Served } from './mounted.js';

describeWith(['fuse', 'root'], 'a mount with features switched off', () => {
  let scratch: Scratch;
  beforeEach(() => {
    scratch = new Scratch();
    for (const name of ['a', 'b']) writeFileSync(scratch.at('lower', name), name);
  });
  afterEach(() => scratch.remove());

  const SCRIPT = 'ls -l mnt; cat mnt/a mnt/b; echo more >>mnt/a; cp mnt/a mnt/c; ls mnt';

  /** What a mount was asked for while the script ran, and what the script printed. */
  async function asked(without: string): Promise<{ counts: Record<string, number>; said: string }> {
    const wrap = ['env', `MICA_WITHOUT=${without}`];
    const served = await new Served({ stack: scratch.stack(), mountPoint: scratch.at('mnt') }, wrap).live();
    const said = scratch.sh(SCRIPT).replace(/^.*(?=mnt|total)/gm, '');
    const { counts } = (await served.ask({ op: 'status' })) as { counts: Record<string, number> };
    await served.stop();
    return { counts, said };
  }

  it('is asked for what an older kernel would ask, and shows the same', async () => {
    const off = await asked('all');
    expect(off.counts).toMatchObject({ opendir: expect.any(Number), release: expect.any(Number) });
    expect(off.counts).not.toHaveProperty('readdirplus');
    expect(off.counts).not.toHaveProperty('copy-file-range');
    scratch.sh('rm -rf upper work; mkdir upper work');
    const on = await asked('fuse-passthrough');
    expect(on.counts).toMatchObject({
      readdirplus: expect.any(Number),
      'copy-file-range': expect.any(Number),
    });
    expect(on.counts).not.toHaveProperty('release');
    expect(off.said).toBe(on.said);
  });

  it('is one of the command line, whose server inherits them', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'mica-without-'));
    try {
      for (const name of ['lower', 'mnt']) mkdirSync(join(dir, name));
      writeFileSync(join(dir, 'lower/a'), 'a');
      const env = {
        ...process.env,
        MICA_ROOT: join(dir, 'root'),
        MICA_STATE: join(dir, 'state'),
        MICA_WITHOUT: 'fuse-readdirplus',
      };
      const mica = (...words: string[]) =>
        spawnSync(process.execPath, [join(top, 'bin/mica'), ...words], {
          env,
          encoding: 'utf8',
          timeout: 60_000,
        });
      const place = join(dir, 'mnt');
      expect(mica('mount', '--lower', join(dir, 'lower'), place).stderr).toBe('');
      const { socket = '' } = new MountTable(join(dir, 'state')).at(place) ?? {};
      const control = await connectControl(socket);
      try {
        expect(spawnSync('timeout', ['60', 'ls', '-l', place]).status).toBe(0);
        const { counts } = (await control.ask({ op: 'status' })) as unknown as { counts: object };
        expect(counts).toHaveProperty('readdir');
        expect(counts).not.toHaveProperty('readdirplus');
      } finally {
        control.close();
        expect(mica('umount', place).status).toBe(0);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
