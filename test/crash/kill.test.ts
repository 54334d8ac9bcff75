// What is acknowledged survives a kill at any moment, and what was under way leaves nothing in the way.

import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';
import { listTree, treeDifferences } from '../tree.js';

/** A root filesystem of a few thousand small files as a tar archive, and the folder it came from. */
function makeRoot(scratch: Scratch): { tar: string; folder: string } {
  const folder = scratch.folder('source');
  for (let d = 0; d < 40; d++) {
    mkdirSync(join(folder, `d${d}`));
    for (let n = 0; n < 50; n++)
      writeFileSync(join(folder, `d${d}`, `f${n}`), `content ${d} ${n}\n`.repeat(50));
  }
  const tar = scratch.path('root.tar');
  execFileSync('tar', ['-C', folder, '--format=pax', '-cf', tar, '.']);
  return { tar, folder };
}

interface ListedMount {
  readonly target: string;
  readonly state: string;
  readonly pid: number;
}

describeWith(['root', 'fuse', 'program:getfattr'], 'kill -9', () => {
  let scratch: Scratch;
  beforeEach(() => {
    scratch = new Scratch('kill');
  });
  afterEach(() => scratch.remove());

  it('of a mount server keeps what was written, and the next command says what it cleaned', () => {
    const { tar } = makeRoot(scratch);
    const target = scratch.folder('mnt');
    scratch.mica('image', 'create', 'base:1', '--from', tar);
    scratch.mica('mount', 'base:1', target, '--key', 'work', '--driver', 'fuse');
    appendFileSync(join(target, 'd3/f3'), 'appended\n');
    writeFileSync(join(target, 'new'), 'new\n');
    const [mount] = JSON.parse(scratch.mica('--json', 'mounts')) as ListedMount[];
    expect(mount).toMatchObject({ target, state: 'live' });
    process.kill(mount?.pid ?? 0, 'SIGKILL');

    expect(() => execFileSync('timeout', ['10', 'ls', target], { stdio: 'ignore' })).toThrow();
    const next = scratch.try('mount', 'work', target, '--driver', 'fuse');
    expect(next).toMatchObject({ code: 0 });
    expect(next.err.trim().split('\n')).toHaveLength(1);
    expect(next.err).toContain(target);
    expect(readFileSync(join(target, 'new'), 'utf8')).toBe('new\n');
    expect(readFileSync(join(target, 'd3/f3'), 'utf8')).toBe(`${'content 3 3\n'.repeat(50)}appended\n`);
    scratch.mica('umount', target);
  });

  it('at many moments of an import leaves a store in which the same import succeeds', async () => {
    const { tar, folder } = makeRoot(scratch);
    for (const [n, afterMs] of [60, 120, 180, 240, 320, 400, 520, 700].entries()) {
      await scratch.interrupt('SIGKILL', afterMs, 'image', 'create', `killed:${n}`, '--from', tar);
      const images = JSON.parse(scratch.mica('--json', 'images')) as { name: string }[];
      for (const image of images)
        scratch.mica('unpack', image.name, scratch.path(`check-${n}-${image.name.replace(/\W/g, '_')}`));
    }
    scratch.mica('image', 'create', 'whole:1', '--from', tar);
    scratch.mica('snapshot', 'cleanup');
    const out = scratch.path('unpacked');
    scratch.mica('unpack', 'whole:1', out);
    const differences = treeDifferences(listTree(out), listTree(folder));
    expect(differences).toEqual([]);
  });

  it('at many moments of a commit leaves the snapshot active or committed, never neither', async () => {
    const { tar } = makeRoot(scratch);
    const target = scratch.folder('mnt');
    scratch.mica('image', 'create', 'base:1', '--from', tar);
    for (const [n, afterMs] of [50, 90, 130, 170, 210, 260, 320].entries()) {
      const key = `work${n}`;
      scratch.mica('mount', 'base:1', target, '--key', key, '--driver', 'fuse');
      writeFileSync(join(target, 'new'), key);
      scratch.mica('umount', target);
      await scratch.interrupt('SIGKILL', afterMs, 'commit', key, `done${n}`);
      const names = (
        JSON.parse(scratch.mica('--json', 'snapshot', 'ls')) as { name?: string; key?: string }[]
      ).map((row) => row.name ?? row.key);
      const alive = [key, `done${n}`].filter((name) => names.includes(name));
      expect(alive).toHaveLength(1);
      expect(scratch.mica('cat', `${alive[0]}:new`)).toBe(key);
    }
  });
});

describeWith(['root', 'fuse'], 'Ctrl-C', () => {
  it('during an import ends with 130 and leaves the store as it was', async () => {
    const scratch = new Scratch('interrupt');
    try {
      const { tar } = makeRoot(scratch);
      scratch.mica('image', 'create', 'before:1', '--from', tar);
      const before = scratch.mica('--json', 'snapshot', 'ls');
      appendFileSync(join(scratch.path('source'), 'd0/f0'), 'different');
      execFileSync('tar', ['-C', scratch.path('source'), '-cf', tar, '.']);
      const codes: number[] = [];
      for (const afterMs of [150, 250, 350]) {
        const done = await scratch.interrupt('SIGINT', afterMs, 'image', 'create', 'next:1', '--from', tar);
        codes.push(done.code);
        if (done.code === 130) expect(scratch.mica('--json', 'snapshot', 'ls')).toBe(before);
        else if (done.code === 0) break;
      }
      for (const code of codes) expect([0, 130]).toContain(code);
      expect(existsSync(scratch.path('root'))).toBe(true);
    } finally {
      scratch.remove();
    }
  });
});
