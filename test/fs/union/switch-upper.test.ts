// A union whose upper is exchanged under what is in use: which object each handle then means, and what is left in the
// layer that was the upper.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ENOENT, ENOSPC, EROFS, FsError } from '../../../fs/errno.js';
import { Attr, O_APPEND, O_RDWR, ROOT_NODE, SYSTEM_CALLER } from '../../../fs/filesystem.js';
import { openLowerDir } from '../../../fs/layer/dir-layer.js';
import { openUpperDir, type UpperDir } from '../../../fs/layer/dir-upper.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { fromText } from '../../../fs/name.js';
import { Union } from '../../../fs/union/union.js';
import {
  describeFilesystem,
  type FilesystemUnderTest,
  fillWithStartingTree,
} from '../../suites/filesystem.js';
import { bytes, errnoOf, Paths, text } from '../../suites/paths.js';
import { type Description, fillLayer, inUpper, rig } from './stacks.js';

const BELOW = { low: 'below', dir: {}, 'dir/a': 'a', 'dir/b': 'b', 'dir/c': 'c', gone: {}, 'gone/x': 'x' };

interface Live {
  readonly union: Union;
  readonly paths: Paths;
  /** What was the upper is committed. */
  commit(kept?: readonly number[]): MemLayer;
  rollBack(): ReturnType<Union['rollBack']>;
}

function live(): Live {
  const common = { device: 'disk', numbers: { last: 0 } };
  const lower = fillLayer(new MemLayer({ id: 'lower', ...common }), BELOW);
  let upper = new MemLayer({ id: 'upper', ...common });
  const union = new Union({ lowers: [lower], upper });
  return {
    union,
    paths: new Paths(union),
    commit: (kept = []) => {
      const old = upper;
      upper = new MemLayer({ id: 'next', ...common });
      union.switchUpper(upper, kept, () => undefined);
      return old;
    },
    rollBack: () => {
      upper = new MemLayer({ id: 'next', ...common });
      return union.rollBack(upper, () => undefined);
    },
  };
}

function contentOf(layer: MemLayer, dir: string, name: string): string {
  const file = layer.open(dir, name);
  const into = new Uint8Array(100);
  try {
    return text(into.subarray(0, file.read(0, into)));
  } finally {
    file.close();
  }
}

function readHandle(union: Union, handle: number): string {
  const into = new Uint8Array(100);
  return text(into.subarray(0, union.read(handle, 0, into)));
}

test('a file that is open for writing goes on, and nothing of it is in what was committed before', () => {
  const { union, paths, commit } = live();
  const handle = paths.open('low', O_RDWR);
  union.write(handle, 0, bytes('before'), false);
  const { ino } = paths.stat('low');
  const old = commit();
  expect(readHandle(union, handle)).toBe('before');
  union.write(handle, 0, bytes('AFTER!'), false);
  union.write(handle, 6, bytes('+'), false);
  expect(readHandle(union, handle)).toBe('AFTER!+');
  expect(paths.read('low')).toBe('AFTER!+');
  expect(contentOf(old, '', 'low')).toBe('before');
  expect(paths.stat('low').ino).toBe(ino);
  union.release(handle);
});

test('a handle that appends goes on at the end', () => {
  const { union, paths, commit } = live();
  paths.write('log', 'one ');
  const handle = paths.open('log', O_RDWR | O_APPEND);
  commit();
  union.write(handle, 0, bytes('two'), false);
  expect(paths.read('log')).toBe('one two');
  union.release(handle);
});

test('an open file without a name goes on, and gets one in the new upper', () => {
  const { union, paths, commit } = live();
  paths.write('new', 'data');
  const open = paths.open('new', O_RDWR);
  paths.unlink('new');
  const entry = { node: 0, generation: 0, attr: new Attr() };
  const nameless = union.tmpfile(ROOT_NODE, 0o600, O_RDWR, SYSTEM_CALLER, entry);
  union.write(nameless, 0, bytes('temp'), false);
  const old = commit();
  union.write(open, 4, bytes(' and more'), false);
  expect(readHandle(union, open)).toBe('data and more');
  union.link(entry.node, ROOT_NODE, 'named', { node: 0, generation: 0, attr: new Attr() });
  expect(paths.read('named')).toBe('temp');
  expect(() => old.open('', 'named')).toThrow(FsError);
  union.release(open);
  union.release(nameless);
});

