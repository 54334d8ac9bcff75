// How much room a folder takes, as du(1) counts: allocated blocks, and a file with several names once.

import { Attr, EACCES, isErrno, isFolder, sys } from '../../fs/index.js';

/**
 * Bytes on disk and inodes of the tree at the folder `fd` (open for reading), the folder itself included. A
 * folder that this user may not list counts as itself.
 */
export function measureTree(fd: number): { readonly size: number; readonly inodes: number } {
  const seen = new Set<number>();
  const attr = new Attr();
  sys.statFd(fd, attr);
  let size = attr.blocks * 512;
  let inodes = 1;
  const folders = ['.'];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of namesIn(fd, folder)) {
      const path = `${folder}/${name}`;
      if (!sys.statAt(fd, path, attr)) continue;
      if (isFolder(attr.mode)) {
        folders.push(path);
      } else if (attr.nlink > 1) {
        if (seen.has(attr.ino)) continue;
        seen.add(attr.ino);
      }
      size += attr.blocks * 512;
      inodes++;
    }
  }
  return { size, inodes };
}

function namesIn(root: number, path: string): readonly string[] {
  let fd: number;
  try {
    fd = sys.openAt(root, path, sys.O_RDONLY | sys.O_DIRECTORY | sys.O_NOFOLLOW | sys.O_CLOEXEC);
  } catch (error) {
    if (isErrno(error, EACCES)) return [];
    throw error;
  }
  try {
    const names: string[] = [];
    sys.listFolder(fd, (name) => {
      names.push(name);
      return undefined;
    });
    return names;
  } finally {
    sys.closeFd(fd);
  }
}
