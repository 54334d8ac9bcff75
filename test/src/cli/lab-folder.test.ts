// The folders that the lab makes of a lesson's layers: nothing is made beside them, whatever was let through before.

import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fillFolder, readFolder } from '../../../src/cli/lab/layer-folder.js';
import { removeTree } from '../../../src/snapshots/folders.js';
import type { FileSetup } from '../../../src/web/model.js';

describe('the folder of a layer', () => {
  let base: string;
  let layer: string;
  let outside: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'mica-lab-folder-'));
    [layer = '', outside = ''] = ['layer', 'outside'].map((name) => join(base, name));
    for (const folder of [layer, outside]) mkdirSync(folder);
    writeFileSync(join(outside, 'f'), 'theirs');
  });
  afterEach(() => {
    process.chdir(tmpdir());
    removeTree(base);
  });

  it('has the same modes for whoever makes it, and leaves him his umask', () => {
    const before = process.umask(0o077);
    try {
      fillFolder(layer, { 'a/f': 'text', d: { folder: true } });
      expect(process.umask()).toBe(0o077);
    } finally {
      process.umask(before);
    }
    const modes = ['a', 'a/f', 'd'].map((path) => lstatSync(join(layer, path)).mode & 0o777);
    expect(modes).toEqual([0o755, 0o644, 0o755]);
  });

  it('has the files, with folders above them', () => {
    fillFolder(layer, {
      'a/b/f': 'text',
      'a/b': { folder: true },
      big: { size: 100_000 },
      s: { symlink: 'nowhere' },
      'c/hard': { link: 'a/b/f' },
      'é/ü': 'bytes',
    });
    expect(readdirSync(layer, { recursive: true, encoding: 'utf8' }).sort()).toEqual(
      ['a', 'a/b', 'a/b/f', 'big', 'c', 'c/hard', 's', 'é', 'é/ü'].sort(),
    );
    expect(readFileSync(join(layer, 'c/hard'), 'utf8')).toBe('text');
    expect([lstatSync(join(layer, 'a/b/f')).nlink, lstatSync(join(layer, 'big')).size]).toEqual([2, 100_000]);
  });

  it.each<[string, Record<string, FileSetup>]>([
    ['a symlink on the way', { 'l/evil': 'x' }],
    ['a symlink to a folder', { l: { folder: true }, 'l/evil': 'x' }],
    ['a symlink at the end', { file: 'x' }],
    ['a symlink that leads nowhere', { nowhere: 'x' }],
    ['a symlink to what is linked', { g: { link: 'l/f' } }],
  ])('follows no %s', (_, files) => {
    symlinkSync(outside, join(layer, 'l'));
    symlinkSync(join(outside, 'f'), join(layer, 'file'));
    symlinkSync(join(outside, 'g'), join(layer, 'nowhere'));
    expect(() => fillFolder(layer, files)).toThrow();
    expect(readdirSync(outside)).toEqual(['f']);
    expect(readFileSync(join(outside, 'f'), 'utf8')).toBe('theirs');
    expect(lstatSync(join(outside, 'f')).nlink).toBe(1);
  });

  it('is read by bytes, which are not always text', () => {
    const name = Buffer.from([...Buffer.from(`${layer}/d`), 0xff]);
    mkdirSync(name);
    writeFileSync(Buffer.concat([name, Buffer.from('/f')]), 'text');
    const { entries } = readFolder({ path: layer, id: 'l', dialect: 'overlay' });
    expect(entries.map(({ path, text }) => [path, text])).toEqual([
      ['d\ufffd', undefined],
      ['d\ufffd/f', 'text'],
    ]);
  });

  it('is read deeper than a path may be long', () => {
    const name = 'n'.repeat(250);
    process.chdir(layer);
    for (let n = 0; n < 40; n++) {
      mkdirSync(name);
      process.chdir(name);
    }
    writeFileSync('f', 'text');
    const { entries } = readFolder({ path: layer, id: 'l', dialect: 'overlay' });
    expect([entries.length, entries.at(-1)?.path.length]).toEqual([41, 40 * 251 + 1]);
    expect(entries.at(-1)?.text).toBe('text');
  });
});
