// What is no regular file, names at the limits, locks, and the rest of what programs ask of a filesystem.

import { subject } from './places.js';

const LONG = 'n*255';

subject('kinds of files, limits of names, and locks', [
  {
    name: 'fifos, sockets and devices are changed without being opened, and keep their kind and number',
    privilege: 'making a device needs CAP_MKNOD in the first user namespace',
    bottom: `
      mkfifo p; mknod c c 300 70000; mknod b b 259 1048575; mknod null c 1 3
      echo 'mknod s s' | probe >/dev/null
      setfattr -n trusted.t -v x p
    `,
    calls: `
      chmod p 0640
      chmod c 0640
      chmod s 0640
      chown b 3 4
      utimens null 5 6
      utimens s 5 6
      lstat p type mode => p 0640
      lstat c type mode rdev => c 0640 300,70000
      lstat b type uid rdev => b 3 259,1048575
      lstat s type mode mtime => s 0640 6000000000
      lstat null type rdev mtime => c 1,3 6000000000
      getxattr p trusted.t => x
      rename p p2
      link c c2
      rename s s2
      mknod new c 0600 4095 1048575
      lstat new rdev => 4095,1048575
      open 0 rw,nonblock p2
      write 0 through => 7
      read 0 7 => through
      open 1 rw null
      write 1 gone => 4
      open 2 r c => ENXIO
      bind sock => 0
      bind sock => EADDRINUSE
      open 3 r sock => ENXIO
      unlink sock
      list . => b,c,c2,new,null,p2,s2
      remount
      lstat p2 type mode => p 0640
      lstat c type mode rdev nlink => c 0640 300,70000 2
      lstat s2 type mode => s 0640
      lstat new rdev => 4095,1048575
    `,
  },
  {
    name: 'a name has up to 255 bytes, and one more is refused by every call',
    lower: 'touch f $(printf %0255d 7); mkdir d',
    calls: `
      put ${LONG} text
      get ${LONG} => text
      unlink ${LONG}
      rename f ${LONG}
      rename ${LONG} f
      link f ${LONG}
      unlink ${LONG}
      mkdir ${LONG}
      rmdir ${LONG}
      chmod 0*254 0600 => ENOENT
      open 0 w,creat n*256 => ENAMETOOLONG
      mkdir n*256 => ENAMETOOLONG
      mknod n*256 p => ENAMETOOLONG
      symlink x n*256 => ENAMETOOLONG
      link f n*256 => ENAMETOOLONG
      rename f n*256 => ENAMETOOLONG
      rename n*256 f => ENAMETOOLONG
      unlink n*256 => ENAMETOOLONG
      rmdir n*256 => ENAMETOOLONG
      lstat n*256 => ENAMETOOLONG
      open 0 r p*5000 => ENAMETOOLONG
      statfs . => 255 sound
      list d =>
    `,
  },
  {
    name: 'folders go deeper than any path can say',
    lower: 'mkdir d',
    calls: `
      chdir d
      deep x*200 60 => 60 made, 0 left
      list . =>
    `,
  },
  {
    name: 'a symlink holds up to 4095 bytes, of any kind',
    privilege: 'another owner needs CAP_CHOWN',
    lower: 'ln -s "$(printf %04000d 7)" low',
    calls: `
      symlink t*4095 l
      readlink l => {t*4095}
      lstat l size type => 4095 l
      symlink t*4096 m => ENAMETOOLONG
      lstat low size => 4000
      chown low 1 1
      lstat low size uid => 4000 1
      symlink \\xff\\xfe/x raw
      readlink raw => \\xff\\xfe/x
      remount
      readlink l => {t*4095}
      readlink raw => \\xff\\xfe/x
    `,
  },
  {
    name: 'a name is bytes: what is no UTF-8 stays as it is',
    lower:
      'echo -n low > "$(printf "\\377\\376")"; mkdir d; touch "d/$(printf "caf\\351")" "d/$(printf "caf\\303\\251")"',
    calls: `
      get \\xff\\xfe => low
      put \\xff\\xfe up
      put \\x80new text
      rename \\x80new \\xc3
      get \\xc3 => text
      distinct d => 3 distinct
      unlink d/caf\\xe9
      lstat d/caf\\xe9 => ENOENT
      lstat d/caf\\xc3\\xa9 size => 0
      setxattr d user.\\xff x
      remount
      get \\xff\\xfe => up
      get \\xc3 => text
      distinct d => 2 distinct
      lstat d/caf\\xe9 => ENOENT
      getxattr d user.\\xff => x
    `,
  },
  {
    name: 'locks hold across a copy-up, whichever descriptor took them',
    lower: 'echo -n a > a; echo -n b > b',
    calls: `
      open 0 r a
      flock 0 ex,nb
      child-flock a => EAGAIN
      open 1 w a
      pwrite 1 0 changed => 7
      child-flock a => EAGAIN
      flock 1 ex,nb => EAGAIN
      flock 0 un
      child-flock a
      open 2 rw b
      lock 2
      child-lock b => EAGAIN
      chmod b 0600
      rename b c
      child-lock c => EAGAIN
      unlink c
      put c other
      child-lock c
      close 2
      open 3 rw a
      lock 3
      child-lock a => EAGAIN
      close 3
      child-lock a
    `,
  },
  {
    name: 'folders and files open for reading are synced, and the filesystem as a whole',
    lower: 'echo -n a > a; mkdir d; mkdir e',
    upper: 'mkdir e',
    plain: 'echo -n a > a; mkdir d e',
    calls: `
      open 0 dir d
      fsync 0
      fdatasync 0
      put d/f text
      fsync 0
      open 1 r a
      fsync 1
      put a more
      fsync 1
      fdatasync 1
      syncfs 0
      open 2 dir e
      fsync 2
      open 3 dir .
      fsync 3
      syncfs 3
      open 4 rw,creat new
      write 4 text => 4
      fdatasync 4
      unlink new
      fsync 4
    `,
  },
  {
    name: 'watchers are told what is made, changed, moved and removed',
    lower: 'mkdir d; echo -n low > d/a',
    calls: `
      watch d
      put d/new text
      events => create:new,modify:new
      put d/a more
      events => modify:a
      rename d/a d/b
      events => from:a,to:b
      unlink d/b
      events => delete:b
      mkdir d/sub
      events => create:sub
      events => none
    `,
  },
  {
    name: 'unknown controls of a file are refused as such',
    lower: 'echo -n low > a; mkdir d',
    calls: `
      open 0 r a
      ioctl 0 0x5401 => ENOTTY
      ioctl 0 0x1234 => ENOTTY
      open 1 dir d
      ioctl 1 0x1234 => ENOTTY
    `,
  },
  {
    name: 'files are reached by their handles',
    privilege: 'open_by_handle_at needs CAP_DAC_READ_SEARCH in the first user namespace',
    lower: 'echo -n low > a',
    calls: `
      handle a => low
      put a more
      handle a => more
      put new text
      handle new => text
    `,
  },
  {
    name: 'a device number of zero is refused or an ordinary device, and hides nothing',
    lower: 'echo -n low > a; mkdir d; touch d/f',
    calls: `
      mknod x c 0600 0 0 => 0 | EPERM
      list-without x . => a,d
      mknod d/x c 0600 0 0 => 0 | EPERM
      list-without x d => f
      mknod a c 0600 0 0 => EEXIST
      remount
      mknod x c 0600 0 0 => EEXIST | EPERM
      get a => low
      list-without x d => f
    `,
  },
]);
