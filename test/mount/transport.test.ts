// The device transport on real mounts: how a mount begins, is asked things, and ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { eachWithMount, type Scratch, Served } from './mounted.js';

const EBUSY = 16;

function mountLine(path: string): string | undefined {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((line) => line.split(' ')[1] === path);
}

describeWith(['root', 'fuse'], 'a mount over /dev/fuse', () => {
  let scratch: Scratch;
  let mnt: string;
  const at = eachWithMount((made) => {
    scratch = made;
    mnt = scratch.at('mnt');
    writeFileSync(scratch.at('lower/file'), 'lower\n');
    mkdirSync(scratch.at('lower/folder'));
    writeFileSync(scratch.at('lower/folder/inner'), 'inner\n');
  });

  it('reads, copies up, whites out and renames, and keeps all of it over a remount', async () => {
    const first = await at.serve();
    expect(readFileSync(`${mnt}/file`, 'utf8')).toBe('lower\n');
    appendFileSync(`${mnt}/file`, 'more\n');
    rmSync(`${mnt}/folder/inner`);
    renameSync(`${mnt}/folder`, `${mnt}/moved`);
    writeFileSync(`${mnt}/new`, 'new\n');
    expect(readFileSync(`${mnt}/file`, 'utf8')).toBe('lower\nmore\n');
    expect(readFileSync(scratch.at('lower/file'), 'utf8')).toBe('lower\n');
    expect(await first.stop()).toBe('unmounted');
    await at.serve();
    expect(readdirSync(mnt).sort()).toEqual(['file', 'moved', 'new']);
    expect(readdirSync(`${mnt}/moved`)).toEqual([]);
    expect(readFileSync(`${mnt}/file`, 'utf8')).toBe('lower\nmore\n');
    expect(lstatSync(scratch.at('upper/folder')).rdev).toBe(0);
  });

  it('is named as asked in /proc/mounts, and as root forces neither nosuid nor nodev', async () => {
    await at.serve({ subtype: 'mica-overlayfs', fsname: 'a b' });
    expect(mountLine(mnt)).toMatch(
      /^a\\040b \S+ fuse\.mica-overlayfs rw,relatime,.*default_permissions,allow_other/,
    );
    expect(mountLine(mnt)).not.toMatch(/nosuid|nodev/);
  });

  it('is read only without an upper', async () => {
    await at.serve({ stack: { lowers: scratch.stack().lowers } });
    expect(mountLine(mnt)).toMatch(/ ro,/);
    expect(readFileSync(`${mnt}/folder/inner`, 'utf8')).toBe('inner\n');
    expect(readdirSync(mnt).sort()).toEqual(['file', 'folder']);
    expect(() => writeFileSync(`${mnt}/new`, '')).toThrow(/EROFS/);
  });

  it('answers control requests while it serves', async () => {
    const mount = await at.serve();
    writeFileSync(`${mnt}/new`, 'new');
    rmSync(`${mnt}/file`);
    const status = await mount.ask({ op: 'status' });
    expect(status).toMatchObject({
      target: mnt,
      pid: mount.process.pid,
      readOnly: false,
      transport: 'device',
    });
    const told = await mount.ask({ op: 'events', since: 0 });
    expect(told['events']).toEqual(
      expect.arrayContaining([expect.objectContaining({ kind: 'whiteout', path: 'file' })]),
    );
    const explained = await mount.ask({ op: 'explain', pathBase64: Buffer.from('file').toString('base64') });
    expect(explained).toMatchObject({ result: 'absent' });
    expect(await mount.ask({ op: 'none' })).toMatchObject({ error: { errno: 22 } });
  });

  it('tells of every request while it is asked to', async () => {
    const mount = await at.serve();
    readFileSync(`${mnt}/file`);
    const before = await mount.ask({ op: 'events', since: 0, requests: true });
    expect(before['events']).toEqual([]);
    readFileSync(`${mnt}/folder/inner`);
    const told = await mount.ask({ op: 'events', since: 0, requests: false });
    expect(told['events']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'request', operation: 'lookup', path: 'folder/inner' }),
        expect.objectContaining({ kind: 'request', operation: 'read', path: 'folder/inner' }),
      ]),
    );
    const { lastSeq } = await mount.ask({ op: 'events', since: 0 });
    statSync(`${mnt}/folder`);
    expect(await mount.ask({ op: 'events', since: lastSeq })).toEqual({ events: [], lastSeq });
  });

  it('keeps files that were removed while open, however many others are opened', async () => {
    scratch.sh('for i in $(seq 300); do echo $i > lower/f$i; done');
    await at.serve();
    const reading = openSync(`${mnt}/file`, 'r');
    const changing = openSync(`${mnt}/folder/inner`, 'r+');
    const made = openSync(`${mnt}/made`, 'w+');
    writeSync(made, 'made');
    for (const name of ['file', 'folder/inner', 'made']) rmSync(`${mnt}/${name}`);
    scratch.sh('cat mnt/f[0-9]* > /dev/null; ls mnt > /dev/null');
    writeSync(changing, 'INNER', 0);
    writeSync(made, '!', 4);
    const read = (fd: number) => {
      const bytes = Buffer.alloc(20);
      return bytes.toString('utf8', 0, readSync(fd, bytes, 0, 20, 0));
    };
    expect([read(reading), read(changing), read(made)]).toEqual(['lower\n', 'INNER\n', 'made!']);
    expect(fstatSync(changing).nlink).toBe(0);
    for (const fd of [reading, changing, made]) closeSync(fd);
    expect(readdirSync(`${mnt}/folder`)).toEqual([]);
    expect(existsSync(`${mnt}/made`)).toBe(false);
  });

  it('lets a folder be emptied while others list it', async () => {
    scratch.sh('for i in $(seq 2000); do : > lower/folder/f$i; done');
    await at.serve();
    const others = spawn('sh', ['-c', `while ls -f ${mnt}/folder > /dev/null; do :; done`], {
      stdio: 'ignore',
    });
    try {
      scratch.sh('rm -r mnt/folder');
    } finally {
      others.kill('SIGKILL');
    }
    expect(existsSync(`${mnt}/folder`)).toBe(false);
    expect(lstatSync(scratch.at('upper/folder')).isCharacterDevice()).toBe(true);
  });

  it('that was frozen refuses changes and goes on reading', async () => {
    const mount = await at.serve();
    expect(await mount.ask({ op: 'status' })).toMatchObject({ readOnly: false });
    expect(await mount.ask({ op: 'freeze' })).toEqual({});
    expect(await mount.ask({ op: 'status' })).toMatchObject({ readOnly: true });
    expect(() => writeFileSync(`${mnt}/new`, '')).toThrow(/EROFS/);
    expect(readFileSync(`${mnt}/file`, 'utf8')).toBe('lower\n');
  });

  it('that is in use is not unmounted, unless lazily', async () => {
    const mount = await at.serve();
    const fd = openSync(`${mnt}/file`, 'r');
    try {
      expect(await mount.ask({ op: 'stop' })).toMatchObject({ error: { errno: EBUSY } });
      expect(readFileSync(fd, 'utf8')).toBe('lower\n');
      expect(await mount.ask({ op: 'stop', lazy: true })).toEqual({});
      expect(mountLine(mnt)).toBeUndefined();
    } finally {
      closeSync(fd);
    }
    expect(await mount.line()).toEqual({ ended: 'unmounted' });
    expect(await mount.exit).toBe(0);
  });

  it('ends when somebody else unmounts it', async () => {
    const mount = await at.serve();
    scratch.sh('umount mnt');
    expect(await mount.line()).toEqual({ ended: 'unmounted' });
    expect(await mount.exit).toBe(0);
  });

  it('is detached when its process exits', async () => {
    const mount = await at.serve();
    mount.process.stdin?.write('{"op":"exit"}\n');
    expect(await mount.exit).toBe(0);
    expect(mountLine(mnt)).toBeUndefined();
  });

  it('can be mounted again after its server was killed', async () => {
    const mount = await at.serve();
    writeFileSync(`${mnt}/kept`, 'kept');
    mount.process.kill('SIGKILL');
    await mount.exit;
    expect(() => statSync(`${mnt}/kept`)).toThrow(/ENOTCONN/);
    scratch.sh('umount mnt');
    await at.serve();
    expect(readFileSync(`${mnt}/kept`, 'utf8')).toBe('kept');
  });

  it('does not begin, and leaves nothing mounted, when a layer is missing', async () => {
    const lowers = [{ path: scratch.at('none'), id: 'none', dialect: 'overlay' as const }];
    const served = new Served({ stack: { lowers }, mountPoint: mnt });
    expect(await served.line()).toMatchObject({ error: { errno: 2 } });
    expect(await served.exit).toBe(1);
    expect(mountLine(mnt)).toBeUndefined();
  });

  it('does not begin at a mount point that is no folder, and frees the upper', async () => {
    const served = new Served({ stack: scratch.stack(), mountPoint: scratch.at('lower/file') });
    expect(await served.line()).toMatchObject({ error: { errno: 20 } });
    expect(await served.exit).toBe(1);
    await at.serve();
    expect(existsSync(`${mnt}/file`)).toBe(true);
  });

  /** `act` has the folder of the mount in the kernel's control filesystem. */
  async function withConnection(act: (folder: string) => void | Promise<void>): Promise<void> {
    const minor = scratch.sh('stat -c %Ld mnt');
    scratch.sh('mkdir connections && mount -t fusectl none connections');
    try {
      await act(scratch.at('connections', minor));
    } finally {
      scratch.sh('umount connections');
    }
  }

  it('survives a caller that is killed while it waits', async () => {
    scratch.sh('dd if=/dev/zero of=lower/big bs=1M count=256 2>/dev/null');
    await at.serve();
    // What is asked for from now on is the copy-up alone.
    expect(statSync(`${mnt}/big`).size).toBe(256 << 20);
    await withConnection(async (folder) => {
      const killed = spawn('sh', ['-c', `exec dd if=/dev/zero of=${mnt}/big bs=1 count=1 conv=notrunc`], {
        stdio: 'ignore',
      });
      const gone = once(killed, 'exit');
      const isWaiting = () => readFileSync(join(folder, 'waiting'), 'utf8') !== '0\n';
      await expect.poll(() => isWaiting() || killed.exitCode !== null, { interval: 1 }).toBe(true);
      killed.kill('SIGKILL');
      await gone;
    });
    expect(readFileSync(`${mnt}/file`, 'utf8')).toBe('lower\n');
  });

  it('ends as aborted when the connection is cut', async () => {
    const mount = await at.serve();
    await withConnection((folder) => writeFileSync(join(folder, 'abort'), '1'));
    expect(await mount.line()).toEqual({ ended: 'aborted' });
    expect(mountLine(mnt)).toBeUndefined();
  });
});
