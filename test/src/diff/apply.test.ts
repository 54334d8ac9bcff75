import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Attr, LayerEntry, MemLayer, SEEK_DATA, SEEK_HOLE, Union } from '../../../fs/index.js';
import { apply } from '../../../src/diff/apply.js';
import { nodeAt } from '../../../src/diff/tree-walk.js';
import { StoreError } from '../../../src/errors.js';
import { describeWith } from '../../requires.js';
import { type Draft, gnuTar, writeTar } from './tar-tools.js';
import { chainOf, memLayer, shown, unionOf, unpackTar } from './trees.js';

const dir = (path: string, more: Partial<Draft> = {}): Draft => ({ path, type: 'folder', ...more });
const file = (path: string, content = path, more: Partial<Draft> = {}): Draft => ({ path, content, ...more });

async function shownAfter(...layers: readonly (readonly Draft[])[]): Promise<Record<string, string>> {
  return shown(unionOf(await chainOf(...layers)));
}

function attrAt(union: Union, path: string): Attr {
  const entry = nodeAt(union, path);
  if (entry === undefined) throw new Error(`${path} is missing`);
  return entry.attr;
}

async function failure(...layers: readonly (readonly Draft[])[]): Promise<string> {
  const error = await chainOf(...layers).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof StoreError)) throw new Error(`no StoreError: ${String(error)}`);
  return `${error.kind}: ${error.message}`;
}

const LOWER = [dir('d'), file('d/a'), file('d/b'), dir('d/sub'), file('d/sub/c'), file('f')];

test('digest and size are of the uncompressed tar, also of what follows its end mark', async () => {
  const tar = Buffer.concat([writeTar([file('f')]), Buffer.alloc(9000)]);
  const union = () => new Union({ lowers: [], upper: memLayer('u') });
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  for (const source of [tar, gzipSync(tar)]) {
    expect(await apply(Readable.from([source]), union())).toMatchObject({
      diffId,
      size: tar.length,
      entries: 1,
    });
  }
});

test('all kinds of entries, with their attributes', async () => {
  const xattrs = new Map([['user.x', Uint8Array.of(0, 255)]]);
  const [layer] = await chainOf([
    dir('d', { mode: 0o2751, uid: 5, gid: 6, mtime: { sec: 7, nsec: 8 }, xattrs }),
    file('d/suid', 'program', { mode: 0o4755, uid: 1000, gid: 70_000, mtime: { sec: -9, nsec: 1 }, xattrs }),
    { path: 'd/link', type: 'symlink', linkname: '/else\xffwhere', uid: 3 },
    { path: 'd/null', type: 'char', devmajor: 1, devminor: 300, mode: 0o666 },
    { path: 'd/pipe', type: 'fifo' },
    { path: 'd/hard', type: 'link', linkname: './d/suid' },
  ]);
  const union = unionOf([layer!]);
  expect(shown(union)).toEqual({
    d: 'folder',
    'd/suid': 'file program',
    'd/hard': 'file program',
    'd/link': 'symlink /else\xffwhere',
    'd/null': 'char',
    'd/pipe': 'fifo',
  });
  expect(attrAt(union, 'd')).toMatchObject({ mode: 0o42751, uid: 5, gid: 6, mtimeSec: 7, mtimeNsec: 8 });
  expect(attrAt(union, 'd/suid')).toMatchObject({
    mode: 0o104755,
    gid: 70_000,
    mtimeSec: -9,
    mtimeNsec: 1,
    nlink: 2,
  });
  expect(attrAt(union, 'd/hard').ino).toBe(attrAt(union, 'd/suid').ino);
  expect(attrAt(union, 'd/link')).toMatchObject({ uid: 3, gid: 0 });
  expect(attrAt(union, 'd/null').rdev).toBe(0x10012c);
  expect(union.getxattr(nodeAt(union, 'd/suid')!.node, 'user.x')).toEqual(Uint8Array.of(0, 255));
  expect(union.getxattr(nodeAt(union, 'd')!.node, 'user.x')).toEqual(Uint8Array.of(0, 255));
});

