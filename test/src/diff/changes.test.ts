import { describe, expect, test } from 'vitest';
import { Entry, ROOT_NODE, S_IFSOCK, SYSTEM_CALLER } from '../../../fs/index.js';
import { changesBetween } from '../../../src/diff/changes.js';
import { compare } from '../../../src/diff/compare.js';
import { nodeAt } from '../../../src/diff/tree-walk.js';
import { StoreError } from '../../../src/errors.js';
import { type Draft, readTar } from './tar-tools.js';
import { chainOf, memLayer, unionOf, unpackTar } from './trees.js';
import { Work } from './work.js';

const dir = (path: string, more: Partial<Draft> = {}): Draft => ({ path, type: 'folder', ...more });
const file = (path: string, content = path, more: Partial<Draft> = {}): Draft => ({ path, content, ...more });

const BASE: Draft[] = [
  dir('d'),
  file('d/a'),
  file('d/b'),
  dir('d/sub'),
  file('d/sub/c'),
  file('f'),
  file('hard1', 'linked'),
  { path: 'hard2', type: 'link', linkname: 'hard1' },
  dir('z'),
  { path: 'z/hard3', type: 'link', linkname: 'hard1' },
];

describe('changes of an upper', () => {
  test('an untouched upper has none, and its tar is empty', async () => {
    const work = await Work.begin(BASE);
    expect(work.changes()).toEqual([]);
    expect(await work.tar()).toEqual(Buffer.alloc(1024));
  });

  test('added, modified and deleted, with kind and size, ordered by path', async () => {
    const work = await Work.begin(BASE);
    work.write('new', 'four');
    work.write('d/a', 'longer than it was');
    work.remove('f');
    work.chmod('d/sub/c', 0o600);
    expect(work.changes()).toEqual([
      { op: 'M', path: 'd/a', kind: 'file', size: 18 },
      { op: 'M', path: 'd/sub/c', kind: 'file', size: 7 },
      { op: 'D', path: 'f', kind: 'file', size: 1 },
      { op: 'A', path: 'new', kind: 'file', size: 4 },
    ]);
    expect(await work.roundTrip()).toEqual([]);
  });

  test('a folder that is gone is one deletion; one that was made anew lists what is gone from it', async () => {
    const work = await Work.begin(BASE);
    for (const path of ['d/a', 'd/b', 'd/sub/c']) work.remove(path);
    work.union.rmdir(...work.parent('d/sub'));
    work.union.rmdir(ROOT_NODE, 'd');
    expect(work.listed()).toEqual(['D d']);
    expect(await work.roundTrip()).toEqual([]);
    work.mkdir('d');
    work.write('d/b', 'new');
    expect(work.listed()).toEqual(['D d/a', 'M d/b', 'D d/sub']);
    expect(await work.roundTrip()).toEqual([]);
  });

  test('a lower folder that was renamed is gone at the old place and whole at the new one', async () => {
    const work = await Work.begin(BASE);
    work.rename('d', 'moved');
    work.write('moved/sub/c', 'changed after');
    expect(work.listed()).toEqual([
      'D d',
      'A moved',
      'A moved/a',
      'A moved/b',
      'A moved/sub',
      'A moved/sub/c',
    ]);
    expect(await work.roundTrip()).toEqual([]);
  });

  test('a file in place of a folder and a folder in place of a file', async () => {
    const work = await Work.begin(BASE);
    work.remove('f');
    work.mkdir('f');
    work.write('f/in', 'x');
    for (const path of ['d/a', 'd/b', 'd/sub/c']) work.remove(path);
    work.union.rmdir(...work.parent('d/sub'));
    work.union.rmdir(ROOT_NODE, 'd');
    work.write('d', 'a file');
    expect(work.changes().map(({ op, path, kind }) => `${op} ${path} ${kind}`)).toEqual([
      'M d file',
      'M f folder',
      'A f/in file',
    ]);
    expect(await work.roundTrip()).toEqual([]);
  });

  test('what was copied up and is as it was is no change', async () => {
    const work = await Work.begin(BASE);
    work.chmod('f', 0o600);
    work.chmod('f', 0o644);
    expect(work.changes()).toEqual([]);
  });

  test('content that changed behind an equal size and time is found', async () => {
    const work = await Work.begin(BASE);
    work.write('d/a', 'D/A');
    work.union.setattr(
      work.node('d/a'),
      { mtime: { sec: 1_600_000_000, nsec: 0 } },
      SYSTEM_CALLER,
      new Entry().attr,
    );
    expect(work.listed()).toEqual(['M d/a']);
  });

  test('times that differ in nanoseconds alone are a change only where both have some', async () => {
    const work = await Work.begin(BASE);
    const at = (nsec: number) =>
      work.union.setattr(work.node('d/a'), { mtime: { sec: 1_600_000_000, nsec } }, SYSTEM_CALLER, work.attr);
    at(5);
    expect(work.listed()).toEqual([]);
    work.union.settle();
    const next = await Work.on([work.upper, ...work.lowers]);
    const touch = (nsec: number) =>
      next.union.setattr(next.node('d/a'), { mtime: { sec: 1_600_000_000, nsec } }, SYSTEM_CALLER, next.attr);
    touch(6);
    expect(next.listed()).toEqual(['M d/a']);
    touch(0);
    expect(next.listed()).toEqual([]);
    next.write('d/a', 'D/A');
    touch(0);
    expect(next.listed()).toEqual(['M d/a']);
  });

  test('mode and xattrs of the root are a change, its time is none', async () => {
    const work = await Work.begin(BASE);
    work.write('new', '');
    expect(work.listed()).toEqual(['A new']);
    work.chmod('', 0o700);
    expect(work.changes()[0]).toEqual({ op: 'M', path: '', kind: 'folder', size: 0 });
    expect(readTar(await work.tar())[0]).toMatchObject({ path: '.', type: 'folder', mode: 0o700 });
    expect(await work.roundTrip()).toEqual([]);
  });
});

