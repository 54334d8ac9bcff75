import { describe, expect, it } from 'vitest';
import { ownersText, parseId, parseIdMap, parseSquash } from '../../../src/mounts/owner-words.js';

const TWO = [
  { stored: 0, shown: 1000, count: 1 },
  { stored: 1, shown: 100_000, count: 65_536 },
];

describe('a map of owners in words', () => {
  it.each(['0:1000:1,1:100000:65536', '0:1000:1:1:100000:65536', ':0:1000:1:1:100000:65536'])(
    '%s is two ranges',
    (text) => expect(parseIdMap('--uid-map', text)).toEqual(TWO),
  );

  it.each([
    ['', 'a range is LAYERS:SHOWN:COUNT'],
    ['0:1', 'a range is LAYERS:SHOWN:COUNT'],
    ['0:1:1:2', 'a range is LAYERS:SHOWN:COUNT'],
    ['0:x:1', "'x' is no number"],
    ['0:-1:1', "'-1' is no number"],
    ['0:0:0', 'a range is of one id or more'],
    ['0:4294967290:6', 'ids end at 4294967294'],
    ['0:0:10,9:20:1', 'two ranges overlap'],
    ['0:0:10,20:9:1', 'two ranges overlap'],
  ])('%j is refused: %s', (text, why) => {
    expect(() => parseIdMap('--uid-map', text)).toThrow(`cannot use --uid-map ${text}: ${why}`);
  });

  it('has all ids but -1', () => {
    const whole = [{ stored: 0, shown: 0, count: 4_294_967_295 }];
    expect(parseIdMap('--uid-map', '0:0:4294967295')).toEqual(whole);
    expect(parseId('squash_to_uid', '4294967294')).toBe(4_294_967_294);
    expect(() => parseId('squash_to_uid', '4294967295')).toThrow('no id');
    expect(() => parseId('squash_to_uid', 'root')).toThrow('no id');
  });

  it('squashes in one of three ways', () => {
    expect(parseSquash('--squash', 'all')).toBe('all');
    expect(() => parseSquash('--squash', 'most')).toThrow('it is unmapped, all, none');
  });

  it('reads back in lists', () => {
    expect(ownersText({ uids: { ranges: TWO }, gids: { ranges: TWO } })).toBe('0:1000:1,1:100000:65536');
    expect(
      ownersText({ uids: { ranges: TWO.slice(0, 1), squash: 'all' }, gids: { squash: 'all', squashTo: 7 } }),
    ).toBe('uid 0:1000:1 squash=all gid squash=all:7');
    expect(ownersText({ uids: {}, gids: { squash: 'none' } })).toBe('gid squash=none');
  });
});
