// What removing and making again hides and shows of the layers below.

import type { Case } from '../case.js';

export const WHITEOUTS: readonly Case[] = [
  {
    name: 'a lower file that was removed stays gone after another was renamed there and removed',
    lower: 'echo -n lower > f; echo -n lower > g; mkdir d; echo -n lower > d/f',
    calls: `
      unlink f
      put n new
      rename n f
      unlink f
      lstat f => ENOENT
      unlink d/f
      rename g d/f
      get d/f => lower
      unlink d/f
      list d =>
      list . => d
      put f again
      get f => again
      unlink f
      remount
      lstat f => ENOENT
      list d =>
      list . => d
    `,
  },
  {
    name: 'a folder made in the place of a removed one is empty, at every depth and after a remount',
    bottom: 'mkdir d d/sub d/sub/deep; touch d/f d/sub/g d/sub/deep/h',
    lower: 'mkdir d d/sub; touch d/f2',
    calls: `
      unlink d/sub/deep/h
      rmdir d/sub/deep
      unlink d/sub/g
      rmdir d/sub
      unlink d/f
      unlink d/f2
      rmdir d
      mkdir d
      list d =>
      mkdir d/sub
      list d/sub =>
      mkdir d/sub/deep
      list d/sub/deep =>
      put d/sub/g new
      remount
      list d => sub
      list d/sub => deep,g
      list d/sub/deep =>
      get d/sub/g => new
      lstat d/f => ENOENT
      lstat d/f2 => ENOENT
    `,
  },
  {
    name: 'a file takes the place of a removed folder, and a folder that of a removed file',
    bottom: 'mkdir d d/e; touch d/e/f; echo -n lower > f',
    calls: `
      unlink d/e/f
      rmdir d/e
      rmdir d
      put d text
      unlink f
      mkdir f
      list f =>
      put f/x text
      unlink d
      mkdir d
      list d =>
      remount
      list d =>
      list f => x
      list . => d,f
    `,
  },
  {
    name: 'a merged folder with nothing but whiteouts can be removed, and no other',
    bottom: 'mkdir d; touch d/a d/b; mkdir full; touch full/x',
    lower: 'mkdir d full; touch d/c',
    calls: `
      rmdir d => ENOTEMPTY
      unlink d/a
      rmdir d => ENOTEMPTY
      unlink d/b
      unlink d/c
      list d =>
      rmdir full => ENOTEMPTY
      rmdir d
      rmdir d => ENOENT
      remount
      list . => full
    `,
  },
  {
    name: 'whiteouts and opaque folders of the layers hide what lies below them, in every spelling',
    privilege: 'trusted.* needs CAP_SYS_ADMIN in the first user namespace',
    bottom:
      'mkdir d o; touch d/gone d/stays o/gone gone; mkdir x; touch x/gone x/stays; mkdir u; touch u/gone u/stays',
    lower: `
      mknod gone c 0 0; mkdir d o x u; mknod d/gone c 0 0; chmod 644 d/gone; touch o/new
      setfattr -n trusted.overlay.opaque -v y o
      setfattr -n trusted.overlay.opaque -v x x; touch x/gone; setfattr -n trusted.overlay.whiteout -v y x/gone
    `,
    upper: 'mkdir u; mknod u/gone c 0 0',
    plain: 'mkdir d o x u; touch d/stays x/stays u/stays o/new',
    calls: `
      list . => d,o,u,x
      list d => stays
      list o => new
      list x => stays
      list u => stays
      lstat gone => ENOENT
      lstat x/gone => ENOENT
      put x/gone back
      put d/gone back
      put gone back
      mkdir o/gone
      list x => gone,stays
      remount
      get gone => back
      get d/gone => back
      get x/gone => back
      list o => gone,new
    `,
  },
];