test('a folder that is being read goes on where it was', () => {
  const { union, paths, commit } = live();
  paths.write('dir/d', 'd');
  const handle = paths.with('dir', (node) => union.opendir(node));
  const seen: string[] = [];
  let next = 0;
  const take = (most: number) => {
    let left = most;
    union.readdir(handle, next, (name, _ino, _type, at) => {
      if (left-- === 0) return false;
      seen.push(name);
      next = at;
      return true;
    });
  };
  take(3);
  commit();
  paths.write('dir/e', 'e');
  paths.unlink('dir/a');
  take(100);
  expect(seen.sort()).toEqual(
    ['.', '..', 'a', 'b', 'c', 'd'].filter((name) => name !== 'a' || seen.includes('a')),
  );
  expect(new Set(seen).size).toBe(seen.length);
  union.releasedir(handle);
});

test('what was committed can be removed, replaced and come back', () => {
  const { paths, commit } = live();
  paths.write('new', 'new');
  paths.mkdir('made');
  paths.write('made/in', 'in');
  paths.rename('dir', 'moved', 0);
  const old = commit();
  paths.unlink('new');
  paths.unlink('made/in');
  paths.rmdir('made');
  paths.rename('moved', 'again', 0);
  paths.unlink('again/a');
  expect(paths.ls('')).toEqual(['again', 'gone', 'low']);
  expect(paths.ls('again')).toEqual(['b', 'c']);
  paths.mkdir('made');
  expect(paths.ls('made')).toEqual([]);
  paths.write('new', 'other');
  commit();
  expect(paths.read('new')).toBe('other');
  expect(paths.ls('again')).toEqual(['b', 'c']);
  expect(contentOf(old, 'made', 'in')).toBe('in');
});

test('all names of a file stay those of one file', () => {
  const { union, paths, commit } = live();
  paths.write('one', 'data');
  paths.link('one', 'dir/two');
  paths.link('one', 'three');
  const handle = paths.open('one', O_RDWR);
  // Known by a name that goes: the others are looked for.
  paths.unlink('one');
  const { ino } = paths.stat('three');
  commit();
  union.write(handle, 0, bytes('DATA'), false);
  expect(paths.read('dir/two')).toBe('DATA');
  expect(paths.read('three')).toBe('DATA');
  expect([paths.stat('dir/two'), paths.stat('three')].map(({ ino: is, nlink }) => [is, nlink])).toEqual([
    [ino, 2],
    [ino, 2],
  ]);
  union.release(handle);
});

test('a file that must keep its object does, and what was committed gets a copy under all names', () => {
  const { union, paths, commit } = live();
  paths.mkdir('sub');
  paths.write('sub/one', 'before');
  paths.link('sub/one', 'two');
  paths.setxattr('sub/one', 'user.note', 'kept');
  const handle = paths.open('two', O_RDWR);
  const backing = paths.stat('two').ino;
  const { mtimeSec, mtimeNsec } = paths.stat('sub');
  const kept = paths.with('two', (node) => node);
  const old = commit([kept]);
  // As the kernel writes, past the union: into the object that it had.
  union.write(handle, 0, bytes('AFTER!'), false);
  expect(paths.read('sub/one')).toBe('AFTER!');
  expect([paths.stat('two').ino, paths.stat('two').nlink]).toEqual([backing, 2]);
  expect([paths.stat('sub').mtimeSec, paths.stat('sub').mtimeNsec]).toEqual([mtimeSec, mtimeNsec]);
  expect(contentOf(old, 'sub', 'one')).toBe('before');
  expect(contentOf(old, '', 'two')).toBe('before');
  union.release(handle);
});

test('what takes long of settling is done before, in steps between which everything changes', () => {
  const names = Array.from({ length: 600 }, (_, n) => `d/f${n}`);
  const below = Object.fromEntries([['d', {}], ...names.map((name) => [name, name]), ['other', '=d/f0']]);
  const { union, paths, upper } = rig([below as Description]);
  for (const name of names) paths.chmod(name, 0o600);
  let steps = 0;
  while (union.settleAhead(0)) {
    if (steps++ === 2) {
      paths.rename('d', 'e');
      paths.unlink('e/f1');
      paths.write('e/new', 'new');
    }
  }
  expect(steps).toBeGreaterThan(4);
  // Nothing is left of what was there before.
  const left = names.filter((name) => inUpper(upper, name.replace('d/', 'e/'))?.metacopy === true);
  expect(left).toEqual([]);
  expect(upper.hasIndexed).toBe(false);
  expect(union.settle()).toBe(true);
  expect(upper.guarded).toBe(false);
  expect(paths.read('e/f7')).toBe('d/f7');
  expect([paths.read('other'), paths.stat('other').nlink]).toEqual(['d/f0', 2]);
});

