// What is said of a mount whose server was killed.

import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ListedMount, MountTable } from '../../dist/src/mounts/table.js';
import { Scratch } from '../program.js';
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
