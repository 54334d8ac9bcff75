import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scanFolder } from '../../../src/cli/demo/scan.js';
import { compareTrees, type Tree, type TreeEntry } from '../../../src/cli/demo/tree.js';

const FILE: TreeEntry = {
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  rdev: 0,
  size: 3,
  mtimeNs: 5n,
  content: 'abc',
  xattrs: [],
  nlink: 1,
  file: '1',
};

function tree(entries: Readonly<Record<string, Partial<TreeEntry>>>): Tree {
  return new Map(
    Object.entries(entries).map(([path, entry], at) => [path, { ...FILE, file: String(at), ...entry }]),
  );
}

describe('the comparison that the demo goes by', () => {
  it.each([
    ['a type', { kind: 'folder' }, 'type folder instead of file'],
    ['a mode', { mode: 0o600 }, 'mode 600 instead of 644'],
    ['an owner', { uid: 7 }, 'owner 7:0 instead of 0:0'],
    ['a device number', { rdev: 5 }, 'device 5 instead of 0'],
    ['a size', { size: 4 }, 'size 4 instead of 3'],
    ['a nanosecond', { mtimeNs: 6n }, 'time 0.000000006 instead of 0.000000005'],
    ['content', { content: 'abd' }, 'content abd instead of abc'],
    ['an xattr', { xattrs: ['user.a=00'] }, 'xattrs user.a=00 instead of none'],
  ] as const)('sees %s', (_, change, what) => {
    expect(compareTrees(tree({ a: {} }), tree({ a: change }))).toEqual([{ path: 'a', what }]);
  });

  it('sees names that are missing and names that should not be there', () => {
    expect(compareTrees(tree({ a: {} }), tree({ b: {} })).map(({ what }) => what)).toEqual([
      'is missing',
      'is there and should not be',
    ]);
  });

  it('sees a hard link that was split, and one that should not be', () => {
    const joined = tree({ a: { file: 'x', nlink: 2 }, b: { file: 'x', nlink: 2 } });
    const apart = tree({ a: {}, b: {} });
    expect(compareTrees(joined, apart)).toEqual([{ path: 'b', what: 'one file with b instead of a' }]);
    expect(compareTrees(apart, joined)).toEqual([{ path: 'b', what: 'one file with a instead of b' }]);
  });

  it('finds nothing between equal trees, whatever their file numbers', () => {
    const one = tree({ '': { kind: 'folder' }, a: { file: 'x', nlink: 2 }, b: { file: 'x', nlink: 2 } });
    const other = tree({ '': { kind: 'folder' }, a: { file: 'y', nlink: 2 }, b: { file: 'y', nlink: 2 } });
    expect(compareTrees(one, other)).toEqual([]);
  });
});

describe('reading a folder for it', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'mica-cli-tree-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('tells kinds, link targets, names of one file and times', () => {
    mkdirSync(join(dir, 'd'));
    writeFileSync(join(dir, 'd/f'), 'abc');
    linkSync(join(dir, 'd/f'), join(dir, 'g'));
    symlinkSync('nowhere', join(dir, 'l'));
    utimesSync(join(dir, 'g'), 1, 1_700_000_000.125);
    const found = scanFolder(dir);
    expect([...found.keys()]).toEqual(['', 'd', 'd/f', 'g', 'l']);
    expect(found.get('l')).toMatchObject({ kind: 'symlink', content: 'nowhere' });
    expect(found.get('d/f')).toMatchObject({ kind: 'file', size: 3, mtimeNs: 1_700_000_000_125_000_000n });
    expect(found.get('d/f')?.file).toBe(found.get('g')?.file);
  });
});
