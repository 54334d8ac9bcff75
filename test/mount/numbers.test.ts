// File numbers over layers on five kinds of filesystems, one of which (overlayfs with xino) fills the high bits:
// everything has one of its own, and keeps it through copy-up, rename and remount, in stat and in listings.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { Scratch, Served } from './mounted.js';

/** Some of each kind, alone and in folders that all layers have. */
const FILL = `
  mkdir -p both/in; mkdir $L $L/sub
  for i in $(seq 40); do echo $i > $L-$i; echo $i > both/$L-$i; done
  ln $L-1 $L-hard; ln $L-1 both/in/$L-hard; ln -s target $L-link; mkfifo $L-fifo; mknod $L-device c 1 3
  python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' $L-socket
  echo x > both/in/$L-x; echo x > $L/sub/x
`;

/** Prints "path ino dev nlink type" of everything, after holding each listing against stat. */
const LOOK = `
import os, stat
def visit(folder):
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        st = os.lstat(entry.path)
        listed = entry.inode()
        if listed != st.st_ino: print('d_ino', entry.path, listed, st.st_ino)
        print(entry.path, st.st_ino, st.st_dev, 0 if stat.S_ISDIR(st.st_mode) else st.st_nlink, stat.S_IFMT(st.st_mode))
        if stat.S_ISDIR(st.st_mode): visit(entry.path)
visit('.')
`;

/** Copies up and moves everything: each name gets an r in front. */
const CHANGE = `
import os, stat
for folder, folders, files in os.walk('.', topdown=False):
    for name in folders + files:
        path = os.path.join(folder, name)
        st = os.lstat(path)
        if stat.S_ISLNK(st.st_mode): os.lchown(path, 1, 1)
        else: os.chmod(path, 0o700 if stat.S_ISDIR(st.st_mode) else 0o600)
        if stat.S_ISREG(st.st_mode): open(path, 'a').write('more')
        os.rename(path, os.path.join(folder, 'r' + name))
`;

const IMAGES = { ext4: 'mkfs.ext4 -q', xfs: 'mkfs.xfs -q', btrfs: 'mkfs.btrfs -q' };
const MAKERS = ['program:mkfs.ext4', 'program:mkfs.xfs', 'program:mkfs.btrfs', 'program:python3'] as const;

describeWith(['root', 'fuse', 'overlay', ...MAKERS], 'layers on many filesystems', () => {
  let scratch: Scratch;
  let served: Served | undefined;
  const mounts: string[] = [];

  const layer = (kind: string, ...options: string[]) => {
    const path = scratch.at(kind);
    mkdirSync(path, { recursive: true });
    execFileSync('mount', [...options, path]);
    mounts.push(path);
    return path;
  };

  beforeEach(() => {
    scratch = new Scratch();
    for (const [kind, make] of Object.entries(IMAGES)) {
      scratch.sh(`truncate -s 320M ${kind}.img; ${make} ${kind}.img`);
      layer(kind, '-o', 'loop', scratch.at(`${kind}.img`));
    }
    layer('tmpfs', '-t', 'tmpfs', 'none');
    const places = { ext4: 'ext4/layer', xfs: 'xfs/layer', btrfs: 'btrfs/layer', tmpfs: 'tmpfs/layer' };
    for (const [name, place] of Object.entries({ ...places, low: 'xfs/below', high: 'tmpfs/below' })) {
      scratch.sh(`mkdir ${place}; cd ${place}; L=${name}; ${FILL}`);
    }
    const below = `lowerdir=${scratch.at('tmpfs/below')}:${scratch.at('xfs/below')},xino=on`;
    layer('overlay', '-t', 'overlay', '-o', below, 'none');
  });

  afterEach(async () => {
    served?.process.kill('SIGKILL');
    await served?.exit;
    spawnSync('umount', ['-q', '-l', scratch.at('mnt')]);
    for (const path of mounts.splice(0).reverse()) execFileSync('umount', ['-l', path]);
    scratch.remove();
  });

  /** Path to the line of LOOK, the mount's number left out. */
  function look(): Map<string, string> {
    const lines = scratch.sh(`cd mnt; python3 -c "${LOOK}"`).split('\n');
    expect(lines.filter((line) => line.startsWith('d_ino'))).toEqual([]);
    expect(new Set(lines.map((line) => line.split(' ')[2])).size).toBe(1);
    return new Map(
      lines.map((line) => {
        const [path, ino, , nlink, type] = line.split(' ');
        return [path as string, [ino, nlink, type].join(' ')];
      }),
    );
  }

  function expectDistinct(seen: Map<string, string>): void {
    const names = new Map<string, string[]>();
    for (const [path, line] of seen) {
      const ino = line.split(' ')[0] as string;
      names.set(ino, [...(names.get(ino) ?? []), path]);
    }
    // The three names of each layer's hard link, and nothing else.
    const shared = [...names.values()].filter((paths) => paths.length > 1);
    expect(shared.map((paths) => paths.length)).toEqual(Array(6).fill(3));
    for (const paths of shared) expect(paths.every((path) => /-(hard|1)$/.test(path))).toBe(true);
  }

  it('have numbers of their own, which last', async () => {
    const wide = scratch.sh('stat -c %i overlay/* | sort -n | tail -1');
    expect(BigInt(wide)).toBeGreaterThan(2n ** 53n);
    const lowers = ['overlay', 'tmpfs/layer', 'xfs/layer', 'btrfs/layer', 'ext4/layer'].map((id) => ({
      path: scratch.at(id),
      id,
      dialect: 'overlay' as const,
      marks: 'trusted' as const,
    }));
    const options = { stack: { ...scratch.stack(), lowers }, mountPoint: scratch.at('mnt') };
    served = await new Served(options).live();
    const first = look();
    expect(first.size).toBeGreaterThan(500);
    expectDistinct(first);
    scratch.sh(`cd mnt; python3 -c "${CHANGE}"`);
    const moved = new Map([...first].map(([path, line]) => [path.replaceAll('/', '/r'), line]));
    expect(look()).toEqual(moved);
    expect(await served.stop()).toBe('unmounted');
    served = await new Served(options).live();
    expect(look()).toEqual(moved);
    expect(await served.stop()).toBe('unmounted');
  });
});
