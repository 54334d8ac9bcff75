// Which names there are, what they lead to, and the errors of those that lead nowhere.

import type { Case } from '../case.js';

export const SPELLINGS: readonly Case[] = [
  {
    name: 'names with the prefix of archive whiteouts are ordinary names',
    dialect: 'overlay',
    bottom: 'echo -n f > f; mkdir d; echo -n g > d/g; echo -n low > .wh.low',
    lower: 'mkdir d; touch d/h',
    calls: `
      put .wh.f text
      get f => f
      put d/.wh..wh..opq text
      list d => .wh..wh..opq,g,h
      get .wh.low => low
      mkdir .wh.d
      rename .wh.f .wh.g
      remount
      list . => .wh.d,.wh.g,.wh.low,d,f
      list d => .wh..wh..opq,g,h
      unlink .wh.low
      list . => .wh.d,.wh.g,d,f
      get d/g => g
    `,
  },
  {
    name: 'under the dialect wh, no name begins like a mark, and the marks of the layers hide what is below them',
    dialect: 'wh',
    bottom: 'mkdir d o; touch gone stays d/gone d/stays o/gone',
    lower: 'mkdir d o; touch .wh.gone d/.wh.gone o/.wh..wh..opq o/new',
    calls: `
      list . => d,o,stays
      list d => stays
      list o => new
      lstat gone => ENOENT
      lstat .wh.gone => ENOENT
      put .wh.stays text => EINVAL
      mkdir .wh.stays => EINVAL
      symlink x .wh.stays => EINVAL
      mknod .wh.stays p => EINVAL
      link stays .wh.stays => EINVAL
      rename stays .wh.stays => EINVAL
      rename d d/.wh.x => EINVAL
      put d/.wh..wh..opq text => EINVAL
      unlink .wh.gone => ENOENT
      put gone new
      unlink stays
      remount
      get gone => new
      list . => d,gone,o
      list d => stays
      list o => new
      unlink gone
      remount
      list . => d,o
    `,
  },
  {
    name: 'a symlink where another layer has a folder is a symlink, and nothing leads through it into another layer',
    bottom: 'mkdir a a/etc b b/etc; echo -n mine > a/etc/passwd; ln -s / c; ln -s ../x b/l',
    lower: 'ln -s / a; mkdir b c c/etc; ln -s / b/etc; echo -n mine > c/etc/passwd',
    plain: 'ln -s / a; mkdir b c c/etc; ln -s / b/etc; ln -s ../x b/l; echo -n mine > c/etc/passwd',
    calls: `
      lstat a type => l
      readlink a => /
      lstat b/etc type => l
      list b => etc,l
      get c/etc/passwd => mine
      put c/etc/new x
      list c/etc => new,passwd
      chmod c/etc/passwd 0600
      rename b/etc b/root
      unlink a
      mkdir a
      list a =>
      remount
      list a =>
      readlink b/root => /
      list c/etc => new,passwd
    `,
  },
  {
    name: 'a name that was looked for in vain is found once it is made, however it is made',
    lower: 'echo -n a > a; mkdir d; echo -n b > d/b',
    calls: `
      lstat x => ENOENT
      list . => a,d
      put x text
      get x => text
      lstat y => ENOENT
      link a y
      get y => a
      lstat z => ENOENT
      rename d z
      get z/b => b
      lstat d => ENOENT
      lstat z/c => ENOENT
      symlink b z/c
      get z/c => b
      unlink x
      lstat x => ENOENT
      list . => a,y,z
      lstat m => ENOENT
      mknod m p
      lstat m type => p
    `,
  },
  {
    name: 'errors come in the order of the kernel',
    bottom: 'mkdir d d/sub e full; touch full/x f; ln -s d l; ln -s loop loop',
    lower: 'mkdir d',
    calls: `
      unlink d => EISDIR
      rmdir f => ENOTDIR
      rmdir full => ENOTEMPTY
      rename d d/sub => EINVAL
      rename d d/sub/x => EINVAL
      rename d/sub d => ENOTEMPTY
      rename f d => EISDIR
      rename e f => ENOTDIR
      rename e full => ENOTEMPTY
      rename nothing f => ENOENT
      rename f f/x => ENOTDIR
      rename f nothing/x => ENOENT
      mkdir d => EEXIST
      mkdir f => EEXIST
      mkdir f/x => ENOTDIR
      symlink x l => EEXIST
      open 0 w,creat,excl f => EEXIST
      open 0 w,creat,excl l => EEXIST
      open 0 w d => EISDIR
      open 0 w,creat d => EISDIR
      open 0 r,dir f => ENOTDIR
      open 0 r,nofollow l => ELOOP
      open 0 r loop => ELOOP
      stat loop => ELOOP
      stat loop/x => ELOOP
      stat f/ => ENOTDIR
      stat d/ type => d
      mkdir new/
      stat new type => d
      put f/x text => ENOTDIR
      open 0 w,creat none/ => EISDIR
      link f none/x => ENOENT
      unlink f/ => ENOTDIR
      rmdir . => EINVAL
      rmdir d/.. => ENOTEMPTY
      rename . x => EBUSY
      truncate d 0 => EISDIR
      readlink f => EINVAL
    `,
  },
];
