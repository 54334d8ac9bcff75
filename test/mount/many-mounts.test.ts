// Many mounts in one process: the host that all mounts of a user share, what it has in common with a process for each, and
// what is left of the others when one of them, or the host itself, ends in a way that nobody wanted.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { top } from '../program.js';
import { describeWith } from '../requires.js';
import { Mica } from '../src/cli/mica.js';

interface Listed {
  readonly target: string;
  readonly pid: number;
  readonly host: string;
  readonly state: string;
}

describeWith(['root', 'fuse'], 'the shared host of many mounts', () => {
  let mica: Mica;

  beforeEach(() => {
    mica = new Mica();
    for (const folder of ['tree', 'a', 'b', 'c']) mkdirSync(mica.path(folder));
    writeFileSync(mica.path('tree', 'one'), 'lower\n');
    done('image', 'create', 'base:1', '--from', mica.path('tree'));
  });
  afterEach(async () => {
    const pids = new Set(listed().map(({ pid }) => pid));
    mica.run(['umount', '--all']);
    // Which would wait for a next mount.
    for (const pid of pids) end(pid, 'SIGTERM');
    // A copy of the mount in a mount namespace of somebody else's would keep it.
    const killing = setTimeout(() => {
      for (const pid of pids) end(pid, 'SIGKILL');
    }, 5000);
    for (const pid of pids) await gone(pid);
    clearTimeout(killing);
    mica.remove();
  });

  /** Runs `mica`, which must succeed. */
  function done(...words: string[]): string {
    return doneWith({}, ...words);
  }

  function doneWith(env: Record<string, string>, ...words: string[]): string {
    const { code, out, err } = mica.run(words, { env });
    if (code !== 0) throw new Error(`mica ${words.join(' ')} ended with ${code}: ${err}`);
    return out.trim();
  }

  function listed(): readonly Listed[] {
    return JSON.parse(mica.run(['mounts', '--json']).out) as Listed[];
  }

  /** Mounts the image at each of these folders. */
  function mount(...names: string[]): void {
    for (const name of names) done('--host', 'shared', 'mount', '--key', name, 'base:1', mica.path(name));
  }

  /** Private KiB of the host. */
  function memory(pid: number): number {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Private_Dirty: +(\d+)/m.exec(text)?.[1]);
  }

  it('gives memory back when nobody asks for anything, and goes on to serve and to be asked', async () => {
    mount('a', 'b');
    for (const name of ['a', 'b']) writeMany(mica.path(name), 1500);
    const [{ pid } = { pid: 0 }] = listed();
    const used = memory(pid);
    await expect.poll(() => used - memory(pid), { timeout: 60_000 }).toBeGreaterThanOrEqual(2048);
    for (const name of ['a', 'b']) {
      writeFileSync(mica.path(name, 'after'), 'x');
      expect(done('explain', mica.path(name, 'after'))).toContain('after');
      expect(readdirSync(mica.path(name))).toContain('after');
      done('umount', mica.path(name));
    }
  });

  it('serves each mount by itself, and all from one process', () => {
    mount('a', 'b');
    const pids = listed().map(({ pid, host }) => `${host} ${pid}`);
    expect(pids).toEqual([pids[0], pids[0]]);
    expect(pids[0]).toMatch(/^shared \d+$/);
    sh('echo a > "$1/mine"; echo more >> "$1/one"', mica.path('a'));
    expect(sh('ls "$1"; cat "$1/one"', mica.path('b'))).toBe('one\nlower\n');
    expect(done('commit', 'a', 'kept')).toMatch(/kept/);
    expect(done('explain', join(mica.path('a'), 'one'))).toMatch(/copies at most 11 B/);
    done('umount', mica.path('a'));
    expect(sh('cat "$1/one"', mica.path('b'))).toBe('lower\n');
    done('mount', '--key', 'again', 'kept', mica.path('a'));
    expect(sh('cat "$1/one" "$1/mine"', mica.path('a'))).toBe('lower\nmore\na\n');
  });

  it('mounts again at once what was unmounted, as its upper is free when umount returns', () => {
    mount('a', 'b');
    for (let n = 0; n < 5; n++) {
      sh('echo x >> "$1/one"', mica.path('a'));
      done('umount', mica.path('a'));
      done('mount', 'a', mica.path('a'));
    }
    expect(sh('cat "$1/one"', mica.path('a'))).toBe(`lower\n${'x\n'.repeat(5)}`);
  });

  it('is one, however many start it at the same moment', async () => {
    const started = ['a', 'b', 'c'].map((name) => {
      const words = ['--root', mica.root, '--state', mica.state, '--host', 'shared'];
      const mount = [...words, 'mount', '--lower', mica.path('tree'), mica.path(name)];
      return once(spawn(process.execPath, [join(top, 'bin/mica'), ...mount], { stdio: 'ignore' }), 'exit');
    });
    expect(await Promise.all(started)).toEqual([0, 0, 0].map((code) => [code, null]));
    expect(listed().length).toBe(3);
    expect(new Set(listed().map(({ pid }) => pid)).size).toBe(1);
  });

  it('ends when it has had no mount for a while, and leaves nothing', async () => {
    mount('a');
    const pid = listed()[0]?.pid ?? 0;
    done('umount', mica.path('a'));
    await gone(pid);
    expect(readdirSync(join(mica.state, 'hosts'))).toEqual([]);
    expect(readdirSync(join(mica.state, 'mounts'))).toEqual([]);
  });

  it('ends all its mounts when it is told to end', async () => {
    mount('a', 'b');
    const pid = listed()[0]?.pid ?? 0;
    process.kill(pid, 'SIGTERM');
    await gone(pid);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(mica.dir);
    expect(readdirSync(join(mica.state, 'mounts'))).toEqual([]);
  });

  it('takes all its mounts along when it is killed, and one command frees them', async () => {
    mount('a', 'b', 'c');
    sh('echo kept > "$1/new"', mica.path('b'));
    const pid = listed()[0]?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    expect(listed().map(({ state }) => state)).toEqual(['dead', 'dead', 'dead']);
    done('umount', '--stale');
    expect(listed()).toEqual([]);
    done('--host', 'shared', 'mount', 'b', mica.path('b'));
    expect(sh('cat "$1/new"', mica.path('b'))).toBe('kept\n');
    expect(listed()[0]?.pid).not.toBe(pid);
  });

  it('loses the one mount whose thread runs out of memory, and no other', async () => {
    // The flag holds for the threads of whoever is started with it: a mount that knows many names needs more.
    const small = { NODE_OPTIONS: '--max-old-space-size=16' };
    for (const folder of ['many', 'upper', 'work']) mkdirSync(mica.path(folder));
    sh('cd "$1" && seq -f "name-%06.0f" 60000 | xargs touch', mica.path('many'));
    const folders = [
      '--lower',
      mica.path('many'),
      '--upper',
      mica.path('upper'),
      '--work',
      mica.path('work'),
    ];
    doneWith(small, '--host', 'shared', 'mount', '--lower', mica.path('tree'), mica.path('b'));
    doneWith(small, '--host', 'shared', 'mount', ...folders, mica.path('a'));
    const [, other] = listed();
    sh('ls -l "$1" > "$2/listed" 2>&1 || :', mica.path('a'), mica.dir);
    while (listed().length > 1) await sleep(10);
    expect(listed()).toEqual([other]);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(`${mica.path('a')} `);
    expect(sh('cat "$1/one"', mica.path('b'))).toBe('lower\n');
    // Nor does what it kept awake stay so.
    expect(sh('readlink /proc/$1/fd/* | grep -c cpu_dma_latency || :', `${other?.pid}`)).toBe('0\n');
    // Nobody holds its upper any more.
    doneWith(small, '--host', 'shared', 'mount', ...folders, mica.path('a'));
    expect(sh('echo x > "$1/x" && cat "$1/x"', mica.path('a'))).toBe('x\n');
    expect(new Set(listed().map(({ pid }) => pid))).toEqual(new Set([other?.pid]));
  });

  it('gives new files the modes that were asked for, whatever the umask of its starter', () => {
    const script = 'umask 077; exec "$0" "$@"';
    const words = ['--root', mica.root, '--state', mica.state, '--host', 'shared', 'mount', 'base:1'];
    sh(
      `${script.replace('"$0" "$@"', '"$@"')}`,
      process.execPath,
      join(top, 'bin/mica'),
      ...words,
      mica.path('a'),
    );
    sh('umask 0; echo x > "$1/open"; mkdir "$1/folder"', mica.path('a'));
    const modes = ['open', 'folder'].map((name) => statSync(mica.path('a', name)).mode & 0o777);
    expect(modes).toEqual([0o666, 0o777]);
  });

  it('is another one in another mount namespace', () => {
    mount('a');
    const words = [join(top, 'bin/mica'), '--root', mica.root, '--state', mica.state];
    const script =
      '"$@" --host shared mount base:1 "$0" >/dev/null && cat "$0/one" && "$@" --json mounts && "$@" umount "$0" >/dev/null';
    const told = spawnSync(
      'unshare',
      ['-m', 'timeout', '60', 'sh', '-ec', script, mica.path('b'), process.execPath, ...words],
      { encoding: 'utf8' },
    );
    expect(told.stderr).toBe('');
    const [first = '', ...rest] = told.stdout.split('\n');
    expect(first).toBe('lower');
    const pids = (JSON.parse(rest.join('\n')) as Listed[]).map(({ pid }) => pid);
    expect(new Set(pids).size).toBe(2);
    expect(listed().length).toBe(1);
  });

  it('is another one for who switches a feature off', () => {
    mount('a', 'b');
    doneWith({ MICA_WITHOUT: 'index' }, '--host', 'shared', 'mount', 'base:1', mica.path('c'));
    const [a, b, c] = listed().map(({ pid }) => pid);
    expect(b).toBe(a);
    expect(c).not.toBe(a);
    expect(readdirSync(join(mica.state, 'hosts')).filter((name) => name.endsWith('.sock')).length).toBe(2);
  });

  it('has mounts of mica-overlayfs, too, and nothing of whoever started it', () => {
    const layers = `lowerdir=${mica.path('tree')}`;
    const env = `MICA_STATE=${mica.state} MICA_HOST=shared`;
    const program = join(top, 'bin/mica-overlayfs');
    // A reader of stdout and stderr comes to their end when the program does.
    const script = `exec 9<"$1"; ${env} "$2" -o "$3" "$4" 2>&1 | cat; ${env} "$2" -o "$3" "$5" 2>&1 | cat`;
    expect(sh(script, mica.path('tree', 'one'), program, layers, mica.path('a'), mica.path('b'))).toBe('');
    const mounts = listed();
    expect(mounts.map(({ host }) => host)).toEqual(['shared', 'shared']);
    const [pid] = new Set(mounts.map((mount) => mount.pid));
    expect(sh('readlink /proc/$1/fd/* | grep -cxF "$2" || :', `${pid}`, mica.path('tree', 'one'))).toBe(
      '0\n',
    );
    expect(sh('cat "$1/one"', mica.path('b'))).toBe('lower\n');
  });

  it('comes when there are four mounts with a process each', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const name of names) {
      mkdirSync(mica.path(name), { recursive: true });
      done('mount', '--lower', mica.path('tree'), mica.path(name));
    }
    expect(listed().map(({ host }) => host)).toEqual(['own', 'own', 'own', 'own', 'shared', 'shared']);
    expect(new Set(listed().map(({ pid }) => pid)).size).toBe(5);
  });

  it('is told of by info and doctor', () => {
    mount('a', 'b');
    const pid = listed()[0]?.pid;
    const info = JSON.parse(done('info', '--json')) as object;
    expect(info).toMatchObject({ host: 'auto', sharedHost: { pid, mounts: 2 } });
    const checks = JSON.parse(done('doctor', '--json')) as readonly { check: string; why: string }[];
    const check = checks.find((one) => one.check === 'mount host');
    expect(check?.why).toContain(`the shared one (pid ${pid}) has 2 mounts`);
  });

  it('does not serve what lies on FUSE, or was asked to have a process of its own', () => {
    mount('a');
    for (const folder of ['upper', 'work', 'below']) mkdirSync(mica.path('a', folder));
    const upper = ['--upper', mica.path('a', 'upper'), '--work', mica.path('a', 'work')];
    done('--host', 'shared', 'mount', '--lower', mica.path('tree'), ...upper, mica.path('b'));
    done('--host', 'own', 'mount', '--lower', mica.path('tree'), mica.path('c'));
    const hosts = listed().map(({ host, pid }) => ({ host, pid }));
    expect(hosts.map(({ host }) => host)).toEqual(['shared', 'own', 'own']);
    expect(new Set(hosts.map(({ pid }) => pid)).size).toBe(3);
    expect(sh('echo deep > "$1/deep" && cat "$1/deep"', mica.path('b'))).toBe('deep\n');
    done('umount', mica.path('b'));
  });

  it('is said to be missing in one line where none can be started', () => {
    mkdirSync(mica.state, { recursive: true, mode: 0o700 });
    // Nobody can make a file there.
    symlinkSync('/proc', join(mica.state, 'hosts'));
    const { code, err } = mica.run(['--host', 'shared', 'mount', 'base:1', mica.path('a')]);
    expect({ code, lines: err.trim().split('\n') }).toEqual({
      code: 1,
      lines: [expect.stringMatching(/^mica: /)],
    });
    expect(listed()).toEqual([]);
  });

  it('answers nobody but its user', async () => {
    mount('a');
    const [name = ''] = readdirSync(join(mica.state, 'hosts')).filter((file) => file.endsWith('.sock'));
    const socket = join(mica.state, 'hosts', name);
    for (const folder of [mica.dir, mica.state, join(mica.state, 'hosts')]) chmodSync(folder, 0o755);
    chmodSync(socket, 0o666);
    expect(await askAs(0, socket)).toMatch(/^\{"status":\{"pid":\d+,"mounts":1\}\}\n$/);
    expect(await askAs(65534, socket)).toBe('');
  });

  it('answers what it cannot read, too', async () => {
    mount('a');
    const [name = ''] = readdirSync(join(mica.state, 'hosts')).filter((file) => file.endsWith('.sock'));
    const socket = join(mica.state, 'hosts', name);
    const refused = { kind: 'invalid-argument', what: 'cannot answer a request for a mount' };
    for (const [line, why] of [
      ['nonsense', 'it is not JSON'],
      ['{"op":"foo"}', 'its op is not known'],
      ['{"op":"serve"}', 'its spec is not of type object'],
    ]) {
      expect(JSON.parse(await askAs(0, socket, line))).toEqual({ error: { ...refused, why } });
    }
    expect(readFileSync(join(mica.state, 'hosts', name.replace(/sock$/, 'log')), 'utf8')).toBe('');
    const answer = JSON.parse(await askAs(0, socket, '{"op":"serve","spec":{}}')) as object;
    expect(answer).toMatchObject({ error: { what: 'cannot mount' } });
  });

  it('takes the mount back of who goes away before it is live', async () => {
    mount('a');
    const [name = ''] = readdirSync(join(mica.state, 'hosts')).filter((file) => file.endsWith('.sock'));
    const asked = createConnection(join(mica.state, 'hosts', name));
    const stack = { lowers: [{ path: mica.path('tree'), id: 'tree', dialect: 'overlay' }] };
    const spec = { state: mica.state, target: mica.path('b'), stack, transport: 'auto', readOnly: true };
    asked.write(`${JSON.stringify({ op: 'serve', spec: { ...spec, log: mica.path('log') } })}\n`, () => {
      asked.destroy();
    });
    await once(asked, 'close');
    // What was asked for before this is over when this is.
    mount('c');
    while (listed().length !== 2) await sleep(10);
    expect(listed().map(({ target }) => target)).toEqual([mica.path('a'), mica.path('c')]);
    expect(existsSync(mica.path('log'))).toBe(false);
  });
});

