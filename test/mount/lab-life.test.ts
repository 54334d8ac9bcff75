// The end of `mica lab`: what it has made goes with it, however it ends, and what a killed one had to leave is removed by
// the next one, or by `mica umount --stale`. Nothing of a lab that lives is touched.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LabProcess } from '../browser/lab-process.js';
import { Scratch } from '../program.js';
import { describeWith } from '../requires.js';

/** Below this the short form of a test never comes. */
const PATIENCE_MS = 30_000;

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not so in time: ${holds}`);
    await sleep(20);
  }
}

describeWith(['fuse'], 'the life of mica lab', () => {
  let scratch: Scratch;
  let before: string | undefined;
  const labs: LabProcess[] = [];

  beforeEach(() => {
    scratch = new Scratch('life');
    before = process.env['TMPDIR'];
    process.env['TMPDIR'] = scratch.folder('tmp');
  });
  afterEach(async () => {
    for (const lab of labs.splice(0)) await lab.end();
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    scratch.remove();
  });

  const start = async (...words: string[]): Promise<LabProcess> => {
    const lab = await LabProcess.start(scratch, ...words);
    labs.push(lab);
    return lab;
  };
  /** With a layer and two containers, so two mounts. */
  const startFilled = async (): Promise<LabProcess> => {
    const lab = await start();
    await lab.ask('load', { layers: [{ name: 'base', files: { a: 'a\n' } }], containers: ['one', 'two'] });
    return lab;
  };
  const kill = async (lab: LabProcess): Promise<void> => {
    labs.splice(labs.indexOf(lab), 1);
    await lab.kill();
  };
  const scratches = (): string[] =>
    readdirSync(scratch.path('tmp')).filter((name) => /^mica-lab-/.test(name));
  const mounted = (): string[] =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((point) => point.startsWith(scratch.base));
  const noted = (): string[] =>
    readdirSync(scratch.path('state/mounts')).filter((name) => !name.endsWith('.log'));
  const pidsOf = (): number[] =>
    (JSON.parse(scratch.mica('--json', 'mounts')) as { pid: number }[]).map(({ pid }) => pid);

  it('ended by Ctrl-C it leaves nothing', async () => {
    const lab = await startFilled();
    expect(mounted()).toHaveLength(2);
    labs.splice(0);
    expect(await lab.end()).toBe(0);
    expect([mounted(), noted(), scratches(), readdirSync(scratch.path('state/labs'))]).toEqual([
      [],
      [],
      [],
      [],
    ]);
  });

  it('killed, its mounts and their servers end by themselves', async () => {
    const lab = await startFilled();
    const pids = pidsOf();
    expect(pids).toHaveLength(2);
    await kill(lab);
    await until(() => mounted().length === 0 && noted().length === 0);
    await until(() => pids.every((pid) => !existsSync(`/proc/${pid}`)));
  });

  it('killed while somebody is in a mount, the mount goes out of sight', async () => {
    const lab = await startFilled();
    const [place = ''] = mounted();
    const user: ChildProcess = spawn('sh', ['-c', 'echo in; read -r end'], {
      cwd: place,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(user.stdout!, 'data');
    await kill(lab);
    await until(() => mounted().length === 0);
    user.stdin!.end();
    await once(user, 'exit');
    await until(() => noted().length === 0);
  });

  it('what a killed one left is removed by the next, and nothing of one that lives', async () => {
    const dead = await startFilled();
    const live = await startFilled();
    await kill(dead);
    expect(scratches()).toHaveLength(2);
    await start();
    // Its own, and that of the one that lives.
    expect(scratches()).toHaveLength(2);
    expect(await live.ask('run', { line: 'cat a' })).toMatchObject({ output: 'a\n', failed: false });
    expect(mounted()).toHaveLength(2);
  });

  it('what it left is removed by mica umount --stale, servers that were killed with it or not', async () => {
    const lab = await startFilled();
    const [pid = 0] = pidsOf();
    const live = await startFilled();
    process.kill(pid, 'SIGKILL');
    await until(
      () => !existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')),
    );
    await kill(lab);
    const gone = JSON.parse(scratch.mica('--json', 'umount', '--stale')) as { lab?: string }[];
    expect(gone.flatMap((one) => one.lab ?? [])).toHaveLength(1);
    expect(scratches()).toHaveLength(1);
    expect(await live.ask('run', { line: 'ls' })).toMatchObject({ output: 'a\n' });
    expect(scratch.mica('umount', '--stale')).toBe('');
  });

  it('the snapshot that it made of an image goes, too, and none that has its name by chance', async () => {
    scratch.mica('snapshot', 'prepare', 'first');
    scratch.mica('commit', 'first', 'base');
    const keys = () =>
      scratch
        .mica('snapshot', 'ls', '-q')
        .split('\n')
        .filter((key) => key.startsWith('lab-'));
    await kill(await start('base'));
    expect(keys()).toHaveLength(1);
    await until(() => mounted().length === 0);
    scratch.mica('umount', '--stale');
    expect(keys()).toEqual([]);

    await kill(await start('base'));
    await until(() => mounted().length === 0);
    const [key = ''] = keys();
    scratch.mica('snapshot', 'rm', key);
    scratch.mica('snapshot', 'prepare', key);
    scratch.mica('umount', '--stale');
    expect(keys()).toEqual([key]);
    expect(scratches()).toEqual([]);
  });
});
