// The kernel mounts the images that we write: bare, they show the metadata of the folder that was indexed, and as
// the lower of an overlay with the folders as data, its files as well.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mergeImages } from '../../fs/erofs/merge.js';
import { ImageReader } from '../../fs/erofs/reader.js';
import { type Image, writeImage } from '../../fs/erofs/writer.js';
import { sys } from '../../fs/index.js';
import { openLowerDir } from '../../fs/layer/dir-layer.js';
import { scanLayer } from '../../fs/layer/scan-layer.js';
import { fromText } from '../../fs/name.js';
import { describeWith, missing } from '../requires.js';

/** Every kind of inode, odd names, xattrs, ACLs, times before 1970 and with nanoseconds, large owners. */
const TREE = `
set -e
mkdir -p "$1/1/fs/d/deep" "$1/2/fs/d" "$1/1/fs/many"
cd "$1/1/fs"
printf data > d/file; printf linked > d/one; ln d/one two; ln d/one d/three; : > empty
printf below > d/replaced; printf x > d/gone
ln -s target link; ln -s "$(printf 'x%.0s' $(seq 4000))" long
mkfifo fifo; mknod chr c 259 300000; mknod blk b 7 9
printf odd > "$(printf '\\377\\001 !\\n')"; printf dash > -rf; printf bang > '!first'
chown 4000000000:70000 d/file; chmod 6755 d/file; chmod 1777 d
setfattr -n user.bin -v 0x00ff00 d/file; setfattr -n trusted.t -v t d; setfattr -n security.s -v s d/file
touch -d '1930-01-02 03:04:05.123456789' d/one; touch -h -d '2100-01-01 00:00:00.5' link
truncate -s 5T sparse
i=0; while [ $i -lt 3000 ]; do : > "many/name-$i"; i=$((i+1)); done
cd "$1/2/fs"
printf above > d/replaced; mknod d/gone c 0 0; printf new > d/new; chmod 1777 d
`;

const BARE = ['-mindepth', '1', '!', '-type', 'd', '-printf', '%P|%y|%m|%U:%G|%s|%T@|%n|%l\\n'];

describeWith(['root', 'program:setfattr'], 'an image mounted by the kernel', () => {
  let base: string;
  const mounted: string[] = [];

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'mica-erofs-kernel-'));
    execFileSync('sh', ['-c', TREE, 'sh', base]);
    for (const name of ['image', 'shown']) mkdirSync(join(base, name));
  });

  afterEach(() => {
    for (const place of mounted.splice(0).reverse()) sys.unmount(fromText(place), 0);
    rmSync(base, { recursive: true });
  });

  function scan(id: string): Image {
    const layer = openLowerDir(fromText(join(base, id, 'fs')), { marks: ['trusted'] });
    try {
      return writeImage(scanLayer(layer, { marks: 'trusted', dataPath: fromText(`/${id}/fs`) }));
    } finally {
      layer.close();
    }
  }

  function mountImage({ bytes }: Image): string {
    const file = join(base, 'file');
    const place = join(base, 'image');
    writeFileSync(file, bytes);
    sys.mount(fromText(file), fromText(place), 'erofs', sys.MS_RDONLY, '');
    mounted.push(place);
    return place;
  }

  function mountOverlay(options: string): string {
    const place = join(base, 'shown');
    execFileSync('mount', ['-t', 'overlay', '-o', `ro,${options}`, 'none', place]);
    mounted.push(place);
    return place;
  }

  function listed(folder: string): string[] {
    const run = spawnSync('find', [folder, ...BARE], { encoding: 'latin1', maxBuffer: 1 << 26 });
    expect(run.status).toBe(0);
    return run.stdout.split('\n').sort();
  }

  function xattrs(folder: string, pattern: string): string {
    const args = ['-R', '-h', '-P', '-d', '-e', 'hex', '-m', pattern, '.'];
    const text = execFileSync('getfattr', args, { cwd: folder, encoding: 'latin1', stdio: 'pipe' });
    return text.split('\n\n').sort().join('\n');
  }

  function contents(folder: string): string {
    const script = `find . -type f ! -name sparse -exec sha256sum {} + | sort`;
    return execFileSync('sh', ['-c', script], { cwd: folder, encoding: 'latin1' });
  }

  const noErofs = missing(['program:mkfs.erofs']);

  it.skipIf(noErofs !== undefined)('shows the metadata of the folder', () => {
    const place = mountImage(scan('1'));
    const folder = join(base, '1/fs');
    expect(listed(place)).toEqual(listed(folder));
    const pattern = '^(user|security|system)\\.|^trusted\\.t$';
    expect(xattrs(place, pattern)).toBe(xattrs(folder, pattern));
  });

  it.skipIf(noErofs !== undefined)(
    'shows as a lower what the overlay of the folders shows, data included',
    () => {
      const images = ['2', '1'].map(scan).map(({ bytes, length }) => new ImageReader(bytes, length));
      const image = mountImage(writeImage(mergeImages(images, 'trusted.overlay.')));
      const shown = mountOverlay(`metacopy=on,redirect_dir=on,lowerdir=${image}::${base}`);
      const found = [listed(shown), contents(shown), xattrs(shown, '-')];
      sys.unmount(fromText(mounted.pop()!), 0);
      const plain = mountOverlay(`lowerdir=${base}/2/fs:${base}/1/fs`);
      expect(found).toEqual([listed(plain), contents(plain), xattrs(plain, '-')]);
      expect(found[1]).toContain('d/new');
    },
  );
});
