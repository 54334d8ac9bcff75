// What an ordinary user may do with what other people own in the lower layers, as on a plain folder.

import { subject } from './places.js';

const FOREIGN = `
  chown 65534:65534 .; mkdir mine theirs sticky; chown 65534:65534 mine; chmod 1777 sticky
  echo -n root > mine/file; echo -n secret > mine/secret; chmod 0600 mine/secret; ln mine/secret mine/again
  echo -n x > theirs/x; echo -n x > sticky/x; echo -n own > own; chown 65534:65534 own; mkdir mine/d; touch mine/d/x
  ln -s file mine/link; mkfifo mine/fifo
`;

/** cap_net_raw=ep */
const CAPABILITY = '0x0100000200200000000000000000000000000000';

const KINDS = `
  chown 65534:65534 .; mkdir mine theirs mine/empty mine/full; chown 65534:65534 mine; touch mine/full/x theirs/x
  echo -n root > mine/file; echo -n own > own; chown 65534:65534 own; cp /bin/true mine/suid; chmod 4755 mine/suid
  mknod mine/dev c 1 3; mknod mine/blk b 7 300; mkdir folder folder/sub; touch folder/sub/f folder/theirs
  chown 65534:65534 folder folder/sub; mkdir closed; touch closed/x; chmod 0700 closed
  echo -n acl > mine/acl; setfacl -m u:65534:rw mine/acl
  echo -n cap > mine/cap; chmod 0777 mine/cap; setfattr -n security.capability -v ${CAPABILITY} mine/cap
  mkdir shared; setfacl -m u:65534:rwx,d:u:65534:rwx,d:g::rx shared
  mkdir sgid; chown 0:65534 sgid; chmod 2775 sgid
`;

