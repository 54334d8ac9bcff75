// Owners and modes: what a copy-up keeps, and who may change them.

import type { Case } from '../case.js';

export const OWNERS: readonly Case[] = [
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
];
