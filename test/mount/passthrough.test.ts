// Files that the kernel reads and writes without the server: which they are, by what the server was asked for; and
// that nobody sees a difference.

import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { mountSnapshot, unmountSnapshot } from '../../dist/src/mounts/mount-snapshot.js';
import { MountTable } from '../../dist/src/mounts/table.js';
import { Store } from '../../dist/src/store.js';
import { describeWith } from '../requires.js';
import { eachWithMount, type Scratch, type Served, type ServeOptions } from './mounted.js';

const BIG = 1 << 20;

describeWith(['root', 'fuse', 'passthrough', 'program:python3'], 'passthrough', () => {
  let scratch: Scratch;
  let served: Served;
  let mnt: string;
  const at = eachWithMount((made) => {
    scratch = made;
    mnt = scratch.at('mnt');
    // Servers inherit it, and are to have what is tested.
    vi.stubEnv('MICA_WITHOUT', '');
  });
  afterEach(() => vi.unstubAllEnvs());

  async function serve(more: Partial<ServeOptions> = {}): Promise<Served> {
    served = await at.serve(more);
    return served;
  }

  /** What the server was asked for since it began. */
  async function counts(): Promise<Record<string, number>> {
    return ((await served.ask({ op: 'status' })) as { counts: Record<string, number> }).counts;
  }

  /** Reads and writes that the server was asked for. */
  async function dataRequests(): Promise<number> {
    const { read = 0, write = 0 } = await counts();
    return read + write;
  }

  /** Runs a program of Python in the mount; it prints nothing if all it asserts holds. */
  function python(program: string): void {
    fs.writeFileSync(
      scratch.at('program.py'),
      `import fcntl, mmap, os, sys\nos.chdir(${JSON.stringify(mnt)})\n${program}\n`,
    );
    expect(scratch.sh('timeout 50 python3 program.py 2>&1')).toBe('');
  }

  describe('of a writable mount', () => {
    it('a new file is written and read without the server', async () => {
      await serve();
      python(`
f = open('new', 'wb', buffering=0)
for n in range(300): f.write(b'x' * 4096)
assert os.fstat(f.fileno()).st_size == os.stat('new').st_size == 300 * 4096
f.close()
assert open('new', 'rb').read() == b'x' * 300 * 4096
fd = os.open('new', os.O_RDWR)
for n in range(300): assert os.pwrite(fd, b'y' * 100, n * 4096) == 100
assert os.pread(fd, 200, 4096) == b'y' * 100 + b'x' * 100
os.close(fd)`);
      expect(await dataRequests()).toBe(0);
      expect(fs.statSync(scratch.at('upper/new')).size).toBe(300 * 4096);
    });

    it('a lower file is read through the server, and all of it once it was copied up', async () => {
      fs.writeFileSync(scratch.at('lower/file'), Buffer.alloc(BIG, 'a'));
      await serve();
      python(`
before = os.open('file', os.O_RDONLY)
assert os.pread(before, 3, 0) == b'aaa'
writer = os.open('file', os.O_RDWR)
os.pwrite(writer, b'b', 0)
os.pwrite(writer, b'c', ${BIG})
assert os.pread(before, 3, 0) == b'baa'
shown = mmap.mmap(before, 0, mmap.MAP_SHARED, mmap.PROT_READ)
os.pwrite(writer, b'd', 1)
assert shown[:3] == b'bda' and shown[-1:] == b'c'`);
      const through = await dataRequests();
      expect(through).toBeGreaterThan(0);
      python(`
fd = os.open('file', os.O_RDWR)
assert os.pread(fd, 3, 0) == b'bda'
os.pwrite(fd, b'e', 2)
assert os.pread(fd, 3, 0) == b'bde'`);
      expect(await dataRequests()).toBe(through);
    });

    it('a file whose attributes alone are in the upper is read below, and written in the upper', async () => {
      fs.writeFileSync(scratch.at('lower/file'), Buffer.alloc(BIG, 'a'));
      await serve();
      python(`
os.chmod('file', 0o600)
assert open('file', 'rb').read() == b'a' * ${BIG}
for time in range(2):
    fd = os.open('file', os.O_RDWR)
    os.pwrite(fd, b'b', 5)
    assert os.pread(fd, 8, 0) == b'aaaaabaa'
    os.close(fd)`);
      expect(fs.readFileSync(scratch.at('upper/file'))[5]).toBe(0x62);
    });

    it('small files are opened for reading as those of lowers are, and go on to be read while they are written', async () => {
      await serve();
      python(`
open('small', 'w').write('one')
reader = os.open('small', os.O_RDONLY)
assert os.pread(reader, 9, 0) == b'one'
writer = os.open('small', os.O_WRONLY)
os.pwrite(writer, b'two', 0)
assert os.pread(reader, 9, 0) == b'two'
os.close(reader)
os.pwrite(writer, b'3', 0)
os.close(writer)
writer = os.open('small', os.O_WRONLY)
os.pwrite(writer, b'four', 0)
reader = os.open('small', os.O_RDONLY)
assert os.pread(reader, 9, 0) == b'four'
os.pwrite(writer, b'5', 0)
assert os.pread(reader, 9, 0) == b'5our'
os.close(writer)
os.close(reader)
assert open('small').read() == '5our'`);
      expect(await counts()).toMatchObject({ read: expect.any(Number), write: expect.any(Number) });
    });

    it('a mapping is coherent with reads and writes, and tells times, after its descriptor is closed', async () => {
      await serve();
      python(`
fd = os.open('file', os.O_RDWR | os.O_CREAT)
os.write(fd, b'.' * 8192)
mapped = mmap.mmap(fd, 8192)
os.close(fd)
def changed(act):
    old = 1_000_000_000_000_000_000
    os.utime('file', ns=(old, old))
    act()
    mapped.flush()
    return os.stat('file').st_mtime_ns > old
def write(): mapped[4096:4100] = b'here'
assert changed(write)
assert open('file', 'rb').read()[4096:4100] == b'here'
assert changed(write)
other = os.open('file', os.O_WRONLY)
os.pwrite(other, b'there', 0)
os.close(other)
assert mapped[:5] == b'there'
mapped.close()`);
    });

    it('attributes of a file that may be mapped are asked for, and kept again when nobody can write it any more', async () => {
      await serve();
      const asked = async () => {
        const { getattr = 0, statx = 0 } = await counts();
        return getattr + statx;
      };
      const stat = async () => {
        const before = await asked();
        for (let n = 0; n < 10; n++) fs.statSync(join(mnt, 'file'));
        return (await asked()) - before;
      };
      const fd = fs.openSync(join(mnt, 'file'), 'w+');
      fs.writeSync(fd, 'text');
      expect(await stat()).toBeGreaterThanOrEqual(10);
      fs.closeSync(fd);
      expect(await stat()).toBeLessThan(3);
    });

    it('what a descriptor of O_APPEND appends comes behind what others wrote, until the flag is taken back', async () => {
      await serve();
      python(`
other = os.open('log', os.O_WRONLY | os.O_CREAT)
log = os.open('log', os.O_RDWR | os.O_APPEND)
os.write(log, b'one;')
os.pwrite(other, b'two;', 4)
os.write(log, b'three;')
assert os.pread(log, 99, 0) == b'one;two;three;'
fcntl.fcntl(log, fcntl.F_SETFL, 0)
os.pwrite(log, b'ONE', 0)
fcntl.fcntl(other, fcntl.F_SETFL, os.O_APPEND)
os.write(other, b'end')
assert open('log').read() == 'ONE;two;three;end'`);
    });

    it('truncating, allocating, holes and copies go on through the server', async () => {
      await serve();
      python(`
fd = os.open('file', os.O_RDWR | os.O_CREAT)
os.write(fd, b'x' * 100000)
os.ftruncate(fd, 50000)
assert os.fstat(fd).st_size == 50000
os.posix_fallocate(fd, 0, 70000)
assert os.fstat(fd).st_size == 70000 and os.pread(fd, 2, 69998) == b'\\0\\0'
os.ftruncate(fd, 1 << 20)
os.pwrite(fd, b'end', 1 << 20)
assert os.lseek(fd, 200000, os.SEEK_DATA) == 1 << 20
to = os.open('copy', os.O_RDWR | os.O_CREAT)
assert os.copy_file_range(fd, to, 1000, 0, 500) == 1000
assert os.pread(to, 2000, 0) == bytes(500) + b'x' * 1000
assert os.fstat(to).st_size == 1500
os.truncate('copy', 3)
os.fsync(to)
assert os.fstat(to).st_size == 3 and os.stat('copy').st_size == 3`);
    });

    it('a file that was removed, or replaced by a rename, goes on to be what it was to who has it open', async () => {
      await serve();
      python(`
old = os.open('file', os.O_RDWR | os.O_CREAT)
os.write(old, b'old')
open('new', 'w').write('new')
os.rename('new', 'file')
os.pwrite(old, b'!', 3)
assert os.pread(old, 9, 0) == b'old!' and os.fstat(old).st_nlink == 0 and os.fstat(old).st_size == 4
assert open('file').read() == 'new'
gone = os.open('file', os.O_RDWR)
os.remove('file')
os.ftruncate(gone, 0)
os.write(gone, b'still')
assert os.fstat(gone).st_size == 5
again = os.open('/proc/self/fd/%d' % gone, os.O_RDWR)
assert os.read(again, 9) == b'still'`);
      expect(fs.readdirSync(scratch.at('upper'))).toEqual([]);
    });

    it('set-id bits go with a write of somebody else', async () => {
      await serve();
      scratch.sh('chmod 755 . mnt');
      python(`
fd = os.open('program', os.O_RDWR | os.O_CREAT)
os.fchmod(fd, 0o6777)
os.write(fd, b'by root')
assert os.stat('program').st_mode & 0o7777 == 0o6777
if os.fork() == 0:
    os.setgid(1000); os.setuid(1000)
    other = os.open('program', os.O_WRONLY)
    os.write(other, b'by user')
    assert os.fstat(other).st_mode & 0o7777 == 0o777
    os._exit(0)
assert os.wait()[1] == 0`);
      expect(fs.statSync(scratch.at('upper/program')).mode & 0o7777).toBe(0o777);
    });

    it('nothing is passed by with passthrough off, and with writeback, whose kernel has one of the two', async () => {
      for (const more of [{ passthrough: false }, { writeback: true }]) {
        await serve(more);
        fs.writeFileSync(join(mnt, 'new'), Buffer.alloc(BIG));
        scratch.sh('sync -f mnt/new');
        expect(await dataRequests()).toBeGreaterThan(0);
        expect(fs.readFileSync(join(mnt, 'new')).length).toBe(BIG);
        expect(fs.readFileSync(join(mnt, 'new')).length).toBe(BIG);
        expect((await counts())['open']).toBe(1);
        expect(await served.stop()).toBe('unmounted');
        fs.rmSync(scratch.at('upper/new'));
      }
    });

    it('where the upper lies on an overlay, the server does it all', async () => {
      scratch.sh('mkdir o1 o2 ow over; mount -t overlay overlay -o lowerdir=o1,upperdir=o2,workdir=ow over');
      try {
        scratch.sh('mkdir over/upper over/work');
        const stack = scratch.stack('user');
        const upper = { ...stack.upper!, path: scratch.at('over/upper'), work: scratch.at('over/work') };
        await serve({ stack: { ...stack, upper } });
        fs.writeFileSync(join(mnt, 'one'), 'one');
        fs.writeFileSync(join(mnt, 'two'), 'two');
        fs.appendFileSync(join(mnt, 'one'), ' more');
        expect(fs.readFileSync(join(mnt, 'one'), 'utf8')).toBe('one more');
        expect((await counts())['write']).toBe(3);
        expect(await served.stop()).toBe('unmounted');
      } finally {
        scratch.sh('umount over');
      }
    });

    it('many opens of lower files in a row are the last that are asked for', async () => {
      for (let n = 0; n < 1100; n++) fs.writeFileSync(scratch.at('lower', `f${n}`), `${n}`);
      await serve();
      const all = () => {
        for (let n = 0; n < 1100; n++) expect(fs.readFileSync(join(mnt, `f${n}`), 'utf8')).toBe(`${n}`);
      };
      const writer = fs.openSync(join(mnt, 'new'), 'w+');
      all();
      expect((await counts())['open']).toBe(1100);
      fs.writeSync(writer, 'new');
      fs.closeSync(writer);
      all();
      const asked = (await counts())['open']!;
      expect(asked).toBeLessThan(2200);
      all();
      fs.writeFileSync(join(mnt, 'new'), 'newer');
      expect(fs.readFileSync(join(mnt, 'new'), 'utf8')).toBe('newer');
      expect((await counts())['open']).toBe(asked);
      expect(await dataRequests()).toBeGreaterThan(1100);
    });

    it('is not frozen while somebody can write past it', async () => {
      const mount = await serve();
      const fd = fs.openSync(join(mnt, 'log'), 'w+');
      fs.writeSync(fd, 'text');
      expect(await mount.ask({ op: 'freeze' })).toMatchObject({ error: { errno: 16 } });
      expect(await mount.ask({ op: 'status' })).toMatchObject({ written: ['log'], readOnly: false });
      const reader = fs.openSync(join(mnt, 'log'), 'r');
      fs.closeSync(fd);
      expect(await mount.ask({ op: 'freeze' })).toEqual({});
      expect(fs.readFileSync(reader, 'utf8')).toBe('text');
      expect(() => fs.openSync(join(mnt, 'log'), 'r+')).toThrow(/EROFS/);
      fs.closeSync(reader);
      expect(() => fs.openSync(join(mnt, 'log'), 'r+')).toThrow(/EROFS/);
      expect(() => fs.writeFileSync(join(mnt, 'log'), 'more')).toThrow(/EROFS/);
      expect(fs.readFileSync(scratch.at('upper/log'), 'utf8')).toBe('text');
    });
  });

  it('without a name stands against no freeze: no layer has it', async () => {
    const mount = await serve();
    const removed = fs.openSync(join(mnt, 'removed'), 'w+');
    fs.unlinkSync(join(mnt, 'removed'));
    fs.writeSync(removed, 'text');
    expect(await mount.ask({ op: 'status' })).toMatchObject({ written: [] });
    expect(await mount.ask({ op: 'freeze' })).toEqual({});
    fs.writeSync(removed, ' and more');
    const text = Buffer.alloc(20);
    expect(text.toString('utf8', 0, fs.readSync(removed, text, 0, 20, 0))).toBe('text and more');
    fs.closeSync(removed);
    expect(fs.readdirSync(scratch.at('upper'))).toEqual([]);
  });

  describe('of a read-only mount', () => {
    const lowers = () => ({ stack: { lowers: scratch.stack().lowers } });

    it('large files are read without the server', async () => {
      fs.writeFileSync(scratch.at('lower/big'), Buffer.alloc(BIG, 'b'));
      await serve(lowers());
      python(`
fd = os.open('big', os.O_RDONLY)
assert os.pread(fd, 3, 5000) == b'bbb'
assert mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ)[:4] == b'bbbb'
assert open('big', 'rb').read() == b'b' * ${BIG}`);
      expect(await dataRequests()).toBe(0);
    });

    it('whoever remounts it for writing still writes to no layer', async () => {
      fs.writeFileSync(scratch.at('lower/big'), Buffer.alloc(BIG, 'b'));
      await serve(lowers());
      scratch.sh('mount -i -o remount,rw mnt');
      expect(() => fs.openSync(join(mnt, 'big'), 'r+')).toThrow(/EROFS/);
      expect(() => fs.writeFileSync(join(mnt, 'big'), '')).toThrow(/EROFS/);
    });

    it('small ones are read through it', async () => {
      fs.writeFileSync(scratch.at('lower/small'), 'small');
      await serve(lowers());
      expect(fs.readFileSync(join(mnt, 'small'), 'utf8')).toBe('small');
      expect(await dataRequests()).toBe(1);
    });
  });

  it('stands against a commit, which names the file, until it is closed', async () => {
    const store = await Store.open(scratch.at('root'), {
      state: scratch.at('state'),
      driver: 'fuse',
      durable: false,
    });
    try {
      await store.snapshots.prepare('key', undefined);
      await mountSnapshot(store, 'key', mnt, { driver: 'fuse' });
      const fd = fs.openSync(join(mnt, 'file'), 'w');
      fs.writeSync(fd, 'text');
      await expect(store.snapshots.commit('name', 'key')).rejects.toMatchObject({
        kind: 'failed-precondition',
        why: 'open for writing: file',
      });
      fs.closeSync(fd);
      await store.snapshots.commit('name', 'key');
      expect(fs.readFileSync(join(mnt, 'file'), 'utf8')).toBe('text');
    } finally {
      for (const row of new MountTable(store.state).list()) await unmountSnapshot(row.target, store.state);
      await store.close();
    }
  });
});
