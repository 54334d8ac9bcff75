// Which layers a lookup asks, and that the memo of names never changes what is found.

import { describe, expect, test } from 'vitest';
import { EACCES, FsError } from '../../../fs/errno.js';
import { Entry, ROOT_NODE } from '../../../fs/filesystem.js';
import type { LayerEntry, LayerVisitor, ReadLayer } from '../../../fs/layer/layer.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { Inode } from '../../../fs/union/inode.js';
import { makeRoot } from '../../../fs/union/intern.js';
import { NameShelf } from '../../../fs/union/lower-names.js';
import { Stack } from '../../../fs/union/stack.js';
import type { Union } from '../../../fs/union/union.js';
import { Union as UnionOf } from '../../../fs/union/union.js';
import { walk } from '../../../fs/union/walk.js';
import { type Description, fillLayer } from './stacks.js';

interface Counts {
  lookups: number;
  lists: number;
}

/** The same layer, counting what it is asked; `unreadable` folders can be searched but not listed. */
function counted(layer: ReadLayer, counts: Counts, unreadable = false): ReadLayer {
  return {
    id: layer.id,
    device: layer.device,
    lookup(dir: string, name: string, out: LayerEntry) {
      counts.lookups++;
      return layer.lookup(dir, name, out);
    },
    list(dir: string, visit: LayerVisitor) {
      counts.lists++;
      if (unreadable) throw new FsError(EACCES, 'list');
      layer.list(dir, visit);
    },
    open: (dir, name) => layer.open(dir, name),
    hold: (dir, name) => layer.hold(dir, name),
    statfs: () => layer.statfs(),
    close: () => layer.close(),
  };
}

function layersOf(descriptions: readonly Description[]): MemLayer[] {
  const numbers = { last: 0 };
  return descriptions.map((description, i) =>
    fillLayer(new MemLayer({ id: `lower${i}`, device: 'disk', numbers }), description),
  );
}

function tree(union: Union): string[] {
  return Array.from(walk(union), ({ path, attr }) => `${path} ${attr.mode.toString(8)} ${attr.ino}`);
}

function look(union: Union, name: string): boolean {
  const out = new Entry();
  const found = union.lookup(ROOT_NODE, name, out);
  if (found) union.forget(out.node, 1);
  return found;
}

function list(union: Union): string[] {
  const names: string[] = [];
  const handle = union.opendir(ROOT_NODE);
  union.readdir(handle, 0, (name) => names.push(name) > 0);
  union.releasedir(handle);
  return names;
}

const MANY = 40;

function manyLayers(counts: Counts, unreadable = false): Union {
  const descriptions = Array.from({ length: MANY }, (_, i) => ({ [`only${i}`]: 'x', [`-${i}`]: {} }));
  const lowers = layersOf(descriptions).map((layer) => counted(layer, counts, unreadable));
  return new UnionOf({ lowers });
}

