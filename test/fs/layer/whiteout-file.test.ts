// Whiteouts as marked files, on a disk that keeps the device 0:0 for itself.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EIO, ENOSPC } from '../../../fs/errno.js';
import { Attr } from '../../../fs/filesystem.js';
import { openUpperDir, type UpperDir } from '../../../fs/layer/dir-upper.js';
import { LayerEntry } from '../../../fs/layer/layer.js';
import { S_IFDIR } from '../../../fs/mode.js';
import { fromBytes, fromText } from '../../../fs/name.js';
import { AT_FDCWD, getXattrAt, listXattrsAt } from '../../../fs/sys/index.js';
import { arm, disarm, refuseWhiteoutDevices } from '../../faults/libc.js';
import { errnoOf } from '../../suites/paths.js';

refuseWhiteoutDevices();

const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
let base: string;
let layer: UpperDir;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mica-whiteout-file-'));
  for (const name of ['upper', 'work']) mkdirSync(join(base, name));
  layer = openUpperDir(fromText(join(base, 'upper')), fromText(join(base, 'work')), { marks: 'user' });
  for (const name of ['d', 'to']) layer.make('', name, { mode: S_IFDIR | 0o755, ...owner });
  layer.makeFile('d', 'f', { mode: 0o100644, ...owner }).close();
});
afterEach(() => {
  layer.close();
  rmSync(base, { recursive: true, force: true });
});

function names(dir: string): string[] {
  const all: string[] = [];
  layer.list(dir, (name, _type, _ino, whiteout) => all.push(whiteout ? `-${name}` : name));
  return all.sort();
}

function isWhiteout(dir: string, name: string): boolean {
  const out = new LayerEntry(new Attr());
  return layer.lookup(dir, name, out) && out.whiteout;
}

/** The marks of overlayfs on what lies at a path of the upper. */
function marks(path: string): string[] {
  const place = fromText(join(base, 'upper', path));
  const names = listXattrsAt(AT_FDCWD, place).filter((name) => name.startsWith('user.overlay.'));
  return names.sort().map((name) => `${name}=${fromBytes(getXattrAt(AT_FDCWD, place, name) ?? NONE)}`);
}

const NONE = new Uint8Array(0);

it('are told apart from files, and their folder says so to listings of uppers and of lowers', () => {
  layer.whiteout('d', 'gone');
  layer.whiteout('d', 'f');
  expect(names('d')).toEqual(['-f', '-gone']);
  expect(isWhiteout('d', 'gone')).toBe(true);
  expect(marks('d')).toEqual(['user.overlay.impure=y', 'user.overlay.opaque=x']);
  expect(marks('d/gone')).toEqual(['user.overlay.whiteout=y']);
});

it('are left by a rename, also of a folder over one of them', () => {
  layer.rename('d', 'f', 'to', 'f', true);
  expect([names('d'), names('to')]).toEqual([['-f'], ['f']]);
  layer.whiteout('', 'd2');
  layer.rename('', 'd', '', 'd2', true);
  expect(names('')).toEqual(['-d', 'd2', 'to']);
  expect(names('d2')).toEqual(['-f']);
});

it('stay whiteouts at the old name of a folder that took their place, where the disk does not let them go', () => {
  layer.whiteout('', 'gone');
  layer.make('to', 'sub', { mode: S_IFDIR | 0o755, ...owner });
  arm(({ name }) => (name === 'unlinkat' ? EIO : undefined));
  layer.rename('to', 'sub', '', 'gone', false);
  disarm();
  expect(isWhiteout('to', 'sub')).toBe(true);
  expect(names('to')).toEqual(['-sub']);
});

it('leave nothing in the work folder where they cannot be marked', () => {
  arm(({ name }) => (name === 'fsetxattr' || name === 'setxattr' ? ENOSPC : undefined));
  expect(errnoOf(() => layer.whiteout('d', 'f'))).toBe(ENOSPC);
  disarm();
  expect(readdirSync(join(base, 'work/work'))).toEqual([]);
});

it('go when their folder becomes opaque, and with a folder that holds nothing else', () => {
  layer.whiteout('d', 'gone');
  const node = layer.hold('', 'd');
  node.setOpaque(true);
  node.release();
  expect(names('d')).toEqual(['f']);
  expect(readdirSync(join(base, 'upper/d'))).toEqual(['f']);
  layer.whiteout('to', 'gone');
  layer.rmdir('', 'to');
  expect(names('')).toEqual(['d']);
});
