// An upper that lies on an overlay, the kernel's (the root of most containers) or ours: both keep the device 0:0 for
// themselves, so whiteouts are marked files there. The tree is the one that an upper on a disk gives, also after a
// remount, and to the kernel when the upper is copied out of the overlay.

import { spawnSync } from 'node:child_process';
import { afterEach, expect, it } from 'vitest';
import { describeWith } from '../../requires.js';
import { Served } from '../mounted.js';
import { expectSame, Layers, type Who } from './readers.js';

let layers: Layers | undefined;
let host: Served | undefined;
afterEach(async () => {
  await host?.stop();
  host = undefined;
  if (layers !== undefined) spawnSync('umount', ['-q', '-l', layers.at('host')], { stdio: 'ignore' });
  layers?.remove();
  layers = undefined;
});

const SETUP = 'mkdir up up.work mid mid.work';

/** Two runs of the same changes have other times. */
const untimed = (line: string) => line.replace(/ mtime=\d+/, '');

async function laidOut(who: Who): Promise<Layers> {
  const at = await Layers.make(who, 'low', 'under', 'over', 'host', 'up', 'mid');
  at.run('low', ['lower.sh']);
  for (const name of ['up', 'mid']) at.run('.', [`chmod --reference=low ${name}; touch -r low ${name}`]);
  return at;
}

async function onHost(at: Layers, marks: 'trusted' | 'user'): Promise<void> {
  const of = (upper: string) => `host/${upper}`;
  at.run('host', [SETUP]);
  for (const name of ['up', 'mid'])
    at.run('.', [`chmod --reference=low host/${name}; touch -r low host/${name}`]);
  const disk = { lowers: ['low'], upper: 'up' };
  const nested = { lowers: ['low'], upper: of('up') };
  await at.ours(disk, { marks }, ['changes.sh', '1']);
  await at.ours(nested, { marks }, ['changes.sh', '1']);
  expectSame(await at.ours(nested, { marks }), await at.ours(disk, { marks }), untimed);
  const wanted = await at.ours(disk, { marks, settle: true }, ['changes.sh', '2']);
  expectSame(await at.ours(nested, { marks, settle: true }, ['changes.sh', '2']), wanted, untimed);
  expectSame(await at.ours(nested, { marks }), await at.ours(disk, { marks }), untimed);
}

/** The upper as a lower of a second one beside it. */
async function asLower(at: Layers): Promise<void> {
  const of = (upper: string) => `host/${upper}`;
  const two = (middle: string, upper: string) => ({ lowers: [middle, 'low'], upper });
  expectSame(
    await at.ours(two(of('up'), of('mid')), {}, ['changes.sh', '3']),
    await at.ours(two('up', 'mid'), {}, ['changes.sh', '3']),
    untimed,
  );
  expectSame(
    await at.ours({ lowers: [of('mid'), of('up'), 'low'] }, {}),
    await at.ours({ lowers: ['mid', 'up', 'low'] }, {}),
    untimed,
  );
}

describeWith(['overlay', 'fuse', 'program:setfattr'], 'an upper that lies on an overlay', () => {
  it('of the kernel shows the tree of one on a disk, and so does the kernel when it is copied out', async () => {
    layers = await laidOut('root');
    layers.run('.', ['mount -t overlay overlay -o lowerdir=under,upperdir=over,workdir=over.work host']);
    await onHost(layers, 'trusted');
    await asLower(layers);
    layers.run('.', [
      'mkdir out out.work; cp -a host/up/. out/; chmod --reference=host/up out; touch -r host/up out',
    ]);
    layers.run('.', ['find host/up -type c -exec stat -c "%t:%T %n" {} + | grep "^0:0 " && exit 1; :']);
    const options = 'index=off,redirect_dir=on';
    const links = (line: string) => line.replace(/ links=\d+| one-with=\S+/g, '');
    const shown = layers.kernel({ lowers: ['low'], upper: 'out' }, options);
    expectSame(shown, await layers.ours({ lowers: ['low'], upper: 'host/up' }, {}), links);
    expect([...shown.keys()]).not.toContain('far1');
  });

  it('of the kernel in a user namespace does the same', async () => {
    layers = await laidOut('namespace');
    layers.run('.', [
      'mount -t overlay overlay -o userxattr,lowerdir=under,upperdir=over,workdir=over.work host',
    ]);
    await onHost(layers, 'user');
  });

  it('of ours does the same', async () => {
    layers = await laidOut('root');
    const lower = { path: layers.at('under'), id: 'under', dialect: 'overlay', marks: 'trusted' } as const;
    const upper = { ...lower, path: layers.at('over'), id: 'over', work: layers.at('over.work') };
    host = await new Served({ stack: { lowers: [lower], upper }, mountPoint: layers.at('host') }).live();
    await onHost(layers, 'trusted');
  });
});
