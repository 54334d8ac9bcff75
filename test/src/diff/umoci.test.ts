// Layers that we write, unpacked by umoci, an independent reader: both must come to the same tree.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fromText, openLowerDir, SYSTEM_CALLER, Union } from '../../../fs/index.js';
import { compare } from '../../../src/diff/compare.js';
import { describeWith } from '../../requires.js';
import { type Draft, writeTar } from './tar-tools.js';
import { Work } from './work.js';

const BASE: Draft[] = [
  { path: 'bin', type: 'folder', mode: 0o711 },
  {
    path: 'bin/tool',
    content: 'program',
    mode: 0o4755,
    xattrs: new Map([['user.x', Uint8Array.of(0, 255, 10)]]),
  },
  { path: 'bin/alias', type: 'link', linkname: 'bin/tool' },
  { path: 'etc', type: 'folder' },
  { path: 'etc/conf', content: 'old', mtime: { sec: 1_500_000_000, nsec: 123_456_789 } },
  { path: 'etc/gone', content: 'x' },
  { path: 'etc/dir', type: 'folder' },
  { path: 'etc/dir/inside', content: 'y' },
  { path: `etc/${'long'.repeat(40)}`, content: 'long' },
  { path: 'lib', type: 'symlink', linkname: 'usr/lib' },
  { path: 'moved', type: 'folder', uid: 70_000, gid: 5 },
  { path: 'moved/f', content: 'f' },
];

describeWith(['root', 'program:umoci'], 'umoci', () => {
  it('unpacks our layers to the tree that they were written of', async () => {
    const work = await Work.begin(BASE);
    work.write('bin/alias', 'PROGRAM');
    work.remove('etc/gone');
    work.removeTree('etc/dir');
    work.mkdir('etc/dir');
    work.write('etc/dir/new', 'z');
    work.rename('moved', 'elsewhere');
    work.link('etc/conf', 'etc/linked');
    work.write('caf\xe9', 'a name that is not UTF-8');
    work.union.setattr(work.node('etc/dir/new'), { uid: 3_000_000, gid: 7 }, SYSTEM_CALLER, work.attr);

    const base = mkdtempSync(join(tmpdir(), 'micafs-umoci-'));
    try {
      const image = `${join(base, 'layout')}:test`;
      const umoci = (...words: string[]) =>
        execFileSync('umoci', words, { stdio: ['ignore', 'ignore', 'inherit'] });
      umoci('init', '--layout', join(base, 'layout'));
      umoci('new', '--image', image);
      for (const [at, tar] of [writeTar(BASE), await work.tar()].entries()) {
        writeFileSync(join(base, `${at}.tar`), tar);
        umoci('raw', 'add-layer', '--image', image, join(base, `${at}.tar`));
      }
      umoci('unpack', '--image', image, join(base, 'bundle'));
      const unpacked = new Union({ lowers: [openLowerDir(fromText(join(base, 'bundle/rootfs')))] });
      const differences = [...compare(unpacked, work.union)].filter(({ path }) => path !== '');
      expect(differences).toEqual([]);
      unpacked.destroy();
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  });
});
