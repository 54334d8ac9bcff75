// Whoever cannot end a mount is told which process keeps it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, copyFileSync, mkdirSync, openSync, readlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { unmountSnapshot } from '../../dist/src/mounts/mount-snapshot.js';
import { describeWith } from '../requires.js';
import { Mica } from '../src/cli/mica.js';

let mica: Mica;
let mnt: string;
let user: ChildProcess | undefined;
beforeEach(() => {
  mica = new Mica();
  mnt = mica.path('mnt');
  for (const folder of ['mnt', 'lower', 'upper', 'work']) mkdirSync(mica.path(folder));
  writeFileSync(mica.path('lower', 'file'), 'text');
  copyFileSync('/bin/sleep', mica.path('lower', 'program'));
  const words = ['--lower', mica.path('lower'), '--upper', mica.path('upper'), '--work', mica.path('work')];
  expect(mica.run(['mount', ...words, mnt])).toMatchObject({ code: 0 });
});
afterEach(async () => {
  await end();
  mica.run(['umount', '--all']);
  mica.remove();
});

/** Runs a shell that says when it has begun, and becomes what `script` ends with. */
async function use(script: string, cwd = '/', input: number | 'ignore' = 'ignore'): Promise<number> {
  user = spawn('sh', ['-c', `echo begun; ${script}`], { cwd, stdio: [input, 'pipe', 'inherit'] });
  const { stdout, pid } = user;
  if (stdout === null || pid === undefined) throw new Error('sh did not begin');
  await once(stdout, 'data');
  return pid;
}

async function end(): Promise<void> {
  if (user === undefined) return;
  const gone = once(user, 'exit');
  user.kill('SIGKILL');
  await gone;
  user = undefined;
}

describeWith(['fuse'], 'mica umount of a mount that is in use', () => {
  const WAYS: Readonly<Record<string, () => Promise<number>>> = {
    'current folder': () => use('exec sleep 60', mnt),
    'open file': async () => {
      const fd = openSync(`${mnt}/file`, 'r');
      try {
        return await use('exec sleep 60', '/', fd);
      } finally {
        closeSync(fd);
      }
    },
    program: async () => {
      const pid = await use(`exec ${mnt}/program 60`);
      await expect.poll(() => readlinkSync(`/proc/${pid}/exe`)).toBe(`${mnt}/program`);
      return pid;
    },
  };
  it.each(Object.entries(WAYS))('names the process and what of it is there: %s', async (by, begin) => {
    const pid = await begin();
    await expect
      .poll(() => mica.run(['umount', mnt]))
      .toMatchObject({
        code: 5,
        err: expect.stringMatching(
          new RegExp(
            `^mica: cannot unmount ${mnt}: it is in use by (sh|sleep|program) \\(pid ${pid}, ${by}\\)\n` +
              `hint: end it, or mica umount --lazy ${mnt}\n$`,
          ),
        ),
      });
    await end();
    expect(mica.run(['umount', mnt])).toMatchObject({ code: 0 });
  });
});

describeWith(
  ['root', 'fuse', 'program:unshare'],
  'a mount of which another mount namespace has a copy',
  () => {
    it('is said to be in use by the first process there', async () => {
      user = spawn('unshare', ['-m', 'sh', '-c', 'echo begun; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(user.stdout as NodeJS.EventEmitter, 'data');
      const { pid } = user;
      await expect(unmountSnapshot(mnt, mica.state, false, 100)).rejects.toMatchObject({
        kind: 'failed-precondition',
        what: `cannot end the mount at ${mnt}`,
        why: expect.stringMatching(
          new RegExp(
            `^it is in use by (sh|sleep) \\(pid ${pid}, copy in another mount namespace\\), so its server \\(pid \\d+\\) goes on$`,
          ),
        ),
        hint: `end it, or nsenter -t ${pid} -m umount ${mnt}`,
      });
      await end();
      // The row is there until the server has ended.
      await expect.poll(() => mica.run(['mounts']).out).toBe('');
    });
  },
);
