// Set-user-ID, set-group-ID and capabilities: who loses them by what, and what set-group-ID folders hand on.

import type { Case } from '../case.js';

export const SET_ID: readonly Case[] = [
  {
    name: 'set-id bits and capabilities go with an unprivileged write, truncation or new owner, for good',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: `
      for f in w t o c k r; do echo -n text > $f; chmod 6777 $f; done
      echo -n x > cap; chmod 666 cap; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 cap
      echo -n x > cap2; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 cap2
      echo -n x > noexec; chmod 2666 noexec; chown 1000:1000 c
      echo -n x > member; chmod 2666 member; chown 0:1000 member
      mkfifo pipe; chmod 6755 pipe
    `,
    calls: `
      as 1000 1000
      open 0 w w
      stat w mode => 6777
      pwrite 0 0 x => 1
      stat w mode => 0777
      truncate t 2
      stat t mode => 0777
      open 1 w,trunc o
      stat o mode => 0777
      chown c 1000 1000
      stat c mode => 0777
      open 2 w cap
      pwrite 2 0 y => 1
      getxattr cap security.capability => ENODATA
      open 3 w noexec
      pwrite 3 0 y => 1
      stat noexec mode => 0666
      truncate member 0
      stat member mode => 2666
      as 0 0
      chown k 1 1
      stat k mode => 0777
      chown pipe 1 1
      stat pipe mode => 0755
      chown cap2 1 1
      getxattr cap2 security.capability => ENODATA
      open 5 w r
      pwrite 5 0 x => 1
      stat r mode => 6777
      remount
      stat w mode => 0777
      stat t mode => 0777
      stat o mode => 0777
      stat c mode => 0777
      stat k mode => 0777
      stat r mode => 6777
      stat noexec mode => 0666
      getxattr cap security.capability => ENODATA
    `,
  },
  {
    name: 'set-id bits and capabilities go with every write, as root and as others, for good, and stay where a mapping changes',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: `
      for f in mapped copied zeroed sent; do echo -n text > $f; truncate -s 8192 $f; chmod 6777 $f; done
      for f in rooted rooted2 rooted3; do echo -n text > $f; chmod 6777 $f
      setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 $f; done
      echo -n source > source; chmod 666 source
      truncate -s 8192 caps; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 caps
    `,
    calls: `
      as 1000 1000
      open 0 rw mapped
      mmap 0 0 rw 4096
      poke 0 0 x
      msync 0
      munmap 0
      close 0
      stat mapped mode => 6777
      open 1 rw copied
      open 2 r source
      copyrange 2 0 1 0 4 => 4
      stat copied mode => 0777
      open 3 rw zeroed
      fallocate 3 0 0 10000
      stat zeroed mode => 0777
      as 0 0
      open 4 rw rooted
      pwrite 4 0 x => 1
      stat rooted mode => 6777
      getxattr rooted security.capability => ENODATA
      truncate rooted2 1
      stat rooted2 mode => 6777
      getxattr rooted2 security.capability => ENODATA
      chmod rooted3 0755
      getxattr rooted3 security.capability 0 => 20
      open 0 rw caps
      mmap 0 0 rw 4096
      poke 0 0 x
      msync 0
      munmap 0
      close 0
      getxattr caps security.capability 0 => 20
      remount
      stat mapped mode => 6777
      getxattr caps security.capability 0 => 20
      stat copied mode => 0777
      stat zeroed mode => 0777
      stat rooted mode => 6777
      getxattr rooted security.capability => ENODATA
      getxattr rooted2 security.capability => ENODATA
      getxattr rooted3 security.capability 0 => 20
    `,
  },
  {
    name: 'a set-group-ID folder hands its group on, and the bit needs a member to set it',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    bottom: 'mkdir d; chown 0:50 d; chmod 2777 d; echo x > f; chown 1000:60 f; mkdir plain; chmod 777 plain',
    calls: `
      as 1000 1000
      put d/f text
      stat d/f uid gid mode => 1000 50 0644
      mkdir d/sub
      stat d/sub uid gid mode => 1000 50 2755
      symlink x d/l
      lstat d/l gid => 50
      mknod d/p p
      lstat d/p gid => 50
      chmod f 2755
      stat f mode => 0755
      chmod d/f 2755
      stat d/f mode => 0755
      chmod d/sub 2700
      stat d/sub mode => 0700
      put plain/f text
      stat plain/f gid => 1000
      mknod d/x f 2755
      stat d/x mode gid => 0755 50
      remount
      stat d/f uid gid => 1000 50
      stat d/sub gid => 50
    `,
  },
  {
    name: 'a file without a name takes group and umask as one with a name',
    privilege: 'the group is one that root alone may give',
    feature: 'fuse-tmpfile',
    bottom: 'mkdir d; chown 0:50 d; chmod 2777 d',
    calls: `
      umask 0077
      open 0 rw,tmpfile d 0666
      stat #0 mode gid => 0600 50
      link #0 d/named
      stat d/named mode gid => 0600 50
    `,
  },
  {
    name: 'a set-group-ID bit that nobody executes stays for who is in the group, also by a further group, and for root',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    feature: 'fuse-killpriv-v2',
    lower: `
      for call in write cut open; do for by in owner member further other root; do
      echo -n text > $call-$by; chown 1000:50 $call-$by; chmod 6666 $call-$by; done; done
    `,
    calls: `
      as 1000 1000
      open 0 w write-owner
      pwrite 0 0 x => 1
      truncate cut-owner 1
      open 0 w,trunc open-owner
      as 1001 50
      open 1 w write-member
      pwrite 1 0 x => 1
      truncate cut-member 1
      open 1 w,trunc open-member
      as 1001 1001 70 50
      open 2 w write-further
      pwrite 2 0 x => 1
      truncate cut-further 1
      open 2 w,trunc open-further
      as 1001 1001 70
      open 3 w write-other
      pwrite 3 0 x => 1
      truncate cut-other 1
      open 3 w,trunc open-other
      as 0 0
      open 4 w write-root
      pwrite 4 0 x => 1
      truncate cut-root 1
      open 4 w,trunc open-root
      stat write-owner mode => 0666
      stat cut-owner mode => 0666
      stat open-owner mode => 0666
      stat write-member mode => 2666
      stat cut-member mode => 2666
      stat open-member mode => 2666
      stat write-further mode => 2666
      stat cut-further mode => 2666
      stat open-further mode => 2666
      stat write-other mode => 0666
      stat cut-other mode => 0666
      stat open-other mode => 0666
      stat write-root mode => 6666
      stat cut-root mode => 6666
      stat open-root mode => 6666
      remount
      stat write-owner mode => 0666
      stat cut-further mode => 2666
      stat open-root mode => 6666
    `,
  },
  {
    name: 'a new owner or group takes set-id bits from files and leaves those of folders',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: `
      for f in own further exec root noexec; do echo -n x > $f; chown 1000:50 $f; done
      chmod 6755 own further exec root; chmod 6666 noexec; mkdir d; chown 1000:50 d; chmod 6777 d
    `,
    calls: `
      as 1000 1000 50
      chown own -1 1000
      stat own gid mode => 1000 0755
      chown further -1 50
      stat further gid mode => 50 0755
      chown d -1 1000
      stat d gid mode => 1000 6777
      as 0 0
      chown exec 7 -1
      stat exec uid gid mode => 7 50 0755
      chown root -1 -1
      chown noexec 7 8
      stat noexec uid gid mode => 7 8 2666
      chown d 7 8
      stat d uid gid mode => 7 8 6777
      remount
      stat own mode => 0755
      stat noexec mode => 2666
      stat d mode => 6777
    `,
  },
  {
    name: 'set-id bits and capabilities that a change of attributes alone brought go with the first write',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: `
      for f in bits cap cut renamed linked; do echo -n text > $f; truncate -s 100000 $f; chmod 0777 $f; done
    `,
    calls: `
      chmod bits 6777
      chmod cut 6777
      chmod renamed 6777
      rename renamed moved
      link linked again
      chmod again 6777
      setxattr cap security.capability hex:0100000200200000000000000000000000000000
      remount
      stat bits mode size => 6777 100000
      getxattr cap security.capability 0 => 20
      as 1000 1000
      open 0 w bits
      stat bits mode => 6777
      pwrite 0 0 x => 1
      stat bits mode => 0777
      truncate cut 99999
      stat cut mode size => 0777 99999
      open 1 w moved
      pwrite 1 0 x => 1
      stat moved mode => 0777
      open 2 w linked
      pwrite 2 0 x => 1
      stat again mode => 0777
      open 3 w cap
      pwrite 3 5 x => 1
      getxattr cap security.capability => ENODATA
      pread 3 0 6 => EBADF
      remount
      stat bits mode => 0777
      stat cut mode => 0777
      stat moved mode => 0777
      stat again mode nlink => 0777 2
      getxattr cap security.capability => ENODATA
      get cut => text{\\x00*99995}
    `,
  },
  {
    name: 'in a set-group-ID folder a new file keeps the bit that it was asked with for members of the group alone',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    bottom:
      'mkdir d; chown 0:50 d; chmod 2777 d; mkdir d/low; chown 1000:1000 d/low; mkdir own; chown 1000:50 own',
    calls: `
      as 1000 1000
      open 0 w,creat d/other 2755
      stat d/other mode gid => 0755 50
      mknod d/noexec f 2644
      stat d/noexec mode gid => 2644 50
      mknod d/pipe p 2755
      stat d/pipe gid => 50
      mkdir d/sub 0700
      stat d/sub mode gid => 2700 50
      mkdir d/sub/sub
      stat d/sub/sub mode gid => 2755 50
      chmod own 2755
      stat own mode => 0755
      rename d/low d/moved
      stat d/moved mode gid => 2755 1000
      as 1000 50
      open 1 w,creat d/member 2755
      stat d/member mode gid => 2755 50
      as 1000 1000 50
      mknod d/further f 2755
      stat d/further mode gid => 2755 50
      chmod d/other 2755
      stat d/other mode => 2755
      chmod own 2755
      stat own mode => 2755
      as 0 0
      mknod d/root f 6755
      stat d/root mode gid => 6755 50
      remount
      stat d/further mode => 2755
      stat d/sub/sub mode => 2755
      stat own mode => 2755
    `,
  },
  {
    name: 'setting an ACL takes the set-group-ID bit from who is not in the group',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    feature: 'fuse-setxattr-ext',
    lower: 'for f in other member further root; do echo x > $f; chown 1000:50 $f; chmod 2755 $f; done',
    calls: `
      as 1000 1000
      setxattr other system.posix_acl_access hex:0200000001000700ffffffff04000500ffffffff20000500ffffffff
      stat other mode => 0755
      as 1000 50
      setxattr member system.posix_acl_access hex:0200000001000700ffffffff04000500ffffffff20000500ffffffff
      stat member mode => 2755
      as 1000 1000 50
      setxattr further system.posix_acl_access hex:0200000001000700ffffffff04000500ffffffff20000400ffffffff
      stat further mode => 2754
      as 0 0
      setxattr root system.posix_acl_access hex:0200000001000700ffffffff04000700ffffffff20000500ffffffff
      stat root mode => 2775
      listxattr root =>
      remount
      stat other mode => 0755
      stat further mode => 2754
    `,
  },
];
