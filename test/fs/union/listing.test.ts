// What counting the links of folders costs: listings, of which there is at most one a folder.

import { beforeEach, describe, expect, test } from 'vitest';
import { EACCES, EMFILE, FsError } from '../../../fs/errno.js';
import type { ReadLayer } from '../../../fs/layer/layer.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { Union } from '../../../fs/union/union.js';
import { Paths } from '../../suites/paths.js';
import { type Description, fillLayer } from './stacks.js';

describe('the link count of a folder', () => {
  let listed: string[];
  let failure: number;
  beforeEach(() => {
    listed = [];
    failure = 0;
  });

  /** A union that keeps its nodes, as a kernel does, and notes which folders of its lowers are listed. */
  function pathsOver(descriptions: readonly Description[], countsSubfolders = true): Paths {
    const common = { device: 'disk', numbers: { last: 0 }, countsSubfolders };
    const lowers = descriptions.map((description, i): ReadLayer => {
      const layer = fillLayer(new MemLayer({ id: `lower${i}`, ...common }), description);
      return Object.assign(Object.create(layer) as ReadLayer, {
        lookup: layer.lookup.bind(layer),
        hold: layer.hold.bind(layer),
        list: (dir: string, visit: Parameters<ReadLayer['list']>[1]) => {
          listed.push(dir);
          if (failure !== 0) throw new FsError(failure, 'list');
          layer.list(dir, visit);
        },
      });
    });
    const paths = new Paths(new Union({ lowers, upper: new MemLayer({ id: 'upper', ...common }) }));
    paths.forgets = false;
    return paths;
  }

  const MERGED: Description[] = [
    { m: {}, 'm/a': {}, leaf: {}, 'leaf/x': 'x' },
    { m: {}, 'm/b': {}, leaf: {}, only: {}, 'only/sub': {} },
  ];
  const links = (paths: Paths, ...names: string[]) => names.map((name) => paths.stat(name).nlink);

  test("is the layer's own for a folder of one layer, and 2 where no layer has subfolders, without a listing", () => {
    const paths = pathsOver(MERGED);
    expect(links(paths, 'leaf', 'only', 'only/sub')).toEqual([2, 3, 2]);
    expect(listed).toEqual([]);
  });

  test('of a merged folder is counted once and then kept, whatever happens in it', () => {
    const paths = pathsOver(MERGED);
    expect(links(paths, 'm')).toEqual([4]);
    expect(listed).toEqual(['m', 'm']);
    paths.mkdir('m/c');
    paths.rename('m/a', 'only/a');
    paths.chmod('m', 0o700);
    expect(links(paths, 'm', 'only')).toEqual([4, 4]);
    paths.rmdir('m/c');
    expect(links(paths, 'm')).toEqual([3]);
    // Emptiness is asked of the folder that goes, not of the one it is in.
    expect(listed.filter((dir) => dir === 'm')).toHaveLength(2);
  });

  test('is counted where the filesystem does not', () => {
    const paths = pathsOver(MERGED, false);
    expect(links(paths, 'leaf', 'only', 'm', 'm/a')).toEqual([2, 3, 4, 2]);
  });

  test('is 1 where a part may not be read, and is counted later where it could not be for a moment', () => {
    const paths = pathsOver(MERGED);
    failure = EMFILE;
    expect(links(paths, 'm')).toEqual([1]);
    failure = 0;
    expect(links(paths, 'm')).toEqual([4]);
    const closed = pathsOver(MERGED);
    failure = EACCES;
    expect(links(closed, 'm', 'leaf', 'only')).toEqual([1, 2, 3]);
    closed.mkdir('m/new');
    expect(links(closed, 'm')).toEqual([1]);
  });
});
