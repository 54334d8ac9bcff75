// The main way as somebody without privileges: through fusermount3, and inside a user namespace. As root these
// run as `nobody`; as an ordinary user, as that user.

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { top } from '../program.js';
import { describeWith } from '../requires.js';

const asRoot = process.geteuid?.() === 0;

describeWith(['fuse', 'fuse for all', 'program:fusermount3', 'program:unshare'], 'an ordinary user', () => {
  let base: string;

  /** Runs a script as the ordinary user; `mica` is on its PATH with a store of its own. */
  const run = (script: string, wrap: readonly string[] = []): string => {
    const words = [
      ...(asRoot ? ['runuser', '-u', 'nobody', '--'] : []),
      ...wrap,
      'timeout',
      '120',
      'sh',
      '-ec',
      script,
    ];
    const [command, ...args] = words as [string, ...string[]];
    const done = spawnSync(command, args, {
      encoding: 'utf8',
      cwd: base,
      env: {
        PATH: `${join(top, 'bin')}:${process.env['PATH']}`,
        HOME: base,
        MICA_ROOT: join(base, 'root'),
        MICA_STATE: join(base, 'state'),
        MICA_WITHOUT: process.env['MICA_WITHOUT'],
      },
    });
    if (done.status !== 0) throw new Error(`exit ${done.status}: ${done.stderr}${done.stdout}`);
    return done.stdout;
  };

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'mica-user-'));
    for (const name of ['low', 'up', 'work', 'mnt']) mkdirSync(join(base, name));
    chmodSync(base, 0o755);
    const make =
      'mkdir low/d low/e && echo lower > low/f && echo in > low/d/in && echo x > low/e/x && ln low/f low/g';
    execFileSync('sh', ['-c', make], { cwd: base });
    if (asRoot) execFileSync('chown', ['-R', 'nobody:nogroup', base]);
  });

  afterEach(() => {
    spawnSync('umount', ['-l', join(base, 'mnt')], { stdio: 'ignore' });
    spawnSync('fusermount3', ['-q', '-u', '-z', join(base, 'mnt')], { stdio: 'ignore' });
    rmSync(base, { recursive: true, force: true });
  });

  const changes = `
    test "$(cat mnt/f)" = lower
    echo more >> mnt/f
    test "$(cat mnt/g)" = "$(printf 'lower\\nmore')"
    rm mnt/e/x && test ! -e mnt/e/x
    rm -r mnt/d && mkdir mnt/d && echo new > mnt/d/new && test "$(ls mnt/d)" = new
    mv mnt/e mnt/e2 && test -d mnt/e2
    test "$(cat low/f)" = lower
  `;

  it('mounts folders by fusermount3, and the changes are there again after a remount', () => {
    const out = run(`
      mica mount --lower low --upper up --work work mnt
      ${changes}
      mica umount mnt
      mica mount --lower low --upper up --work work mnt
      test "$(ls mnt/d)" = new && test ! -e mnt/e && test ! -e mnt/e2/x && cat mnt/f
      mica umount mnt
    `);
    expect(out).toContain('lower\nmore\n');
  });

  it('mounts inside a user namespace', () => {
    const script = `
      mica mount --lower low --upper up --work work mnt
      ${changes}
      mica umount mnt
      echo done
    `;
    expect(run(script, ['unshare', '-Urm'])).toContain('done\n');
  });

  it('imports, mounts, commits and exports an image', () => {
    const out = run(`
      tar -C low -cf root.tar .
      mica image create base:1 --from root.tar
      mica mount base:1 mnt --key work
      echo changed > mnt/f && rm mnt/d/in
      mica umount mnt
      mica commit work done --image next:1
      mica export next:1 -o next.tar
      tar -tf next.tar | grep -c blobs/sha256/
      mica cat next:1:f
      mica ls next:1:d
    `);
    expect(out).toContain('changed\n');
  });
});