subject('an ordinary user among the files of others', [
  {
    name: 'what others own is shown with its owner and mode, and stays theirs',
    namespace: 'its root may do with them what root may',
    foreign: true,
    bottom: FOREIGN,
    calls: `
      stat mine/file uid mode nlink => 0 0644 1
      stat mine/secret mode nlink => 0600 2
      stat own uid mode => 65534 0644
      get mine/file => root
      get mine/secret => EACCES
      open 0 w mine/file => EACCES
      open 0 w,trunc mine/file => EACCES
      truncate mine/file 0 => EACCES
      chmod mine/file 0666 => EPERM
      utimens mine/file now now => EACCES
      setxattr mine/file user.a x => EACCES
      put theirs/new text => EACCES
      unlink theirs/x => EACCES
      rename theirs/x mine/x => EACCES
      unlink sticky/x => EPERM
      rename sticky/x mine/x => EPERM
      rmdir mine/d => ENOTEMPTY
      unlink mine/d/x => EACCES
      mkdir theirs/d => EACCES
      list mine => again,d,fifo,file,link,secret
    `,
  },
  {
    name: 'names are made in a folder of others that all may write to',
    foreign: true,
    bottom: FOREIGN,
    calls: `
      put sticky/new text
      get sticky/new => text
      stat sticky mode uid => 1777 0
      stat sticky/new uid => 65534 | 0
      unlink sticky/new
      put sticky/again text
      list sticky => again,x
      remount
      list sticky => again,x
      stat sticky mode uid => 1777 0
      get sticky/again => text
    `,
  },
  {
    name: 'files of others are removed from a folder of ones own',
    foreign: true,
    bottom: FOREIGN,
    calls: `
      unlink mine/file
      unlink mine/secret
      stat mine/again mode nlink => 0600 1
      unlink mine/again
      unlink mine/link
      unlink mine/fifo
      list mine => d
      remount
      list mine => d
    `,
  },
  {
    // What the mounter cannot read (mine/secret) cannot be copied up: the one thing that a plain folder allows.
    name: 'files of others are moved in and to folders of ones own, and stay theirs',
    foreign: true,
    bottom: FOREIGN,
    calls: `
      rename mine/file mine/moved
      stat mine/moved uid mode => 0 0644
      get mine/moved => root
      chmod mine/moved 0600 => EPERM | 0
      rename mine/link link
      readlink link => file
      rename mine/fifo fifo
      lstat fifo type => p
      rename mine/secret mine/hidden => 0 | EACCES
      rename mine/hidden mine/secret => 0 | ENOENT
      put new text
      rename new mine/moved
      get mine/moved => text
      list mine => again,d,moved,secret
      remount
      list mine => again,d,moved,secret
      lstat fifo type => p
      readlink link => file
    `,
  },
  {
    name: 'things of others of every kind are moved as far as their folders allow, with all that they are',
    foreign: true,
    bottom: KINDS,
    calls: `
      rename mine/empty mine/empty2
      rename mine/empty2 empty => EACCES | 0
      rename mine/full mine/full2
      list mine/full2 => x
      rename mine/file own exchange
      get own => root
      get mine/file => own
      rename mine/dev dev
      rename mine/blk mine/blk2
      rename mine/suid suid
      rename folder folder2
      rename folder2/sub sub
      rename theirs theirs2
      rename closed closed2
      rename closed2 mine/closed => EACCES | 0
      open 1 path closed2 => 0 | ENOENT
      stat #1 mode => 0700 | EBADF
      list theirs2 => x
      remount
      lstat dev type rdev uid => c 1,3 0
      lstat mine/blk2 type rdev uid => b 7,300 0
      open 0 r dev => EACCES | 0
      stat suid mode uid => 4755 0
      list folder2 => theirs
      list sub => f
      list theirs2 => x
      stat theirs2 mode uid => 0755 0
      get own => root
    `,
  },
  {
    name: 'things of others of every kind are removed as far as their folders allow',
    foreign: true,
    bottom: KINDS,
    calls: `
      rmdir mine/empty
      rmdir mine/full => ENOTEMPTY
      unlink mine/dev
      unlink mine/suid
      unlink mine/acl
      unlink folder/theirs
      unlink folder/sub/f
      rmdir folder/sub
      rmdir folder
      rmdir theirs => ENOTEMPTY
      list mine => blk,cap,file,full
      remount
      list mine => blk,cap,file,full
      lstat folder mode => ENOENT
    `,
  },
  {
    name: 'what others permit by ACL, group and capability is done, and theirs stays theirs',
    foreign: true,
    bottom: KINDS,
    calls: `
      open 0 w,append mine/acl
      write 0 more => 4
      get mine/acl => aclmore
      stat mine/acl uid mode => 0 0664
      put mine/cap new
      getxattr mine/cap security.capability => ENODATA
      get mine/cap => new
      stat mine/cap uid mode => 0 0777
      put shared/new text
      stat shared/new uid mode => 65534 0644 | 0 0644
      mkdir shared/d 0755
      put sgid/new text
      mkdir sgid/d 0755
      stat sgid/d mode gid => 2755 65534 | 2755 0
      stat sgid/new gid => 65534 | 0
      chown own 0 -1 => EPERM | 0
      chown own -1 0 => EPERM | 0
      chown own -1 5 => EPERM | EINVAL
      mknod nul c 0600 1 3 => EPERM
      list closed => EACCES
      remount
      get mine/acl => aclmore
      stat mine/acl uid mode => 0 0664
      stat mine/cap uid mode => 0 0777
      stat sgid/d mode gid => 2755 65534 | 2755 0
      put shared/d/new text
    `,
  },
  {
    name: 'a file without a name in a folder that is his, though another owns it, is his to write and lock',
    foreign: true,
    feature: 'fuse-tmpfile',
    bottom: KINDS,
    calls: `
      open 2 rw,tmpfile mine 0600
      write 2 text => 4
      flock 2 ex
    `,
  },
  {
    name: 'the root of a user namespace does everything with what has no owner there',
    inNamespace: true,
    foreign: true,
    bottom: FOREIGN,
    calls: `
      lstat mine/file uid gid mode => 0 0 0644
      lstat theirs uid gid => 0 0
      lstat mine/link uid gid => 0 0
      put theirs/new text
      mkdir theirs/d
      mknod theirs/fifo p 0600
      symlink x theirs/link
      chmod mine/file 0664
      chown mine/link 0 0
      open 0 w,append mine/file
      write 0 more => 4
      get mine/file => rootmore
      truncate mine/file 2
      utimens mine/file 1 2
      setxattr mine/file user.a x
      link mine/file mine/linked
      stat mine/linked nlink mode => 2 0664
      unlink theirs/x
      rename sticky/x mine/x
      unlink mine/d/x
      rmdir mine/d
      chmod theirs 0700
      rename theirs ours
      rename mine/fifo fifo
      rename mine/link ours/file
      list . => fifo,mine,ours,own,sticky
      list ours => d,fifo,file,link,new
      get mine/secret => EACCES
      chown mine/file 5 5 => EINVAL
      remount
      list . => fifo,mine,ours,own,sticky
      list mine => again,file,linked,secret,x
      stat mine/file uid mode mtime size => 0 0664 2000000000 2
      getxattr mine/file user.a => x
      lstat fifo type uid => p 0
      stat ours uid mode => 0 0700
      readlink ours/file => file
    `,
  },
  {
    name: 'ones own files are changed in every way, and keep it',
    foreign: true,
    bottom: `${FOREIGN} setfattr -n user.a -v x own; touch -d @1000.5 own`,
    calls: `
      chmod own 04755
      stat own mode mtime => 4755 1000500000000
      setxattr own user.b y
      listxattr own => user.a,user.b
      utimens own 1 2.5
      link own mine/own
      stat own nlink mtime => 2 2000000005
      put own text
      get mine/own => text
      stat own mode => 0755
      mkdir d 02755
      remount
      stat own mode nlink => 0755 2
      get mine/own => text
      listxattr own => user.a,user.b
    `,
  },
  {
    name: 'what is closed to its owner is not opened',
    namespace: 'its root has CAP_DAC_OVERRIDE over what is its own',
    foreign: true,
    bottom: 'chown 65534:65534 .; mkdir low; touch low/x; chown -R 65534:65534 low',
    calls: `
      put up text
      setxattr up user.a x
      chmod up 0
      get up => EACCES
      open 0 w up => EACCES
      getxattr up user.a => EACCES
      mkdir dir
      put dir/x text
      chmod dir 0
      list dir => EACCES
      lstat dir/x => EACCES
      mkdir new 0
      put new/x text => EACCES
      chmod low 0
      list low => EACCES
      open 1 rw,creat closed 0
      write 1 text => 4
      pread 1 0 9 => text
      mkdir away 0
      rename away gone
      rmdir gone
      remount
      get up => EACCES
      list dir => EACCES
      list new => EACCES
      list low => EACCES
      stat closed mode size => 0000 4
      chmod up 0600
      chmod dir 0700
      chmod new 0700
      chmod low 0700
      chmod closed 0400
      get up => text
      getxattr up user.a => x
      list dir => x
      put new/x text
      list new => x
      list low => x
      get closed => text
      list . => closed,dir,low,new,up
    `,
  },
]);
