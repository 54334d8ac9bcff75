// Which driver a store has, where it may lie, and what is said when it does not work any more.

import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { Mica } from '../src/cli/mica.js';

const MICA = fileURLToPath(new URL('../../bin/mica', import.meta.url));

describeWith(['root', 'fuse', 'overlay'], 'the driver of a store', () => {
  let mica: Mica;
  const ok = (...words: string[]): string => {
    const ran = mica.run(words);
    expect(ran).toMatchObject({ code: 0 });
    return ran.out;
  };
  const info = (...words: string[]) => JSON.parse(ok('--json', ...words, 'info'));

  beforeEach(() => {
    mica = new Mica();
    mkdirSync(mica.path('merged'));
  });
  afterEach(() => {
    spawnSync('umount', ['-q', '-l', mica.path('merged')]);
    spawnSync('umount', ['-q', '-l', mica.root]);
    mica.remove();
  });

  it('is remembered with the first snapshot, and is only for one command another', () => {
    expect(info()).toMatchObject({ driver: 'fuse', driverFrom: 'chosen' });
    ok('--driver', 'overlay', 'snapshot', 'prepare', 'key');
    expect(info()).toMatchObject({ driver: 'overlay', driverFrom: 'recorded' });
    expect(info('--driver', 'fuse')).toMatchObject({ driver: 'fuse', driverFrom: 'asked' });
    ok('mount', 'key', mica.path('merged'));
    expect(JSON.parse(ok('--json', 'mounts'))).toMatchObject([{ driver: 'overlay' }]);
    ok('umount', mica.path('merged'));
  });

  it('is one of whole trees where that was the first one', () => {
    ok('--driver', 'native', 'snapshot', 'prepare', 'tree');
    expect(info()).toMatchObject({ driver: 'native' });
    ok('snapshot', 'prepare', 'other');
    expect(JSON.parse(ok('--json', 'snapshot', 'info', 'other')).form).toBe('full');
  });

  it('is named when it does not work any more', () => {
    ok('snapshot', 'prepare', 'key');
    const hidden = 'mount -t tmpfs none /dev; mknod /dev/null c 1 3; mknod /dev/urandom c 1 9; exec "$@"';
    const words = [
      '-m',
      'sh',
      '-ec',
      hidden,
      'sh',
      process.execPath,
      MICA,
      'mount',
      'key',
      mica.path('merged'),
    ];
    const env = { PATH: process.env['PATH'], MICA_ROOT: mica.root, MICA_STATE: mica.state };
    const ran = spawnSync('timeout', ['60', 'unshare', ...words], { encoding: 'utf8', env });
    expect(ran.stderr).toMatch(
      /^mica: cannot mount snapshot key: the driver of the store is fuse, which does not work here: \/dev\/fuse /,
    );
    expect(ran.stderr).toContain('hint: mica doctor\n');
    expect(ran.status).toBe(6);
  });

  it('looks at the filesystem that carries the store', () => {
    for (const name of ['lower', 'upper', 'work', 'root']) mkdirSync(mica.path(name));
    const layers = ['lower', 'upper', 'work'].map((name) => `${name}dir=${mica.path(name)}`).join();
    spawnSync('mount', ['-t', 'overlay', '-o', layers, 'overlay', mica.root]);
    expect(mica.run(['--driver', 'overlay', 'snapshot', 'prepare', 'key'])).toMatchObject({
      code: 6,
      err: expect.stringMatching(
        new RegExp(
          `^mica: cannot use the driver overlay in ${join(mica.root, 'snapshots')}: .* on overlayfs\nhint: mica doctor`,
        ),
      ),
    });
    expect(info()).toMatchObject({ driver: 'fuse', filesystem: 'overlayfs' });
    const checks = JSON.parse(mica.run(['--json', 'doctor']).out);
    expect(checks).toContainEqual({ check: 'store filesystem', ok: true, why: 'overlayfs', fix: '' });
    expect(checks).toContainEqual(
      expect.objectContaining({
        check: 'driver overlay',
        ok: false,
        why: expect.stringContaining('overlayfs'),
      }),
    );
  });
});