test.each(['moves', 'comes'])('what %s while it is done before is settled with the rest', (how) => {
  const names = Array.from({ length: 300 }, (_, n) => `d/f${n}`);
  const below = {
    d: {},
    early: {},
    'early/x': 'x',
    ...Object.fromEntries(names.map((name) => [name, name])),
  };
  const { union, paths, upper } = rig([below as Description]);
  for (const name of names.slice(1)) paths.chmod(name, 0o600);
  paths.chmod('early/x', 0o600);
  // The root and this folder; nobody looks there again.
  for (const _ of ['', 'early']) expect(union.settleAhead(0)).toBe(true);
  if (how === 'moves') for (const name of names.slice(1)) paths.rename(name, name.replace('d/', 'early/'));
  while (union.settleAhead(1));
  if (how === 'comes') paths.chmod('d/f0', 0o640);
  union.settle();
  const left = names.slice(1).filter((name) => {
    const at = how === 'moves' ? name.replace('d/', 'early/') : name;
    return inUpper(upper, at)?.metacopy !== false;
  });
  expect(left).toEqual([]);
  expect(inUpper(upper, 'd/f0')?.metacopy).not.toBe(true);
});

test('a frozen union has its upper exchanged for no other', () => {
  const { union, commit } = live();
  union.freeze();
  expect(errnoOf(() => commit())).toBe(EROFS);
});

test('nothing has changed where the caller could not decide', () => {
  const { union, paths } = live();
  paths.write('new', 'data');
  const handle = paths.open('new', O_RDWR);
  const node = paths.with('new', (one) => one);
  const fresh = new MemLayer({ id: 'fresh', device: 'disk' });
  const fail = () => {
    throw new FsError(ENOSPC, 'decide');
  };
  expect(errnoOf(() => union.switchUpper(fresh, [node], fail))).toBe(ENOSPC);
  expect(errnoOf(() => union.rollBack(fresh, fail))).toBe(ENOSPC);
  union.write(handle, 0, bytes('DATA'), false);
  expect(paths.read('new')).toBe('DATA');
  expect([paths.stat('new').nlink, union.isUpper(node)]).toEqual([1, true]);
  union.release(handle);
  paths.unlink('new');
  expect(paths.ls('')).toEqual(['dir', 'gone', 'low']);
});

test('a rollback brings everything back, and what is open of the changes goes on without a name', () => {
  const { union, paths, rollBack } = live();
  const numbers = ['low', 'dir', 'dir/a', 'gone/x'].map((path) => paths.stat(path).ino);
  const changedNode = paths.node('low');
  const changed = paths.open('low', O_RDWR);
  union.write(changed, 0, bytes('CHANGED'), false);
  paths.write('new', 'new');
  const added = paths.open('new', O_RDWR);
  paths.rename('dir', 'moved', 0);
  paths.unlink('moved/b');
  const folder = paths.with('moved', (node) => union.opendir(node));
  const inFolder = paths.with('moved/a', (node) => node);
  paths.unlink('gone/x');
  paths.rmdir('gone');
  const stale = rollBack();
  expect(paths.ls('')).toEqual(['dir', 'gone', 'low']);
  expect(paths.ls('dir')).toEqual(['a', 'b', 'c']);
  expect(['low', 'dir', 'dir/a', 'gone/x'].map((path) => paths.stat(path).ino)).toEqual(numbers);
  expect(paths.read('low')).toBe('below');
  expect(readHandle(union, changed)).toBe('CHANGED');
  const attr = new Attr();
  union.getattr(changedNode, attr);
  expect(attr.nlink).toBe(0);
  expect(numbers).not.toContain(attr.ino);
  union.forget(changedNode, 1);
  union.write(added, 3, bytes('er'), false);
  expect(readHandle(union, added)).toBe('newer');
  expect(errnoOf(() => paths.read('new'))).toBe(ENOENT);
  const names: string[] = [];
  union.readdir(folder, 0, (name) => names.push(name) > 0);
  expect(names.sort()).toEqual(['.', '..', 'a', 'b', 'c']);
  expect(inFolder).toBeGreaterThan(0);
  const told = stale.names.map(({ name }) => name).sort();
  expect(told).toEqual(['b', 'dir', 'gone', 'low', 'moved', 'new']);
  for (const handle of [changed, added]) union.release(handle);
  union.releasedir(folder);
});