describe('whiteouts', () => {
  test('hide files and whole folders of the layers below', async () => {
    expect(await shownAfter(LOWER, [file('.wh.f', ''), file('d/.wh.sub', '')])).toEqual({
      d: 'folder',
      'd/a': 'file d/a',
      'd/b': 'file d/b',
    });
  });

  test('stay in the layer when further layers come', async () => {
    const layers = [LOWER, [file('.wh.d', '')], [dir('d'), file('d/new')]];
    expect(await shownAfter(...layers)).toEqual({ d: 'folder', 'd/new': 'file d/new', f: 'file f' });
  });

  test('of a name that is not there change nothing', async () => {
    const chain = await chainOf(LOWER, [
      file('.wh.nothing', ''),
      file('no/folder/.wh.x', ''),
      file('d/.wh.q', ''),
    ]);
    expect(shown(unionOf(chain))).toEqual(shown(unionOf(chain.slice(1))));
    const names: string[] = [];
    chain[0]!.list('', (name) => names.push(name));
    expect(names).toEqual([]);
  });

  for (const order of ['before', 'after']) {
    test(`${order} an entry of the same name hide only what is below`, async () => {
      const marks = [file('.wh.d', ''), file('.wh.f', '')];
      const own = [file('d', 'now a file'), dir('f'), file('f/x')];
      const layer = order === 'before' ? [...marks, ...own] : [...own, ...marks];
      expect(await shownAfter(LOWER, layer)).toEqual({
        d: 'file now a file',
        f: 'folder',
        'f/x': 'file f/x',
      });
    });

    test(`${order} entries of a folder keep what the layer itself has in it`, async () => {
      const mark = [file('.wh.d', '')];
      const own = [dir('d'), file('d/own'), file('d/a', 'again')];
      const layer = order === 'before' ? [...mark, ...own] : [...own, ...mark];
      expect(await shownAfter(LOWER, layer)).toEqual({
        d: 'folder',
        'd/own': 'file d/own',
        'd/a': 'file again',
        f: 'file f',
      });
    });

    test(`opaque ${order} entries of the folder hides all that is below and nothing of the layer`, async () => {
      const mark = [file('d/.wh..wh..opq', '')];
      const own = [file('d/own'), dir('d/sub'), file('d/sub/own')];
      const layer = order === 'before' ? [...mark, ...own] : [...own, ...mark];
      const chain = await chainOf(LOWER, layer);
      expect(shown(unionOf(chain))).toEqual({
        d: 'folder',
        'd/own': 'file d/own',
        'd/sub': 'folder',
        'd/sub/own': 'file d/sub/own',
        f: 'file f',
      });
      const entry = new LayerEntry(new Attr());
      expect(chain[0]!.lookup('', 'd', entry) && entry.opaque).toBe(true);
    });
  }

  test('of the root hide everything below', async () => {
    expect(await shownAfter(LOWER, [file('x'), file('.wh..wh..opq', '')])).toEqual({ x: 'file x' });
  });

  test('of nothing are refused, and files of aufs skipped', async () => {
    expect(await failure([file('.wh.')])).toMatch(/^corrupt: .*"\.wh\." is a whiteout of nothing/);
    expect(await failure([file('a/.wh...')])).toMatch(/^corrupt/);
    expect(
      await shownAfter([dir('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs'), file('x')]),
    ).toEqual({
      x: 'file x',
    });
  });
});

