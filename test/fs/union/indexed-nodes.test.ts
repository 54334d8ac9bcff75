// Nodes of a tree index are kept without an inode while somebody refers to them, and nothing else of them stays:
// each is counted in its folder once, whatever was done with it in between.

import { expect, test } from 'vitest';
import { EACCES, FsError } from '../../../fs/errno.js';
import { Entry, type NodeId, ROOT_NODE } from '../../../fs/filesystem.js';
import { Union } from '../../../fs/union/union.js';
import { flattened } from '../layer/flatten.js';
import { inUpper, type Rig, rig } from './stacks.js';

const LOWERS = [{ dir: {}, 'dir/file': 'below', 'dir/deep': {}, 'dir/deep/file': 'below' }];

/** Looks names up one below the other, as a kernel that keeps them all. */
function known(union: Union, ...names: string[]): NodeId[] {
  const entry = new Entry();
  let node = ROOT_NODE;
  return names.map((name) => {
    expect(union.lookup(node, name, entry)).toBe(true);
    node = entry.node;
    return node;
  });
}

const CHANGES: Readonly<Record<string, (stack: Rig, dir: NodeId, file: NodeId) => void>> = {
  'removed is gone': ({ union }, dir) => union.unlink(dir, 'file'),
  'renamed is gone': ({ union }, dir) => void union.rename(dir, 'file', dir, 'moved', 0),
  'replaced is gone': ({ union }, dir) => void union.rename(dir, 'file', dir, 'other', 0),
  'not moved is gone': ({ union }, dir) => {
    expect(() => union.rename(dir, 'file', dir, 'deep', 0)).toThrow();
  },
  'read by an xattr is gone': ({ union }, _dir, file) => void union.getxattr(file, 'user.none'),
};

for (const [outcome, change] of Object.entries(CHANGES)) {
  test(`a node of the index that was kept and ${outcome} with its folder once both are forgotten`, () => {
    const stack = rig(LOWERS, { indexed: true });
    const { union } = stack;
    const nodes = known(union, 'dir', 'file');
    const [dir, file] = nodes as [NodeId, NodeId];
    change(stack, dir, file);
    for (const node of nodes.toReversed()) union.forget(node, 1);
    expect(union.nodeCount).toBe(1);
    for (const node of nodes) expect(() => union.opendir(node)).toThrow(/stale/);
  });
}

test('a file of the index with two names is counted in one of its folders alone', () => {
  const { lowers } = rig([{ one: {}, two: {}, 'one/file': 'below', 'two/file': '=one/file' }]);
  const union = new Union({ lowers: [flattened(lowers)] });
  const [one, file] = known(union, 'one', 'file') as [NodeId, NodeId];
  union.forget(one, 1);
  const [two, same] = known(union, 'two', 'file') as [NodeId, NodeId];
  expect(same).toBe(file);
  union.forget(two, 1);
  union.forget(file, 2);
  for (const node of [one, two, file]) expect(() => union.opendir(node)).toThrow(/stale/);
});

test('a file of the index with two names goes to the folder of the other one', () => {
  const below = { dir: {}, 'dir/file': 'below', 'dir/two': {}, 'dir/two/same': '=dir/file' };
  const { union, paths, upper } = rig([below], { indexed: true });
  // The folder is referred to by the kernel, and by the file that is known by its name there.
  const [dir] = known(union, 'dir', 'file') as [NodeId];
  const [, two] = known(union, 'dir', 'two', 'same') as [NodeId, NodeId];
  union.rename(dir, 'file', two, 'moved', 0);
  expect(paths.read('dir/two/moved')).toBe('below');
  expect(inUpper(upper, 'dir/two/moved')).toBeDefined();
  expect(inUpper(upper, 'moved')).toBeUndefined();
});

test('a file of the index that the kernel may read by itself leaves no inode behind', () => {
  const { lowers } = rig(LOWERS);
  const union = new Union({ lowers: [flattened(lowers)] });
  const [, file] = known(union, 'dir', 'file') as [NodeId, NodeId];
  union.backing(file, 1)?.close();
  expect(union.nodeCount).toBe(1);
});

test('the index answers alone also once a name of a file went that could not be copied up', () => {
  const { lowers, union } = rig([{ a: 'x', b: '=a', dir: {}, 'dir/deep': {} }], {
    indexed: true,
    marks: 'user',
  });
  lowers[0]!.open = () => {
    throw new FsError(EACCES);
  };
  union.unlink(ROOT_NODE, 'b');
  const entry = new Entry();
  expect([union.lookup(ROOT_NODE, 'a', entry), entry.attr.nlink]).toEqual([true, 1]);
  const [dir] = known(union, 'dir') as [NodeId];
  const before = union.nodeCount;
  expect(union.lookup(dir, 'deep', entry)).toBe(true);
  expect(union.nodeCount).toBe(before);
});

test('a walk over more nodes than are of use at a time lets go of what it read of the index', () => {
  const { lowers } = rig([{ file: 'below' }]);
  const chain = flattened(lowers);
  const { tree } = chain;
  if (tree === undefined) throw new Error('a flattened chain is one tree');
  let times = 0;
  Object.assign(tree, { letGo: () => times++ });
  const union = new Union({ lowers: [chain] });
  for (let n = 0; n < 65_535; n++) known(union, 'file');
  expect(times).toBe(0);
  known(union, 'file');
  expect(times).toBe(1);
});
