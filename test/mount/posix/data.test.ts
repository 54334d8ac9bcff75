// What files hold: truncating, appending, holes, mappings, direct and copied data.

import { subject } from './places.js';

const NO_HOLES = 'data that the kernel still holds cannot be told from a hole, so all is called data';

const megabytes = (count: number, char: string) => `head -c ${count << 20} /dev/zero | tr '\\0' ${char}`;

subject('data of files', [
  {
    name: 'opening a lower file to truncate it keeps everything but the data',
    privilege: 'another owner needs CAP_CHOWN',
    lower:
      'echo -n lower > f; chmod 0640 f; chown 12:34 f; setfattr -n user.a -v x f; setfacl -m u:7:rw f; ln f g; touch -d @1000 f',
    calls: `
      keep f f ino
      keep time f mtime
      open 0 w,trunc f
      stat f size mode uid gid nlink => 0 0660 12 34 2
      kept f f ino => same
      later time f mtime => later
      getxattr f user.a => x
      write 0 new => 3
      get g => new
      remount
      stat f size mode uid gid nlink => 3 0660 12 34 2
      getxattr f user.a => x
    `,
  },
  {
    name: 'a lower file becomes shorter and longer, by name and by descriptor',
    lower: `echo -n lower-text > f; ${megabytes(3, 'a')} > big; echo -n lower > g`,
    calls: `
      truncate f 5
      get f => lower
      truncate f 8
      get f => lower{\\x00*3}
      truncate big 1048577
      stat big size => 1048577
      truncate big 3000000
      open 0 r big
      pread 0 1048570 10 => {a*7}{\\x00*3}
      open 1 rw g
      truncate #1 2
      pread 1 0 9 => lo
      truncate #0 1 => EINVAL
      truncate f -1 => EINVAL
      remount
      get f => lower{\\x00*3}
      stat big size => 3000000
      get g => lo
    `,
  },
  {
    name: 'appending goes to the end that there is, whoever moved it',
    lower: 'echo -n low > f',
    calls: `
      open 0 rw,append f
      open 1 w,append f
      write 0 -one => 4
      write 1 -two => 4
      write 0 -three => 6
      pwrite 0 0 -four => 5
      get f => low-one-two-three-four
      truncate f 3
      write 1 -end => 4
      seek 0 set 0 => 0
      write 0 ! => 1
      get f => low-end!
      stat f size => 8
      open 2 rw f
      pwrite 2 0 LOW => 3
      remount
      get f => LOW-end!
    `,
  },
  {
    name: 'no byte is lost when many append, and when many write to a lower file at once',
    lower: `echo -n x > f; ${megabytes(2, '-')} > g`,
    calls: `
      race-append 8 f => 8
      stat f size => 4001
      race-write 16 g => 16
      chmod g 0640
      open 0 r g
      pread 0 0 20 => abcdefghijklmnop----
      stat g size => 2097152
    `,
  },
  {
    name: 'one of many who create a file at once wins, also over what was removed',
    lower: 'touch gone there',
    calls: `
      race-excl 8 new => 1
      unlink gone
      race-excl 8 gone => 1
      race-excl 8 there => 0
    `,
  },
  {
    name: 'space is allocated, punched and zeroed; other ways are refused',
    lower: `${megabytes(1, 'a')} > f; ${megabytes(1, 'a')} > g`,
    calls: `
      open 0 rw f
      fallocate 0 0 1048576 4096
      stat f size => 1052672
      fallocate 0 keep 1052672 4096
      stat f size => 1052672
      fallocate 0 punch,keep 4096 8192
      pread 0 4090 12 => {a*6}{\\x00*6}
      pread 0 12282 12 => {\\x00*6}{a*6}
      fallocate 0 zero 16384 4096
      pread 0 16380 8 => aaaa{\\x00*4}
      fallocate 0 zero 1052672 100
      stat f size => 1052772
      fallocate 0 zero,keep 1052772 100
      stat f size => 1052772
      fallocate 0 punch 0 4096 => EOPNOTSUPP
      fallocate 0 0 0 0 => EINVAL
      fallocate 0 0 -1 10 => EINVAL
      open 1 r g
      fallocate 1 0 0 10 => EBADF
      remount
      open 0 r f
      pread 0 4090 12 => {a*6}{\\x00*6}
      stat f size => 1052772
    `,
  },
  {
    name: 'what is punched is a hole, what is written into it is none',
    writeback: NO_HOLES,
    lower: `${megabytes(1, 'a')} > f`,
    calls: `
      open 0 rw f
      fallocate 0 punch,keep 4096 12288
      seek 0 hole 0 => 4096
      seek 0 data 4096 => 16384
      pwrite 0 8192 b => 1
      seek 0 data 4096 => 8192
      seek 0 hole 8192 => 12288
      remount
      open 0 r f
      seek 0 hole 0 => 4096
      seek 0 data 4096 => 8192
      seek 0 hole 8192 => 12288
      pread 0 8190 4 => {\\x00*2}b\\x00
    `,
  },
  {
    name: 'places that no file reaches are refused to writers as too large, and empty to readers',
    lower: 'for name in f g h i j; do echo -n low > $name; done',
    calls: `
      open 0 rw f
      pwrite 0 4611686018427387904 x => EFBIG | 1
      pwrite 0 9223372036854775807 x => EINVAL
      truncate g 4611686018427387904 => EFBIG | 0
      open 1 rw h
      fallocate 1 0 4611686018427387904 10 => EFBIG | ENOSPC | 0
      fallocate 1 0 0 4611686018427387904 => EFBIG | ENOSPC
      open 2 rw i
      pread 2 4611686018427387904 10 =>
      seek 2 data 4611686018427387904 => ENXIO
      seek 2 hole 4611686018427387904 => ENXIO
      seek 2 set 4611686018427387904 => 4611686018427387904 | EINVAL
      copyrange 2 4611686018427387904 1 0 10 => 0
      open 3 rw j
      copyrange 3 0 1 4611686018427387904 3 => EFBIG | 3
    `,
  },
  {
    name: 'holes are found in lower and upper files, and a copy-up keeps them',
    writeback: NO_HOLES,
    lower: `
      truncate -s 8M f; printf data | dd of=f bs=1 seek=1048576 conv=notrunc status=none
      printf end | dd of=f bs=1 seek=4194304 conv=notrunc status=none
    `,
    calls: `
      open 0 r f
      stat f size sparse => 8388608 sparse
      seek 0 data 0 => 1048576
      seek 0 hole 1048576 => 1052672
      seek 0 data 1052672 => 4194304
      seek 0 data 4198400 => ENXIO
      seek 0 hole 8388608 => ENXIO
      seek 0 data -1 => ENXIO
      chmod f 0600
      stat f size sparse => 8388608 sparse
      seek 0 data 0 => 1048576
      seek 0 hole 1048576 => 1052672
      seek 0 data 1052672 => 4194304
      pread 0 1048570 12 => {\\x00*6}data{\\x00*2}
      open 2 w f
      pwrite 2 4194304 END => 3
      stat f size sparse => 8388608 sparse
      seek 0 data 0 => 1048576
      seek 0 data 1052672 => 4194304
      pread 0 4194302 6 => {\\x00*2}END\\x00
      open 1 rw,creat new
      truncate #1 1048576
      pwrite 1 524288 x => 1
      seek 1 data 0 => 524288
      seek 1 hole 524288 => 528384
      seek 1 end 0 => 1048576
      remount
      stat f size sparse => 8388608 sparse
      open 0 r f
      seek 0 data 1052672 => 4194304
    `,
  },
  {
    name: 'direct reads and writes see what the others do',
    lower: `${megabytes(1, 'a')} > f`,
    calls: `
      open 0 rw,direct f
      open 1 rw f
      pread 0 0 4096 => {a*4096}
      pwrite 0 4096 b*4096 => 4096
      pread 1 4090 12 => {a*6}{b*6}
      pwrite 1 8192 c*4096 => 4096
      pread 0 8192 4096 => {c*4096}
      open 2 rw,creat,direct new
      pwrite 2 0 d*8192 => 8192
      get new => {d*8192}
      stat new size => 8192
      pread 0 10 7 => {a*7} | EINVAL
      pwrite 2 3 e*9 => 9 | EINVAL
      stat new size => 8192
      pread 0 1048576 4096 =>
    `,
  },
  {
    name: 'a shared mapping, reads and writes are one, and what was mapped survives a remount',
    lower: `${megabytes(1, 'a')} > f`,
    calls: `
      open 0 rw f
      open 1 rw f
      mmap 0 0 rw 1048576
      poke 0 10 mapped
      pread 1 8 10 => aamappedaa
      pwrite 1 10 WRITTEN => 7
      peek 0 8 10 => aaWRITTENa
      poke 0 500000 late
      munmap 0
      close 0
      close 1
      open 2 r f
      mmap 2 2 rp 1048576
      peek 2 499998 8 => aalateaa
      mmap 3 2 rw 4096 => EACCES
      put new b*4096
      open 3 rw,append new
      mmap 3 3 rw 4096
      poke 3 0 first
      msync 3
      poke 3 4090 second
      remount
      open 0 r f
      pread 0 8 10 => aaWRITTENa
      pread 0 499998 8 => aalateaa
      open 1 r new
      pread 1 0 6 => firstb
      pread 1 4088 8 => bbsecond
    `,
  },
  {
    name: 'ranges are copied, sent and spliced between lower, upper and one and the same file',
    lower: `echo -n 0123456789 > f; ${megabytes(1, 'a')} > g`,
    calls: `
      open 0 r f
      open 1 rw,creat new
      copyrange 0 2 1 0 5 => 5
      get new => 23456
      copyrange 0 8 1 5 100 => 2
      get new => 2345689
      copyrange 0 10 1 7 100 => 0
      open 2 rw f
      copyrange 2 0 2 10 5 => 5
      get f => 012345678901234
      copyrange 2 0 2 2 5 => EINVAL
      copyrange 1 0 0 0 5 => EBADF
      open 3 r g
      open 4 rw,creat copy
      sendfile 4 3 10 1000000 => 1000000
      stat copy size => 1000000
      open 5 r f
      splice 5 4 5 => 5
      stat copy size => 1000005
      pread 4 999998 10 => aa01234
      pread 0 0 20 => 012345678901234
    `,
  },
  {
    name: 'a size limit stops a write and leaves what fits',
    lower: 'echo -n low > f',
    calls: `
      open 0 rw f
      limit-size 4096
      pwrite 0 4090 abcdefghij => 6
      pwrite 0 4096 x => EFBIG
      truncate f 5000 => EFBIG
      stat f size => 4096
    `,
  },
  {
    name: 'a size is seen through every name and descriptor at once',
    lower: 'echo -n low > f; ln f g; ln f h',
    calls: `
      open 0 rw f
      open 1 r g
      pwrite 0 0 longer-text => 11
      stat g size => 11
      stat #1 size => 11
      stat f size => 11
      pwrite 0 100 x => 1
      stat g size => 101
      stat h size => 101
      truncate g 2
      stat #0 size => 2
      stat #1 size => 2
      stat h size => 2
      seek 1 end 0 => 2
      pread 1 0 20 => lo
    `,
  },
  {
    name: 'a running program cannot be written, nor a file open for writing run',
    bottom: 'cp /bin/sleep s; cp /bin/true t; cp /bin/true plain; chmod 0644 plain',
    calls: `
      exec t
      start s 100
      open 0 w s => ETXTBSY
      truncate s 0 => ETXTBSY
      unlink s
      stop
      open 1 rw t
      exec t => ETXTBSY
      close 1
      exec t
      exec plain => EACCES
      chmod plain 0755
      exec plain
      put script x
      exec script => EACCES
      chmod script 0755
      exec script => ENOEXEC
    `,
  },
]);
