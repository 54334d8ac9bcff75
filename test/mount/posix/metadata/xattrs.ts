// Extended attributes and their namespaces, and the marks of layers, which are none of them.

import type { Case } from '../case.js';

export const XATTRS: readonly Case[] = [
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
  {
    name: 'each namespace of attributes has its own rules: user, trusted, security, system',
    privilege: 'becoming several users needs CAP_SETUID, and a mount for all of them allow_other',
    lower: `
      mkdir s; chmod 1777 s; echo x > f; ln -s f l; mkfifo p; chmod 0666 p; mkdir d; chown -h 1000:1000 f l p d
      setfattr -n security.note -v x f; setfattr -n trusted.t -v x f
    `,
    calls: `
      as 1001 1001
      setxattr s user.a x => EPERM
      getxattr s user.a => ENODATA
      setxattr f user.a x => EACCES
      removexattr f user.a => EACCES
      as 1000 1000
      setxattr f user.a x
      setxattr d user.a x
      setxattr p user.a x => EPERM
      getxattr p user.a => ENODATA
      setxattr l user.a x => EPERM
      getxattr l user.a => ENODATA
      setxattr f security.other x => EPERM
      getxattr f security.note => x
      removexattr f security.note => EPERM
      setxattr f security.capability hex:0100000200200000000000000000000000000000 => EPERM
      setxattr f trusted.a x => EPERM
      getxattr f trusted.t => ENODATA
      removexattr f trusted.t => EPERM
      setxattr f system.other x => EOPNOTSUPP
      listxattr f => security.note,user.a
      as 0 0
      setxattr s user.a x
      setxattr p security.note x
      getxattr p security.note => x
      setxattr p user.a x => EPERM
      setxattr l trusted.a x
      setxattr l security.b y
      listxattr l => security.b,trusted.a
      setxattr f security.other x
      removexattr f security.note
      listxattr f => security.other,trusted.t,user.a
      remount
      listxattr l => security.b,trusted.a
      getxattr p security.note => x
      listxattr f => security.other,trusted.t,user.a
      getxattr s user.a => x
    `,
  },
];