describe('files with several names', () => {
  test('are written whole when one name changes, wherever the others are', async () => {
    const work = await Work.begin(BASE);
    work.write('hard2', 'LINKED');
    expect(work.listed()).toEqual(['M hard1', 'M hard2', 'M z/hard3']);
    const tar = readTar(await work.tar());
    expect(tar.map(({ path, type, linkname }) => [path, type, linkname])).toEqual([
      ['hard1', 'file', ''],
      ['hard2', 'link', 'hard1'],
      ['z', 'folder', ''],
      ['z/hard3', 'link', 'hard1'],
    ]);
    expect(await work.roundTrip()).toEqual([]);
  });

  test('are written whole when a name is added', async () => {
    const work = await Work.begin(BASE);
    work.link('f', 'g');
    expect(work.listed()).toEqual(['M f', 'A g']);
    expect(await work.roundTrip()).toEqual([]);
  });

  test('are left alone when a name is removed, but for that name', async () => {
    const work = await Work.begin(BASE);
    work.remove('hard1');
    expect(work.listed()).toContain('D hard1');
    const tar = await work.tar();
    const again = memLayer('again');
    await unpackTar(tar, work.lowers, again);
    const union = unionOf([again, ...work.lowers]);
    expect(nodeAt(union, 'hard1')).toBeUndefined();
    expect(nodeAt(union, 'hard2')!.attr.ino).toBe(nodeAt(union, 'z/hard3')!.attr.ino);
  });
});

