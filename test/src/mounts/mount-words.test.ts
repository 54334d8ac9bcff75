import { describe, expect, it } from 'vitest';
import { sys } from '../../../fs/index.js';
import { planFromWords } from '../../../native-fallback/index.js';
import { mountFailure } from '../../../src/mounts/mount-failure.js';
import { parseMountWords } from '../../../src/mounts/mount-words.js';

describe('fstab words', () => {
  it('become flags where they are, and data where they are not', () => {
    expect(parseMountWords(['rbind', 'ro', 'nosuid', 'lowerdir=/a:/b', 'index=off'])).toEqual({
      flags: sys.MS_BIND | sys.MS_REC | sys.MS_RDONLY | sys.MS_NOSUID,
      data: ['lowerdir=/a:/b', 'index=off'],
    });
  });

  it('hold in order: the later of two that contradict each other wins', () => {
    expect(parseMountWords(['ro', 'rw']).flags).toBe(0);
    expect(parseMountWords(['rw', 'ro']).flags).toBe(sys.MS_RDONLY);
  });

  it('do not take what every object has for a word', () => {
    expect(parseMountWords(['constructor', 'toString'])).toEqual({
      flags: 0,
      data: ['constructor', 'toString'],
    });
  });

  it('refuse loop devices', () => {
    expect(() => parseMountWords(['loop'])).toThrow('loop');
  });
});

describe('overlay words', () => {
  it('are read back as the plan that they were written from', () => {
    const words = ['index=off', 'userxattr', 'workdir=/w\\,1', 'upperdir=/u', 'lowerdir=/a\\:b:/c\\\\d:/e'];
    expect(planFromWords(words, false)).toEqual({
      kind: 'overlay',
      lowers: ['/a:b', '/c\\d', '/e'],
      upper: { path: '/u', work: '/w,1' },
      settings: [{ key: 'index', value: 'off' }, { key: 'userxattr' }],
      readOnly: false,
    });
  });

  it('name layers of data alone behind empty names', () => {
    expect(planFromWords(['lowerdir=/a:/b\\:::/c::/d'], true)).toMatchObject({
      lowers: ['/a', '/b:'],
      data: ['/c', '/d'],
    });
  });

  it.each(['', ':/a', '/a:', '::/a', '/a::', '/a::/b:/c', '/a:::/b'])('refuse an empty name: %s', (list) => {
    expect(() => planFromWords([`lowerdir=${list}`], true)).toThrow('empty name');
  });
});

describe('a failed mount', () => {
  it('leaves bugs as they are', () => {
    const bug = new TypeError('bug');
    expect(mountFailure('cannot mount', bug)).toBe(bug);
  });
});
