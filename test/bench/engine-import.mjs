// `ctr images import` of a containerd that runs already and has nothing yet, with our server as its snapshotter and with its
// own overlayfs, both on one filesystem. Nothing of an earlier turn is left to be written, and the archive is in the page cache.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ofMountedImage, started, withContainerd } from './containerd.mjs';
import { debianImage } from './image.mjs';
import { treeOf } from './importing.mjs';
import { assertEqual, shell, timed } from './measure.mjs';

const program = new URL('../../bin/mica', import.meta.url).pathname;

/** Starts our server in `at`. Returns what ends it. */
function serve(at, socket) {
  const words = ['--root', join(at, 'root'), '--state', join(at, 'state'), 'serve', '--address', socket];
  return started(process.execPath, [program, ...words], 'test -S "$1"', socket);
}

/** Contenders that import an image, `{ name, turn, end }`; each shows the same tree in its first turn. */
export function importers(base) {
  const { archive, folder } = debianImage(base);
  let wanted;
  const importer = (name, snapshotter, server) => {
    let isShown = false;
    const turn = async () => {
      const at = mkdtempSync(join(base, 'i-'));
      const socket = join(at, 'm.sock');
      const end = await server(at, socket);
      try {
        const config = `[proxy_plugins.ours]\n  type = "snapshot"\n  address = "${socket}"\n`;
        return await withContainerd(at, config, (ctr) => {
          shell('sync; cat "$1" >/dev/null', archive);
          const seconds = timed(() => ctr('images', 'import', '--snapshotter', snapshotter, archive));
          if (!isShown) {
            const tree = ofMountedImage(ctr, at, snapshotter, treeOf);
            wanted ??= tree;
            assertEqual('the tree', tree, wanted);
            isShown = true;
          }
          return seconds;
        });
      } finally {
        await end();
        rmSync(at, { recursive: true, force: true });
      }
    };
    return { name, turn, end: () => undefined };
  };
  rmSync(folder, { recursive: true });
  return [importer('micafs', 'ours', serve), importer('overlayfs', 'overlayfs', () => () => undefined)];
}