describe('the tar', () => {
  test('puts parents first, deletions before their siblings, and the same bytes each time', async () => {
    const work = await Work.begin(BASE);
    work.remove('d/b');
    work.write('d/0', 'x');
    work.write('d-later', 'x');
    work.mkdir('new');
    work.write('new/x', 'x');
    const tar = await work.tar();
    expect(readTar(tar).map(({ path }) => path)).toEqual(['d', 'd-later', 'd/.wh.b', 'd/0', 'new', 'new/x']);
    expect((await work.tar()).equals(tar)).toBe(true);
  });

  test('names the folders above a change, with what they are, whether they changed or not', async () => {
    const work = await Work.begin(BASE);
    work.chmod('d/sub', 0o1777);
    work.union.settle();
    const next = await Work.on([work.upper, ...work.lowers]);
    next.write('d/sub/c', 'in place');
    expect(next.listed()).toEqual(['M d/sub/c']);
    const entries = readTar(await next.tar()).map(({ path, type, mode }) => [path, type, mode]);
    expect(entries).toEqual([
      ['d', 'folder', 0o755],
      ['d/sub', 'folder', 0o1777],
      ['d/sub/c', 'file', 0o644],
    ]);
    expect(await next.roundTrip()).toEqual([]);
  });

  test('leaves out sockets', async () => {
    const work = await Work.begin(BASE);
    work.union.mknod(ROOT_NODE, 'socket', S_IFSOCK | 0o600, 0, SYSTEM_CALLER, new Entry());
    expect(work.listed()).toEqual(['A socket']);
    expect(readTar(await work.tar())).toEqual([]);
  });

  test('deletes what a socket took the place of', async () => {
    const work = await Work.begin(BASE);
    work.remove('f');
    work.union.mknod(ROOT_NODE, 'f', S_IFSOCK | 0o600, 0, SYSTEM_CALLER, new Entry());
    expect(work.listed()).toEqual(['M f']);
    expect(readTar(await work.tar()).map(({ path }) => path)).toEqual(['.wh.f']);
  });

  test('has no time after SOURCE_DATE_EPOCH, and leaves earlier ones alone', async () => {
    const work = await Work.begin(BASE);
    const touch = (path: string, sec: number, nsec: number) =>
      work.union.setattr(work.node(path), { mtime: { sec, nsec } }, SYSTEM_CALLER, work.attr);
    touch('d/a', 1_700_000_000, 1);
    touch('d/b', 1_699_999_999, 999_999_999);
    touch('f', 1_800_000_000, 0);
    const times = readTar(await work.tar({ epochSec: 1_700_000_000 })).map(({ path, mtime }) => [
      path,
      mtime,
    ]);
    expect(times).toEqual([
      ['d', { sec: 1_600_000_000, nsec: 0 }],
      ['d/a', { sec: 1_700_000_000, nsec: 0 }],
      ['d/b', { sec: 1_699_999_999, nsec: 999_999_999 }],
      ['f', { sec: 1_700_000_000, nsec: 0 }],
    ]);
  });

  test('refuses names that mean deletions, and says which', async () => {
    const work = await Work.begin(BASE);
    work.mkdir('d/.wh.x');
    expect(work.listed()).toEqual(['A d/.wh.x']);
    const error = await work.tar().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ kind: 'failed-precondition', why: expect.stringContaining('"d/.wh.x"') });
  });

  test('of a tree without anything below holds everything but the root', async () => {
    const chain = await chainOf(BASE);
    const changes = changesBetween(undefined, unionOf(chain));
    expect(changes.map(({ op, path }) => `${op} ${path}`)).toEqual(
      ['d', 'd/a', 'd/b', 'd/sub', 'd/sub/c', 'f', 'hard1', 'hard2', 'z', 'z/hard3'].map(
        (path) => `A ${path}`,
      ),
    );
  });

  test('big and odd files come through', async () => {
    const work = await Work.begin(BASE);
    work.write('big', 'y'.repeat(700_001));
    work.write('\xff\xfe', 'odd');
    work.union.setxattr(work.node('big'), 'user.x', Uint8Array.of(0, 10, 255), 0, false);
    expect(await work.roundTrip()).toEqual([]);
  });
});

test('two trees are told apart without a layer too', async () => {
  const from = unionOf(await chainOf(BASE));
  const to = unionOf(
    await chainOf([...BASE, file('f', 'other'), dir('more'), file('more/x')], [file('.wh.z', '')]),
  );
  // One name less changes the count of names only, not the file.
  expect(changesBetween(from, to).map(({ op, path }) => `${op} ${path}`)).toEqual([
    'M f',
    'A more',
    'A more/x',
    'D z',
  ]);
});

test('compare names every aspect that differs', async () => {
  const xattrs = new Map([['user.x', Buffer.from('1')]]);
  const a = unionOf(
    await chainOf([file('f', 'abc'), file('only'), { path: 'l', type: 'link', linkname: 'f' }, dir('t')]),
  );
  const b = unionOf(
    await chainOf([
      file('f', 'abd', { mode: 0o600, uid: 1, mtime: { sec: 1, nsec: 0 }, xattrs }),
      file('l', 'abd'),
      file('t'),
    ]),
  );
  const told = [...compare(a, b, { ignore: ['size'] })].map(({ path, aspect }) => `${path} ${aspect}`);
  expect(told.filter((line) => !line.startsWith(' '))).toEqual([
    'f mode',
    'f owner',
    'f mtime',
    'f xattrs',
    'f content',
    'l content',
    'l links',
    'only presence',
    't type',
  ]);
  expect([...compare(a, a)]).toEqual([]);
});
