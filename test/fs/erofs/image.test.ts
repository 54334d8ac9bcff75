// Images written and read back, checked by fsck.erofs, and damaged.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ImageReader } from '../../../fs/erofs/reader.js';
import { Tree } from '../../../fs/erofs/tree.js';
import { writeImage } from '../../../fs/erofs/writer.js';
import { EINVAL, FsError } from '../../../fs/errno.js';
import { Attr } from '../../../fs/filesystem.js';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../../../fs/mode.js';
import { describeWith } from '../../requires.js';
import { described, expected, imageOf, planned, treeOf } from './trees.js';

const children = fc.uniqueArray(planned, { maxLength: 12, selector: ({ name }) => name });

function folderOf(count: number): Tree {
  const tree = new Tree();
  const root = tree.add(-1, '', S_IFDIR | 0o755);
  for (let i = 0; i < count; i++) tree.add(root, `name-${(i * 7919) % count}`, S_IFREG | 0o644);
  return tree;
}

describe('an image', () => {
  it('reads back as the tree that it was made of', () => {
    fc.assert(
      fc.property(children, (entries) => {
        const tree = treeOf(entries);
        expect(described(imageOf(tree))).toEqual(expected(tree));
      }),
      { numRuns: 150 },
    );
  });

  it('finds each name, and none that is not there', () => {
    for (const count of [0, 1, 2, 5, 300, 7001]) {
      const image = imageOf(folderOf(count));
      const seen: string[] = [];
      image.list(image.root, (name, type, nid) => {
        expect(type).toBe(8);
        expect(image.lookup(image.root, name)).toBe(nid);
        expect(image.lookup(image.root, `${name}~`)).toBe(0);
        seen.push(name);
      });
      expect(seen).toHaveLength(count);
      expect(seen).toEqual([...seen].sort());
      for (const name of ['', '\x01', 'zzz', 'name-', 'name-x'])
        expect(image.lookup(image.root, name)).toBe(0);
    }
  });

  it('is listed from any position on as it is listed whole', () => {
    const image = imageOf(folderOf(300));
    const whole: string[] = [];
    image.list(image.root, (name, type, nid) => whole.push(`${name} ${type} ${nid}`));
    const ordinals = new Set<number>();
    for (let from = 0, left = whole; left.length > 0; ) {
      const found: string[] = [];
      let last = 0;
      image.entries(image.root, from, (nid, type, position) => {
        found.push(`${image.text(image.nameAt, image.nameLength)} ${type} ${nid}`);
        ordinals.add(image.ordinal(nid));
        last = position;
        return found.length < 7;
      });
      expect(found).toEqual(left.slice(0, 7));
      left = left.slice(7);
      from = last + 1;
    }
    expect(ordinals.size).toBe(300);
  });

  it('is the same to the byte whatever the order in which entries were added', () => {
    const other = new Tree();
    const root = other.add(-1, '', S_IFDIR | 0o755);
    for (let i = 499; i >= 0; i--) other.add(root, `name-${i}`, S_IFREG | 0o644);
    expect(writeImage(other).bytes).toEqual(writeImage(folderOf(500)).bytes);
  });

  it('keeps its bytes from one version of this program to the next', () => {
    const tree = folderOf(3);
    tree.xattrs[1] = ['user.a', 'b'];
    const { bytes } = writeImage(tree);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '527b07a6b19b088a17b869ca09ed58dc75c90556da0b65fde6df0b4e96d3f356',
    );
  });

  it('keeps names of one file together, with the count of the source', () => {
    const tree = new Tree();
    const root = tree.add(-1, '', S_IFDIR | 0o755);
    const dir = tree.add(root, 'd', S_IFDIR | 0o755);
    const first = tree.add(root, 'z', S_IFREG | 0o600);
    tree.nlink[first] = 7;
    tree.addLink(dir, 'a', first);
    tree.addLink(root, 'b', first);
    const image = imageOf(tree);
    const nid = image.lookup(image.root, 'z');
    expect(image.lookup(image.root, 'b')).toBe(nid);
    expect(image.lookup(image.lookup(image.root, 'd'), 'a')).toBe(nid);
    const attr = new Attr();
    image.stat(nid, attr);
    expect(attr.nlink).toBe(7);
    expect(image.inodes).toBe(3);
  });

  it('holds targets of up to 4095 bytes wherever they fall', () => {
    const tree = new Tree();
    const root = tree.add(-1, '', S_IFDIR | 0o755);
    const lengths = [1, 100, 2000, 3900, 4000, 4031, 4032, 4033, 4095, 5];
    for (const length of lengths) {
      tree.target[tree.add(root, `l${length}`, S_IFLNK | 0o777)] = 'x'.repeat(length);
    }
    const image = imageOf(tree);
    for (const length of lengths) {
      expect(image.readlink(image.lookup(image.root, `l${length}`))).toHaveLength(length);
    }
  });

  it('holds hundreds of xattrs on an inode, some of them shared', () => {
    const tree = new Tree();
    const root = tree.add(-1, '', S_IFDIR | 0o755);
    const pairs = Array.from({ length: 300 }, (_, i) => [`user.${i}`, `v${i}`]).flat();
    tree.xattrs[tree.add(root, 'a', S_IFREG | 0o644)] = pairs;
    tree.xattrs[tree.add(root, 'b', S_IFREG | 0o644)] = [...pairs, 'user.large', 'x'.repeat(65535)];
    expect(described(imageOf(tree))).toEqual(expected(tree));
  });

  it('refuses an xattr that the format cannot say', () => {
    for (const pair of [
      ['odd.name', ''],
      ['user.a', 'x'.repeat(65536)],
    ]) {
      const tree = new Tree();
      tree.xattrs[tree.add(-1, '', S_IFDIR | 0o755)] = pair;
      expect(() => writeImage(tree)).toThrow(expect.objectContaining({ errno: EINVAL }));
    }
  });
});