/** Runs a script with a limit: a mount under test may hang. */
function sh(script: string, ...args: string[]): string {
  const done = spawnSync('timeout', ['60', 'sh', '-ec', script, 'sh', ...args], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`exit ${done.status}: ${done.stderr}`);
  return done.stdout;
}

function end(pid: number, signal: NodeJS.Signals): void {
  if (existsSync(`/proc/${pid}`)) process.kill(pid, signal);
}

async function gone(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await sleep(10);
}

/** What a host answers to a user who asks for its status, or something else. */
function askAs(uid: number, socket: string, line = '{"op":"status"}'): Promise<string> {
  const script = `const s = require('net').createConnection(${JSON.stringify(socket)});
    s.on('error', () => {}); s.on('data', (d) => process.stdout.write(d)); s.write(${JSON.stringify(line)} + '\\n');`;
  const child = spawn(process.execPath, ['-e', script], {
    uid,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once('close', () => resolve(text));
  });
}

/** By another process: nobody waits here while it is served. */
function writeMany(folder: string, count: number): void {
  const script = 'i=0; while [ $i -lt "$2" ]; do : > "$1/many$i"; i=$((i + 1)); done; rm "$1"/many*';
  const { status } = spawnSync('sh', ['-c', script, 'sh', folder, `${count}`], { timeout: 60_000 });
  if (status !== 0) throw new Error(`writing files ended with ${status}`);
}
