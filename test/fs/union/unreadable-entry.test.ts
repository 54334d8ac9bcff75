// A name that cannot be looked up, because its marks make no sense or its disk fails, is one name of its folder.

import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, test } from 'vitest';
import { EINVAL } from '../../../fs/errno.js';
import { Entry } from '../../../fs/filesystem.js';
import { openLowerDir } from '../../../fs/layer/dir-layer.js';
import { MemLayer } from '../../../fs/layer/mem-layer.js';
import { fromText, toBytes } from '../../../fs/name.js';
import * as sys from '../../../fs/sys/index.js';
import { Union } from '../../../fs/union/union.js';
import { errnoOf, Paths } from '../../suites/paths.js';
import { fillLayer } from './stacks.js';

let folder: string;
let union: Union | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mica-unreadable-'));
  for (const path of ['l0/m/sub', 'l1/m/x']) mkdirSync(join(folder, path), { recursive: true });
  for (const name of ['a', 'z']) writeFileSync(join(folder, 'l0/m', name), name);
});

afterEach(() => {
  union?.destroy();
  union = undefined;
  rmSync(folder, { recursive: true });
});

function mark(path: string, name: string, value: string): void {
  const fd = sys.openAt(sys.AT_FDCWD, fromText(join(folder, path)), sys.O_PATH | sys.O_NOFOLLOW);
  sys.setXattr(fd, `user.overlay.${name}`, toBytes(value), 0);
  sys.closeFd(fd);
}

function open(upper = new MemLayer({ id: 'upper' })): Paths {
  const lowers = ['l0', 'l1'].map((name) => openLowerDir(fromText(join(folder, name)), { marks: ['user'] }));
  union = new Union({ lowers, upper });
  return new Paths(union);
}

/** The names of `m` in both kinds of listing, and the nodes of the second one. */
function listed({ fs }: Paths): { readonly plain: string[]; readonly plus: Map<string, number> } {
  const plain: string[] = [];
  const plus = new Map<string, number>();
  const entry = new Entry();
  new Paths(fs).with('m', (node) => {
    const handle = fs.opendir(node);
    fs.readdir(handle, 0, (name, ino) => {
      if (name !== '.' && name !== '..') plain.push(name);
      // A name with the number 0 is skipped by some programs.
      expect(ino).toBeGreaterThan(0);
      return true;
    });
    fs.readdirPlus(handle, 0, entry, (name, ino, type) => {
      if (name !== '.' && name !== '..') plus.set(name, entry.node);
      expect(ino).toBeGreaterThan(0);
      expect(type).toBe(name === 'a' || name === 'z' || name === 'f' ? 8 : 4);
      return true;
    });
    fs.releasedir(handle);
  });
  for (const entryNode of plus.values()) if (entryNode !== 0) fs.forget(entryNode, 1);
  return { plain: plain.sort(), plus };
}

const ALL = ['a', 'sub', 'x', 'z'];

it.each(['', '..', 'a/b', '/a/', '/a//b', '/', '/../a'])(
  'a folder whose redirect is %j is listed with the others and fails alone',
  (redirect) => {
    mkdirSync(join(folder, 'l0/m/x'));
    mkdirSync(join(folder, 'l1/a'));
    mark('l0/m/x', 'redirect', redirect);
    const paths = open();
    for (let time = 0; time < 2; time++) {
      const { plain, plus } = listed(paths);
      expect(plain).toEqual(ALL);
      expect([...plus.keys()].sort()).toEqual(ALL);
      expect(plus.get('x')).toBe(0);
      expect(plus.get('a')).not.toBe(0);
      expect(errnoOf(() => paths.stat('m/x'))).toBe(EINVAL);
      expect(paths.read('m/z')).toBe('z');
    }
  },
);

test('also one in the upper, whose number is not known', () => {
  const paths = open(fillLayer(new MemLayer({ id: 'upper' }), { m: {}, 'm/x': { redirect: '/../a' } }));
  const { plain, plus } = listed(paths);
  expect(plain).toEqual(ALL);
  expect(plus.get('x')).toBe(0);
  expect(errnoOf(() => paths.stat('m/x'))).toBe(EINVAL);
});

test('a file whose data cannot be looked for fails each time that it is asked for', () => {
  writeFileSync(join(folder, 'l0/m/f'), '');
  truncateSync(join(folder, 'l0/m/f'), 100);
  mark('l0/m/f', 'metacopy', '');
  mark('l0/m/f', 'redirect', 'a/b');
  const paths = open();
  for (let time = 0; time < 3; time++) {
    expect(errnoOf(() => paths.stat('m/f'))).toBe(EINVAL);
    expect(listed(paths).plus.get('f')).toBe(0);
  }
});
