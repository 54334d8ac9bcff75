// Renames of every kind, of what lies in every layer.

import type { Case } from '../case.js';

export const RENAMES: readonly Case[] = [
  {
    name: 'a folder is renamed onto a merged one with nothing but whiteouts, and hides it',
    bottom: 'mkdir d; touch d/a d/b; mkdir low; touch low/l; mkdir full; touch full/x',
    lower: 'mkdir d; touch d/c',
    calls: `
      mkdir own
      put own/o text
      rename own d => ENOTEMPTY
      unlink d/a
      unlink d/b
      unlink d/c
      rename own d
      list d => o
      rename d full => ENOTEMPTY
      unlink d/o
      rename low d
      list d => l
      list . => d,full
      remount
      list d => l
      list . => d,full
    `,
  },
  {
    name: 'a lower and a merged folder are renamed with all that is in them',
    bottom: 'mkdir m m/sub low low/sub to; echo -n b > m/b; echo -n s > m/sub/s; echo -n l > low/sub/l',
    lower: 'mkdir m m/sub; echo -n a > m/a; echo -n t > m/sub/t',
    calls: `
      unlink m/b
      rename m moved
      list moved => a,sub
      list moved/sub => s,t
      get moved/sub/s => s
      lstat m => ENOENT
      rename low to/low
      get to/low/sub/l => l
      rename to/low/sub lsub
      get lsub/l => l
      list to/low =>
      rename moved to/low/again
      get to/low/again/sub/t => t
      put to/low/again/sub/s changed
      mkdir m
      list m =>
      remount
      list . => lsub,m,to
      list m =>
      list to/low/again => a,sub
      get to/low/again/sub/s => changed
      get to/low/again/sub/t => t
      get lsub/l => l
      rename to/low/again m
      list m => a,sub
      list to/low =>
    `,
  },
  {
    name: 'a rename that must not replace does not, against any layer',
    bottom: 'echo -n b > b; echo -n gone > gone',
    lower: 'mkdir d; echo -n a > a',
    calls: `
      put u u
      unlink gone
      rename u a noreplace => EEXIST
      rename u b noreplace => EEXIST
      rename u d noreplace => EEXIST
      rename a u noreplace => EEXIST
      rename a a noreplace => EEXIST
      rename u gone noreplace
      get gone => u
      rename a new noreplace
      rename d gone noreplace => EEXIST
      rename nothing x noreplace => ENOENT
      list . => b,d,gone,new
      get gone => u
    `,
  },
  {
    name: 'an exchange swaps what the names mean, in all layers and of all kinds',
    bottom: 'echo -n b > b; mkdir low low/e; echo -n in > low/f',
    lower: 'echo -n a > a; mkdir d; echo -n x > d/x',
    calls: `
      rename a b exchange
      get a => b
      get b => a
      put u u
      rename u a exchange
      get a => u
      get u => b
      rename low d exchange
      list low => x
      list d => e,f
      rename d a exchange
      get d => u
      list a => e,f
      rename low a/e exchange
      list low =>
      list a/e => x
      rename a nothing exchange => ENOENT
      rename a a/e exchange => EINVAL
      rename a/e a exchange => EINVAL
      list . => a,b,d,low,u
      remount
      list . => a,b,d,low,u
      get b => a
      get u => b
      get d => u
      list low =>
      get a/e/x => x
      get a/f => in
    `,
  },
  {
    name: 'unknown and contradicting flags of a rename are refused',
    lower: 'echo -n a > a; echo -n b > b',
    calls: `
      rename a b 8 => EINVAL
      rename a b 0x1000 => EINVAL
      rename a b noreplace,exchange => EINVAL
      rename a b exchange,whiteout => EINVAL
      get a => a
      get b => b
    `,
  },
  {
    name: 'a rename that leaves a whiteout is refused, or leaves a device',
    lower: 'echo -n a > a; echo -n b > b',
    calls: `
      rename a x whiteout => 0 | EINVAL
      lstat a type => c | -
      get b => b
      rename b c
      get c => b
    `,
  },
  {
    name: 'a folder moved away and made anew is one of each, with what was below at its new place',
    bottom: 'mkdir d d/e d/e/g; echo -n low > d/e/f; ln d/e/f d/l',
    lower: 'mkdir d; echo -n x > d/x',
    calls: `
      open 0 rw d/e/f
      open 1 dir d/e
      rename d one
      mkdir d
      mkdir d/e
      put d/e/f new
      pwrite 0 0 LOW => 3
      get one/e/f => LOW
      get one/l => LOW
      get d/e/f => new
      get 1:f => LOW
      rename one/e two
      chmod #0 0600
      stat two/f mode nlink => 0600 2
      stat one/l mode => 0600
      mkdir one/e
      list one/e =>
      rename two one/e/two
      rename one d/e/one
      get d/e/one/e/two/f => LOW
      list d/e/one => e,l,x
      remount
      list . => d
      list d/e => f,one
      list d/e/one => e,l,x
      list d/e/one/e => two
      list d/e/one/e/two => f,g
      get d/e/one/e/two/f => LOW
      get d/e/f => new
      same d/e/one/l d/e/one/e/two/f => same
      stat d/e/one/l mode nlink => 0600 2
      rename d/e/one/e/two d/two
      rename d/two/g g
      unlink d/two/f
      rmdir d/two
      mkdir d/two
      list d/two =>
      remount
      list d/two =>
      list . => d,g
      get d/e/one/l => LOW
      stat d/e/one/l nlink => 1
    `,
  },
];
