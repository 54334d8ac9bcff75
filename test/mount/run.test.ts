// `mica run` as a user types it, with an image of one static program: as root, as an ordinary user with subordinate ids,
// and as one without.

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { top } from '../program.js';
import { describeWith } from '../requires.js';

const PROGRAMS = [
  'cat',
  'echo',
  'hostname',
  'id',
  'kill',
  'ls',
  'mkdir',
  'mount',
  'pwd',
  'sh',
  'sleep',
  'stat',
  'touch',
  'tty',
];

interface Done {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A store of one user's with the image `tiny`. */
class Place {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'mica-run-')));
  readonly #command: readonly string[];

  constructor(user: string | undefined) {
    chmodSync(this.base, 0o755);
    if (user !== undefined) spawnSync('chown', [user, this.base]);
    this.#command = [
      ...(user === undefined ? [] : ['runuser', '-u', user, '--']),
      ...['timeout', '-s', 'KILL', '60', process.execPath, join(top, 'bin/mica')],
      ...['--root', join(this.base, 'root'), '--state', join(this.base, 'state')],
    ];
    const tree = join(this.base, 'tree');
    mkdirSync(join(tree, 'bin'), { recursive: true });
    copyFileSync(
      spawnSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).stdout.trim(),
      join(tree, 'bin/busybox'),
    );
    for (const name of PROGRAMS) symlinkSync('busybox', join(tree, 'bin', name));
    this.mica('image', 'create', 'tiny', '--from', tree);
  }

  try(...words: string[]): Done {
    const [command = '', ...args] = [...this.#command, ...words];
    const done = spawnSync(command, args, {
      cwd: this.base,
      encoding: 'utf8',
      input: '',
      env: { ...process.env, SECRET: 'x' },
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  }

  mica(...words: string[]): string {
    const done = this.try(...words);
    if (done.code !== 0) throw new Error(`mica ${words.join(' ')} ended with ${done.code}: ${done.err}`);
    return done.out;
  }

  /** What a script prints in a container that is removed again. */
  sh(script: string, ...options: string[]): string {
    return this.mica('run', '--rm', ...options, 'tiny', 'sh', '-ec', script);
  }

  /** A container that prints a line when its command runs. */
  async started(...words: string[]): Promise<ChildProcessWithoutNullStreams> {
    const [command = '', ...args] = [
      ...this.#command.filter((word) => !['timeout', '-s', 'KILL', '60'].includes(word)),
      ...words,
    ];
    const child = spawn(command, args, { cwd: this.base });
    await once(child.stdout, 'data');
    return child;
  }

  get snapshots(): readonly string[] {
    return this.mica('snapshot', 'ls', '-q')
      .trim()
      .split('\n')
      .filter((name) => !name.startsWith('sha256:') && name !== '');
  }

  /** What is left of containers: their folders, rows of mounts, and processes. */
  get left(): readonly string[] {
    const folders = ['containers', 'mounts'].map((name) => join(this.base, 'state', name)).filter(existsSync);
    const processes = readdirSync('/proc').filter((pid) => /^[0-9]+$/.test(pid) && this.#isOurs(pid));
    return [...folders.flatMap((folder) => readdirSync(folder)), ...processes];
  }

  #isOurs(pid: string): boolean {
    try {
      const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
      return mounts.includes(this.base) && readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[2] !== 'Z';
    } catch {
      return false;
    }
  }

  /** Resolves when nothing of a container is left but its note. */
  async allGone(): Promise<void> {
    while (this.left.length > 1) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  remove(): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}

let place: Place;
function beforeAndAfter(user?: string): void {
  beforeEach(() => {
    place = new Place(user);
  });
  afterEach(() => place.remove());
}

const NEEDED = ['fuse for all', 'program:unshare', 'program:nsenter', 'program:busybox'] as const;

describeWith(['root', ...NEEDED], 'a container of root', () => {
  beforeAndAfter();

  it('ends with the code of its command, as a shell has it', () => {
    const codes = ['exit 0', 'exit 7', 'kill -9 $$', 'kill -TERM $$'].map(
      (script) => place.try('run', '--rm', 'tiny', 'sh', '-c', script).code,
    );
    expect(codes).toEqual([0, 7, 137, 143]);
    const missing = place.try('run', 'tiny', 'nothing');
    expect(missing).toEqual({
      code: 127,
      out: '',
      err: 'mica: cannot run nothing: there is no such program in the container\n',
    });
    expect(place.try('run', 'tiny', '/bin')).toEqual({
      code: 126,
      out: '',
      err: 'mica: cannot run /bin: it is not executable\n',
    });
    expect(place.try('run', 'tiny').err).toContain('no command is given');
    expect(place.try('run', 'nowhere', 'sh').code).toBe(3);
    expect([place.snapshots, place.mica('ps', '--all', '-q'), place.left]).toEqual([[], '', []]);
  });

  it('has processes, host name and devices of its own, and nothing of the caller', () => {
    const said = place.sh(
      `hostname; cat /proc/1/comm; ls /dev /dev/pts /proc/self/fd
       cat /etc/hostname; stat -c '%t:%T %a' /dev/null; pwd; echo "$HOME $PATH \${SECRET-none}";`,
      '--name',
      'named',
    );
    expect(said.split('\n')).toEqual([
      'named',
      'node',
      ...[
        '/dev:',
        'fd',
        'full',
        'mqueue',
        'null',
        'ptmx',
        'pts',
        'random',
        'shm',
        'stderr',
        'stdin',
        'stdout',
        'tty',
      ],
      ...[
        'urandom',
        'zero',
        '',
        '/dev/pts:',
        'ptmx',
        '',
        '/proc/self/fd:',
        '0',
        '1',
        '2',
        '3',
        'named',
        '1:3 666',
        '/',
      ],
      '/root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin none',
      '',
    ]);
  });

  it('cannot reach the machine through its first process, nor change the kernel', () => {
    const said = place.sh(`
      for what in '/proc/1/root/etc' '/proc/1/cwd/etc'; do ls $what 2>/dev/null || echo closed; done
      for what in /proc/1/exe /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/power/state; do
        (echo x > $what) 2>/dev/null || echo closed
      done
      mount -t tmpfs none /tmp 2>/dev/null || echo closed; mount -o remount,rw /proc/sys 2>/dev/null || echo closed`);
    expect(said).toBe('closed\n'.repeat(8));
  });

  it('changes its snapshot and nothing else, without the names that were made to mount over', () => {
    place.mica('run', '--name', 'one', 'tiny', 'sh', '-c', 'echo x > /made; mkdir /etc/more');
    expect(place.mica('diff', 'one').split('\n')).toEqual(['A etc', 'A etc/more', 'A made', '']);
    place.mica('run', '--name', 'two', 'tiny', 'touch', '/made');
    expect(place.mica('diff', 'two')).toBe('A made\n');
    expect(place.snapshots).toEqual(['one', 'two']);
    expect(place.left).toEqual([]);
  });

  it('is listed until it is removed', () => {
    place.try('run', '--name', 'one', 'tiny', 'sh', '-c', 'exit 3');
    expect(JSON.parse(place.mica('ps', '--json'))).toEqual([]);
    expect(JSON.parse(place.mica('ps', '-a', '--json'))).toEqual([
      expect.objectContaining({
        id: 'one',
        image: 'tiny',
        command: ['sh', '-c', 'exit 3'],
        key: 'one',
        state: 'exited',
        code: 3,
      }),
    ]);
    expect(place.try('run', '--name', 'one', 'tiny', 'sh').code).toBe(4);
    expect(place.mica('rm', 'one')).toBe('one\n');
    expect([place.mica('ps', '-aq'), place.snapshots]).toEqual(['', []]);
    expect(place.try('rm', 'one').code).toBe(3);
  });

  it('is committed if its command ended with 0', () => {
    expect(
      place.try('run', '--name', 'bad', '--commit', 'base', 'tiny', 'sh', '-c', 'touch /a; exit 1').code,
    ).toBe(1);
    expect(place.snapshots).toEqual(['bad']);
    place.mica('run', '--name', 'good', '--commit', 'base', 'tiny', 'touch', '/b');
    expect(place.snapshots).toEqual(['bad', 'base']);
    expect(place.mica('run', '--rm', 'base', 'ls', '/b')).toBe('/b\n');
    expect(place.try('run', '--commit', 'base', 'tiny', 'touch', '/c').code).toBe(4);
    place.mica('rm', 'good', 'bad');
    expect(place.snapshots).toEqual(['base']);
  });

  it('does what the image says', () => {
    const etc = join(place.base, 'etc');
    mkdirSync(etc);
    writeFileSync(join(etc, 'passwd'), 'root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n');
    writeFileSync(join(etc, 'group'), 'web:x:34:\nmore:x:50:web\n');
    place.mica('run', '--name', 'with-etc', 'tiny', 'sh');
    place.mica('cp', etc, 'with-etc:/etc');
    const image = [
      '--entrypoint',
      '["sh","-c"]',
      '--cmd',
      'id; pwd; echo $A $HOME',
      '--env',
      'A=1',
      '--workdir',
      '/new/dir',
      '--user',
      'web',
    ];
    place.mica('commit', 'with-etc', 'configured', '--image', 'configured', ...image);
    expect(place.mica('run', '--rm', 'image:configured')).toBe(
      'uid=33(web) gid=34(web) groups=34(web),50(more)\n/new/dir\n1 /srv\n',
    );
    const words = ['--user', '7:8', '--workdir', '/', '--env', 'A=2', '--env', 'SECRET'];
    expect(place.mica('run', '--rm', ...words, 'image:configured', 'id; pwd; echo $A $SECRET')).toBe(
      'uid=7 gid=8 groups=8\n/\n2 x\n',
    );
    expect(place.try('run', '--user', 'nobody-here', 'image:configured').code).toBe(3);
  });

  it('shows what is bound, and a root that cannot be changed', () => {
    mkdirSync(join(place.base, 'shared'));
    writeFileSync(join(place.base, 'file'), 'text\n');
    const said = place.sh(
      `cat /deep/er/file; (echo x > /deep/er/file) 2>/dev/null || echo read only; echo made > /shared/made
       touch /new 2>/dev/null || echo read only; touch /dev/shm/x`,
      ...['--bind', 'shared:/shared', '--bind', `${place.base}/file:/deep/er/file:ro`, '--read-only'],
    );
    expect(said).toBe('text\nread only\nread only\n');
    expect(readFileSync(join(place.base, 'shared/made'), 'utf8')).toBe('made\n');
    expect(place.try('run', '--bind', 'nothing:/x', 'tiny', 'sh').code).toBe(3);
    expect(place.try('run', '--bind', 'shared', 'tiny', 'sh').code).toBe(2);
  });

  it('is not led out of its root by links of the image', () => {
    const out = join(place.base, 'out');
    const tree = join(place.base, 'links');
    for (const folder of [out, tree]) mkdirSync(folder);
    symlinkSync(`../../../../../../../..${out}`, join(tree, 'etc'));
    symlinkSync(out, join(tree, 'data'));
    symlinkSync('/proc', join(tree, 'dev'));
    mkdirSync(join(tree, 'bin'));
    for (const name of ['busybox', 'sh', 'ls', 'cat', 'touch']) {
      spawnSync('cp', ['-a', join(place.base, 'tree/bin', name), join(tree, 'bin')]);
    }
    place.mica('image', 'create', 'links', '--from', tree);
    const said = place.try(
      'run',
      '--rm',
      '--bind',
      `${place.base}/tree:/data/in`,
      'links',
      'sh',
      '-c',
      'ls /data/in; cat /etc/hostname',
    );
    expect(readdirSync(out)).toEqual([]);
    expect(said.out.split('\n')[0]).toBe('bin');
  });

  it('gets signals, and its code is what it makes of them', async () => {
    const script = 'trap "exit 9" TERM; trap "echo usr" USR1; echo ready; while :; do sleep 0.05; done';
    const child = await place.started('run', '--name', 'one', 'tiny', 'sh', '-c', script);
    expect(place.mica('ps', '-q')).toBe('one\n');
    expect(place.try('rm', 'one')).toMatchObject({
      code: 5,
      err: expect.stringContaining('mica rm --force one'),
    });
    child.kill('SIGUSR1');
    expect(String(await once(child.stdout, 'data'))).toBe('usr\n');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([9, null]);
    expect(place.left).toEqual([]);
  });

  it('ends by Ctrl-C at its terminal, which it may use as any program', async () => {
    const words = [
      '--root',
      join(place.base, 'root'),
      '--state',
      join(place.base, 'state'),
      'run',
      '--name',
      'one',
      'tiny',
    ];
    const command = [process.execPath, join(top, 'bin/mica'), ...words, 'sh', '-c', "'tty; sleep 60'"].join(
      ' ',
    );
    const child = spawn('timeout', ['60', 'script', '-qec', command, '/dev/null'], { cwd: place.base });
    expect(String(await once(child.stdout, 'data'))).toBe('/dev/console\r\n');
    child.stdin.write('\x03');
    expect(await once(child, 'exit')).toEqual([130, null]);
    expect(place.left).toEqual([]);
  });

  it('is killed by force', async () => {
    const child = await place.started(
      'run',
      '--name',
      'one',
      'tiny',
      'sh',
      '-c',
      'trap "" TERM; echo ready; sleep 60',
    );
    const ended = once(child, 'exit');
    place.mica('rm', '--force', 'one');
    expect(await ended).toEqual([137, null]);
    expect([place.left, place.snapshots]).toEqual([[], []]);
  });

  it('keeps what was changed when its mount is lost, and its mount is nobody else’s to end', async () => {
    const script = 'echo made > /made; echo ready; sleep 60';
    const child = await place.started('run', '--name', 'one', 'tiny', 'sh', '-c', script);
    expect(place.try('umount', 'one')).toMatchObject({
      code: 5,
      err: expect.stringContaining('mica rm --force one'),
    });
    expect(place.mica('umount', '--all')).toBe('');
    const ended = once(child, 'exit');
    const [{ pid }] = JSON.parse(place.mica('mounts', '--json')) as [{ pid: number }];
    process.kill(pid, 'SIGKILL');
    expect(await ended).toEqual([1, null]);
    expect(place.mica('cat', 'one:/made')).toBe('made\n');
    expect(JSON.parse(place.mica('ps', '-a', '--json'))).toMatchObject([{ id: 'one', state: 'dead' }]);
    place.mica('rm', 'one');
    expect([place.left, place.snapshots]).toEqual([[], []]);
  });

  it('of another driver runs alike', () => {
    for (const driver of ['overlay', 'native']) {
      const at = ['--root', join(place.base, driver), '--driver', driver];
      place.mica(...at, 'image', 'create', 'tiny', '--from', join(place.base, 'tree'));
      place.mica(...at, 'run', '--name', 'one', 'tiny', 'sh', '-c', 'echo x > /made; cat /etc/hostname');
      expect(place.mica(...at, 'cat', 'one:/made')).toBe('x\n');
      expect(place.mica(...at, 'ls', 'one:/')).toBe('bin\nmade\n');
    }
    expect(place.left).toEqual([]);
  });
});

for (const user of [undefined, 'mica-user', 'nobody']) {
  const needs =
    user === undefined
      ? (['root'] as const)
      : user === 'nobody'
        ? (['root'] as const)
        : (['root', 'mica-user'] as const);
  describeWith([...needs, ...NEEDED], `a container of ${user ?? 'root'}`, () => {
    beforeAndAfter(user);

    it('has a root whose files are its own, and whose changes have true owners', () => {
      place.mica(
        'run',
        '--name',
        'one',
        'tiny',
        'sh',
        '-c',
        'id -u; echo x > /made; stat -c %u:%g /made /bin/busybox',
      );
      expect(place.mica('diff', 'one')).toBe('A made\n');
      place.mica('diff', 'one', '--tar', '-o', 'layer.tar');
      const listed = spawnSync('tar', ['--numeric-owner', '-tvf', join(place.base, 'layer.tar')], {
        encoding: 'utf8',
      }).stdout;
      expect(listed.split('\n').filter((line) => line.endsWith(' made'))).toEqual([
        expect.stringMatching(/^-rw-r--r-- 0\/0 /),
      ]);
      place.mica('rm', 'one');
      expect([place.snapshots, place.left]).toEqual([[], []]);
    });

    it('leaves nothing mounted and nothing running when what waits for it is killed', async () => {
      const child = await place.started(
        'run',
        '--name',
        'one',
        'tiny',
        'sh',
        '-c',
        'echo made > /made; echo ready; sleep 60',
      );
      const [{ pid }] = JSON.parse(place.mica('ps', '--json')) as [{ pid: number }];
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      // runuser hands no SIGKILL on.
      const runner =
        user === undefined
          ? child.pid
          : Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'));
      process.kill(runner ?? 0, 'SIGKILL');
      await once(child, 'exit');
      await place.allGone();
      expect(existsSync(`/proc/${pid}`)).toBe(false);
      expect(JSON.parse(place.mica('ps', '-a', '--json'))).toMatchObject([{ id: 'one', state: 'dead' }]);
      expect(place.mica('cat', 'one:/made')).toBe('made\n');
      place.mica('rm', 'one');
      expect([place.snapshots, place.left]).toEqual([[], []]);
    });
  });
}

describeWith(['root', 'mica-user', ...NEEDED], 'a container of a user with subordinate ids', () => {
  beforeAndAfter('mica-user');

  it('runs as any user of the image, and gives files away', () => {
    const script = 'id; touch /dev/shm/x; stat -c %u:%g /dev/shm/x';
    expect(place.sh(script, '--user', '33:34')).toBe('uid=33 gid=34 groups=34\n33:34\n');
  });
});

describeWith(['root', ...NEEDED], 'a container of a user without subordinate ids', () => {
  beforeAndAfter('nobody');

  it('runs as root only, which the error says', () => {
    expect(place.try('run', '--user', '33', 'tiny', 'sh')).toMatchObject({
      code: 6,
      err: expect.stringContaining('--user root'),
    });
    expect(place.snapshots).toEqual([]);
  });
});
