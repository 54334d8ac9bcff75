// The tree that `mica unpack` writes, held against umoci's of the same image.

import { execFileSync } from 'node:child_process';
import {
  chownSync,
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { copyTree } from '../../../src/images/copy-tree.js';
import type { UnpackStore } from '../../../src/images/images.js';
import { importImage } from '../../../src/images/import.js';
import { withSnapshot } from '../../../src/images/open-snapshot.js';
import { unpackTo } from '../../../src/images/unpack-to.js';
import {
  type BuiltImage,
  buildImage,
  file,
  type LayerEntry,
  layerTar,
  layoutFiles,
  tempFolder,
  writeFolder,
} from '../../fixtures/oci.js';
import { folderStore } from '../../fixtures/store.js';
import { describeWith } from '../../requires.js';
import { listTree, treeDifferences } from '../../tree.js';

const NOBODY = 65534;

let folder: string;
let store: UnpackStore & { close(): Promise<void> };
beforeEach(() => {
  folder = tempFolder();
  store = folderStore(join(folder, 'root'));
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const bytes = (...values: number[]) => new Uint8Array(values);
const sparse = Buffer.alloc(3 << 20);
sparse.write('head', 0);
sparse.write('tail', sparse.length - 4);
const name255 = 'n'.repeat(255);

function kinds(): LayerEntry[] {
  const capability = bytes(1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  return [
    file('dev/', '', { mode: 0o1777, mtime: { sec: 1_000_000_000, nsec: 5 } }),
    file('dev/char', '', { type: 'char', devmajor: 5, devminor: 300 }),
    file('dev/block', '', { type: 'block', devmajor: 259, devminor: 65536 }),
    file('dev/fifo', '', { type: 'fifo', mode: 0o600 }),
    file('bin/', '', { uid: 10, gid: 70_000, mode: 0o2775 }),
    file('bin/suid', 'x', { mode: 0o6755, uid: 1234, gid: 2_000_000_000 }),
    file('bin/capable', 'x', {
      xattrs: new Map([
        ['security.capability', capability],
        ['user.bytes', bytes(0, 255, 10)],
      ]),
    }),
    file('names/'),
    file('names/latin\xe9', 'l'),
    file('names/new\nline', 'n'),
    file(`names/${name255}`, '255'),
    file('names/to', '', { type: 'symlink', linkname: '../../../etc/passwd', mode: 0o777, uid: 7 }),
    file('links/'),
    file('links/a', 'one', { mtime: { sec: -315_532_800, nsec: 500_000_000 } }),
    file('links/b', '', { type: 'link', linkname: 'links/a' }),
    file('names/c', '', { type: 'link', linkname: './links/a' }),
    file('sparse', sparse),
    file('empty', ''),
  ];
}

const image = buildImage([
  layerTar(kinds()),
  layerTar([
    file('links/'),
    file('links/lower', '', { type: 'link', linkname: 'names/latin\xe9' }),
    file('names/'),
    file('names/.wh.c'),
    file('late/', '', { mode: 0o500 }),
    file('late/in', 'in'),
    file('empty/'),
    file('empty/no-more', 'x'),
  ]),
]);

async function imported(built: BuiltImage) {
  const path = writeFolder(layoutFiles([{ name: 't', image: built }]), join(folder, 'layout'));
  const [one] = await importImage(store, path);
  if (one === undefined) throw new Error('nothing was imported');
  return one.image;
}

describeWith(['root', 'program:umoci', 'program:getfattr'], 'an unpacked image', () => {
  it('is the tree that umoci unpacks: types, modes, owners, devices, xattrs, links, times, content', async () => {
    const out = join(folder, 'out');
    const { warning } = await unpackTo(store, await imported(image), out, 'cannot unpack');
    expect(warning).toBeUndefined();
    execFileSync('umoci', ['unpack', '--image', `${folder}/layout:t`, join(folder, 'bundle')], {
      stdio: 'ignore',
    });
    const seen = listTree(out);
    expect(treeDifferences(seen, listTree(join(folder, 'bundle/rootfs')))).toEqual([]);
    expect(seen.size).toBe(21);
  });

  it('keeps content of several chunks and the times of folders', async () => {
    const out = join(folder, 'out');
    await unpackTo(store, await imported(image), out, 'cannot unpack');
    expect(readFileSync(join(out, 'sparse')).equals(sparse)).toBe(true);
    expect(statSync(join(out, 'dev'), { bigint: true }).mtimeNs).toBe(1_000_000_000_000_000_005n);
  });

  it('keeps the holes that a snapshot has', async () => {
    await store.snapshots.prepare('key', undefined);
    const { upper } = await store.snapshots.stack('key');
    const fd = openSync(join(upper!.path, 'holes'), 'w');
    ftruncateSync(fd, 1 << 30);
    closeSync(fd);
    await store.snapshots.commit('name', 'key');
    const out = join(folder, 'out');
    await withSnapshot(store.snapshots, 'name', 'test', (tree) =>
      copyTree(tree, 'holes', out, 'cannot copy'),
    );
    expect(lstatSync(out)).toMatchObject({ size: 1 << 30, blocks: 0 });
  });

  it('leaves an empty folder empty when the disk is full, whatever bytes names are made of', async () => {
    const out = join(folder, 'out');
    const large = buildImage([layerTar([file('\xff/'), file('\xff/\xfe', 'x'.repeat(100_000))])]);
    mkdirSync(out);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', out]);
    try {
      const one = await imported(large);
      await expect(unpackTo(store, one, out, 'cannot unpack')).rejects.toThrow('no space left');
      expect(readdirSync(out)).toEqual([]);
    } finally {
      execFileSync('umount', [out]);
    }
  });

  it('leaves out what an ordinary user may not do, and says so in one line', async () => {
    const out = join(folder, 'out');
    const layout = writeFolder(layoutFiles([{ name: 't', image }]), join(folder, 'layout'));
    chownSync(folder, NOBODY, NOBODY);
    process.setegid?.(NOBODY);
    process.seteuid?.(NOBODY);
    const mine = folderStore(join(folder, 'mine'));
    let warning: string | undefined;
    try {
      const [one] = await importImage(mine, layout);
      ({ warning } = await unpackTo(mine, one!.image, out, 'cannot unpack'));
    } finally {
      await mine.close();
      process.seteuid?.(0);
      process.setegid?.(0);
    }
    expect(warning).toMatch(/^not permitted here, so not kept: .*owners of \d+.*devices of 2/);
    expect(warning).not.toContain('\n');
    const seen = statSync(join(out, 'bin/suid'));
    expect([seen.mode & 0o7777, seen.uid]).toEqual([0o755, NOBODY]);
    expect(readdirSync(join(out, 'dev'))).toEqual(['fifo']);
    expect(lstatSync(join(out, 'late')).mode & 0o777).toBe(0o500);
  });
});
