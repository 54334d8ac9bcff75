import { expect, test } from 'vitest';
import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY } from '../../../fs/errno.js';
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../../fs/filesystem.js';
import { errnoOf } from '../../suites/paths.js';
import { inUpper, type Rig, rig } from './stacks.js';

/** The tree is the same for the mount that made it and for the next one. */
function bothShow({ paths, remount }: Rig, tree: string[]): void {
  expect(paths.tree()).toEqual(tree);
  expect(remount().paths.tree()).toEqual(tree);
}

test('a lower folder is moved with all it holds, by a redirect, and copies no file', () => {
  const r = rig([
    { d: {}, 'd/a': 'top' },
    { d: {}, 'd/b': 'b', 'd/s': {}, 'd/s/c': 'c' },
  ]);
  const { ino } = r.paths.stat('d');
  r.paths.rename('d', 'e');
  bothShow(r, [
    'e folder 755 0:0',
    'e/a file 644 0:0 "top"',
    'e/b file 644 0:0 "b"',
    'e/s folder 755 0:0',
    'e/s/c file 644 0:0 "c"',
  ]);
  expect(r.paths.stat('e').ino).toBe(ino);
  expect(r.remount().paths.stat('e').ino).toBe(ino);
  expect(inUpper(r.upper, 'e')?.redirect).toBe('d');
  expect(inUpper(r.upper, 'd')?.whiteout).toBe(true);
  expect(r.events.map(({ kind }) => kind)).toEqual(['copy-up', 'redirect', 'whiteout']);
  expect(r.upper.guarded).toBe(false);
});

test('a folder moved elsewhere carries the path of its lower part, also from within a moved folder', () => {
  const r = rig([{ a: {}, 'a/s': {}, 'a/s/f': 'f', b: {} }]);
  r.paths.rename('a', 'b/x');
  r.paths.rename('b/x/s', 's');
  expect(inUpper(r.upper, 'b/x')?.redirect).toBe('/a');
  expect(inUpper(r.upper, 's')?.redirect).toBe('/a/s');
  r.paths.rename('s', 'b/x/s');
  expect(inUpper(r.upper, 'b/x/s')?.redirect).toBeUndefined();
  bothShow(r, ['b folder 755 0:0', 'b/x folder 755 0:0', 'b/x/s folder 755 0:0', 'b/x/s/f file 644 0:0 "f"']);
});

test('a redirect of a lower layer is followed, also through a redirect above it', () => {
  const r = rig([
    { b: { redirect: 'a' }, a: null },
    { a: {}, 'a/s': {}, 'a/s/f': 'f' },
  ]);
  r.paths.rename('b/s', 't');
  expect(inUpper(r.upper, 't')?.redirect).toBe('/b/s');
  bothShow(r, ['b folder 755 0:0', 't folder 755 0:0', 't/f file 644 0:0 "f"']);
});

test('a moved folder is followed through an opaque folder to what another redirect below that leads to', () => {
  const r = rig([
    { a: { opaque: true }, 'a/m': { redirect: '/b' }, b: null },
    { a: {}, b: {}, 'b/s': {}, 'b/s/f': 'f' },
  ]);
  r.paths.rename('a/m/s', 't');
  expect(inUpper(r.upper, 't')?.redirect).toBe('/a/m/s');
  bothShow(r, ['a folder 755 0:0', 'a/m folder 755 0:0', 't folder 755 0:0', 't/f file 644 0:0 "f"']);
});

test.each([
  ['under user.', { marks: 'user' }],
  ['under the dialect wh', { dialect: 'wh' }],
] as const)('redirects %s guard the upper until it is settled', (_name, options) => {
  const r = rig([{ d: {}, 'd/s': {}, 'd/s/f': 'f', e: {}, 'e/hidden': 'h' }], options);
  r.paths.unlink('e/hidden');
  r.paths.rename('d', 'e');
  expect(r.upper.guarded).toBe(true);
  const tree = ['e folder 755 0:0', 'e/s folder 755 0:0', 'e/s/f file 644 0:0 "f"'];
  bothShow(r, tree);
  r.union.settle();
  expect(r.upper.guarded).toBe(false);
  expect(inUpper(r.upper, 'e')).toMatchObject({ opaque: true, redirect: undefined });
  expect(inUpper(r.upper, 'e/s/f')?.attr.size).toBe(1);
  bothShow(r, tree);
});

test('settling leaves no whiteouts in folders that it makes opaque, and keeps their times', () => {
  const r = rig([{ a: {}, 'a/a': {}, 'a/a/x': 'x', 'a/b': 'b' }], { marks: 'user' });
  r.paths.unlink('a/b');
  r.paths.unlink('a/a/x');
  r.paths.rename('a', 'd');
  const before = r.paths.stat('d').mtimeNsec;
  r.union.settle();
  expect(inUpper(r.upper, 'd')?.opaque).toBe(true);
  expect(inUpper(r.upper, 'd/b')).toBeUndefined();
  expect(inUpper(r.upper, 'd/a/x')).toBeUndefined();
  expect(r.paths.stat('d').mtimeNsec).toBe(before);
  bothShow(r, ['d folder 755 0:0', 'd/a folder 755 0:0']);
});

