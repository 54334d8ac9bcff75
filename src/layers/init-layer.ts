// What a container engine puts over the files of an image: a layer between the image and the read-write layer, so that the
// places are there for it to mount on, and none of it ever gets into a commit of the read-write layer. The list is Docker's
// (`daemon/initlayer/setup_unix.go` of moby).

import {
  type ByteString,
  basename,
  dirname,
  Entry,
  type Filesystem,
  isFolder,
  type NodeId,
  O_EXCL,
  O_WRONLY,
  ROOT_NODE,
  SYSTEM_CALLER,
} from '../../fs/index.js';

const FOLDER = { kind: 'folder' } as const;
const FILE = { kind: 'file' } as const;

/** By path. A symlink's value is its target. */
const INIT: Readonly<Record<string, { readonly kind: 'folder' | 'file' } | { readonly target: ByteString }>> =
  {
    'dev/pts': FOLDER,
    'dev/shm': FOLDER,
    proc: FOLDER,
    sys: FOLDER,
    '.dockerenv': FILE,
    'etc/resolv.conf': FILE,
    'etc/hosts': FILE,
    'etc/hostname': FILE,
    'dev/console': FILE,
    'etc/mtab': { target: '/proc/mounts' },
  };

/** What Docker gives them. */
const MODE = 0o755;

/** Makes the places in a tree. Whatever is in the way and is no folder goes, on the way to a place too. */
export function makeInitFiles(tree: Filesystem): void {
  for (const [path, what] of Object.entries(INIT)) {
    const isPlaceFolder = 'kind' in what && what.kind === 'folder';
    const parent = folderAt(tree, dirname(path));
    const name = basename(path);
    try {
      const found = new Entry();
      const isThere = tree.lookup(parent, name, found);
      if (isThere) tree.forget(found.node, 1);
      if (isThere && isFolder(found.attr.mode)) {
        if (!isPlaceFolder) continue;
      } else if (isThere) tree.unlink(parent, name);
      if (isPlaceFolder) {
        if (!isThere || !isFolder(found.attr.mode)) makeFolder(tree, parent, name);
      } else if ('target' in what) {
        tree.symlink(parent, name, what.target, SYSTEM_CALLER, found);
        tree.forget(found.node, 1);
      } else {
        tree.release(tree.create(parent, name, MODE, O_WRONLY | O_EXCL, SYSTEM_CALLER, found));
        tree.forget(found.node, 1);
      }
    } finally {
      if (parent !== ROOT_NODE) tree.forget(parent, 1);
    }
  }
}

/** The folder at a path, made as far as it is missing; counts one lookup but for the root. */
function folderAt(tree: Filesystem, path: ByteString): NodeId {
  if (path === '') return ROOT_NODE;
  const parent = folderAt(tree, dirname(path));
  const entry = new Entry();
  const name = basename(path);
  try {
    if (tree.lookup(parent, name, entry)) {
      if (isFolder(entry.attr.mode)) return entry.node;
      tree.forget(entry.node, 1);
      tree.unlink(parent, name);
    }
    tree.mkdir(parent, name, MODE, SYSTEM_CALLER, entry);
    return entry.node;
  } finally {
    if (parent !== ROOT_NODE) tree.forget(parent, 1);
  }
}

function makeFolder(tree: Filesystem, parent: NodeId, name: ByteString): void {
  const entry = new Entry();
  tree.mkdir(parent, name, MODE, SYSTEM_CALLER, entry);
  tree.forget(entry.node, 1);
}
