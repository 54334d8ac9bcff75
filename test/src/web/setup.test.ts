// What a lesson from anybody may ask for: nothing that leads out of its layer.

import { describe, expect, it } from 'vitest';
import { MemoryBackend } from '../../../src/web/memory.js';
import type { FileSetup, Setup } from '../../../src/web/model.js';
import { cleanFiles } from '../../../src/web/setup.js';
import { ShellError } from '../../../src/web/shell.js';
import { World } from '../../../src/web/world.js';

describe('the files of a lesson', () => {
  it('go by clean paths', () => {
    const files: Record<string, FileSetup> = {
      '/a/./b': 'x',
      'a/c': { link: './a//b' },
      l: { symlink: '../x' },
    };
    expect(cleanFiles(files)).toEqual({ 'a/b': 'x', 'a/c': { link: 'a/b' }, l: { symlink: '../x' } });
  });

  it('come before the links to them, however they are written down', async () => {
    const files: Record<string, FileSetup> = { 'bin/vi': { link: 'bin/vim' }, 'bin/vim': 'editor' };
    expect(Object.keys(cleanFiles(files))).toEqual(['bin/vim', 'bin/vi']);
    const world = new World(new MemoryBackend());
    const { merged } = await world.load({ layers: [{ name: 'base', files }] });
    expect(merged.find(({ path }) => path === 'bin/vi')).toMatchObject({ kind: 'file', nlink: 2 });
  });

  it.each<[string, Record<string, FileSetup>, string]>([
    ['a link to nothing', { a: { link: 'b' } }, 'a: its layer has no file b to link to'],
    ['a link to itself', { a: { link: 'a' } }, 'a: a is a link itself: name the file that it leads to'],
    [
      'a link to a folder',
      { d: { folder: true }, a: { link: 'd' } },
      'a: d is a folder, and these have one name',
    ],
    [
      'a name that is too long',
      { ['ü'.repeat(128)]: 'x' },
      `${'ü'.repeat(40)}…: a name has at most 255 bytes`,
    ],
    ['a zero byte', { 'a\0b': 'x' }, 'a\\0b: no name has a zero byte in it'],
    [
      'a symlink to nowhere',
      { s: { symlink: '' } },
      's: a symlink has a target of 1 to 4095 bytes, none of them zero',
    ],
    [
      'a symlink that is too long',
      { s: { symlink: 'x'.repeat(4096) } },
      's: a symlink has a target of 1 to 4095 bytes, none of them zero',
    ],
  ])('that no folder takes are told before: %s', (_, files, why) => {
    expect(() => cleanFiles(files)).toThrow(new ShellError(why));
  });

  it.each<[string, Record<string, FileSetup>]>([
    ['above the layer', { '../../evil': 'x' }],
    ['above the layer by way of a folder', { 'a/../../evil': 'x' }],
    ['a link to what is above', { a: { link: '../x' } }],
    ['below a symlink', { l: { symlink: '/tmp' }, 'l/evil': 'x' }],
    ['below a symlink that comes later', { 'l/evil': 'x', l: { symlink: '/tmp' } }],
    ['through a symlink under another spelling', { l: { symlink: '/tmp/x' }, './l': 'x' }],
    ['a link through a symlink', { l: { symlink: '/etc' }, a: { link: 'l/shadow' } }],
    ['below a file', { f: 'x', 'f/g': 'y' }],
    ['no name', { '/': 'x' }],
    ['more than there is', { f: { size: 1e15 } }],
    ['no size', { f: { size: -1 } }],
    ['below a symlink that says it is a folder', { l: { symlink: '/tmp', folder: true }, 'l/evil': 'x' }],
    ['below a link that says it is a folder', { f: 'x', l: { link: 'f', folder: true }, 'l/evil': 'x' }],
    ['in what is nothing', JSON.parse('{"a":{}}')],
    ['in a list', JSON.parse('{"a":[]}')],
    ['in a number', JSON.parse('{"a":3}')],
    ['in what is another thing than its word says', JSON.parse('{"a":{"symlink":3}}')],
  ])('do not lie %s', (_, files) => {
    expect(() => cleanFiles(files)).toThrow(
      /no \.\.|no folder|twice|no name|a size is|no file is written so/,
    );
  });
});

describe('a lesson', () => {
  const load = (setup: Setup) => new World(new MemoryBackend()).load(setup);
  const layers = [{ name: 'base', files: {} }];

  it.each([
    ['a layer', { layers: [{ name: '../base', files: {} }] }],
    ['a container', { layers, containers: ['../../box'] }],
  ])('names %s by letters alone', async (_, setup) => {
    await expect(load(setup)).rejects.toThrow('a name of letters');
  });

  it('names each thing once, and what is typed keeps to that', async () => {
    await expect(load({ layers, containers: ['base'] })).rejects.toThrow('there is one already');
    const world = new World(new MemoryBackend());
    await world.load({ layers });
    expect(await world.run('layer top ../../evil text')).toMatchObject({ failed: true });
    expect(await world.run('layer base')).toMatchObject({ failed: true });
    expect(await world.run('layer top f text')).toMatchObject({ failed: false });
  });
});
