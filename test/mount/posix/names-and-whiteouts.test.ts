// Names that come, go and move over what the lower layers have under them.

import { subject } from './places.js';

const removedNames = Array.from({ length: 300 }, (_, i) => `n${i}`).join(' ');

subject('names and whiteouts', [
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
  {
    name: 'names are made and removed while a folder is listed in small pieces, and those that stay come once',
    bottom: `mkdir d; cd d; touch ${removedNames}; touch v3 v30 v7`,
    calls: `
      churn-list d 300 => once
      list d => 300 names
    `,
  },
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
    name: 'a folder counts its links the same before and after everything that is done in it',
    lower: 'mkdir d d/a d/b e',
    calls: `
      links d 2
      mkdir d/c
      links d 3
      rename d/c e/c
      links d 2
      links e 1
      put e/f x
      rename d/a e/f exchange
      links d 1
      links e 2
      rmdir e/c
      links e 1
      rmdir d/b
      links d 0
      remount
      links d 0
      links e 1
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
    name: 'a merged folder counts the subfolders that show, whatever is made, moved, hidden and found in it',
    bottom:
      'mkdir m m/x m/y m/both m/file n n/leaf empty; touch m/f n/leaf/g; mkdir deep deep/a deep/a/b deep/a/c',
    lower: 'mkdir m m/both m/z n n/leaf empty deep deep/a deep/a/d',
    calls: `
      links m 5
      links m/both 0
      links n 1
      links n/leaf 0
      links empty 0
      links deep/a 3
      links . 4
      rmdir m/x
      links m 4
      mkdir m/x
      links m 5
      rmdir m/both
      links m 4
      put m/both text
      links m 4
      rename n/leaf m/leaf
      links m 5
      links n 0
      rename m/f n/f
      rename m/leaf n/f exchange
      links m 4
      links n 1
      rename m/z n/z
      links m 3
      links n 2
      rename m/y n/z
      links m 2
      links n 2
      rename deep/a/b deep/a/c
      links deep/a 2
      rename deep/a a
      links deep 0
      links . 5
      links a 2
      open 0 r empty
      rmdir empty
      stat #0 nlink => 0
      links . 4
      remount
      links . 4
      links a 2
      links m 2
      links n 2
      links n/f 0
      links deep 0
      rename a m/a
      rename m n/m
      links . 2
      links n 3
      links n/m 3
      remount
      links n 3
      links n/m 3
      links n/m/a 2
    `,
  },
  {
    name: 'a folder is emptied while it is listed, and no entry is missed',
    bottom: `mkdir d; cd d; touch ${removedNames}`,
    lower: `mkdir d; cd d; touch ${removedNames.replaceAll('n', 'm')}`,
    calls: `
      put d/u x
      unlink-all d => 601
      list d =>
      rmdir d
    `,
  },
  {
    name: 'places in a listing can be gone back to, small buffers show all, and a rewound listing shows what is new',
    bottom: `mkdir d; cd d; touch ${removedNames}`,
    lower: 'mkdir d; touch d/a d/b d/c',
    calls: `
      getdents d 32768 => 305
      getdents d 48 => 305
      getdents d 20 => EINVAL
      seekdir d => 0 of 305 moved
      unlink d/b
      put d/b x
      getdents d 100 => 305
      rewind d new => 1 more
      unlink d/new
      rewind d new => 1 more
      list d => 304 names
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
]);