test('what a rollback would make stale can be told before', () => {
  const { union, paths, rollBack } = live();
  paths.write('dir/new', 'new');
  paths.unlink('low');
  const dir = paths.node('dir');
  const told = union.namesToDrop();
  expect(told.nodes).toEqual([]);
  expect(told.names).toEqual([
    { folder: ROOT_NODE, name: 'dir' },
    { folder: ROOT_NODE, name: 'low' },
    { folder: dir, name: 'new' },
  ]);
  expect(rollBack().names).toEqual(told.names);
  union.forget(dir, 1);
});

test('a rollback goes back to the last commit', () => {
  const { paths, commit, rollBack } = live();
  paths.write('kept', 'kept');
  commit();
  paths.write('kept', 'changed');
  paths.unlink('low');
  rollBack();
  expect(paths.read('kept')).toBe('kept');
  expect(paths.read('low')).toBe('below');
  expect(paths.ls('')).toEqual(['dir', 'gone', 'kept', 'low']);
});

function overFormer(): FilesystemUnderTest {
  const common = { device: 'disk', numbers: { last: 0 } };
  const former = new MemLayer({ id: 'former', ...common });
  fillWithStartingTree(former);
  const lower = new MemLayer({ id: 'empty', ...common });
  const upper = new MemLayer({ id: 'upper', ...common });
  const fs = new Union({ lowers: [lower], upper: former });
  fs.switchUpper(upper, [], () => undefined);
  return { fs, remount: () => new Union({ lowers: [former, lower], upper }), dispose: () => fs.destroy() };
}

describeFilesystem('a union over what was its upper', overFormer);

describe('real folders', () => {
  const base = mkdtempSync(join(tmpdir(), 'mica-switch-'));
  const path = (name: string) => fromText(join(base, name));
  const opened: Union[] = [];
  afterEach(() => {
    for (const union of opened.splice(0)) union.destroy();
    rmSync(base, { recursive: true, force: true });
    mkdirSync(base);
  });

  function upperAt(name: string): UpperDir {
    for (const folder of [name, `${name}-work`]) mkdirSync(join(base, folder));
    return openUpperDir(path(name), path(`${name}-work`), { id: name, lockWaitMs: 0 });
  }

  test('the work folder is free, and the object of a file that must keep it has a name in the new upper', () => {
    mkdirSync(join(base, 'lower'));
    execFileSync(
      'sh',
      ['-c', 'mkdir d && echo below > d/low && dd if=/dev/zero of=d/large bs=1M count=2 status=none'],
      {
        cwd: join(base, 'lower'),
      },
    );
    const union = new Union({ lowers: [openLowerDir(path('lower'))], upper: upperAt('one') });
    opened.push(union);
    const paths = new Paths(union);
    paths.write('d/new', 'new');
    paths.chmod('d/large', 0o600);
    const large = paths.stat('d/large');
    const handle = paths.open('d/new', O_RDWR);
    const { ino } = statSync(join(base, 'one/d/new'));
    const told: string[] = [];
    const kept = paths.with('d/new', (node) => node);
    union.switchUpper(upperAt('two'), [kept], (list) =>
      told.push(...list.map(({ dir, name }) => `${dir}/${name}`)),
    );
    expect(told).toEqual(['d/new']);
    union.write(handle, 0, bytes('NEW'), false);
    expect(statSync(join(base, 'two/d/new')).ino).toBe(ino);
    expect(readFileSync(join(base, 'one/d/new'), 'utf8')).toBe('new');
    expect(readFileSync(join(base, 'two/d/new'), 'utf8')).toBe('NEW');
    // Settled: nothing of it lies below.
    expect(statSync(join(base, 'one/d/large')).blocks).toBeGreaterThanOrEqual(4096);
    expect(paths.stat('d/large').ino).toBe(large.ino);
    openUpperDir(path('one'), path('one-work'), { lockWaitMs: 0 }).close();
    union.release(handle);
  });
});