describe('a damaged image', () => {
  it('answers or fails with EIO, and always ends', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(children, damage, fc.option(fc.nat()), (entries, places, cut) => {
        const { bytes, length } = writeImage(treeOf(entries));
        for (const [at, value] of places) bytes[at % bytes.length] = value;
        const end = cut === null ? bytes.length : cut % (bytes.length + 1);
        try {
          walk(new ImageReader(bytes.subarray(0, end), length));
        } catch (error) {
          expect(error).toBeInstanceOf(FsError);
        }
      }),
      { numRuns: 400 },
    );
  });

  /** Folders may have become loops, so this goes a few levels deep and no further. */
  function walk(image: ImageReader, nid = image.root, depth = 0): void {
    const attr = new Attr();
    image.stat(nid, attr);
    image.path(nid);
    image.xattrs(nid, () => undefined);
    if (image.isFolder(nid) && depth < 4) {
      image.list(nid, (name, _type, child) => {
        image.lookup(nid, name);
        walk(image, child, depth + 1);
      });
      image.entries(nid, 0, (child) => {
        image.text(image.nameAt, image.nameLength);
        image.ordinal(child);
        image.ino(child);
        image.layer(child);
        return true;
      });
    } else if ((image.mode(nid) & 0o170000) === S_IFLNK) image.readlink(nid);
  }
});

describeWith(['program:fsck.erofs'], 'fsck.erofs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mica-erofs-'));
  const file = join(folder, 'image');
  afterAll(() => rmSync(folder, { recursive: true }));

  function check(tree: Tree): void {
    const { bytes, length } = writeImage(tree);
    // What a header of ours and the side table add is not looked at.
    bytes.fill(0xaa, 0, 1024);
    expect(length).toBeLessThanOrEqual(bytes.length);
    writeFileSync(file, bytes);
    const { status, stdout, stderr } = spawnSync('fsck.erofs', [file], { encoding: 'utf8' });
    expect([status, stdout + stderr]).toEqual([0, '']);
  }

  it('finds images of arbitrary trees clean', () => {
    fc.assert(
      fc.property(children, (entries) => check(treeOf(entries))),
      { numRuns: 25 },
    );
  });

  it('finds a folder of thousands of entries clean', () => {
    check(folderOf(7001));
  });

  it('finds fault with one that is damaged', () => {
    const { bytes } = writeImage(folderOf(3));
    bytes[1024 + 40] = 1;
    writeFileSync(file, bytes);
    // Its exit status says nothing.
    expect(spawnSync('fsck.erofs', [file], { encoding: 'utf8' }).stderr).toContain('chksum');
  });
});
