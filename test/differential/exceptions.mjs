// Where two right filesystems may answer differently, or the kernel's overlayfs is the one that is wrong. Each
// rule has a name and a reason, and the runs count how often each was needed.

export const EXCEPTIONS = {
  'folder-nlink': 'overlayfs shows 1 for merged folders and the real count for others; 1 means "not counted"',
  'copy-up-ctime':
    'a copy-up is no change of the file or its folder, but leaves a ctime in both: overlayfs shows it at once, a mount of ours when the kernel asks for the attributes again',
  'tmpfile-in-removed':
    'O_TMPFILE in a removed folder: EPERM, ENOTDIR or EIO from overlayfs, ENOENT as every other creation from us',
  'unlinked-lower-change':
    'overlayfs cannot change the attributes of an unlinked file or folder that was never copied up (EEXIST, ENOENT, EIO, ENOTDIR, ENOTEMPTY)',
  'heir-replaced':
    'changing a removed folder of a lower layer that was never copied up puts its copy over a new empty folder at its name, which overlayfs then cannot find any more: neither is asked',
  'failed-times':
    'an operation that fails changes no times: overlayfs sometimes has moved things before it finds out',
  'fetched-times':
    'opening for writing changes no mtime: with metacopy overlayfs leaves that of the moment in which it fetched the data',
  'split-link':
    'a file of a lower layer is one file after it got a second name: overlayfs makes the new name a second inode where it cannot decode where the file came from (in a user namespace, and for kinds of files without xattrs under `user.`): another number, ESTALE from a rename between the names, permissions as they were before a chmod through the other',
  'hidden-names':
    'a file of a lower layer whose other names a layer between hides: overlayfs with its index and ours count those names, overlayfs without it counts the entry of the index',
  'd-ino':
    'overlayfs lists some entries of the upper with the number of the upper inode, which stat does not show',
  holes: 'the copy-up of overlayfs fills the holes of a file behind its first data',
  unwritten:
    'a range that is allocated and was never written is data for ext4 once its pages are in memory, and a hole before: both are true, and ours takes no more space',
  'copy-between':
    'copy_file_range works between the files of one filesystem: overlayfs says EXDEV where they lie in layers on two',
  'short-copy':
    'copy_file_range copies what there is: overlayfs no more than the size that it remembers of a file which grew through another of its names (where it has no index, that is another inode)',
  'stale-mapping':
    'a descriptor of a lower file, opened for reading before its copy-up, reads the new data, but overlayfs goes on mapping the old one (documented as non-standard behaviour)',
  'tick-times':
    'on tmpfs a union shows times as coarse as a tick: what changed twice within one looks unchanged',
  'seek-in-folder':
    'SEEK_DATA and SEEK_HOLE in a folder never reach a FUSE server; overlayfs answers EINVAL, ext4 does not',
  'unlinked-lower-nlink':
    'fstat of an unlinked file that was never copied up: overlayfs shows the count of the lower inode',
  'no-redirects':
    'with userxattr overlayfs cannot rename a folder that has a lower part (EXDEV): ours, which can, is not asked',
  'absent-acl':
    'removing a POSIX ACL that is not there: ENODATA for a file that was never copied up, nothing wrong for any other, as on ext4 and from us',
  'absent-and-forbidden':
    'replacing or removing a security.* attribute that does not exist, in a user namespace: EPERM for a file of the upper, but ENODATA (ours: always) for one of a lower',
  unmarkable:
    'symlinks, fifos, sockets and devices take no xattr under `user.`, so that nothing can note which number they had before their copy-up: another after a remount, on both sides',
  'no-index':
    'in a user namespace overlayfs has no index, and so gives a file another number when it gets a hard link',
};

const used = new Map();

export function except(name) {
  used.set(name, (used.get(name) ?? 0) + 1);
}

export function takeUsed() {
  const counts = Object.fromEntries(used);
  used.clear();
  return counts;
}
