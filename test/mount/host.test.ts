// The process that serves a mount, from before it is known what it serves.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { top } from '../program.js';
import { describeWith } from '../requires.js';
import { Mica } from '../src/cli/mica.js';

describeWith(['root', 'fuse'], 'the host of a mount', () => {
  let mica: Mica;
  let merged: string;

  beforeEach(() => {
    mica = new Mica();
    merged = mica.path('merged');
    for (const folder of ['merged', 'tree']) mkdirSync(mica.path(folder));
    writeFileSync(mica.path('tree', 'one'), 'lower\n');
    mica.run(['image', 'create', 'base:1', '--from', mica.path('tree')]);
  });
  afterEach(() => {
    mica.run(['umount', '--all']);
    mica.remove();
  });

  it('ends and leaves nothing where the command is refused', async () => {
    const refused = mica.run(['mount', 'nothing', merged]);
    expect(refused).toMatchObject({ code: 3, out: '' });
    expect(refused.err).toMatch(
      /^mica: cannot mount nothing: no key, snapshot or image nothing\nhint: .*\n$/,
    );
    expect(readdirSync(join(mica.state, 'mounts'))).toEqual([]);
    await noneWith(mica.state);
  });

  it('ends and takes its log along when nobody is left to tell it what to serve', async () => {
    const log = mica.path('log');
    writeFileSync(log, '');
    const host = fork(join(top, 'dist/src/mounts/host.js'), ['auto', log], { stdio: 'ignore' });
    await once(host, 'spawn');
    host.disconnect();
    expect(await once(host, 'exit')).toEqual([0, null]);
    expect(existsSync(log)).toBe(false);
  });

  it('looks at no certificates', () => {
    const env = { NODE_EXTRA_CA_CERTS: mica.path('none.pem') };
    expect(mica.run(['mount', 'base:1', merged], { env }).err).toMatch(/none\.pem/);
    const logs = readdirSync(join(mica.state, 'mounts')).filter((name) => name.endsWith('.log'));
    expect(logs.map((name) => readFileSync(join(mica.state, 'mounts', name), 'utf8'))).toEqual(['']);
  });
});

/** Waits until no process names `text` in its words. */
async function noneWith(text: string): Promise<void> {
  while (pids().some((pid) => wordsOf(pid).includes(text))) await sleep(10);
}

function pids(): readonly string[] {
  return readdirSync('/proc').filter((name) => Number(name) > 0);
}

function wordsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch (error) {
    // It has ended meanwhile.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
