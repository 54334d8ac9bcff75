// `mica serve` as a process: how it starts, what it refuses, how it ends, and what systemd sees of it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { WriteAction } from '../../../src/containerd/gen/containerd/services/content/v1/content.js';
import { SnapshotsClient } from '../../../src/containerd/gen/containerd/services/snapshots/v1/snapshots.js';
import { digestOf } from '../../../src/digest.js';
import { Clients, headers, WriteCall } from '../containerd/clients.js';
import { ask, insecure } from '../containerd/served.js';
import { Mica } from './mica.js';

const MICA = fileURLToPath(new URL('../../../bin/mica', import.meta.url));
/** Nothing is to be mounted. */
const DRIVER = ['--driver', 'fuse', '--mounts', 'program'];

let mica: Mica;
let socket: string;
beforeEach(() => {
  mica = new Mica();
  socket = mica.path('m.sock');
});
afterEach(() => mica.remove());

/** Starts it under `before`, the beginning of a command line, and resolves when it says that it serves. */
async function start(words: readonly string[], before: readonly string[] = []): Promise<ChildProcess> {
  const command = [...before, process.execPath, MICA, 'serve', ...DRIVER, ...words];
  const child = spawn(command[0] ?? '', command.slice(1), {
    env: { ...process.env, MICA_ROOT: mica.root, MICA_STATE: mica.state, HOME: mica.dir },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stderr }))
    if (line.includes('serving')) return child;
  throw new Error('it did not serve');
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  const exit = once(child, 'exit') as Promise<[number | null]>;
  child.kill(signal);
  return (await exit)[0];
}

const prepare = (key: string) =>
  new Promise<void>((resolve, reject) => {
    const client = new SnapshotsClient(`unix:${socket}`, insecure());
    ask((done) => client.prepare({ snapshotter: '', key, parent: '', labels: {} }, done))
      .then(() => resolve(), reject)
      .finally(() => client.close());
  });

test('a server listens for its owner alone, ends with 0 on SIGTERM, and what it made is listed as its own', async () => {
  const child = await start(['--address', `unix://${socket}`]);
  expect(lstatSync(socket).mode & 0o7777).toBe(0o600);
  await prepare('k8s.io/1/key');
  const second = mica.run(['serve', ...DRIVER, '--address', socket]);
  expect([second.code, second.err]).toEqual([5, expect.stringContaining('a server is running there')]);
  expect(await end(child)).toBe(0);
  expect(existsSync(socket)).toBe(false);
  expect(mica.run(['snapshot', 'ls', '-q']).out).toBe('');
  expect(JSON.parse(mica.run(['snapshot', 'ls', '--all', '--json']).out)).toMatchObject([
    { key: 'k8s.io/1/key', partition: socket },
  ]);
  expect(mica.run(['namespace', 'ls', '-q']).out).toBe('');
  expect(mica.run(['gc', '--json']).out).toContain('"removed":[]');
  expect(mica.run(['fsck']).code).toBe(0);
  expect(mica.run(['snapshot', '--partition', socket, 'rm', 'k8s.io/1/key']).code).toBe(0);
  expect(mica.run(['snapshot', 'ls', '--all', '-q']).out).toBe('');
});

test('a server that was killed is followed by another, which has what it acknowledged', async () => {
  const first = await start(['--address', socket, '--partition', 'one']);
  await prepare('key');
  await end(first, 'SIGKILL');
  const second = await start(['--address', socket, '--partition', 'one']);
  await expect(prepare('key')).rejects.toMatchObject({ code: 6 });
  expect(await end(second, 'SIGINT')).toBe(0);
});

test('words that cannot be served are refused', () => {
  expect(mica.run(['serve']).err).toContain('--address SOCKET is missing');
  expect(mica.run(['serve', '--address', socket, '--owner', 'me']).code).toBe(2);
  expect(mica.run(['serve', '--address', mica.path('x'.repeat(120))]).code).toBe(2);
  expect(mica.run(['serve', '--address', socket, '--partition', '']).code).toBe(2);
});

test('a supervisor hands over the socket, and is told when it is served and when that ends', async () => {
  const notices = mica.path('notify');
  // What systemd does: it listens, puts the socket at descriptor 3 and says so, and reads datagrams.
  const supervisor = `
    use Socket; use POSIX 'dup2'; $| = 1; $^F = 9;
    my ($at, $notices, @words) = @ARGV;
    my ($box, $l);
    socket($box, AF_UNIX, SOCK_DGRAM, 0) and bind($box, sockaddr_un($notices)) or die;
    socket($l, AF_UNIX, SOCK_STREAM, 0) and bind($l, sockaddr_un($at)) and listen($l, 9) or die;
    my $child = fork;
    if (!$child) {
      dup2(fileno($l), 3);
      @ENV{'LISTEN_PID', 'LISTEN_FDS', 'NOTIFY_SOCKET'} = ($$, 1, $notices);
      exec @words;
    }
    close $l;
    recv($box, my $notice, 99, 0); print "$notice\n";
    <STDIN>; kill 'TERM', $child;
    recv($box, $notice, 99, 0); print "$notice\n";
    waitpid($child, 0); print "$?\n";`;
  const words = [process.execPath, MICA, 'serve', ...DRIVER, '--partition', 'p'];
  const child = spawn('perl', ['-e', supervisor, socket, notices, ...words], {
    env: { ...process.env, MICA_ROOT: mica.root, MICA_STATE: mica.state, HOME: mica.dir },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('READY=1');
  await prepare('key');
  child.stdin.write('\n');
  expect((await lines.next()).value).toBe('STOPPING=1');
  expect((await lines.next()).value).toBe('0');
});

test('what was answered to a writer is there when the server was killed and is started again', async () => {
  const words = ['--address', socket];
  const killed = await start(words);
  const first = new Clients(socket);
  await new WriteCall(first.content, headers('n')).say({ ref: 'r', data: Buffer.from('abc') });
  await end(killed, 'SIGKILL');
  first.close();
  const again = await start(words);
  const second = new Clients(socket);
  try {
    const write = new WriteCall(second.content, headers('n'));
    expect(await write.say({ action: WriteAction.STAT, ref: 'r' })).toMatchObject({ offset: 3 });
    const data = Buffer.from('def');
    const done = await write.say({ action: WriteAction.COMMIT, offset: 3, data });
    expect(done).toMatchObject({ offset: 6, digest: digestOf('abcdef') });
  } finally {
    second.close();
  }
  expect(await end(again)).toBe(0);
  expect(mica.run(['-n', 'n', 'content', 'get', digestOf('abcdef')]).out).toBe('abcdef');
});

test('a server that is to end says what it waits for, and drops that at a second signal', async () => {
  const child = await start(['--address', socket]);
  const clients = new Clients(socket);
  const write = new WriteCall(clients.content, headers('n'));
  await write.say({ ref: 'r', data: Buffer.from('abc') });
  const exit = once(child, 'exit');
  const lines = createInterface({ input: child.stderr! })[Symbol.asyncIterator]();
  child.kill('SIGTERM');
  expect((await lines.next()).value).toBe('waiting for 1 calls to end; a second signal drops them');
  child.kill('SIGTERM');
  expect(await exit).toEqual([0, null]);
  clients.close();
});