describe('what is there already', () => {
  test('a folder over a folder keeps what is in it and takes the new attributes', async () => {
    const lower = [dir('d', { xattrs: new Map([['user.old', Buffer.from('x')]]) }), file('d/a')];
    const chain = await chainOf(lower, [dir('d', { mode: 0o700, uid: 9, mtime: { sec: 5, nsec: 6 } })]);
    const union = unionOf(chain);
    expect(shown(union)).toEqual({ d: 'folder', 'd/a': 'file d/a' });
    expect(attrAt(union, 'd')).toMatchObject({ mode: 0o40700, uid: 9, mtimeSec: 5, mtimeNsec: 6 });
    expect(union.listxattr(nodeAt(union, 'd')!.node)).toEqual([]);
  });

  test('anything else is replaced, whatever it was', async () => {
    const other: Draft[] = [{ path: 'd', type: 'symlink', linkname: 'f' }, dir('f'), file('f/in')];
    expect(await shownAfter(LOWER, other)).toEqual({ d: 'symlink f', f: 'folder', 'f/in': 'file f/in' });
    expect(await shownAfter([...LOWER, ...other])).toEqual({
      d: 'symlink f',
      f: 'folder',
      'f/in': 'file f/in',
    });
  });

  test('of two entries of one name the last one stays', async () => {
    const layer = [file('x', 'first'), dir('y'), file('y/z'), file('x', 'second'), file('y', 'file')];
    expect(await shownAfter(layer)).toEqual({ x: 'file second', y: 'file file' });
  });

  test('folders get their times last, and those that are not named keep theirs', async () => {
    const chain = await chainOf(
      [
        dir('named', { mtime: { sec: 1, nsec: 2 } }),
        dir('other', { mtime: { sec: 3, nsec: 4 } }),
        file('other/x'),
      ],
      [
        dir('named', { mtime: { sec: 5, nsec: 6 } }),
        file('named/x'),
        file('other/new'),
        file('other/.wh.x', ''),
        file('made/on/the/way'),
      ],
    );
    const union = unionOf(chain);
    expect(attrAt(union, 'named')).toMatchObject({ mtimeSec: 5, mtimeNsec: 6 });
    expect(attrAt(union, 'other')).toMatchObject({ mtimeSec: 3, mtimeNsec: 4 });
    expect(attrAt(union, 'made/on')).toMatchObject({ mode: 0o40755, uid: 0, gid: 0, mtimeSec: 0 });
  });

  test('a folder with set-group-ID and a default ACL gives neither to what is unpacked in it', async () => {
    const acl = Buffer.from(
      '0200000001000700ffffffff02000700e803000004000500ffffffff10000700ffffffff20000500ffffffff',
      'hex',
    );
    const xattrs = new Map([['system.posix_acl_default', acl]]);
    const [layer] = await chainOf([
      dir('d', { mode: 0o2755, gid: 50, xattrs }),
      file('d/f', 'x', { mode: 0o640 }),
      dir('d/g'),
    ]);
    const union = unionOf([layer!]);
    expect(attrAt(union, 'd/f')).toMatchObject({ mode: 0o100640, gid: 0 });
    expect(attrAt(union, 'd/g')).toMatchObject({ mode: 0o40755, gid: 0 });
    for (const path of ['d/f', 'd/g']) expect(union.listxattr(nodeAt(union, path)!.node)).toEqual([]);
  });
});

describe('hard links', () => {
  test('to a file of a lower layer are one file with it', async () => {
    const chain = await chainOf([file('a', 'shared')], [{ path: 'b', type: 'link', linkname: 'a' }]);
    const union = unionOf(chain);
    expect(shown(union)).toEqual({ a: 'file shared', b: 'file shared' });
    expect(attrAt(union, 'a').ino).toBe(attrAt(union, 'b').ino);
    expect(attrAt(union, 'a').nlink).toBe(2);
  });

  test('to a lower file outlive its whiteout, wherever that stands', async () => {
    const link: Draft = { path: 'b', type: 'link', linkname: 'd/a' };
    expect(await shownAfter(LOWER, [link, file('d/.wh.a', '')])).toMatchObject({ b: 'file d/a' });
    expect(await shownAfter(LOWER, [link, file('d/.wh.a', '')])).not.toHaveProperty('d/a');
    expect(await shownAfter(LOWER, [link, file('.wh.d', '')])).toEqual({ b: 'file d/a', f: 'file f' });
    expect(await shownAfter(LOWER, [link, file('d/a', 'new')])).toMatchObject({
      b: 'file d/a',
      'd/a': 'file new',
    });
  });

  test('over an existing name replace it; to itself change nothing', async () => {
    const layer: Draft[] = [
      { path: 'f', type: 'link', linkname: 'd/a' },
      { path: 'd/b', type: 'link', linkname: 'd/b' },
    ];
    expect(await shownAfter(LOWER, layer)).toMatchObject({ f: 'file d/a', 'd/b': 'file d/b' });
  });

  test('to nothing or to a folder are refused', async () => {
    const link = (linkname: string): Draft => ({ path: 'l', type: 'link', linkname });
    expect(await failure(LOWER, [link('gone')])).toMatch(/^corrupt: cannot unpack l: it links to "gone"/);
    expect(await failure(LOWER, [link('d/gone/x')])).toMatch(/^corrupt: cannot unpack l: it links to/);
    expect(await failure(LOWER, [link('d')])).toMatch(/^corrupt: .* which is a folder/);
    expect(await failure(LOWER, [link('../../etc/passwd')])).toMatch(/^corrupt: .* leads out of it/);
  });
});

