import { describe, expect, it } from 'vitest';
import { parseWords, splitPaths } from '../../../src/mount-program/words.js';

describe('the command line of fuse-overlayfs', () => {
  it('is taken as podman types it, with its empty option', () => {
    const words = parseWords([
      '-o',
      'lowerdir=l/A:l/B,upperdir=x/diff,workdir=x/work,,volatile,context="s0"',
      'x/merged',
    ]);
    expect(words).toMatchObject({
      lowers: ['l/A', 'l/B'],
      upper: 'x/diff',
      work: 'x/work',
      target: 'x/merged',
      source: undefined,
      ignored: ['context="s0"'],
    });
  });

  it('is taken as mount(8) types it: source, target, options last', () => {
    const words = parseWords(['overlay', '/mnt', '-o', 'ro,lowerdir=/a', '-o', 'dialect=wh']);
    expect(words).toMatchObject({
      source: 'overlay',
      target: '/mnt',
      readOnly: true,
      lowers: ['/a'],
      dialect: 'wh',
      ignored: [],
    });
  });

  it('takes one folder alone, with the marks of an ordinary user', () => {
    expect(parseWords(['-o', 'userxattr,index=off,upperdir=/u,workdir=/w', '/m'])).toMatchObject({
      userXattr: true,
      upper: '/u',
      lowers: [],
      ignored: [],
    });
  });

  it('takes -o without a blank before its value', () => {
    expect(parseWords(['-olowerdir=/a', '/m']).lowers).toEqual(['/a']);
  });

  it('colons and commas that are escaped belong to a path', () => {
    expect(splitPaths('/a\\:b:/c')).toEqual(['/a:b', '/c']);
    expect(parseWords(['-o', 'lowerdir=/a\\,b:/c,ro', '/m'])).toMatchObject({
      lowers: ['/a,b', '/c'],
      readOnly: true,
    });
  });

  it('every unknown word is ignored and named', () => {
    const words = parseWords(['-s', '--bogus', '-o', 'private,uidmapping=:0:1:1', '/m']);
    expect(words.ignored).toEqual(['-s', '--bogus', 'private', 'uidmapping=:0:1:1']);
    expect(words.target).toBe('/m');
  });

  it.each([
    [['-V'], { version: true }],
    [['--version'], { version: true }],
    [['-h'], { help: true }],
    [['-f', '/m'], { foreground: true }],
  ] as const)('%j', (argv, expected) => {
    expect(parseWords(argv)).toMatchObject(expected);
  });

  it('a dialect that does not exist is refused', () => {
    expect(() => parseWords(['-o', 'dialect=x', '/m'])).toThrow('a dialect is overlay or wh');
  });

  it('-o at the end is refused', () => {
    expect(() => parseWords(['/m', '-o'])).toThrow('its options are missing');
  });
});
