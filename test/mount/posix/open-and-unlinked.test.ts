// Files that are open while their names go, move or are copied up.

import { subject } from './places.js';

subject('open and unlinked files', [
  {
    name: 'a removed lower file is still read through its descriptor, with no links',
    lower: 'echo -n lower > f; mkdir d',
    calls: `
      open 0 r f
      open 1 r d
      unlink f
      rmdir d
      lstat f => ENOENT
      stat #0 nlink size => 0 5
      stat #1 nlink => 0
      pread 0 0 10 => lower
    `,
  },
  {
    name: 'a removed upper file takes every change through its descriptor',
    calls: `
      open 0 rw,creat f
      write 0 hello => 5
      unlink f
      stat #0 nlink => 0
      pwrite 0 5 -more => 5
      pread 0 0 20 => hello-more
      truncate #0 3
      chmod #0 0640
      utimens #0 5.7 9.123456789
      setxattr #0 user.a one
      getxattr #0 user.a => one
      listxattr #0 => user.a
      removexattr #0 user.a
      getxattr #0 user.a => ENODATA
      stat #0 size mode mtime nlink => 3 0640 9123456789 0
      pread 0 0 20 => hel
      fsync 0
      list . =>
    `,
  },
  {
    name: 'a removed lower file takes every change through its descriptor, and does not come back',
    lower: 'echo -n lower > f; setfattr -n user.a -v x f',
    calls: `
      open 0 rw f
      unlink f
      pwrite 0 5 -more => 5
      pread 0 0 20 => lower-more
      truncate #0 3
      chmod #0 0600
      utimens #0 5.0 9.0
      getxattr #0 user.a => x
      setxattr #0 user.a y
      stat #0 size mode mtime nlink => 3 0600 9000000000 0
      lstat f => ENOENT
      list . =>
      remount
      list . =>
    `,
  },
  {
    name: 'a lower file that was opened for reading is changed through the descriptor after its name went',
    lower: 'echo -n lower > f',
    calls: `
      open 0 r f
      unlink f
      chmod #0 0600
      setxattr #0 user.a y
      utimens #0 5.0 9.0
      stat #0 mode mtime nlink => 0600 9000000000 0
      open 1 rw #0
      pwrite 1 0 LO => 2
      pread 0 0 9 => LOwer
      list . =>
    `,
  },
  {
    name: 'a removed file changes its owner through the descriptor',
    privilege: 'another owner needs CAP_CHOWN',
    lower: 'echo -n lower > f; chmod 4755 f',
    calls: `
      open 0 r f
      put g text
      open 1 r g
      unlink f
      unlink g
      chown #0 12 34
      chown #1 12 34
      stat #0 uid gid mode nlink => 12 34 0755 0
      stat #1 uid gid mode nlink => 12 34 0644 0
    `,
  },
  {
    name: 'a file made again under the name of a removed one is another',
    lower: 'echo -n lower > f',
    calls: `
      open 0 r f
      unlink f
      put f new-text
      open 1 r f
      same #0 #1 => different
      pread 0 0 20 => lower
      pread 1 0 20 => new-text
      stat #0 nlink => 0
      stat #1 nlink => 1
      unlink f
      put f third
      pread 0 0 20 => lower
      pread 1 0 20 => new-text
      get f => third
    `,
  },
  {
    name: 'a descriptor keeps the data of a file that another was renamed over',
    lower: 'echo -n old > f; echo -n new > g',
    calls: `
      open 0 rw f
      mmap 0 0 r 3
      rename g f
      pread 0 0 9 => old
      peek 0 0 3 => old
      get f => new
      stat #0 nlink => 0
      pwrite 0 0 OLD => 3
      get f => new
      peek 0 0 3 => OLD
    `,
  },
  {
    name: 'a descriptor keeps the data of an upper file that another was renamed over, also what nobody has read yet',
    upper: 'echo -n old > f; echo -n new > g',
    plain: 'echo -n old > f; echo -n new > g',
    calls: `
      open 0 r f
      open 1 rw f
      rename g f
      pread 0 0 9 => old
      pwrite 1 3 er => 2
      pread 0 0 9 => older
      get f => new
      stat #1 nlink size => 0 5
    `,
  },
  {
    name: 'a descriptor opened before the copy-up reads what is written after it',
    lower: 'echo -n lower > f',
    calls: `
      open 0 r f
      pread 0 0 9 => lower
      open 1 w f
      pwrite 1 0 UPPER-more => 10
      pread 0 0 20 => UPPER-more
      stat #0 size => 10
      same #0 f => same
      truncate f 2
      pread 0 0 20 => UP
    `,
  },
  {
    name: 'what was never read before the copy-up is read as it was written after it, by descriptor and by mapping',
    lower: 'head -c 2097152 /dev/zero | tr "\\0" a > f; cp f g',
    // Far apart, so that nothing was read ahead; and less than a page, so that the kernel does not have the page either.
    calls: `
      open 0 r f
      pread 0 0 5 => {a*5}
      open 1 w f
      pwrite 1 1900000 bbb => 3
      pread 0 1899998 7 => aabbbaa
      open 2 r g
      mmap 2 2 r 2097152
      peek 2 0 5 => {a*5}
      open 3 w g
      pwrite 3 1900000 bbb => 3
      peek 2 1899998 7 => aabbbaa
    `,
  },
  {
    name: 'a shared mapping made before the copy-up sees what is written after it',
    lower: 'head -c 8192 /dev/zero | tr "\\0" a > f',
    calls: `
      open 0 r f
      mmap 0 0 r 8192
      peek 0 4090 10 => {a*10}
      open 1 w f
      pwrite 1 4092 bbbbbbbb => 8
      peek 0 4090 10 => aa{b*8}
    `,
  },
  {
    name: 'a mapping stays with its file through copy-up, rename, removal and truncation',
    lower: 'echo -n lower > f; echo -n other > g',
    calls: `
      open 0 rw f
      mmap 0 0 rw 4096
      open 1 r f
      mmap 1 1 rp 4096
      poke 0 0 L
      rename f h
      rename g f
      poke 0 1 O
      peek 1 0 5 => LOwer
      get h => LOwer
      get f => other
      unlink h
      poke 0 2 W
      pread 1 0 9 => LOWer
      truncate #0 4
      pread 1 0 9 => LOWe
      pwrite 0 4 R => 1
      peek 0 0 5 => LOWeR
      msync 0
      close 0
      close 1
      peek 1 0 5 => LOWeR
      poke 0 0 XXXXX
      peek 1 0 5 => {X*5}
    `,
  },
  {
    name: 'nothing is made in a removed folder, which lists empty',
    lower: 'mkdir d e; touch e/f',
    calls: `
      open 0 dir d
      open 1 dir e
      rmdir d
      unlink e/f
      rmdir e
      open 2 w,creat 0:x => ENOENT
      mkdir 0:x => ENOENT
      symlink x 0:x => ENOENT
      mknod 1:x p => ENOENT
      put y text
      link y 1:x => ENOENT
      rename y 1:x => ENOENT
      list #0 =>
      list #1 =>
      stat #0 nlink => 0
    `,
  },
  {
    name: 'a nameless file gets a name by linkat, unless it was opened for itself alone',
    feature: 'fuse-tmpfile',
    lower: 'mkdir d',
    calls: `
      open 0 tmpfile,rw d 0640
      write 0 hello => 5
      stat #0 nlink mode => 0 0640
      list d =>
      link #0 d/named
      stat d/named nlink size mode => 1 5 0640
      same #0 d/named => same
      write 0 -more => 5
      get d/named => hello-more
      open 1 tmpfile,rw,excl d
      link #1 d/other => ENOENT
      list d => named
      remount
      get d/named => hello-more
    `,
  },
  {
    name: 'a descriptor of a folder follows it through copy-up and rename',
    lower: 'mkdir d d/e; echo -n in > d/f',
    calls: `
      open 0 dir d
      put d/g text
      get 0:f => in
      rename d moved
      get 0:g => text
      put 0:h more
      list moved => e,f,g,h
      list #0 => e,f,g,h
      same #0 moved => same
    `,
  },
  {
    name: 'a working folder that is renamed is named anew, and one that is removed is gone',
    lower: 'mkdir d d/e',
    calls: `
      open 0 dir .
      chdir d/e
      rename 0:d 0:moved
      put x text
      get 0:moved/e/x => text
      unlink x
      rmdir 0:moved/e
      put x text => ENOENT
      getcwd => ENOENT
      lstat . nlink => 0
    `,
  },
]);
