// What fuse-overlayfs wrote is the same tree under our mount in the dialect `wh`, as lower layers and as an upper that
// our mount goes on with and fuse-overlayfs takes back.

import { afterEach, it } from 'vitest';
import { describeWith } from '../../requires.js';
import { expectSame, Layers, type Script, type Who } from './readers.js';

let layers: Layers | undefined;
afterEach(() => {
  layers?.remove();
  layers = undefined;
});

const WH = { dialect: 'wh' } as const;

/** fuse-overlayfs fails at some calls, which is its own affair here. */
const changes = (n: string): Script => [`sh "$0" ${n} spared 2>/dev/null || :`];

/** fuse-overlayfs counts the names of a file that were looked up so far. */
function exceptLinks(line: string): string {
  return line.replace(/ links=\d+/, '');
}

/** fuse-overlayfs shows `security.fuseoverlayfs.` as it lies there. */
function exceptOwnXattrs(line: string): string {
  return exceptLinks(line).replace(/ security\.fuseoverlayfs\.override_stat=\w+/, '');
}

const WHOS: readonly Who[] = ['root', 'user', 'namespace'];

for (const who of WHOS) {
  const needs = ['root', 'fuse', 'fuse for all', 'program:fuse-overlayfs', 'program:nsenter'] as const;
  describeWith(needs, `what fuse-overlayfs wrote (${who})`, () => {
    it('is the same tree in lowers and in an upper that goes on', async () => {
      layers = await Layers.make(who, 'low', 'mid', 'top');
      layers.run('low', ['lower.sh']);
      const one = { lowers: ['low'], upper: 'mid' };
      layers.fuseOverlayfs(one, '', changes('1'));
      expectSame(await layers.ours(one, WH), layers.fuseOverlayfs(one, ''), exceptLinks);
      const two = { lowers: ['mid', 'low'], upper: 'top' };
      layers.run('.', ['chmod --reference=mid top; touch -r mid top']);
      expectSame(await layers.ours({ lowers: two.lowers }, WH), layers.fuseOverlayfs(two, ''), exceptLinks);
      layers.fuseOverlayfs(two, '', changes('2'));
      expectSame(await layers.ours(two, WH), layers.fuseOverlayfs(two, ''), exceptLinks);
      const written = await layers.ours(two, { ...WH, settle: true }, changes('3'));
      expectSame(layers.fuseOverlayfs(two, ''), written, exceptLinks);
      layers.fuseOverlayfs(two, '', changes('4'));
      expectSame(await layers.ours(two, WH), layers.fuseOverlayfs(two, ''), exceptLinks);
    });

    it('is the same tree where layers were unpacked from tars as they are', async () => {
      layers = await Layers.make(who, 'low', 'mid', 'top');
      layers.run('low', ['lower.sh']);
      layers.run('mid', ['unpacked.sh']);
      const two = { lowers: ['mid', 'low'], upper: 'top' };
      layers.run('.', ['chmod --reference=mid top; touch -r mid top']);
      expectSame(await layers.ours({ lowers: two.lowers }, WH), layers.fuseOverlayfs(two, ''), exceptLinks);
      const written = await layers.ours(two, { ...WH, settle: true }, changes('1'));
      expectSame(layers.fuseOverlayfs(two, ''), written, exceptLinks);
    });

    // Only root may write security.*; through fusermount3 a chmod gives the object to root, who alone may look then.
    const kinds = { root: [1, 2], user: [], namespace: [2] }[who];
    for (const kind of kinds) {
      it(`is the same tree with owners and modes in xattrs (xattr_permissions=${kind})`, async () => {
        layers = await Layers.make(who, 'low', 'mid', 'top');
        layers.run('low', ['lower.sh']);
        const one = { lowers: ['low'], upper: 'mid' };
        const options = `xattr_permissions=${kind}`;
        const owners = 'mkdir own; : > own/f; chmod 4711 own/f; chmod 2711 own; chown 12:34 new1 own';
        layers.fuseOverlayfs(one, options, changes('1'), [`${owners} || :`]);
        expectSame(await layers.ours(one, WH), layers.fuseOverlayfs(one, options), exceptOwnXattrs);
        const two = { lowers: ['mid', 'low'], upper: 'top' };
        layers.run('.', ['chmod --reference=mid top; touch -r mid top']);
        const shown = layers.fuseOverlayfs(two, '');
        expectSame(await layers.ours(two, WH), shown, exceptOwnXattrs);
      });
    }
  });
}
