// Owners, modes, times, xattrs and ACLs: what a copy-up keeps, what each call changes, and who may.

import { subject } from './places.js';

subject('metadata', [
  {
    name: 'a device number of zero from a user among others hides nothing',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: 'mkdir d; chmod 777 d; echo -n low > d/f; echo -n low > d/x',
    calls: `
      as 1000 1000
      mknod d/new c 0600 0 0 => 0 | EPERM
      mknod d/f c 0600 0 0 => EEXIST
      list-without new d => f,x
      get d/f => low
      mknod d/real c 0600 1 3 => EPERM
    `,
  },
  {
    name: 'owners change one by one, and not at all, and a mode stays through it',
    privilege: 'another owner needs CAP_CHOWN',
    lower: 'echo x > f; chown 5:6 f; chmod 0640 f; mkdir d; chmod 2775 d; ln -s f l',
    calls: `
      chown f -1 -1
      stat f uid gid mode => 5 6 0640
      chown f 7 -1
      chown f -1 8
      stat f uid gid mode => 7 8 0640
      chown d 9 10
      stat d uid gid mode => 9 10 2775
      chown l 11 12
      lstat l uid gid => 11 12
      stat f uid => 7
      chown f 4294967294 70000
      remount
      stat f uid gid mode => 4294967294 70000 0640
      stat d uid gid mode => 9 10 2775
    `,
  },
  {
    name: 'a copy-up keeps owner, mode, times, xattrs, ACL and capability of a file and its folders',
    privilege: 'another owner needs CAP_CHOWN',
    bottom: `
      mkdir d d/e; echo -n lower > d/e/f; chown 12:34 d/e/f d/e d; chmod 2750 d/e; chmod 1777 d
      setfattr -n user.a -v one d/e/f; setfattr -n user.b -v two d/e; setfattr -n trusted.t -v t d/e/f
      setfacl -m u:7:rw,g:8:r d/e/f; setfacl -d -m u:9:rwx d/e; chmod 6755 d/e/f
      setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 d/e/f
      touch -d @1000.123456789 d/e/f; touch -d @2000.987654321 d/e; touch -d @3000.5 d
    `,
    lower: 'mkdir d; chown 12:34 d; chmod 1777 d; touch -d @3000.5 d',
    calls: `
      keep f d/e/f mode uid gid size mtime atime
      keep e d/e mode uid gid mtime atime
      keep d d mode uid gid mtime atime
      stat d/e/f mode uid gid mtime atime => 6755 12 34 1000123456789 1000123456789
      stat d/e mode uid gid mtime => 2750 12 34 2000987654321
      stat d mode uid gid mtime => 1777 12 34 3000500000000
      setxattr d/e/f user.new x
      kept f d/e/f mode uid gid size mtime atime => same
      kept e d/e mode uid gid mtime atime => same
      kept d d mode uid gid mtime atime => same
      listxattr d/e/f => security.capability,system.posix_acl_access,trusted.t,user.a,user.new
      getxattr d/e/f user.a => one
      getxattr d/e/f trusted.t => t
      getxattr d/e/f system.posix_acl_access 0 => 52
      getxattr d/e/f security.capability 0 => 20
      getxattr d/e user.b => two
      listxattr d/e => system.posix_acl_default,user.b
      list . => d
      remount
      kept f d/e/f mode uid gid size mtime atime => same
      kept e d/e mode uid gid mtime atime => same
      kept d d mode uid gid mtime atime => same
      getxattr d/e/f system.posix_acl_access 0 => 52
      getxattr d/e/f security.capability 0 => 20
      listxattr d/e => system.posix_acl_default,user.b
    `,
  },
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
    name: 'who may set times, modes and owners',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: 'echo x > own; chown 1000:1000 own; echo x > open; chmod 666 open; echo x > other; mkdir d',
    calls: `
      as 1000 1000
      utimens own 1 2
      utimens open now now
      utimens open 1 2 => EPERM
      utimens open now omit => EPERM
      utimens open omit omit
      utimens other now now => EACCES
      utimens other 1 2 => EPERM
      chmod own 0600
      chmod open 0600 => EPERM
      chown own 1000 1000
      chown own 0 0 => EPERM
      chown own 1000 50 => EPERM
      chown other 1000 1000 => EPERM
      truncate other 0 => EACCES
      open 0 w other => EACCES
      put open text
      unlink own => EACCES
      setxattr own user.a x
      setxattr other user.a x => EACCES
      setxattr own trusted.a x => EPERM
      as 1000 1000 50
      chown own 1000 50
      stat own uid gid mode mtime => 1000 50 0600 2000000000
    `,
  },
  {
    name: 'set-id bits and capabilities go with an unprivileged write, truncation or new owner, for good',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: `
      for f in w t o c k r; do echo -n text > $f; chmod 6777 $f; done
      echo -n x > cap; chmod 666 cap; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 cap
      echo -n x > cap2; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 cap2
      echo -n x > noexec; chmod 2666 noexec; chown 1000:1000 c
      echo -n x > member; chmod 2666 member; chown 0:1000 member
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
    feature: 'tmpfile',
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
    name: 'in a sticky folder only the owner moves or removes a name, on both sides of a rename',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    bottom:
      'mkdir s; chmod 1777 s; echo a > s/a; echo mine > s/mine; chown 1000:1000 s/mine; mkdir s/d; mkdir w; chmod 777 w; echo w > w/w',
    lower: 'mkdir s; chmod 1777 s',
    calls: `
      as 1000 1000
      unlink s/a => EPERM
      rmdir s/d => EPERM
      rename s/a w/a => EPERM
      rename s/mine s/a => EPERM
      rename w/w s/a => EPERM
      rename s/mine s/a exchange => EPERM
      rename w/w s/mine
      list s => a,d,mine
      unlink w/w => ENOENT
      unlink s/mine => EPERM
      put w/new text
      unlink w/new
      list w =>
    `,
  },
  {
    name: 'the umask counts for everything that is made, unless a default ACL stands in its place',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    bottom: 'mkdir u a; setfacl -d -m u::rwx,g::rwx,o::r,u:7:rwx,m::rwx a; echo x > u/low',
    calls: `
      umask 0077
      open 0 rw,creat u/f 0666
      stat u/f mode => 0600
      mkdir u/d 0777
      stat u/d mode => 0700
      mknod u/p p 0666
      lstat u/p mode => 0600
      mknod u/s s 0666
      lstat u/s mode => 0600
      mknod u/c c 0666 1 3
      lstat u/c mode => 0600
      mknod u/f2 f 0666
      lstat u/f2 mode => 0600
      unlink u/low
      open 2 rw,creat u/low 0666
      stat u/low mode => 0600
      open 0 rw,creat a/f 0666
      stat a/f mode => 0664
      getxattr a/f system.posix_acl_access 0 => 44
      mkdir a/d 0777
      stat a/d mode => 0774
      listxattr a/d => system.posix_acl_access,system.posix_acl_default
      mknod a/p p 0640
      stat a/p mode => 0640
      chmod a/f 0600
      as 7 7
      open 3 r a/f => EACCES
      as 0 0
      chmod a/f 0660
      as 7 7
      open 3 rw a/f
      as 8 8
      open 4 r a/f => EACCES
    `,
  },
  {
    name: 'ACLs and supplementary groups open files to those they name, in lower and upper files',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower:
      'echo -n acl > a; chmod 0600 a; setfacl -m u:1000:rw a; echo -n g > g; chown 0:50 g; chmod 0660 g; mkdir d; chmod 0700 d; setfacl -m u:1000:rwx d; echo -n in > d/f',
    calls: `
      as 1000 1000
      get a => acl
      get g => EACCES
      get d/f => in
      put a more
      put d/new text
      as 1001 1001
      get a => EACCES
      get d/f => EACCES
      as 1001 1001 50
      get g => g
      put g new
      as 0 0
      removexattr a system.posix_acl_access
      as 1000 1000
      open 0 r a => EACCES
      stat a mode => 0660
    `,
  },
  {
    name: 'extended attributes: making, replacing, sizes, and taking away what only a lower has',
    lower:
      'echo x > f; setfattr -n user.low -v lower f; setfattr -n user.empty f; mkdir d; setfattr -n user.low -v lower d; ln -s f l',
    calls: `
      getxattr f user.low => lower
      getxattr f user.low 0 => 5
      getxattr f user.low 4 => ERANGE
      getxattr f user.low 5 => lower
      getxattr f user.empty 0 => 0
      getxattr f user.none => ENODATA
      setxattr f user.low x create => EEXIST
      setxattr f user.none x replace => ENODATA
      setxattr f user.low new replace
      setxattr f user.made x create
      setxattr f user.void
      getxattr f user.void 0 => 0
      listxattr f => user.empty,user.low,user.made,user.void
      removexattr f user.empty
      removexattr f user.empty => ENODATA
      removexattr d user.low
      listxattr d =>
      removexattr d user.low => ENODATA
      setxattr f bad x => EOPNOTSUPP
      setxattr f user. x => EINVAL
      setxattr l user.a x => EPERM
      setxattr f user.big y*3000
      getxattr f user.big 0 => 3000
      remount
      listxattr d =>
      listxattr f => user.big,user.low,user.made,user.void
      getxattr f user.low => new
    `,
  },
  {
    name: 'the marks of layers are not shown, and trusted attributes not listed to users',
    privilege: 'trusted.* needs CAP_SYS_ADMIN in the first user namespace',
    bottom:
      'mkdir d d/e; echo x > d/f; ln d/f d/g; setfattr -n trusted.mine -v x d/f; setfattr -n user.mine -v x d/f',
    lower: 'mkdir d',
    upper: 'mkdir o; setfattr -n trusted.overlay.opaque -v y o',
    plain:
      'mkdir d d/e o; echo x > d/f; ln d/f d/g; setfattr -n trusted.mine -v x d/f; setfattr -n user.mine -v x d/f',
    calls: `
      chmod d/f 0666
      rename d/e d/moved
      rename d/f d/f2
      rename d moved
      unlink moved/g
      listxattr . =>
      listxattr moved =>
      listxattr moved/moved =>
      listxattr o =>
      listxattr moved/f2 => trusted.mine,user.mine
      as 1000 1000
      listxattr moved/f2 => user.mine
      getxattr moved/f2 trusted.mine => ENODATA
      getxattr moved/f2 user.mine => x
      remount
      listxattr moved/f2 => trusted.mine,user.mine
      listxattr o =>
      listxattr moved =>
    `,
  },
  {
    name: 'names that look like the marks of layers can be set and read back, and mark nothing',
    privilege: 'trusted.* needs CAP_SYS_ADMIN in the first user namespace',
    lower: 'mkdir d; echo x > d/f',
    calls: `
      setxattr d trusted.overlay.opaque y
      getxattr d trusted.overlay.opaque => y
      setxattr d user.overlay.opaque y
      list d => f
      remount
      list d => f
      getxattr d trusted.overlay.opaque => y
      listxattr d => trusted.overlay.opaque,user.overlay.opaque
      removexattr d trusted.overlay.opaque
      listxattr d => user.overlay.opaque
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
    name: 'marks cannot be read, set or taken away, neither by root nor by others, and escapes of escapes come back',
    privilege: 'trusted.* needs CAP_SYS_ADMIN in the first user namespace',
    lower: 'mkdir d; echo x > d/f; ln d/f d/g',
    upper:
      'mkdir o; setfattr -n trusted.overlay.opaque -v y o; setfattr -n trusted.overlay.overlay.opaque -v z o',
    plain: 'mkdir d o; echo x > d/f; ln d/f d/g; setfattr -n trusted.overlay.opaque -v z o',
    calls: `
      chmod d/f 0666
      rename d e
      getxattr o trusted.overlay.opaque => z
      listxattr o => trusted.overlay.opaque
      removexattr o trusted.overlay.opaque
      getxattr o trusted.overlay.opaque => ENODATA
      removexattr o trusted.overlay.opaque => ENODATA
      getxattr e trusted.overlay.redirect => ENODATA
      getxattr e trusted.overlay.origin => ENODATA
      removexattr e trusted.overlay.redirect => ENODATA
      getxattr e/f trusted.overlay.nlink => ENODATA
      setxattr e trusted.overlay.overlay.redirect x
      getxattr e trusted.overlay.overlay.redirect => x
      setxattr e trusted.overlay.redirect nowhere
      listxattr e => trusted.overlay.overlay.redirect,trusted.overlay.redirect
      list e => f,g
      as 1000 1000
      getxattr o trusted.overlay.opaque => ENODATA
      setxattr o trusted.overlay.opaque y => EPERM
      removexattr e trusted.overlay.redirect => EPERM
      listxattr e =>
      as 0 0
      remount
      list e => f,g
      getxattr e trusted.overlay.redirect => nowhere
      getxattr e trusted.overlay.overlay.redirect => x
      listxattr o =>
    `,
  },
]);
