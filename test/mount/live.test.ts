// A mount whose changes are committed, or thrown away, while it is in use: who uses it goes on, and what is in the
// snapshot is what was written before. Programs of Python hold what is open; they wait for a line between two steps.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Entry, fromText, openStack, Union, walk } from '../../dist/fs/index.js';
import type { FuseOptions } from '../../dist/src/mounts/host-spec.js';
import { mountSnapshot, unmountSnapshot } from '../../dist/src/mounts/mount-snapshot.js';
import { MountTable } from '../../dist/src/mounts/table.js';
import { Store } from '../../dist/src/store.js';
import { describeWith } from '../requires.js';

/** A program of Python, step by step: `step()` in it waits for the test's next one. */
class Steps {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = '';
  #isClosed = false;

  constructor(folder: string, program: string) {
    const prelude =
      'import ctypes, errno, fcntl, mmap, os, struct, sys, threading, time\n' +
      'def step(said=""):\n  print("step", said, flush=True)\n  if not sys.stdin.readline(): sys.exit(1)\n';
    this.#process = spawn('timeout', ['100', 'python3', '-c', `${prelude}\n${program}`], {
      cwd: folder,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#process.once('close', () => {
      this.#isClosed = true;
    });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** Waits for the program to come to its next step, or to its end; returns what it said. */
  async come(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done !== true) return value.replace(/^step /, '');
    const code = await this.#ended;
    expect({ code, errors: this.#errors }).toEqual({ code: 0, errors: '' });
    return '';
  }

  async go(): Promise<string> {
    this.#process.stdin?.write('\n');
    return this.come();
  }

  get #ended(): Promise<number | null> {
    const { exitCode } = this.#process;
    if (exitCode !== null) return Promise.resolve(exitCode);
    return new Promise((resolve) => this.#process.once('exit', resolve));
  }

  /** Ends it with the processes that it made, which share its group and its output. */
  async kill(): Promise<void> {
    if (this.#isClosed) return;
    const closed = new Promise((resolve) => this.#process.once('close', resolve));
    // `timeout` leads a group of its own.
    process.kill(-(this.#process.pid as number), 'SIGKILL');
    await closed;
  }
}

describeWith(['root', 'fuse', 'program:python3'], 'a mount that is in use', () => {
  let root: string;
  let mnt: string;
  let store: Store;
  const programs: Steps[] = [];
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'mica-live-'));
    mnt = join(root, 'mnt');
    mkdirSync(mnt);
    store = await Store.open(join(root, 'root'), {
      state: join(root, 'state'),
      driver: 'fuse',
      durable: false,
    });
    await store.snapshots.prepare('fill', undefined);
    const fs = (await store.snapshots.stack('fill')).upper?.path ?? '';
    mkdirSync(join(fs, 'dir/deep'), { recursive: true });
    for (const name of ['low', 'dir/a', 'dir/b', 'dir/c', 'dir/deep/x']) writeFileSync(join(fs, name), name);
    mkdirSync(join(fs, 'gone'));
    writeFileSync(join(fs, 'gone/y'), 'y');
    writeFileSync(join(fs, 'large'), Buffer.alloc(6 << 20, 'L'));
    await store.snapshots.commit('base', 'fill');
    await store.snapshots.prepare('key', 'base');
  });
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.kill();
    for (const row of new MountTable(store.state).list())
      await unmountSnapshot(row.target, store.state, true);
    await store.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function mount(fuse: FuseOptions): Promise<void> {
    await mountSnapshot(store, 'key', mnt, { fuse });
  }

  async function begin(program: string): Promise<Steps> {
    const steps = new Steps(mnt, program);
    programs.push(steps);
    await steps.come();
    return steps;
  }

  /** Reads a committed snapshot without a mount. */
  async function inSnapshot<T>(name: string, look: (tree: Union) => T): Promise<T> {
    const tree = new Union(openStack(await store.snapshots.stack(name)));
    try {
      return look(tree);
    } finally {
      tree.destroy();
    }
  }

  function contentOf(name: string, path: string): Promise<Buffer> {
    return inSnapshot(name, (tree) => {
      const entry = new Entry();
      expect(tree.resolvePath(fromText(path), entry)).toBe(true);
      const bytes = Buffer.alloc(entry.attr.size);
      const file = tree.open(entry.node, 0);
      expect(tree.read(file, 0, bytes)).toBe(bytes.length);
      return bytes;
    });
  }

  describe.each<[string, FuseOptions]>([
    ['written past the server', {}],
    ['written through the server', { passthrough: false }],
    ['whose writes the kernel collects', { writeback: true }],
  ])('%s', (_, fuse) => {
    it('has in each snapshot what eight writers wrote before, and nothing after', async () => {
      await mount(fuse);
      const shared = join(root, 'shared');
      writeFileSync(shared, Buffer.alloc(8 * 8));
      const writers = await begin(`
RECORDS = 1 << 16
shared = mmap.mmap(os.open(${JSON.stringify(shared)}, os.O_RDWR), 64)
os.mkdir('seq')
for p in range(8):
  if os.fork() == 0:
    path = 'seq/%d' % p
    kind = ['append', 'write', 'map'][p % 3]
    fd = os.open(path, os.O_CREAT | os.O_RDWR | (os.O_APPEND if kind == 'append' else 0))
    if kind == 'map':
      os.ftruncate(fd, RECORDS * 8)
      mapped = mmap.mmap(fd, RECORDS * 8)
    for n in range(1, RECORDS):
      record = struct.pack('<Q', n)
      if kind == 'append': os.write(fd, record)
      elif kind == 'write': os.pwrite(fd, record, (n - 1) * 8)
      else: mapped[(n - 1) * 8:n * 8] = record
      shared[p * 8:p * 8 + 8] = record
      time.sleep(0.0002)
      if os.getppid() == 1: os._exit(0)
    os._exit(0)
while min(struct.unpack('<8Q', shared[:])) < 20: time.sleep(0.01)
step()
`);
      const written = () =>
        Array.from({ length: 8 }, (_, p) => Number(readFileSync(shared).readBigUInt64LE(p * 8)));
      for (const name of ['one', 'two', 'three']) {
        const floors = written();
        const { stop } = await store.snapshots.commitLive(name, 'key');
        expect(stop?.stoppedMs).toBeLessThan(10_000);
        const ceilings = written();
        for (const [p, floor] of floors.entries()) {
          const records = new BigUint64Array((await contentOf(name, `seq/${p}`)).buffer.slice(0));
          const zero = records.indexOf(0n);
          const prefix = records.subarray(0, zero < 0 ? records.length : zero);
          const rest = records.subarray(prefix.length);
          expect(prefix.findIndex((record, n) => record !== BigInt(n + 1))).toBe(-1);
          expect(rest.every((record) => record === 0n)).toBe(true);
          expect(prefix.length).toBeGreaterThanOrEqual(floor);
          // One may be written and not yet said.
          expect(prefix.length).toBeLessThanOrEqual(ceilings[p]! + 1);
        }
      }
      await writers.kill();
    });

    it('keeps what is open, its locks and its numbers over a commit', async () => {
      await mount(fuse);
      const user = await begin(`
def tree():
  found = {}
  for at, dirs, files in os.walk('.'):
    for entry in os.scandir(at):
      s = os.lstat(entry.path)
      assert entry.inode() == s.st_ino, entry.path
      found[entry.path] = (s.st_ino, s.st_nlink, s.st_mode, s.st_mtime_ns if entry.name != 'in' else 0, s.st_size)
  return found
open('new', 'w').write('before')
os.link('new', 'dir/hard')
os.rename('dir', 'moved')
open('moved/a', 'a').write('+more')
os.chmod('low', 0o600)
os.unlink('gone/y'); os.rmdir('gone')
os.mkdir('made'); open('made/in', 'w').write('in')
os.symlink('new', 'link')
writer = os.open('new', os.O_RDWR)
reader = os.open('moved/a', os.O_RDONLY)
part = os.open('large', os.O_RDWR)
os.pwrite(part, b'part', 1 << 20)
gone = os.open('removed', os.O_CREAT | os.O_RDWR); os.write(gone, b'still'); os.unlink('removed')
temp = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600); os.write(temp, b'temp')
mapped = mmap.mmap(os.open('made/in', os.O_RDWR), 2)
mapped[0:1] = b'I'
fcntl.flock(writer, fcntl.LOCK_EX)
fcntl.lockf(reader, fcntl.LOCK_SH, 3)
folder = os.open('moved', os.O_RDONLY)
inside = os.open('moved/deep', os.O_RDONLY)
os.chdir('made')
os.fchdir(os.open('..', os.O_RDONLY))
listing = os.scandir('moved'); first = next(listing).name
before = tree()
step()
after = tree()
assert before == after, [(k, before.get(k), after.get(k)) for k in {**before, **after} if before.get(k) != after.get(k)]
names = [first] + [entry.name for entry in listing]
assert sorted(names) == ['a', 'b', 'c', 'deep', 'hard'], names
os.pwrite(writer, b'AFTER!', 0)
assert open('moved/hard').read() == open('link').read() == 'AFTER!'
assert os.stat('new').st_nlink == 2 and os.stat('new').st_ino == os.stat('moved/hard').st_ino
assert os.pread(reader, 100, 0) == b'dir/a+more'
assert os.pread(part, 6, (1 << 20) - 1) == b'LpartL'
os.pwrite(part, b'PART', 1 << 20)
os.pwrite(gone, b'STILL', 0); assert os.pread(gone, 9, 0) == b'STILL' and os.fstat(gone).st_nlink == 0
os.link('/proc/self/fd/%d' % temp, 'named', src_dir_fd=folder)
assert open('named').read() == 'temp'
mapped[1:2] = b'N'; mapped.flush()
assert open('made/in').read() == 'IN'
other = os.open('new', os.O_RDWR)
try: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB); assert False
except BlockingIOError: pass
os.rename('moved', 'again')
os.open('x', os.O_RDWR, dir_fd=inside)
assert os.listdir('again/deep') == ['x']
assert sorted(os.listdir(folder)) == ['a', 'b', 'c', 'deep', 'hard']
os.unlink('again/a'); assert sorted(os.listdir('again')) == ['b', 'c', 'deep', 'hard']
os.unlink('made/in'); os.rmdir('made'); os.mkdir('made'); assert os.listdir('made') == []
os.mkdir('gone'); assert os.listdir('gone') == []
step()
`);
      const { info, stop } = await store.snapshots.commitLive('one', 'key');
      expect(info).toMatchObject({ name: 'one', kind: 'committed', parent: 'base' });
      expect(stop?.stoppedMs).toBeGreaterThan(0);
      await user.go();
      expect(await store.snapshots.stat('key')).toMatchObject({ kind: 'active', parent: 'one' });
      expect((await contentOf('one', 'new')).toString()).toBe('before');
      expect((await contentOf('one', 'moved/hard')).toString()).toBe('before');
      expect((await contentOf('one', 'made/in')).toString()).toBe('In');
      const large = await contentOf('one', 'large');
      expect(large.subarray((1 << 20) - 1, (1 << 20) + 5).toString()).toBe('LpartL');
      expect(
        await inSnapshot('one', (tree) =>
          [...walk(tree)]
            .map(({ path }) => path)
            .filter((path) => !path.includes('/'))
            .sort(),
        ),
      ).toEqual(['large', 'link', 'low', 'made', 'moved', 'new']);
      await user.go();
      await unmountSnapshot(mnt, store.state);
      // What came after is in the key, on top of it.
      await mount(fuse);
      expect(readdirSync(mnt).sort()).toEqual([
        'again',
        'gone',
        'large',
        'link',
        'low',
        'made',
        'named',
        'new',
      ]);
      expect(readFileSync(join(mnt, 'again/hard'), 'utf8')).toBe('AFTER!');
      expect(
        readFileSync(join(mnt, 'large'))
          .subarray(1 << 20, (1 << 20) + 4)
          .toString(),
      ).toBe('PART');
      expect(statSync(join(mnt, 'new')).nlink).toBe(2);
    });

    it('shows its parent again after a rollback, and keeps what is open', async () => {
      await mount(fuse);
      const user = await begin(`
numbers = {p: os.stat(p).st_ino for p in ['low', 'dir', 'dir/a', 'dir/deep', 'gone']}
changed = os.open('low', os.O_RDWR); os.write(changed, b'CHANGED')
new = os.open('new', os.O_CREAT | os.O_RDWR); os.write(new, b'new')
mapped = mmap.mmap(os.open('large', os.O_RDWR), 1 << 20); mapped[0:4] = b'part'
os.rename('dir', 'moved'); os.unlink('moved/b'); open('moved/deep/z', 'w').write('z')
os.unlink('gone/y'); os.rmdir('gone')
os.mkdir('made')
for path in ['gone', 'dir', 'moved/b', 'none']: assert not os.path.exists(path), path
assert sorted(os.listdir('moved')) == ['a', 'c', 'deep']
os.chdir('moved/deep')
inside = os.open('.', os.O_RDONLY)
os.chdir('../..')
step()
assert sorted(os.listdir('.')) == ['dir', 'gone', 'large', 'low'], os.listdir('.')
assert sorted(os.listdir('dir')) == ['a', 'b', 'c', 'deep'], os.listdir('dir')
for path in ['new', 'made', 'moved', 'moved/a']: assert not os.path.exists(path), path
assert open('gone/y').read() == 'y' and open('dir/b').read() == 'dir/b'
assert open('low').read() == 'low'
assert open('large', 'rb').read(4) == b'LLLL'
now = {p: os.stat(p).st_ino for p in numbers}
assert now == numbers, (now, numbers)
assert os.listdir(inside) == ['x'] and os.stat('dir/deep').st_nlink == 2
assert os.pread(changed, 9, 0) == b'CHANGED' and os.fstat(changed).st_ino != os.stat('low').st_ino
os.pwrite(new, b'NEWER', 0); assert os.pread(new, 9, 0) == b'NEWER' and os.fstat(new).st_nlink == 0
assert mapped[0:5] == b'partL'; mapped[4:5] = b'S'; mapped.flush()
open('low', 'a').write('+'); assert open('low').read() == 'low+'
open('dir/b', 'w').write('B'); os.mkdir('made'); os.rename('dir', 'moved')
assert sorted(os.listdir('moved')) == ['a', 'b', 'c', 'deep']
step()
`);
      expect((await store.snapshots.rollBack('key')).stop?.stoppedMs).toBeGreaterThan(0);
      await user.go();
      await user.go();
      await unmountSnapshot(mnt, store.state);
      await mount(fuse);
      expect(readdirSync(mnt).sort()).toEqual(['gone', 'large', 'low', 'made', 'moved']);
      expect(readFileSync(join(mnt, 'low'), 'utf8')).toBe('low+');
      expect(readFileSync(join(mnt, 'large')).subarray(0, 4).toString()).toBe('LLLL');
    });
  });

  it('is rolled back and committed under processes that lock its folders without a pause', async () => {
    await mount({});
    const busy = await begin(`
for p in range(4):
  if os.fork() == 0:
    n = 0
    while True:
      n += 1
      try:
        path = 'dir/%d-%d' % (p, n % 7)
        open(path, 'w').write('x')
        os.listdir('dir'); os.rename(path, path + 'r'); os.stat('dir/a'); os.listdir('.')
        open('dir/a', 'a').write('.')
        os.unlink(path + 'r')
      except OSError as e:
        if e.errno not in (errno.ENOENT, errno.ESTALE): raise
    os._exit(0)
step()
`);
    for (let n = 0; n < 10; n++) {
      await store.snapshots.rollBack('key');
      await store.snapshots.commitLive(`c${n}`, 'key');
    }
    await busy.kill();
    expect((await store.snapshots.stat('key')).parent).toBe('c9');
  });

  it('is rolled back to its last commit, and without a mount to its parent', async () => {
    await mount({});
    writeFileSync(join(mnt, 'kept'), 'kept');
    await store.snapshots.commitLive('one', 'key');
    writeFileSync(join(mnt, 'kept'), 'changed');
    await store.snapshots.rollBack('key');
    expect(readFileSync(join(mnt, 'kept'), 'utf8')).toBe('kept');
    writeFileSync(join(mnt, 'later'), '');
    await unmountSnapshot(mnt, store.state);
    expect(await store.snapshots.rollBack('key')).toEqual({ stop: undefined });
    await mount({});
    expect(readdirSync(mnt).sort()).toEqual(['dir', 'gone', 'kept', 'large', 'low']);
    await unmountSnapshot(mnt, store.state);
    await store.snapshots.cleanup();
    expect(readdirSync(join(root, 'root/snapshots'))).toHaveLength(3);
  });
});
