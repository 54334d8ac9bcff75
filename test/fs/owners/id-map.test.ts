import { describe, expect, it } from 'vitest';
import { ID_COUNT, IdMap, type IdRules } from '../../../fs/owners/id-map.js';

const ALL = [{ first: 0, count: ID_COUNT }];
/** What `unshare -Ur` leaves of the ids. */
const ROOT_ONLY = [{ first: 0, count: 1 }];

function map(rules: IdRules, numbers = ALL): IdMap {
  return new IdMap(rules, 1000, numbers);
}

describe('a map of ids', () => {
  it('without ranges, where every id has a number, changes nothing', () => {
    for (const rules of [{}, { squash: 'unmapped' }, { squash: 'none' }] as const) {
      expect(map(rules).isIdentity).toBe(true);
    }
    expect(map({}).shown(33)).toBe(33);
    expect(map({}).stored(33)).toBe(33);
  });

  it('shows and stores the ids of its ranges, and nobody for all others', () => {
    const ids = map({
      ranges: [
        { stored: 0, shown: 1000, count: 1 },
        { stored: 1, shown: 100_000, count: 65_536 },
      ],
    });
    expect(ids.isIdentity).toBe(false);
    expect([0, 1, 65_536, 65_537].map((id) => ids.shown(id))).toEqual([1000, 100_000, 165_535, 65_534]);
    expect([1000, 100_000, 165_535].map((id) => ids.stored(id))).toEqual([0, 1, 65_536]);
    expect([0, 999, 1001, 99_999, 165_536].map((id) => ids.stored(id))).toEqual(Array(5).fill(undefined));
  });

  it('shows as the mounter what has no number in the user namespace, and stores what is named', () => {
    const ids = map({}, ROOT_ONLY);
    expect(ids.isIdentity).toBe(false);
    expect([0, 33, 65_534].map((id) => ids.shown(id))).toEqual([0, 1000, 1000]);
    expect(ids.stored(33)).toBe(33);
  });

  it('asks for numbers after its ranges', () => {
    const ids = map({ ranges: [{ stored: 33, shown: 0, count: 1 }] }, ROOT_ONLY);
    expect([33, 0].map((id) => ids.shown(id))).toEqual([0, 1000]);
  });

  it('shows ids without a number as they are where nothing is squashed', () => {
    expect(map({ squash: 'none' }, ROOT_ONLY).shown(33)).toBe(33);
  });

  it('shows all as one where all are squashed, the mounter or who is named', () => {
    expect([0, 33].map((id) => map({ squash: 'all' }).shown(id))).toEqual([1000, 1000]);
    expect([0, 33].map((id) => map({ squash: 'all', squashTo: 7 }).shown(id))).toEqual([7, 7]);
    expect(map({ squash: 'all', ranges: [{ stored: 0, shown: 5, count: 9 }] }).stored(6)).toBe(1);
  });
});
