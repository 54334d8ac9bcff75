// The names of one file, in whichever layer each of them lies.

import { subject } from './places.js';

subject('hard links', [
  {
    name: 'what is written through one name of a lower file is read through the others',
    lower: 'echo -n lower > a; ln a b; mkdir d; ln a d/c',
    calls: `
      open 0 r b
      open 1 rw a
      pwrite 1 0 UPPER => 5
      get b => UPPER
      get d/c => UPPER
      pread 0 0 9 => UPPER
      chmod d/c 0600
      stat a mode nlink => 0600 3
      same a d/c => same
      same b d/c => same
      remount
      get b => UPPER
      stat d/c mode nlink size => 0600 3 5
      same a d/c => same
      put d/c again
      get a => again
    `,
  },
  {
    name: 'the link count takes in all names, before any but one was looked at, and after a remount',
    lower: 'echo -n x > a; ln a b; ln a c; ln a d',
    calls: `
      stat c nlink => 4
      chmod c 0600
      stat c nlink => 4
      remount
      stat a nlink => 4
      unlink a
      remount
      stat b nlink mode => 3 0600
      link b e
      stat e nlink => 4
      remount
      stat d nlink => 4
      unlink b
      unlink c
      unlink d
      stat e nlink mode => 1 0600
      list . => e
    `,
  },
  {
    name: 'the link count of a lower file that nobody changes falls with its names',
    lower: 'echo -n x > a; ln a b; ln a c',
    calls: `
      open 0 r a
      unlink b
      stat a nlink => 2
      stat c nlink => 2
      remount
      stat a nlink => 2
      unlink a
      stat c nlink => 1
      get c => x
      unlink c
      list . =>
      remount
      list . =>
    `,
  },
  {
    name: 'a new name of a lower file is the same file',
    lower: 'echo -n lower > a; mkdir d',
    calls: `
      keep a a ino
      link a d/b
      kept a d/b ino => same
      stat a nlink => 2
      stat d/b nlink => 2
      open 0 w d/b
      pwrite 0 0 UPPER => 5
      get a => UPPER
      remount
      kept a d/b ino => same
      same a d/b => same
      stat a nlink => 2
      link a d/b => EEXIST
      link d e => EPERM
      link nothing e => ENOENT
    `,
  },
  {
    name: 'a rename between two names of one file does nothing',
    lower: 'echo -n x > a; ln a b',
    calls: `
      rename a b
      list . => a,b
      stat a nlink => 2
      put a more
      rename b a
      list . => a,b
      get b => more
      link a c
      rename c a
      list . => a,b,c
    `,
  },
  {
    name: 'removing one name lowers the count of the others, also while the file is open',
    lower: 'echo -n lower > a; ln a b; ln a c',
    calls: `
      open 0 rw a
      unlink a
      stat #0 nlink => 2
      stat b nlink => 2
      pwrite 0 0 UPPER => 5
      get b => UPPER
      get c => UPPER
      unlink b
      stat #0 nlink => 1
      rename c d
      stat #0 nlink => 1
      put other x
      rename other d
      stat #0 nlink => 0
      pread 0 0 9 => UPPER
      list . => d
      get d => x
    `,
  },
  {
    name: 'hard-linked symlinks, fifos, sockets and devices are copied up as one',
    privilege: 'making a device needs CAP_MKNOD in the first user namespace',
    lower:
      'ln -s target l1; ln l1 l2; mkfifo p1; ln p1 p2; mknod c1 c 1 3; ln c1 c2; mknod b1 b 7 200; ln b1 b2; mknod s1 p',
    calls: `
      chown l1 1 2
      chmod p1 0640
      chmod c1 0640
      chown b1 3 4
      lstat l2 uid gid nlink => 1 2 2
      readlink l2 => target
      lstat p2 mode type nlink => 0640 p 2
      lstat c2 mode type rdev nlink => 0640 c 1,3 2
      lstat b2 uid type rdev nlink => 3 b 7,200 2
      same l1 l2 => same
      same p1 p2 => same
      unlink p1
      lstat p2 nlink => 1
      remount
      same l1 l2 => same
      same c1 c2 => same
      lstat b1 uid nlink => 3 2
      lstat p2 mode nlink => 0640 1
    `,
  },
  {
    name: 'names of one file in a merged folder, moved and replaced, keep their count',
    bottom: 'mkdir d e; echo -n low > d/a; ln d/a e/b',
    lower: 'mkdir d; touch d/x',
    calls: `
      rename d moved
      stat moved/a nlink => 2
      put e/b up
      get moved/a => up
      remount
      get moved/a => up
      stat e/b nlink => 2
      rename e/b moved/c
      same moved/a moved/c => same
      stat moved/a nlink => 2
      unlink moved/a
      stat moved/c nlink => 1
      list moved => c,x
      list e =>
    `,
  },
]);
