// Hard links of a lower over a reopening: what was written through one name belongs to all of them, also when the
// name through which it was written is gone.

import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Attr, Entry, O_RDWR, ROOT_NODE, SYSTEM_CALLER } from '../../../fs/filesystem.js';
import { openStack, type StackDescription } from '../../../fs/layer/open-stack.js';
import { Union } from '../../../fs/union/union.js';

let base: string;
let stack: StackDescription;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mica-hardlink-'));
  for (const name of ['lower', 'upper', 'work']) mkdirSync(join(base, name));
  writeFileSync(join(base, 'lower/one'), 'lower');
  linkSync(join(base, 'lower/one'), join(base, 'lower/two'));
  stack = {
    lowers: [{ path: join(base, 'lower'), id: 'lower', dialect: 'overlay', marks: 'user' }],
    upper: {
      path: join(base, 'upper'),
      work: join(base, 'work'),
      id: 'upper',
      dialect: 'overlay',
      marks: 'user',
    },
  };
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function withUnion<T>(body: (union: Union) => T): T {
  const { lowers, upper } = openStack(stack);
  const union = new Union({ lowers, ...(upper === undefined ? {} : { upper }) });
  try {
    return body(union);
  } finally {
    union.destroy();
  }
}

function write(union: Union, name: string, text: string): void {
  const entry = new Entry();
  union.lookup(ROOT_NODE, name, entry);
  const handle = union.open(entry.node, O_RDWR);
  union.write(handle, 0, Buffer.from(text), false);
  union.release(handle);
}

function read(union: Union, name: string): string {
  const entry = new Entry();
  if (!union.lookup(ROOT_NODE, name, entry)) return 'nothing';
  const handle = union.open(entry.node, 0);
  const bytes = new Uint8Array(100);
  const count = union.read(handle, 0, bytes);
  union.release(handle);
  return `${entry.attr.nlink} ${Buffer.from(bytes.subarray(0, count)).toString()}`;
}

it('a name keeps what was written through another one that is gone', () => {
  withUnion((union) => {
    write(union, 'one', 'UPPER');
    union.unlink(ROOT_NODE, 'one');
    expect(read(union, 'two')).toBe('1 UPPER');
  });
  withUnion((union) => expect(read(union, 'two')).toBe('1 UPPER'));
  withUnion((union) => expect(read(union, 'one')).toBe('nothing'));
});

it('an entry of the index goes with the last name', () => {
  withUnion((union) => {
    write(union, 'one', 'UPPER');
    union.unlink(ROOT_NODE, 'one');
  });
  expect(readdirSync(join(base, 'work/index'))).toHaveLength(1);
  withUnion((union) => union.unlink(ROOT_NODE, 'two'));
  withUnion((union) => expect(read(union, 'two')).toBe('nothing'));
  expect(readdirSync(join(base, 'work/index'))).toEqual([]);
});

it('names of what can carry no xattr are counted before another of them is met, and no longer when they are gone', () => {
  for (const path of ['p', 's'])
    spawnSync(path === 'p' ? 'mkfifo' : 'ln', path === 'p' ? ['p'] : ['-s', 'x', 's'], {
      cwd: join(base, 'lower'),
    });
  for (const path of ['p', 's'])
    for (const n of [2, 3]) linkSync(join(base, 'lower', path), join(base, 'lower', path + n));
  const linksOf = (union: Union, name: string) => {
    const entry = new Entry();
    return union.lookup(ROOT_NODE, name, entry) ? entry.attr.nlink : 0;
  };
  withUnion((union) => {
    for (const path of ['p', 's']) {
      const entry = new Entry();
      union.lookup(ROOT_NODE, path, entry);
      union.setattr(entry.node, { mtime: { sec: 1, nsec: 0 } }, SYSTEM_CALLER, new Attr());
    }
  });
  withUnion((union) => expect([linksOf(union, 'p'), linksOf(union, 's')]).toEqual([3, 3]));
  withUnion((union) => {
    for (const path of ['p', 's']) union.unlink(ROOT_NODE, path);
  });
  withUnion((union) => expect([linksOf(union, 'p2'), linksOf(union, 's3')]).toEqual([2, 2]));
  withUnion((union) => {
    for (const path of ['p2', 's2']) union.unlink(ROOT_NODE, path);
  });
  withUnion((union) => {
    expect([linksOf(union, 'p3'), linksOf(union, 's3')]).toEqual([1, 1]);
    for (const path of ['p3', 's3']) union.unlink(ROOT_NODE, path);
  });
  withUnion(() => undefined);
  expect([readdirSync(join(base, 'work/index')), readdirSync(join(base, 'work/links'))]).toEqual([[], []]);
});

it('reading leaves no index', () => {
  withUnion((union) => expect(read(union, 'one')).toBe('2 lower'));
  expect(readdirSync(join(base, 'work'))).toEqual(['work']);
});

it('an entry of the index that was only being made is dropped', () => {
  withUnion((union) => write(union, 'one', 'UPPER'));
  writeFileSync(join(base, 'work/index', `00fb1d${'0'.repeat(40)}`), 'half');
  withUnion((union) => expect(read(union, 'two')).toBe('2 UPPER'));
  expect(readdirSync(join(base, 'work/index'))).toHaveLength(1);
});

it.each([
  ['gets a second name', 2],
  ['goes to another folder', 1],
  ['is joined by another copy', 0],
])('a copy whose folder says of no copies in it keeps its number when it %s', (_, names) => {
  mkdirSync(join(base, 'lower/pure'));
  for (const name of ['file', 'other']) writeFileSync(join(base, 'lower/pure', name), 'lower');
  const at = (union: Union, path: string): Entry => {
    const entry = new Entry();
    expect(union.resolvePath(path, entry)).toBe(true);
    return entry;
  };
  withUnion((union) => {
    const handle = union.open(at(union, 'pure/file').node, O_RDWR);
    union.write(handle, 0, Buffer.from('UPPER'), false);
    union.release(handle);
    // The root says that it holds copies.
    write(union, 'one', 'UPPER');
  });
  // As overlayfs leaves it: it links what was copied up into a folder without a word about it.
  const word = spawnSync('setfattr', ['-x', 'user.overlay.impure', join(base, 'upper/pure')]);
  expect(word.status).toBe(0);
  const [before, after] = withUnion((union) => {
    const file = at(union, 'pure/file');
    if (names === 2) union.link(file.node, ROOT_NODE, 'again', new Entry());
    else if (names === 1) union.rename(at(union, 'pure').node, 'file', ROOT_NODE, 'again', 0);
    else union.setattr(at(union, 'pure/other').node, { mode: 0o600 }, SYSTEM_CALLER, new Attr());
    return [file, at(union, names === 0 ? 'pure/file' : 'again')];
  });
  expect([after.node, after.attr.ino, after.attr.nlink]).toEqual([before.node, before.attr.ino, names || 1]);
  const paths = [['pure/file'], ['again'], ['again', 'pure/file']][names]!;
  const reopened = withUnion((union) => paths.map((path) => at(union, path)));
  for (const { node, attr } of reopened)
    expect([node, attr.ino]).toEqual([reopened[0]!.node, before.attr.ino]);
});
