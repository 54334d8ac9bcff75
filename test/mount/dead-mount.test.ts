// What is said of a mount whose server was killed, before and while somebody asks for it.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectControl } from '../../dist/src/mounts/control-socket.js';
import { type ListedMount, MountTable } from '../../dist/src/mounts/table.js';
import { type Done, Scratch } from '../program.js';
import { describeWith } from '../requires.js';

describeWith(['root', 'fuse'], 'a mount whose server was killed', () => {
  let scratch: Scratch;
  const mount = (): ListedMount => new MountTable(scratch.path('state')).at(scratch.path('mnt'))!;
  const kill = async () => {
    process.kill(mount().process.pid, 'SIGKILL');
    while (mount().state === 'live') await sleep(10);
  };

  beforeEach(() => {
    scratch = new Scratch('dead');
    for (const name of ['low', 'low/d', 'mnt']) scratch.folder(name);
    writeFileSync(scratch.path('low', 'd', 'file'), 'content');
    scratch.mica('mount', '--lower', scratch.path('low'), scratch.path('mnt'));
  });
  afterEach(() => scratch.remove());

  const lastSeq = async () => {
    const server = await connectControl(mount().socket ?? '');
    try {
      return (await server.ask({ op: 'events', since: Number.MAX_SAFE_INTEGER })).lastSeq;
    } finally {
      server.close();
    }
  };

  /** Starts a trace, waits until it listens, and returns how it will have ended. */
  async function tracing(...words: string[]): Promise<{ readonly ended: Promise<Done> }> {
    const ended = scratch.interrupt('SIGKILL', 120_000, 'trace', scratch.path('mnt'), ...words);
    const before = await lastSeq();
    // Names that the kernel does not know yet are asked for.
    for (let tries = 0; (await lastSeq()) === before; tries++)
      spawnSync('timeout', ['60', 'stat', scratch.path('mnt', `absent${tries}`)]);
    return { ended };
  }

  it('ends a trace of it with exit code 5, behind what was told before', async () => {
    const { ended } = await tracing('--summary');
    await kill();
    const { target } = mount();
    expect(await ended).toEqual({
      code: 5,
      out: expect.stringMatching(/ events? in /),
      err: `mica: cannot ask the mount at ${target}: its server has died\nhint: mica umount ${target}\n`,
    });
  });

  it('is another end of a trace than an unmount, which is exit code 0', async () => {
    const { ended } = await tracing();
    scratch.mica('umount', scratch.path('mnt'));
    expect(await ended).toMatchObject({ code: 0, err: '' });
  });

  it.each([
    ['explain', 'mnt'],
    ['explain', 'mnt/d'],
    ['explain', 'mnt/d/file'],
    ['trace', 'mnt'],
    ['trace', 'mnt/d'],
    ['lab', 'mnt'],
    ['lab', 'mnt/d'],
  ])('is called so by mica %s %s, with what to do', async (command, path) => {
    await kill();
    const { target } = mount();
    expect(scratch.try(command, scratch.path(path))).toEqual({
      code: 5,
      out: '',
      err: `mica: cannot ask the mount at ${target}: its server has died\nhint: mica umount ${target}\n`,
    });
  });

  it('of a snapshot is called so, too, and is still there to be unmounted', async () => {
    scratch.mica('umount', scratch.path('mnt'));
    scratch.mica('snapshot', 'prepare', 'key');
    scratch.mica('mount', 'key', scratch.path('mnt'));
    await kill();
    const { target } = mount();
    expect(scratch.try('explain', target)).toMatchObject({
      code: 5,
      err: `mica: cannot ask the mount at ${target}: its server has died\nhint: mica umount ${target}\n`,
    });
    expect(scratch.try('umount', target)).toMatchObject({ code: 0 });
  });
});