describe('paths', () => {
  test('spelled in any way mean the same', async () => {
    expect(await shownAfter([file('./a'), file('/b'), file('x/../c'), file('d//./e'), dir('./')])).toEqual({
      a: 'file ./a',
      b: 'file /b',
      c: 'file x/../c',
      d: 'folder',
      'd/e': 'file d//./e',
    });
  });

  test('that lead out of the layer are refused', async () => {
    expect(await failure([file('../x')])).toMatch(/^corrupt: .*leads out of it/);
    expect(await failure([file('a/../../x')])).toMatch(/^corrupt: .*leads out of it/);
  });

  test('through symlinks end where a process inside the tree would, never outside', async () => {
    const lower: Draft[] = [
      dir('usr'),
      dir('usr/lib'),
      { path: 'lib', type: 'symlink', linkname: 'usr/lib' },
      { path: 'abs', type: 'symlink', linkname: '/usr/lib' },
      { path: 'usr/up', type: 'symlink', linkname: '../../../../../usr/./lib' },
      { path: 'dangling', type: 'symlink', linkname: 'usr/new' },
    ];
    const layer = [
      file('lib/a'),
      file('abs/b'),
      file('usr/up/c'),
      file('dangling/d'),
      file('lib/.wh.gone', ''),
    ];
    const found = await shownAfter([...lower, file('usr/lib/gone')], layer);
    expect(Object.keys(found).filter((path) => path.startsWith('usr/'))).toEqual([
      'usr/lib',
      'usr/lib/a',
      'usr/lib/b',
      'usr/lib/c',
      'usr/new',
      'usr/new/d',
      'usr/up',
    ]);
    expect(found['lib']).toBe('symlink usr/lib');
  });

  test('through a loop of symlinks, or through a file, are refused', async () => {
    const loop: Draft[] = [
      { path: 'a', type: 'symlink', linkname: 'b' },
      { path: 'b', type: 'symlink', linkname: 'a' },
    ];
    expect(await failure(loop, [file('a/x')])).toMatch(/^corrupt: .*too many symlinks/);
    expect(await failure(LOWER, [file('f/x')])).toMatch(/^corrupt: .*"f", which is no folder/);
  });

  test('with a name that no filesystem takes are refused', async () => {
    expect(await failure([file('n'.repeat(256))])).toMatch(/^corrupt: cannot unpack n+: /);
  });
});

describeWith(['gnu tar'], 'sparse files', () => {
  test('holes of a sparse file stay holes', async () => {
    const at = mkdtempSync(join(tmpdir(), 'micafs-sparse-'));
    try {
      const fd = openSync(`${at}/sparse`, 'w');
      writeSync(fd, 'x'.repeat(4096), 1 << 20);
      ftruncateSync(fd, 4 << 20);
      closeSync(fd);
      const layer = memLayer('u');
      await unpackTar(gnuTar(['-S', '--format=pax', '-C', at, '-cf', '-', 'sparse']), [], layer);
      const union = unionOf([layer]);
      const { node, attr } = nodeAt(union, 'sparse')!;
      expect(attr.size).toBe(4 << 20);
      const handle = union.open(node, 0);
      expect(union.lseek(handle, 0, SEEK_DATA)).toBe(1 << 20);
      expect(union.lseek(handle, 1 << 20, SEEK_HOLE)).toBeLessThan(2 << 20);
      union.release(handle);
    } finally {
      rmSync(at, { recursive: true });
    }
  });
});

test('a damaged or interrupted stream ends the work', async () => {
  const tar = writeTar([file('big', 'x'.repeat(100_000)), file('next')]);
  await expect(unpackTar(tar.subarray(0, 50_000), [], memLayer('u'))).rejects.toMatchObject({
    kind: 'corrupt',
  });
  const union = new Union({ lowers: [], upper: memLayer('u') });
  const signal = AbortSignal.abort();
  await expect(apply(Readable.from([tar]), union, { signal })).rejects.toMatchObject({ kind: 'canceled' });
});

test('a full disk is told with the name of the file', async () => {
  const upper = new MemLayer({ capacity: 50_000 });
  const tar = writeTar([file('big', 'x'.repeat(100_000))]);
  await expect(unpackTar(tar, [], upper)).rejects.toMatchObject({
    kind: 'failed',
    what: 'cannot unpack big',
  });
});

test.each([
  ['a device that is the mark of a whiteout', { type: 'char', devmajor: 0, devminor: 0 }],
  ['a device number that would be cut off', { type: 'block', devmajor: 4096, devminor: 0 }],
  ['an owner that chown takes for no change', { uid: 4_294_967_295 }],
  ['an owner beyond 32 bits', { gid: 4_294_967_296 }],
  ['a path that nobody could name', { path: `${'a/'.repeat(2048)}x` }],
] as const)('%s is refused', async (_, more) => {
  expect(await failure([{ path: 'x', ...more }])).toMatch(/^corrupt: /);
});
