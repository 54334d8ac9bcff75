// Who may do what: sticky folders, umask and default ACLs, ACLs and supplementary groups.

import type { Case } from '../case.js';

export const ACCESS: readonly Case[] = [
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
    name: 'a sticky folder asks who the caller is: its owner, the owner of the file, another, root',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    bottom: `
      mkdir s; for f in a b c d e f g h i j; do echo $f > s/$f; chown 1001:1001 s/$f; done; mkdir s/dir
      chown 1001:1001 s/dir; mkdir w; chmod 777 w; chown 1000:1000 s; chmod 1777 s
    `,
    lower: 'mkdir s; chown 1000:1000 s; chmod 1777 s',
    calls: `
      as 1002 1002
      unlink s/a => EPERM
      rmdir s/dir => EPERM
      rename s/a s/z => EPERM
      rename s/a w/z => EPERM
      put w/n text
      rename w/n s/n
      rename s/n s/a => EPERM
      rename s/n s/a exchange => EPERM
      rename s/a s/n exchange => EPERM
      rename s/n s/m noreplace
      unlink s/m
      as 1001 1001
      unlink s/a
      rename s/b s/b2
      rename s/c s/d
      rmdir s/dir
      as 1000 1000
      unlink s/e
      rename s/f s/f2
      rename s/g s/h
      put s/own text
      rename s/own s/i exchange
      as 0 0
      unlink s/j
      list s => b2,d,f2,h,i,own
      remount
      list s => b2,d,f2,h,i,own
      stat s uid mode => 1000 1777
    `,
  },
  {
    name: 'a default ACL makes the modes of everything new, beside or in place of a lower one, and a rename takes none',
    privilege: 'another user needs CAP_SETUID',
    bottom: `
      mkdir a m; setfacl -d -m u::rwx,g::rwx,o::r,u:7:rwx,m::rwx a; setfacl -d -m u::rwx,g::r,o::- m; echo x > a/low
    `,
    calls: `
      umask 0077
      symlink x a/l
      lstat a/l mode => 0777
      listxattr a/l =>
      unlink a/low
      open 1 w,creat a/low 0640
      stat a/low mode => 0640
      getxattr a/low system.posix_acl_access 0 => 44
      mkdir a/d 0700
      stat a/d mode => 0700
      open 2 w,creat a/d/f 0666
      stat a/d/f mode => 0664
      open 3 w,creat m/f 0666
      stat m/f mode => 0640
      listxattr m/f =>
      mkdir m/d 0777
      stat m/d mode => 0740
      listxattr m/d => system.posix_acl_default
      mknod m/p p 0666
      lstat m/p mode => 0640
      rename m/f a/moved
      stat a/moved mode => 0640
      listxattr a/moved =>
      link a/moved a/linked
      listxattr a/linked =>
      chmod a 0700
      getxattr a system.posix_acl_default 0 => 44
      removexattr a system.posix_acl_default
      open 4 w,creat a/plain 0666
      stat a/plain mode => 0600
      setxattr a/plain system.posix_acl_default hex:02000000 => EACCES | 0
      remount
      stat a/low mode => 0640
      getxattr a/low system.posix_acl_access 0 => 44
      listxattr m/d => system.posix_acl_default
      listxattr a =>
    `,
  },
  {
    name: 'a file without a name inherits the ACL of its folder, and keeps it when it gets a name',
    privilege: 'another user needs CAP_SETUID',
    feature: 'fuse-tmpfile',
    bottom: 'mkdir a; setfacl -d -m u::rwx,g::rwx,o::r,u:7:rwx,m::rwx a',
    calls: `
      umask 0077
      open 0 rw,tmpfile a 0666
      stat #0 mode => 0664
      getxattr #0 system.posix_acl_access 0 => 44
      link #0 a/t
      stat a/t mode => 0664
      getxattr a/t system.posix_acl_access 0 => 44
    `,
  },
  {
    name: 'an ACL opens as its first entry that fits says, within its mask, whatever groups its caller has',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: `
      for f in masked group first any; do echo -n x > $f; chmod 0600 $f; done; mkdir d; echo -n in > d/f; chmod 0700 d
      setfacl -m u:1000:rw,m::r masked; setfacl -m g:50:rw group; setfacl -m u:1000:-,g::rw,o::rw first
      setfacl -m g:50:r,g:60:w,m::rw any; setfacl -m u:1000:x d
    `,
    calls: `
      as 1000 1000
      get masked => x
      open 0 w masked => EACCES
      get first => EACCES
      get d/f => in
      list d => EACCES
      open 0 w,creat d/new => EACCES
      setxattr masked system.posix_acl_access hex:02000000 => EPERM
      removexattr masked system.posix_acl_access => EPERM
      getxattr masked system.posix_acl_access 0 => 44
      as 1001 50
      open 1 rw group
      as 1001 1001 50
      open 2 rw group
      get first => x
      as 1001 1001
      get group => EACCES
      as 1001 1001 50 60
      open 3 r any
      open 4 w any
      open 5 rw any => EACCES
      as 0 0
      chmod masked 0660
      as 1000 1000
      open 6 rw masked
      as 0 0
      chmod masked 0600
      as 1000 1000
      get masked => EACCES
      remount
      as 1000 1000
      get masked => EACCES
      get d/f => in
      as 1001 1001 50
      open 7 rw group
    `,
  },
];
