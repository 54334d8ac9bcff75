// How long it takes to bring an image in and unpack it: `mica import`, `ctr images import` of a containerd that runs
// already (overlayfs, as it comes), and `umoci unpack`, which keeps no layers. Each begins with nothing, and what it
// shows afterwards is the same tree to the last attribute. The archive is in the page cache, so that no disk is read;
// ours writes to the disk all that it acknowledges, containerd the layers alone, umoci nothing.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ofMountedImage, withContainerd } from './containerd.mjs';
import { assertEqual, must, shell, timed } from './measure.mjs';

/**
 * One line for each entry but the root, digested: kind, mode, owner, time, size, links, target, xattrs, content. Of a
 * folder neither size nor links, which are the filesystem's, nor its time, which containerd forgets where a layer does
 * not name it; of a device its number. Times before 1970 are 0 in containerd.
 */
const TREE = `cd "$1"
{ find . -mindepth 1 ! -type d -printf '%p %y %m %U %G %s %T@ %n %l\\0' | sed -z 's/ -[0-9.]* \\([0-9]* [^ ]*\\)$/ 0.0000000000 \\1/'
  find . -mindepth 1 -type d -printf '%p %y %m %U %G\\0'
  find . \\( -type b -o -type c \\) -exec stat --printf '%n %t %T\\0' {} +
  find . -type f -exec sha256sum -z {} +
  getfattr -R -P -h -d -e hex -m '^(user|security)\\.' . | tr '\\n' ' ' | sed 's/  # file/\\x00# file/g; s/$/\\x00/'
} | LC_ALL=C sort -z | sha256sum`;

export const treeOf = (root) => shell(TREE, root).out.trim();

/** `{ seconds, tree }`. */
function byMica({ mica }, { archive }, at) {
  const words = [mica, '--root', join(at, 'root'), '--state', join(at, 'state')];
  const seconds = timed(() => must(process.execPath, [...words, 'import', archive, '--name', 'bench']));
  const mountPoint = join(at, 'mnt');
  mkdirSync(mountPoint);
  must(process.execPath, [...words, 'mount', '--read-only', 'bench', mountPoint], { cwd: '/' });
  try {
    return { seconds, tree: treeOf(mountPoint) };
  } finally {
    must(process.execPath, [...words, 'umount', mountPoint], { cwd: '/' });
  }
}

function byUmoci(_contender, { layout }, at) {
  const seconds = timed(() => must('umoci', ['unpack', '--image', layout, join(at, 'bundle')]));
  return { seconds, tree: treeOf(join(at, 'bundle/rootfs')) };
}

function byContainerd(_contender, { archive }, at) {
  return withContainerd(at, '', (ctr) => {
    const seconds = timed(() => ctr('images', 'import', '--snapshotter', 'overlayfs', archive));
    return { seconds, tree: ofMountedImage(ctr, at, 'overlayfs', treeOf) };
  });
}

const WAYS = { plain: byMica, containerd: byContainerd, umoci: byUmoci };

let wanted;

async function bringIn({ contender }) {
  const { fixtures, kind } = contender;
  const { image } = fixtures;
  const at = mkdtempSync(join(fixtures.onDisk, 'import-'));
  try {
    // Nothing of an earlier turn is left to be written, and nothing is read from the disk.
    shell('sync -f "$1"; cat "$2" "$3"/blobs/sha256/* >/dev/null', at, image.archive, image.folder);
    const { seconds, tree } = await WAYS[kind](contender, image, at);
    wanted ??= tree;
    assertEqual('the tree', tree, wanted);
    return { seconds };
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}

export const IMPORTING = [
  {
    name: 'import an image',
    only: ['plain', 'containerd', 'umoci'],
    run: bringIn,
    measures: {
      seconds: ['containerd', 'umoci'].map((than) => ({ ours: 'micafs', than, atMost: 0.8 })),
    },
  },
];