test('a folder moved onto a merged one that holds only whiteouts does not show what they hid', () => {
  const r = rig([{ d: {}, 'd/x': 'x', 'd/y': 'y' }]);
  r.paths.unlink('d/x');
  r.paths.unlink('d/y');
  r.paths.mkdir('n');
  r.paths.write('n/z', 'z');
  r.paths.rename('n', 'd');
  bothShow(r, ['d folder 755 0:0', 'd/z file 644 0:0 "z"']);
});

test('a folder moved over a whiteout is opaque', () => {
  const r = rig([{ d: {}, 'd/x': 'x' }]);
  r.paths.unlink('d/x');
  r.paths.rmdir('d');
  r.paths.mkdir('n');
  r.paths.rename('n', 'd');
  bothShow(r, ['d folder 755 0:0']);
});

test('a lower file is moved, its old name stays gone, and its number stays', () => {
  const r = rig([{ f: 'f', g: 'g' }]);
  const { ino } = r.paths.stat('f');
  r.paths.rename('f', 'g');
  bothShow(r, ['g file 644 0:0 "f"']);
  expect(r.paths.stat('g').ino).toBe(ino);
  expect(r.remount().paths.stat('g').ino).toBe(ino);
});

test('RENAME_NOREPLACE sees lower names, and does not see whiteouts', () => {
  const { paths } = rig([{ f: 'f', g: 'g' }]);
  expect(errnoOf(() => paths.rename('f', 'g', RENAME_NOREPLACE))).toBe(EEXIST);
  paths.unlink('g');
  paths.rename('f', 'g', RENAME_NOREPLACE);
  expect(paths.tree()).toEqual(['g file 644 0:0 "f"']);
});

test('RENAME_EXCHANGE swaps a lower folder with a lower file', () => {
  const r = rig([{ d: {}, 'd/x': 'x', s: {}, 's/f': 'f' }]);
  r.paths.rename('d', 's/f', RENAME_EXCHANGE);
  bothShow(r, ['d file 644 0:0 "f"', 's folder 755 0:0', 's/f folder 755 0:0', 's/f/x file 644 0:0 "x"']);
});

test('RENAME_EXCHANGE swaps two lower folders, and a new one with a lower one', () => {
  const r = rig([{ a: {}, 'a/x': 'x', b: {}, 'b/y': 'y' }]);
  r.paths.rename('a', 'b', RENAME_EXCHANGE);
  r.paths.mkdir('n');
  r.paths.rename('n', 'a', RENAME_EXCHANGE);
  bothShow(r, [
    'a folder 755 0:0',
    'b folder 755 0:0',
    'b/x file 644 0:0 "x"',
    'n folder 755 0:0',
    'n/y file 644 0:0 "y"',
  ]);
});

test('RENAME_EXCHANGE needs both names', () => {
  const { paths } = rig([{ a: 'a' }]);
  expect(errnoOf(() => paths.rename('a', 'b', RENAME_EXCHANGE))).toBe(ENOENT);
});

test('RENAME_WHITEOUT, unknown flags and both at once are refused', () => {
  const { paths } = rig([{ a: 'a', b: 'b' }]);
  for (const flags of [RENAME_WHITEOUT, 8, RENAME_NOREPLACE | RENAME_EXCHANGE]) {
    expect(errnoOf(() => paths.rename('a', 'b', flags))).toBe(EINVAL);
  }
});

test('a folder cannot go into itself, nor take the place of its own ancestor', () => {
  const { paths } = rig([{ d: {}, 'd/e': {} }]);
  expect(errnoOf(() => paths.rename('d', 'd/e/x'))).toBe(EINVAL);
  expect(errnoOf(() => paths.rename('d', 'd/e'))).toBe(EINVAL);
  expect(errnoOf(() => paths.rename('d/e', 'd'))).toBe(ENOTEMPTY);
  expect(errnoOf(() => paths.rename('d/e', 'd', RENAME_EXCHANGE))).toBe(EINVAL);
});

test('kinds are checked before emptiness', () => {
  const { paths } = rig([{ d: {}, 'd/x': 'x', e: {}, f: 'f' }]);
  expect(errnoOf(() => paths.rename('f', 'd'))).toBe(EISDIR);
  expect(errnoOf(() => paths.rename('d', 'f'))).toBe(ENOTDIR);
  expect(errnoOf(() => paths.rename('e', 'd'))).toBe(ENOTEMPTY);
  expect(errnoOf(() => paths.rename('none', 'd'))).toBe(ENOENT);
});

test('nodes below a moved folder keep working', () => {
  const { union, paths } = rig([{ d: {}, 'd/f': 'f' }]);
  const node = paths.node('d/f');
  paths.rename('d', 'e');
  expect(union.pathOf(node)).toBe('e/f');
  const handle = union.open(node, 2);
  union.write(handle, 0, new Uint8Array([65]), false);
  expect(paths.read('e/f')).toBe('A');
});
