// Which times each call changes, and how they are set.

import type { Case } from '../case.js';

export const TIMES: readonly Case[] = [
  {
    name: 'chmod, chown, link and rename change the time of change alone, writing changes both',
    privilege: 'another owner needs CAP_CHOWN',
    lower: 'echo -n lower > f; touch -d @1000 f; mkdir d',
    calls: `
      keep m f mtime
      keep c f ctime
      chmod f 0600
      kept m f mtime => same
      later c f ctime => later
      keep c f ctime
      chown f 1 1
      kept m f mtime => same
      later c f ctime => later
      keep c f ctime
      link f g
      kept m f mtime => same
      later c f ctime => later
      keep c f ctime
      unlink g
      later c f ctime => later
      keep c f ctime
      setxattr f user.a x
      later c f ctime => later
      kept m f mtime => same
      keep c f ctime
      rename f d/f
      later c d/f ctime => later
      kept m d/f mtime => same
      keep c d/f ctime
      open 0 w d/f
      pwrite 0 0 x => 1
      later c d/f ctime => later
      later m d/f mtime => later
      keep m d/f mtime
      truncate d/f 0
      later m d/f mtime => later
      truncate d/f 0
    `,
  },
  {
    name: 'making, removing and moving names changes the times of the folder, and nothing else does',
    lower: 'mkdir d e; touch d/a d/b d/c; ln -s x d/l; touch -d @1000 d; touch -d @1000 e',
    calls: `
      keep m d mtime
      keep e e mtime
      put d/a text
      chmod d/b 0600
      kept m d mtime => same
      unlink d/c
      later m d mtime => later
      keep m d mtime
      keep c d ctime
      put d/new text
      later m d mtime => later
      later c d ctime => later
      keep m d mtime
      mkdir d/sub
      later m d mtime => later
      keep m d mtime
      rename d/a e/a
      later m d mtime => later
      later e e mtime => later
      keep m d mtime
      rename d/b d/b2
      later m d mtime => later
      keep m d mtime
      link e/a d/a2
      later m d mtime => later
      keep m d mtime
      symlink x d/s
      later m d mtime => later
      keep m d mtime
      rename d/s d/new
      later m d mtime => later
      keep m d mtime
      rmdir d/sub
      later m d mtime => later
      keep m d mtime
      list d => a2,b2,l,new
      remount
      kept m d mtime => same
    `,
  },
  {
    name: 'times are set to the nanosecond, before 1970, to now and not at all, on symlinks too',
    lower: 'echo x > f; ln -s f l; touch -h -d @50 l; mkdir d',
    calls: `
      utimens f 1.123456789 2.987654321
      stat f atime mtime => 1123456789 2987654321
      utimens f omit -5.5
      stat f atime mtime => 1123456789 -4999999995
      utimens f 7 omit
      stat f atime mtime => 7000000000 -4999999995
      keep m f mtime
      utimens f omit now
      later m f mtime => later
      stat f atime => 7000000000
      utimens l 3.000000001 4.000000002
      lstat l atime mtime => 3000000001 4000000002
      stat f atime => 7000000000
      utimens d 3.000000001 4.000000002
      stat d atime mtime => 3000000001 4000000002
      utimens f 1 1.2000000000 => EINVAL
      open 0 r f
      utimens #0 8 9
      stat f atime mtime => 8000000000 9000000000
      remount
      lstat l atime mtime => 3000000001 4000000002
      stat d mtime => 4000000002
      stat f mtime => 9000000000
    `,
  },
  {
    name: 'times reach from 1901 to 2446, and a remount keeps them',
    lower:
      'echo x > f; mkdir d; echo x > low; touch -d "1901-12-14 00:00:00 UTC" low; touch -d @15032385535 d',
    calls: `
      stat low mtime => -2147472000000000000
      keep late d mtime
      utimens f -2147483648 -2147483647.000000001
      stat f atime mtime => -2147483648000000000 -2147483646999999999
      utimens low omit 4294967296.999999999
      stat low mtime => 4294967296999999999
      utimens d 9000000000.5 15032385535
      stat d atime => 9000000000000000005
      kept late d mtime => same
      remount
      stat f atime mtime => -2147483648000000000 -2147483646999999999
      stat low mtime => 4294967296999999999
      stat d atime => 9000000000000000005
      kept late d mtime => same
    `,
  },
  {
    name: 'a writer may set times to now and both together, their owner to anything',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: `
      echo x > f; chmod 0666 f; ln -s f l; mkdir d; chmod 0777 d; echo x > ro; chmod 0444 ro
      chown -h 1000:1000 f l d ro
    `,
    calls: `
      as 1001 1001
      utimens f now now
      utimens f omit now => EPERM
      utimens f now omit => EPERM
      utimens f omit omit
      utimens f 5 6 => EPERM
      utimens d now now
      utimens d 1 2 => EPERM
      utimens l 1 2 => EPERM
      utimens ro now now => EACCES
      utimens ro omit omit
      utimens none 1 2 => ENOENT
      as 1000 1000
      utimens ro now now
      utimens ro 1.5 -2.000000007
      stat ro atime mtime => 1000000005 -1999999993
      utimens f 3 omit
      stat f atime => 3000000000
      utimens l 1 2
      lstat l mtime => 2000000000
      utimens d -1 omit
      stat d atime => -1000000000
      as 0 0
      utimens f omit 4.999999999
      stat f atime mtime => 3000000000 4999999999
      remount
      stat ro atime mtime => 1000000005 -1999999993
      stat f atime mtime => 3000000000 4999999999
    `,
  },
  {
    name: 'each change of a file that is not its data changes the time of change, and reading changes none of both',
    lower:
      'echo -n text > f; touch -d @1000 f; setfattr -n user.a -v x f; mkdir d; touch d/x; touch -d @1000 d',
    calls: `
      keep m f mtime
      keep c f ctime
      get f => text
      listxattr f => user.a
      kept m f mtime => same
      kept c f ctime => same
      utimens f 5 omit
      kept m f mtime => same
      later c f ctime => later
      keep c f ctime
      removexattr f user.a
      later c f ctime => later
      keep c f ctime
      chmod f 0644
      later c f ctime => later
      keep c f ctime
      setxattr f system.posix_acl_access hex:0200000001000600ffffffff020006000000000004000400ffffffff10000600ffffffff20000400ffffffff
      later c f ctime => later
      keep c f ctime
      kept m f mtime => same
      truncate f 4
      keep m f mtime
      keep c f ctime
      truncate f 3
      later m f mtime => later
      later c f ctime => later
      keep m f mtime
      truncate f 8
      later m f mtime => later
      keep m f mtime
      open 0 rw f
      fallocate 0 0 0 100
      later m f mtime => later
      keep m d mtime
      keep c d ctime
      list d => x
      kept m d mtime => same
      kept c d ctime => same
      chmod d 0700
      kept m d mtime => same
      later c d ctime => later
    `,
  },
  {
    name: 'what fails changes no times, and what moves between folders those of both',
    lower: 'mkdir d e d/full d/sub; echo x > d/f; echo x > d/full/x; touch -d @1000 d/full d e',
    calls: `
      keep m d mtime
      keep c d ctime
      mkdir d/f => EEXIST
      symlink x d/f => EEXIST
      mknod d/f p => EEXIST
      link d/f d/full => EEXIST
      open 0 w,creat,excl d/f => EEXIST
      unlink d/none => ENOENT
      unlink d/full => EISDIR
      rmdir d/full => ENOTEMPTY
      rmdir d/f => ENOTDIR
      rename d/f d/full => EISDIR
      rename d/full d/f => ENOTDIR
      rename d/f d/full noreplace => EEXIST
      rename d/full d/full/sub => EINVAL
      kept m d mtime => same
      kept c d ctime => same
      keep s d/sub mtime
      keep e e mtime
      rename d/sub e/sub
      later m d mtime => later
      later e e mtime => later
      kept s e/sub mtime => same
      keep m d mtime
      keep e e mtime
      rename d/f e/sub exchange
      later m d mtime => later
      later e e mtime => later
      kept s d/f mtime => same
      keep m d mtime
      keep e e mtime
      link e/sub d/link
      later m d mtime => later
      kept e e mtime => same
    `,
  },
];