describe('the names of a merged folder', () => {
  test('once listed, a name is asked of its own layer alone, and an absent one of none', () => {
    const counts = { lookups: 0, lists: 0 };
    const union = manyLayers(counts);
    expect(list(union)).toHaveLength(2 * MANY + 2);
    counts.lookups = 0;
    expect(look(union, `only${MANY - 1}`)).toBe(true);
    expect(counts.lookups).toBe(1);
    expect(look(union, 'absent')).toBe(false);
    expect(counts.lookups).toBe(1);
    list(union);
    expect(counts.lists).toBe(MANY);
  });

  test('without a listing they are learned after a few lookups in vain', () => {
    const counts = { lookups: 0, lists: 0 };
    const union = manyLayers(counts);
    for (let i = 0; i < 1000; i++) expect(look(union, `absent${i}`)).toBe(false);
    expect(counts.lookups).toBeLessThan(5 * MANY);
    expect(counts.lists).toBe(MANY);
  });

  test('of a folder that may be searched but not read are asked for one by one', () => {
    const counts = { lookups: 0, lists: 0 };
    const union = manyLayers(counts, true);
    for (let i = 0; i < 10; i++) expect(look(union, `absent${i}`)).toBe(false);
    expect(look(union, `only${MANY - 1}`)).toBe(true);
    expect(counts.lists).toBe(1);
  });

  test('a folder of one part has no memo', () => {
    const counts = { lookups: 0, lists: 0 };
    const lowers = layersOf([{ a: 'x' }]).map((layer) => counted(layer, counts));
    const union = new UnionOf({ lowers });
    for (let i = 0; i < 500; i++) look(union, 'absent');
    expect(counts.lists).toBe(0);
  });

  test('show the same tree whether looked up or listed first', () => {
    const descriptions: Description[] = [
      { d: {}, 'd/new': '1', 'd/gone': null, moved: { redirect: 'was' }, far: { redirect: '/deep/old' } },
      { d: {}, 'd/file': '22', 'd/sub': {}, 'd/sub/top': '1', was: { opaque: true }, 'was/in': '333' },
      {
        d: {},
        'd/sub': 'a file ends the search',
        'd/gone': 'hidden',
        deep: {},
        'deep/old': {},
        'deep/old/x': '1',
      },
      {
        d: {},
        'd/sub': {},
        'd/sub/hidden': '1',
        was: {},
        'was/hidden': '1',
        far: {},
        'far/hidden': '1',
        'd/low': '4',
      },
    ];
    const lowers = layersOf(descriptions);
    const listedFirst = tree(new UnionOf({ lowers }));
    expect(listedFirst.map((line) => line.split(' ')[0]).sort()).toEqual(
      ['d', 'd/new', 'd/file', 'd/sub', 'd/sub/top', 'd/low', 'moved', 'moved/in', 'far', 'far/x']
        .concat(['was', 'was/in', 'deep', 'deep/old', 'deep/old/x'])
        .sort(),
    );
    const union = new UnionOf({ lowers });
    const out = new Entry();
    for (const line of listedFirst) {
      const [path = '', mode, ino] = line.split(' ');
      expect(union.resolvePath(path, out)).toBe(true);
      expect([out.attr.mode.toString(8), String(out.attr.ino)]).toEqual([mode, ino]);
    }
    for (const path of ['d/gone', 'd/sub/hidden', 'moved/hidden', 'was/hidden', 'far/hidden']) {
      expect(union.resolvePath(path, out)).toBe(false);
    }
  });
});

describe('the shelf of memos', () => {
  test('drops those used longest ago when they hold too many names', () => {
    const names = (count: number): Description =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, 'x']));
    const stack = new Stack(layersOf([names(30), names(30)]), undefined, undefined);
    const root = makeRoot(stack);
    const folders = Array.from({ length: 4 }, (_, i) => {
      const folder = new Inode(100 + i, 100 + i, root.type);
      folder.folders = [...root.folders];
      return folder;
    });
    const [a, b, c, d] = folders as [Inode, Inode, Inode, Inode];
    const shelf = new NameShelf(100);
    for (const folder of [a, b, c]) shelf.take(stack, folder);
    shelf.take(stack, a);
    shelf.take(stack, d);
    expect(folders.map((folder) => folder.lowerNames !== undefined)).toEqual([true, false, true, true]);
    a.lowerNames?.release();
    expect(a.lowerNames).toBeUndefined();
    expect(shelf.take(stack, b)?.having('n29')).toHaveLength(1);
    expect(c.lowerNames).toBeDefined();
  });

  test('a memo of other parts than the folder has now is not used', () => {
    const stack = new Stack(layersOf([{ a: 'x' }, { b: 'x' }, { c: 'x' }]), undefined, undefined);
    const root = makeRoot(stack);
    expect(stack.lowerNames.take(stack, root)?.having('c')).toHaveLength(1);
    root.folders = root.folders.slice(0, 2);
    expect(stack.lowerNames.take(stack, root)?.having('c')).toHaveLength(0);
  });
});
