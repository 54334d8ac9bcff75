// What a mount answers while something long is under way that does not end before the test says so: the layer that is
// copied from, or synced, or read, lies on the filesystem of the tests that holds requests on command.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { FailingFilesystem } from './failing-fs/failing.js';
import { Scratch, Served, type ServeOptions } from './mounted.js';

const LARGE = Buffer.alloc((8 << 20) + 1000, 'large');

/** Another process that makes calls of node:fs: the test's own thread goes on meanwhile. */
class Caller {
  readonly process: ChildProcess;
  readonly exit: Promise<number | string>;
  #said = '';
  isOver = false;

  /** `calls`: statements; what they throw is said on the last line. */
  constructor(calls: string) {
    const program = `const fs = require('node:fs');
      try { ${calls}; } catch (error) { process.stdout.write(error.code); }`;
    this.process = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.process.stdout?.on('data', (data: Buffer) => {
      this.#said += data.toString();
    });
    this.exit = once(this.process, 'close').then(([code, signal]) => {
      this.isOver = true;
      return code ?? signal;
    });
  }

  /** What it said, when it has ended: the code of what it failed with, '' if it did not. */
  async end(): Promise<string> {
    await this.exit;
    return this.#said;
  }
}

describeWith(['root', 'fuse'], 'long work', () => {
  let scratch: Scratch;
  let disk: FailingFilesystem;
  let served: Served | undefined;
  let callers: Caller[];
  beforeEach(async () => {
    scratch = new Scratch();
    fs.mkdirSync(scratch.at('disk'));
    disk = await new FailingFilesystem(scratch.at('disk'), true).live();
    served = undefined;
    callers = [];
  });
  afterEach(async () => {
    // The one below first: what it holds, others wait for.
    await disk.end();
    served?.process.kill('SIGKILL');
    await served?.exit;
    for (const caller of callers) caller.process.kill('SIGKILL');
    scratch.remove();
  });

  const at = (...names: string[]) => scratch.at('mnt', ...names);
  const call = (calls: string): Caller => {
    const caller = new Caller(calls);
    callers.push(caller);
    return caller;
  };

  async function serve(options: Pick<ServeOptions, 'stack'> & Partial<ServeOptions>): Promise<Served> {
    served = new Served({ mountPoint: scratch.at('mnt'), ...options });
    return served.live();
  }

  /** Writes one byte into a file that is there. */
  const writeInto = (name: string, text: string, offset: number) =>
    call(`const fd = fs.openSync(${JSON.stringify(at(name))}, 'r+');
      fs.writeSync(fd, ${JSON.stringify(text)}, ${offset}); fs.closeSync(fd)`);

  /** What lies in the work folder but the whiteout that others are links of, and the guard. */
  const rubbish = () =>
    fs
      .readdirSync(scratch.at('work/work'), { withFileTypes: true })
      .filter((entry) => !entry.isCharacterDevice() && entry.name !== 'incompat')
      .map(({ name }) => name);

  describe('a copy-up of a lower that does not answer', () => {
    beforeEach(async () => {
      fs.mkdirSync(scratch.at('disk/d'));
      fs.writeFileSync(scratch.at('disk/large'), LARGE);
      for (const name of ['small', 'd/one', 'd/two', 'gone'])
        fs.writeFileSync(scratch.at('disk', name), name);
      const { upper } = scratch.stack();
      const below = { path: scratch.at('disk'), id: 'lower', dialect: 'overlay', marks: 'trusted' } as const;
      await serve({ stack: { lowers: [below], ...(upper && { upper }) } });
      // Whoever opens it does not wait for it.
      expect(fs.statSync(at('large')).size).toBe(LARGE.length);
      disk.hold('read');
    });

    it('keeps nobody else waiting, and ends as any other', async () => {
      const first = writeInto('large', 'FIRST', 3);
      await disk.holds();
      const second = writeInto('large', 'SECOND', 4_000_000);
      expect(fs.statSync(at('d/one')).size).toBe(5);
      expect(fs.readdirSync(at('d')).sort()).toEqual(['one', 'two']);
      expect(fs.statSync(at('large')).size).toBe(LARGE.length);
      fs.writeFileSync(at('new'), 'new');
      fs.chmodSync(at('d/two'), 0o600);
      fs.unlinkSync(at('gone'));
      fs.mkdirSync(at('folder'));
      expect(fs.readFileSync(at('new'), 'utf8')).toBe('new');
      expect(first.isOver || second.isOver).toBe(false);
      expect(fs.readdirSync(scratch.at('upper')).sort()).toEqual(['d', 'folder', 'gone', 'new']);

      disk.letGo();
      expect([await first.end(), await second.end()]).toEqual(['', '']);
      const wanted = Buffer.from(LARGE);
      wanted.write('FIRST', 3);
      wanted.write('SECOND', 4_000_000);
      expect(fs.readFileSync(at('large')).equals(wanted)).toBe(true);
      expect(fs.readFileSync(scratch.at('upper/large')).equals(wanted)).toBe(true);
      expect(rubbish()).toEqual([]);
      expect(await served?.stop()).toBe('unmounted');
    });

    it('is as good after the attributes of the file were copied up', async () => {
      fs.chmodSync(at('large'), 0o600);
      const { ino, mtimeNs } = fs.statSync(at('large'), { bigint: true });
      const writer = call(`const fd = fs.openSync(${JSON.stringify(at('large'))}, 'r+');
        fs.writeSync(fd, 'WRITE', 3); fs.futimesSync(fd, 5, 7); fs.closeSync(fd)`);
      await disk.holds();
      expect(fs.statSync(at('small')).size).toBe(5);
      expect(fs.statSync(at('large'), { bigint: true })).toMatchObject({ ino, mtimeNs, mode: 0o100600n });
      disk.letGo();
      expect(await writer.end()).toBe('');
      fs.chownSync(at('large'), 3, 4);
      fs.renameSync(at('large'), at('d/moved'));
      const wanted = { ino, mode: 0o100600n, uid: 3n, gid: 4n, mtimeNs: 7_000_000_000n };
      expect(fs.statSync(at('d/moved'), { bigint: true })).toMatchObject(wanted);
      expect(fs.readFileSync(at('d/moved')).subarray(0, 10).toString()).toBe('larWRITEge');
      expect(rubbish()).toEqual([]);
      await served?.stop();
      await serve({ stack: scratch.stack() });
      expect(fs.statSync(at('d/moved'), { bigint: true })).toMatchObject({
        ...wanted,
        size: BigInt(LARGE.length),
      });
    });

    it('that fails tells who asked for it, leaves nothing, and can be tried again', async () => {
      const writer = writeInto('large', 'never', 3);
      await disk.holds();
      disk.letGo(5);
      expect(await writer.end()).toBe('EIO');
      disk.letGo();
      expect(fs.readdirSync(scratch.at('upper'))).toEqual([]);
      expect(rubbish()).toEqual([]);
      expect(await writeInto('large', 'again', 3).end()).toBe('');
      expect(fs.readFileSync(at('large')).subarray(0, 10).toString()).toBe('laragainge');
    });

    it('ends with the one who asked for it, if he is killed', async () => {
      const writer = writeInto('large', 'never', 3);
      await disk.holds();
      writer.process.kill('SIGKILL');
      expect(await writer.exit).toBe('SIGKILL');
      expect(fs.statSync(at('small')).size).toBe(5);
      disk.letGo();
      expect(await writeInto('large', 'again', 3).end()).toBe('');
      expect(fs.readFileSync(at('large')).subarray(0, 10).toString()).toBe('laragainge');
      expect(rubbish()).toEqual([]);
    });

    it('goes on although the one who asked for it has a signal that does not end him', async () => {
      const writer = call(`process.on('SIGUSR2', () => undefined);
        const fd = fs.openSync(${JSON.stringify(at('large'))}, 'r+');
        fs.writeSync(fd, 'WRITE', 3); fs.closeSync(fd)`);
      await disk.holds();
      writer.process.kill('SIGUSR2');
      expect(fs.statSync(at('small')).size).toBe(5);
      disk.letGo();
      expect(await writer.end()).toBe('');
      expect(fs.readFileSync(at('large')).subarray(0, 10).toString()).toBe('larWRITEge');
    });

    /** The mount is asked to end while a write waits for a copy that the disk holds, and the writer is gone. */
    async function stopWhileHeld(): Promise<void> {
      const writer = writeInto('large', 'never', 3);
      await disk.holds();
      const stopped = served?.ask({ op: 'stop', lazy: true });
      writer.process.kill('SIGKILL');
      await writer.exit;
      await stopped;
    }

    it('does not hold up the end of the mount', async () => {
      await stopWhileHeld();
      disk.letGo();
      expect(await served?.line()).toEqual({ ended: 'unmounted' });
      expect(fs.readdirSync(scratch.at('upper'))).toEqual([]);
      await serve({ stack: scratch.stack() });
      expect(rubbish()).toEqual([]);
    });

    it('does not keep the process either, where nothing ever answers', async () => {
      await stopWhileHeld();
      expect(await served?.line()).toEqual({ ended: 'unmounted' });
      await served?.exit;
      expect(served?.process.signalCode).toBe('SIGKILL');
      disk.letGo();
      await serve({ stack: scratch.stack() });
      expect(fs.readdirSync(scratch.at('upper'))).toEqual([]);
      expect(rubbish()).toEqual([]);
    });

    it('is as if it had not been for who freezes the upper meanwhile', async () => {
      const writer = writeInto('large', 'never', 3);
      await disk.holds();
      expect(await served?.ask({ op: 'freeze' })).toEqual({});
      disk.letGo();
      expect(await writer.end()).toBe('EROFS');
      expect(fs.readdirSync(scratch.at('upper'))).toEqual([]);
      expect(fs.readFileSync(at('large')).equals(LARGE)).toBe(true);
    });
  });

  it('leaves a copied file the time of access that it had before it was read for the copy', async () => {
    fs.writeFileSync(scratch.at('lower/large'), LARGE);
    fs.utimesSync(scratch.at('lower/large'), 1_000_000_000, 1_000_000_001);
    await serve({ stack: scratch.stack() });
    expect(await writeInto('large', 'write', 3).end()).toBe('');
    expect(fs.statSync(at('large')).atimeMs).toBe(1e12);
  });

  it('answers while a file is read that does not come', async () => {
    fs.writeFileSync(scratch.at('disk/f'), 'content');
    fs.writeFileSync(scratch.at('disk/g'), 'other');
    const below = { path: scratch.at('disk'), id: 'lower', dialect: 'overlay', marks: 'trusted' } as const;
    await serve({ stack: { lowers: [below] }, passthrough: false });
    disk.hold('read');
    const reader = call(`process.stdout.write(fs.readFileSync(${JSON.stringify(at('f'))}))`);
    await disk.holds();
    expect(fs.statSync(at('g')).size).toBe(5);
    expect(reader.isOver).toBe(false);
    disk.letGo();
    expect(await reader.end()).toBe('content');
    expect(fs.readFileSync(at('g'), 'utf8')).toBe('other');
  });

  it.each([
    { passthrough: true, size: 4 << 20 },
    { passthrough: false, size: 4 << 20 },
    // Written in pieces first.
    { passthrough: true, size: 80 << 20 },
    { passthrough: false, size: 80 << 20 },
  ])(
    'answers while a file is synced: $size bytes, passthrough $passthrough',
    async ({ passthrough, size }) => {
      for (const name of ['upper', 'work']) fs.mkdirSync(scratch.at('disk', name));
      const { lowers, upper } = scratch.stack();
      fs.writeFileSync(scratch.at('lower/f'), 'content');
      const above = { path: scratch.at('disk/upper'), work: scratch.at('disk/work') };
      await serve({ stack: { lowers, ...(upper && { upper: { ...upper, ...above } }) }, passthrough });
      disk.hold('fsync');
      const writer = call(`const fd = fs.openSync(${JSON.stringify(at('new'))}, 'w');
      fs.writeSync(fd, Buffer.alloc(${size})); fs.fsyncSync(fd); fs.closeSync(fd)`);
      await disk.holds();
      expect(fs.statSync(at('f')).size).toBe(7);
      fs.writeFileSync(at('other'), 'other');
      expect(writer.isOver).toBe(false);
      disk.letGo(5);
      expect(await writer.end()).toBe('EIO');
      expect(fs.statSync(at('new')).size).toBe(size);
    },
  );
});
