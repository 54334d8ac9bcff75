import { describe, expect, it } from 'vitest';
import { Attr } from '../../../fs/filesystem.js';
import { type Numbering, RealIds, saysTheSame } from '../../../fs/layer/real-ids.js';

const all = [{ first: 0, outside: 0, count: 4_294_967_295 }];
const FIRST: Numbering = { uids: all, gids: all };
/** Root is the user 1000; users 1 to 100 are the 500,000 and up; of groups there is one. */
const NAMESPACE: Numbering = {
  uids: [
    { first: 0, outside: 1000, count: 1 },
    { first: 1, outside: 500_000, count: 100 },
  ],
  gids: [{ first: 0, outside: 2000, count: 1 }],
};

describe('the owners of a layer of a user namespace', () => {
  it('are as the kernel says in that namespace', () => {
    expect(RealIds.between(NAMESPACE, structuredClone(NAMESPACE))).toBeUndefined();
    expect(RealIds.between(FIRST, FIRST)).toBeUndefined();
  });

  it('are found again from outside, and strangers stay who they are', () => {
    const ids = RealIds.between(NAMESPACE, FIRST)!;
    expect([1000, 500_000, 500_099, 500_100, 7].map((id) => ids.uidOf(id))).toEqual([0, 1, 100, 500_100, 7]);
    expect([0, 1, 100, 101].map((id) => ids.uidHere(id))).toEqual([1000, 500_000, 500_099, undefined]);
    const attr = new Attr();
    attr.uid = 500_032;
    attr.gid = 2000;
    ids.show(attr);
    expect([attr.uid, attr.gid]).toEqual([33, 0]);
    expect([ids.gidHere(0), ids.gidHere(33)]).toEqual([2000, undefined]);
  });

  it('are what the kernel says where every number is the same', () => {
    const root = [{ first: 0, outside: 0, count: 10 }];
    expect(saysTheSame({ uids: root, gids: root }, FIRST)).toBe(true);
    expect(saysTheSame(NAMESPACE, NAMESPACE)).toBe(true);
    expect(saysTheSame(NAMESPACE, FIRST)).toBe(false);
    expect(saysTheSame(FIRST, NAMESPACE)).toBe(false);
    expect(saysTheSame({ uids: root, gids: NAMESPACE.gids }, FIRST)).toBe(false);
  });

  it('of the whole machine are found from inside of a namespace', () => {
    const ids = RealIds.between(FIRST, NAMESPACE)!;
    expect([0, 1, 33].map((id) => ids.uidOf(id))).toEqual([1000, 500_000, 500_032]);
    // What the kernel says of an owner without a number here.
    expect(ids.uidOf(65_534)).toBe(65_534);
    expect([1000, 500_000, 0].map((id) => ids.uidHere(id))).toEqual([0, 1, undefined]);
  });
});
